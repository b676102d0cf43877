"""The verb ``import ssl4eo``: SSL4EO-S12's files -> a patch set."""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import Progress

from cubestore_pipelines.benchmarks.ssl4eo.choices import Choices
from cubestore_pipelines.benchmarks.ssl4eo.importing import Watch, import_ssl4eo
from cubestore_pipelines.cli.output import Json, plain_console, show_facts, show_json
from cubestore_pipelines.cli.status import DONE


def ssl4eo(
    source: Path,
    store: Path,
    /,
    *,
    choices: Annotated[Choices | None, Parameter(name="*", negative=())] = None,
    json: Json = False,
) -> int:
    """Bring SSL4EO-S12 into a store as one patch set: four seasons of every patch, all sensors.

    v1 (folders of GeoTIFFs) or v1.1 (train and val with .zarr.zip); which one, the folders tell.

    Example: cubestore import ssl4eo SSL4EO-S12 STORE --modality s2c --resample

    Args:
        source: the folder that has s1, s2a and s2c in it; or train and val.
        store: path of the store; made where there is none.
        choices: what of it, and how.
        json: print one JSON object.
    """
    with _watched() as watch:
        made = import_ssl4eo(source, store, choices=choices, watch=watch)
    facts = {"store": str(store), **asdict(made), "left_out": list(made.left_out)}
    if json:
        show_json(facts)
    else:
        show_facts({**facts, "left_out": len(made.left_out)})
    for one in made.left_out:
        plain_console(stderr=True).print(f"left out: {one}")
    return DONE


@contextlib.contextmanager
def _watched() -> Iterator[Watch | None]:
    """Show a bar on a terminal."""
    console = plain_console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(console=console) as progress:
        task = progress.add_task("patches", total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)
