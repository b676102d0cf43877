"""The columns of each schema."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from cubestore.embeddings.definition import Vectors as Floats
from cubestore.embeddings.export.content import Content
from cubestore.index.file import BBOX
from cubestore.index.footprints import wkb

Schema = Literal["v0.1", "v1", "vectors"]
Columns = dict[str, pa.Array]

LIST = pa.list_(pa.field("element", pa.float32()))
"""Vectors of any length, as in Clay's files."""


def clay_v0(content: Content) -> Columns:
    """The columns of the published files; ``date`` is that of the picture, as it is in them."""
    return {
        "index": pa.array(content.source.numbers(content.rows, content.first), pa.int64()),
        "source_url": _known(content, "source_url"),
        "date": pa.array(content.days),
        "embeddings": _lists(content.values),
        "geometry": _geometry(content),
    }


def clay_v1(content: Content) -> Columns:
    """The columns that were proposed; ``date`` is that on which the embedding was made."""
    source, count = content.source, len(content.rows)
    embedding = source.embedding
    created = np.datetime64(source.created[:10] or "NaT", "D")
    return {
        "universal_class_identifier": pa.array(
            [f"{name}-{embedding.model}" for name in source.ids(content.rows)]
        ),
        "source_url": _known(content, "source_url"),
        "date": pa.array(np.full(count, created)),
        "source_model": _texts([embedding.model] * count),
        "loss": _loss(content),
        "loss_metric": _texts([embedding.loss_metric] * count),
        "source_creator": _texts([embedding.creator] * count),
        "embeddings": _lists(content.values),
        "geometry": _geometry(content),
        "bbox": _bbox(content),
    }


def vectors(content: Content) -> Columns:
    """An id, a vector of fixed length, and what one filters by."""
    source, rows = content.source, content.rows
    longitude, latitude = source.middles(rows, content.outlines)
    flat = pa.array(content.values.reshape(-1))
    return {
        "id": _texts(source.ids(rows)),
        "vector": pa.FixedSizeListArray.from_arrays(flat, content.values.shape[1]),
        **{name: _texts(texts) for name, texts in source.where(rows).items()},
        "platform": _known(content, "platform"),
        "time": pa.array(content.times, pa.timestamp("us", "UTC")),
        "longitude": pa.array(longitude),
        "latitude": pa.array(latitude),
        "item_id": _known(content, "item_id"),
        "source_url": _known(content, "source_url"),
        "geometry": _geometry(content),
        "bbox": _bbox(content),
    }


SCHEMAS: Mapping[Schema, Callable[[Content], Columns]] = {
    "v0.1": clay_v0,
    "v1": clay_v1,
    "vectors": vectors,
}


def _known(content: Content, name: str) -> pa.Array:
    """Return what the source knows of each row."""
    return _texts(content.source.texts(name, content.rows))


def _texts(texts: Sequence[str]) -> pa.Array:
    """Return texts, null where they say nothing."""
    return pa.array([text or None for text in texts], pa.string())


def _lists(values: Floats) -> pa.Array:
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1)), type=LIST)


def _loss(content: Content) -> pa.Array:
    """Return the loss of each row; null where the model has none."""
    losses = np.full(len(content.rows), np.nan, np.float32)
    if content.source.embedding.loss_metric:
        losses = content.source.losses(content.rows)
    return pa.array(losses, pa.float32(), mask=np.isnan(losses))


def _geometry(content: Content) -> pa.Array:
    return pa.array(wkb(content.outlines.geometry), pa.binary())


def _bbox(content: Content) -> pa.Array:
    sides = [pa.array(side) for side in content.outlines.bounds.T]
    return pa.StructArray.from_arrays(sides, fields=list(BBOX))
