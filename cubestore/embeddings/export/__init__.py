"""Embeddings for other software: GeoParquet, a file a cube or patch set, along a Hilbert curve.

    export_embeddings("STORE", "DIR", model="clay-v1.5", schema="v1")
    export_embeddings("STORE", "DIR", model="clay-v1.5", patches="cloudsen12/high-train")

``v0.1`` is the schema in which Clay published its first embeddings, ``v1`` the one that it proposed
next (github.com/Clay-foundation/geo-embeddings-survey, data/clay), ``vectors`` one that databases
of vectors take: an id, a vector of fixed length, and what one filters by. Every file is compressed
with zstd, tells of the model in its footer under ``emb``, and is written aside and renamed.

``of_cubes`` and ``of_sets`` ask cubes and patch sets what they know of their vectors, ``content``
puts those in order, ``schemas`` makes columns of them, and ``files`` writes.
"""

from cubestore.embeddings.export.exporting import export_embeddings
from cubestore.embeddings.export.files import Exported
from cubestore.embeddings.export.schemas import Schema

__all__ = ["Exported", "Schema", "export_embeddings"]
