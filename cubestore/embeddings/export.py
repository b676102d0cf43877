"""Embeddings for other software: GeoParquet, a file a cube, along a Hilbert curve.

    export_embeddings("STORE", "DIR", model="clay-v1.5", schema="v1")

``v0.1`` is the schema in which Clay published its first embeddings, ``v1`` the one that it proposed
next (github.com/Clay-foundation/geo-embeddings-survey, data/clay), ``vectors`` one that databases
of vectors take: an id, a vector of fixed length, and what one filters by. Every file is compressed
with zstd, tells of the model in its footer under ``emb``, and is written aside and renamed.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import xarray as xr
from numpy.typing import NDArray

from cubestore import disk, reader
from cubestore.embeddings.definition import Vectors as Floats
from cubestore.embeddings.reading import listed
from cubestore.embeddings.stored import whole_slot
from cubestore.encoding import Array
from cubestore.errors import QueryError
from cubestore.index import hilbert
from cubestore.index.file import BBOX, GEO, geo
from cubestore.index.footprints import Footprints, around, kinds, wkb
from cubestore.index.selection import Box, Words
from cubestore.records import dump, software
from cubestore.similarity import filters
from cubestore.similarity.sources import Place, cubes_with, of_one_model, opened
from cubestore.similarity.vectors import Places, Vectors, vectors_of

Schema = Literal["v0.1", "v1", "vectors"]

EMB = b"emb"
"""Key of a file's metadata: what the vectors are."""

GROUP = 2**27
"""Bytes of vectors in a group of rows, as geoembeddings.org advises."""

LIST = pa.list_(pa.field("element", pa.float32()))
"""Vectors of any length, as in Clay's files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written of one cube."""

    tile: str
    sensor: str
    path: str
    rows: int


def export_embeddings(  # noqa: PLR0913 - a question has many parts, each by keyword
    store: Place,
    directory: str | os.PathLike[str],
    *,
    model: str = "",
    schema: Schema = "v1",
    version: int = 1,
    sensor: Words | None = None,
    tile: Words | None = None,
    bbox: Box | None = None,
    datetime: str = "",
    **more: Any,  # noqa: ANN401 - words for the chip index
) -> list[Exported]:
    """Write the embeddings of a model as GeoParquet, a file a cube.

    Args:
        store: a store, or the path or address of one.
        directory: where to write; made where it is not there. Files of the same name are replaced.
        model: whose; may be left out where the store has one model's.
        schema: ``v0.1`` or ``v1`` as Clay has them, or ``vectors`` for databases of vectors.
        version: of the embeddings, in the names of ``v0.1``.
        sensor: only these; this and what follows as in `cubestore.chips`.
        tile: only these.
        bbox: only chips whose bounding boxes meet it.
        datetime: only chips that were taken then: ``A/B``.
        more: ``max_cloud``, ``max_nodata``, ``split``, ``where``: these need the chip index.

    Returns:
        The files, of cubes that have such chips.

    Raises:
        QueryError: a question that cannot be understood, several models, or sensors that ``v0.1``
            would give the same name.
        MismatchError: no embeddings of that model, sensor and tile.
        NotWritableError: the disk is read-only or full.
    """
    _refuse_odd(schema, version, more)
    there, folder = opened(store), Path(directory)
    found = cubes_with(there, model=model, sensor=sensor, tile=tile)
    of_one_model(found)
    if schema == "v0.1":
        _refuse_several({cube.sensor.id for cube, _ in found})
    chips = filters.of_index(there, more, found[0][1].chip_size)
    with disk.writable(folder):
        disk.make_directory(folder)
    done = []
    for cube, embedding in found:
        if filters.reaches(cube, embedding, bbox):
            vectors = vectors_of(cube, embedding.variable)
            content = _content(vectors, datetime=datetime, bbox=bbox, chips=chips)
            if len(content.places):
                done.append(_write(folder, content, schema, version))
    return done


@dataclass(frozen=True, slots=True)
class Content:
    """The chips of a cube that are written, in their order."""

    vectors: Vectors
    places: Places
    """``(row, 3)``: slot, row and column."""

    values: Floats
    """``(row, feature)``."""

    outlines: Footprints
    known: xr.Dataset
    """Every slot's coordinates, in the order of arrival."""

    first: int = 0
    """The number of the first row."""

    def groups(self) -> Iterator["Content"]:
        """Yield the rows group by group."""
        step = max(1, GROUP // max(1, self.values[:1].nbytes))
        for first in range(0, len(self.places), step):
            part = slice(first, first + step)
            outlines = Footprints(self.outlines.geometry[part], self.outlines.bounds[part])
            places, values = self.places[part], self.values[part]
            yield Content(self.vectors, places, values, outlines, self.known, first)

    def of_slots(self, name: str) -> pa.Array:
        """Return a coordinate on time of each row's slot; null where it says nothing."""
        texts = self.known[name].values.tolist()
        return pa.array([texts[slot] or None for slot in self.places[:, 0].tolist()], pa.string())

    def same(self, value: str) -> pa.Array:
        """Return a text that all rows have; null where it says nothing."""
        return pa.array([value or None] * len(self.places), pa.string())

    def geometry(self) -> pa.Array:
        """Return the outlines."""
        return pa.array(wkb(self.outlines.geometry), pa.binary())

    def bbox(self) -> pa.Array:
        """Return their bounds."""
        sides = [pa.array(side) for side in self.outlines.bounds.T]
        return pa.StructArray.from_arrays(sides, fields=list(BBOX))

    def days(self) -> NDArray[np.datetime64]:
        """Return the days on which the chips were taken, UTC."""
        return self.vectors.times(self.places).astype("datetime64[D]")


def _content(vectors: Vectors, **which: Any) -> Content:  # noqa: ANN401 - filters.allowed's
    masks = [filters.allowed(vectors, part.places, **which) for part in vectors.parts]
    some = [slice(None) if mask is None else mask for mask in masks]
    parts = list(zip(vectors.parts, some, strict=True))
    scale, dimensions = vectors.described.scale, vectors.embedding.dimensions
    places = np.concatenate([np.zeros((0, 3), np.int32), *(p.places[m] for p, m in parts)])
    stored = [np.zeros((0, dimensions), np.float32), *(p.vectors[m] for p, m in parts)]
    order = np.lexsort((vectors.times(places), hilbert.distance(places[:, 2], places[:, 1])))
    values = np.concatenate(stored)[order].astype(np.float32) * np.float32(scale)
    cube = vectors.cube
    known = reader.dataset(cube.path, cube.root(), mask_and_scale=False).coords.to_dataset()
    return Content(vectors, places[order], values, vectors.outlines(places[order]), known)


def _write(folder: Path, content: Content, schema: Schema, version: int) -> Exported:
    cube, path = content.vectors.cube, folder / _name(content, schema, version)
    aside = folder / f".{path.name}.{uuid.uuid4().hex}{disk.PARTIAL}"
    tables = (pa.table(_COLUMNS[schema](group)) for group in content.groups())
    with disk.writable(folder):
        try:
            first = next(tables).replace_schema_metadata(_footer(content, schema))
            with pq.ParquetWriter(aside, first.schema, compression="zstd") as writer:
                for table in chain([first], tables):
                    writer.write_table(table.cast(first.schema), row_group_size=len(table))
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    rows = len(content.places)
    return Exported(tile=cube.tile.id, sensor=cube.sensor.id, path=str(path), rows=rows)


def _name(content: Content, schema: Schema, version: int) -> str:
    """Return a file's name; Clay's tells of the tile, the first and last day, and the version."""
    cube, embedding = content.vectors.cube, content.vectors.embedding
    if schema != "v0.1":
        return f"{cube.tile.id}-{cube.sensor.id}-{embedding.variable}-{schema}.parquet"
    first, last = (
        str(day).replace("-", "") for day in (content.days().min(), content.days().max())
    )
    return f"{cube.tile.id}_{first}_{last}_v{version:03d}.gpq"


def _footer(content: Content, schema: Schema) -> dict[bytes, bytes]:
    bounds = around(content.outlines.bounds)
    told = geo(bounds, kinds(content.outlines), covering=schema != "v0.1")
    cube, embedding = content.vectors.cube, content.vectors.embedding
    emb = {
        "type": "chip",
        "dimensions": embedding.dimensions,
        "data_type": "float32",
        "model": embedding.url or embedding.model,
        "source_data": embedding.source_data or cube.sensor.id,
        "gsd": cube.sensor.gsd,
        "chip_layout": {
            "layout_type": "regular_grid",
            "chip_size": [embedding.chip_size] * 2,
            "stride": [embedding.chip_size] * 2,
            "grid_id": cube.tile.grid_code,
        },
        **embedding.identity,
        "software": software(),
    }
    return {GEO: told, EMB: dump(emb)}


# The schemas.


def _clay_v0(content: Content) -> dict[str, pa.Array]:
    """The columns of the published files; ``date`` is that of the picture, as it is in them."""
    return {
        "index": pa.array(content.first + np.arange(len(content.places))),
        "source_url": content.of_slots("source_url"),
        "date": pa.array(content.days()),
        "embeddings": _lists(content.values),
        "geometry": content.geometry(),
    }


def _clay_v1(content: Content) -> dict[str, pa.Array]:
    """The columns that were proposed; ``date`` is that on which the embedding was made."""
    embedding = content.vectors.embedding
    created = np.datetime64(_held(content)[:10], "D")
    return {
        "universal_class_identifier": pa.array(
            [f"{name}-{embedding.model}" for name in content.vectors.chipids(content.places)]
        ),
        "source_url": content.of_slots("source_url"),
        "date": pa.array(np.full(len(content.places), created)),
        "source_model": content.same(embedding.model),
        "loss": _loss(content),
        "loss_metric": content.same(embedding.loss_metric),
        "source_creator": content.same(embedding.creator),
        "embeddings": _lists(content.values),
        "geometry": content.geometry(),
        "bbox": content.bbox(),
    }


def _vectors(content: Content) -> dict[str, pa.Array]:
    """An id, a vector of fixed length, and what one filters by."""
    cube, centre = content.vectors.cube, shapely.centroid(content.outlines.geometry)
    times = content.vectors.times(content.places)
    flat = pa.array(content.values.reshape(-1))
    return {
        "id": pa.array(content.vectors.chipids(content.places), pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, content.values.shape[1]),
        "tile": content.same(cube.tile.id),
        "sensor": content.same(cube.sensor.id),
        "platform": content.of_slots("platform"),
        "time": pa.array(times, pa.timestamp("us", "UTC")),
        "longitude": pa.array(shapely.get_x(centre)),
        "latitude": pa.array(shapely.get_y(centre)),
        "item_id": content.of_slots("item_id"),
        "source_url": content.of_slots("source_url"),
        "geometry": content.geometry(),
        "bbox": content.bbox(),
    }


_COLUMNS: Mapping[Schema, Callable[[Content], dict[str, pa.Array]]] = {
    "v0.1": _clay_v0,
    "v1": _clay_v1,
    "vectors": _vectors,
}


def _lists(values: Floats) -> pa.Array:
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1)), type=LIST)


def _held(content: Content) -> str:
    """Return when the embedding was made."""
    wanted = content.vectors.embedding
    return next(h.date_created for h in listed(content.vectors.cube) if h.embedding == wanted)


def _loss(content: Content) -> pa.Array:
    """Return the loss of each row; null where the model has none."""
    embedding, cube = content.vectors.embedding, content.vectors.cube
    losses = np.full(len(content.places), np.nan, np.float32)
    if embedding.loss_metric:
        array = Array.from_document(embedding.loss, cube.root().arrays[embedding.loss])
        for slot in np.unique(content.places[:, 0]).tolist():
            mine = content.places[:, 0] == slot
            _, row, column = content.places[mine].T
            losses[mine] = whole_slot(cube.path, array, slot)[row, column]
    return pa.array(losses, pa.float32(), mask=np.isnan(losses))


def _refuse_odd(schema: str, version: int, more: Mapping[str, Any]) -> None:
    strange = sorted(more.keys() - set(filters.BY_INDEX))
    if schema not in _COLUMNS or not 0 <= version < 1000 or strange:  # noqa: PLR2004 - three digits
        raise QueryError(
            f"Schema {schema}, version {version}{' with ' * bool(strange)}{', '.join(strange)}",
            expected=f"one of {', '.join(_COLUMNS)}; 0 to 999; words that chips knows",
            remedy="see cubestore.embeddings.export.export_embeddings",
        )


def _refuse_several(sensors: set[str]) -> None:
    if len(sensors) > 1:
        raise QueryError(
            f"Embeddings of {', '.join(sorted(sensors))}",
            expected="one sensor: names of v0.1 tell of a tile alone",
            remedy="name the sensor, and write each into a directory of its own",
        )
