"""A file: its name, its rows group by group, and what its footer says."""

import uuid
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cubestore import disk
from cubestore.embeddings.export.content import Content
from cubestore.embeddings.export.schemas import SCHEMAS, Schema
from cubestore.index.file import GEO, geo
from cubestore.index.footprints import around, kinds
from cubestore.records import dump, software

EMB = b"emb"
"""Key of a file's metadata: what the vectors are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written of one cube or patch set."""

    tile: str = ""
    """"" of a patch set."""

    patches: str = ""
    """The set; "" of a cube."""

    sensor: str
    path: str
    rows: int


def write(folder: Path, content: Content, schema: Schema, version: int) -> Exported:
    """Write a file aside, and put it in its place.

    Raises:
        NotWritableError: the disk is read-only or full.
    """
    path = folder / _name(content, schema, version)
    aside = folder / f".{path.name}.{uuid.uuid4().hex}{disk.PARTIAL}"
    tables = (pa.table(SCHEMAS[schema](group)) for group in content.groups())
    with disk.writable(folder):
        disk.make_directory(folder)
        try:
            first = next(tables).replace_schema_metadata(_footer(content, schema))
            with pq.ParquetWriter(aside, first.schema, compression="zstd") as writer:
                for table in chain([first], tables):
                    writer.write_table(table.cast(first.schema), row_group_size=len(table))
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    return Exported(path=str(path), rows=len(content.rows), **content.source.told)


def _name(content: Content, schema: Schema, version: int) -> str:
    """Return a file's name; Clay's tells of the tile, the first and last day, and the version."""
    stem, variable = content.source.stem, content.source.embedding.variable
    if schema != "v0.1":
        return "-".join([*stem, variable, f"{schema}.parquet"])
    return "_".join([stem[0], *_ends(content), f"v{version:03d}.gpq"])


def _ends(content: Content) -> list[str]:
    """Return the first and last day, where any is known: ``20220610``."""
    known = content.days[~np.isnat(content.days)]
    return [str(day).replace("-", "") for day in (known.min(), known.max())] if known.size else []


def _footer(content: Content, schema: Schema) -> dict[bytes, bytes]:
    bounds = around(content.outlines.bounds)
    told = geo(bounds, kinds(content.outlines), covering=schema != "v0.1")
    source, embedding = content.source, content.source.embedding
    emb = {
        "type": "chip",
        "dimensions": embedding.dimensions,
        "data_type": "float32",
        "model": embedding.url or embedding.model,
        "source_data": embedding.source_data or source.told["sensor"],
        "gsd": source.gsd,
        "chip_layout": source.layout,
        **embedding.identity,
        "software": software(),
    }
    return {GEO: told, EMB: dump(emb)}
