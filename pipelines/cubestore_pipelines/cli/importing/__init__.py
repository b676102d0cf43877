"""The verb ``import``: a published data set's files -> patch sets, cubes or embeddings."""

from collections.abc import Callable

from cyclopts import App

from cubestore_pipelines.cli.importing.clay_embeddings import clay_embeddings
from cubestore_pipelines.cli.importing.cloudsen12 import cloudsen12
from cubestore_pipelines.cli.importing.floods import floods
from cubestore_pipelines.cli.importing.ssl4eo import ssl4eo
from cubestore_pipelines.cli.verbs import VERBS

DATASETS: tuple[Callable[..., int], ...] = (clay_embeddings, cloudsen12, floods, ssl4eo)
"""A function a data set, each in a module of its own."""

importing = App(
    name="import",
    help=VERBS["import"].help,
    help_format="plaintext",
)
for dataset in DATASETS:
    importing.command(dataset)
