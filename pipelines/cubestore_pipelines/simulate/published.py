"""Items and collections in the shapes that are published, slips included.

A shape is a real record whose changing parts are empty, or names in braces: ``shapes/*.json``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

from cubestore_pipelines.simulate.blobs import DOMAIN

Json = dict[str, Any]

BLOBS, OPEN = "blobs", "open"
"""Folders of an archive: what needs a token, and what does not."""


def item(
    of: str,
    names: Mapping[str, str],
    ring: Sequence[tuple[float, float]],
    properties: Mapping[str, Any],
    *,
    without: Iterable[str] = (),
) -> Json:
    """Return an item.

    Args:
        of: the shape's name.
        names: what stands in the place of ``{id}`` and of other names in braces.
        ring: the outline, longitudes and latitudes, closed.
        properties: those that differ from item to item.
        without: assets that this one does not have.
    """
    text = json.dumps(shape(of)["item"])
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    document: Json = json.loads(text)
    for asset in without:
        del document["assets"][asset]
    document["properties"].update(properties)
    document["geometry"] = {"type": "Polygon", "coordinates": [[list(corner) for corner in ring]]}
    longitudes, latitudes = zip(*ring, strict=True)
    bounds = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    return {**document, "bbox": bounds}


def collection(of: str, items: Sequence[Json], **fields: Any) -> Json:  # noqa: ANN401 - JSON
    """Return the collection that holds some items.

    Args:
        of: the shape's name.
        items: what it holds.
        **fields: what differs from collection to collection.
    """
    return {**shape(of)["collection"], **fields, "extent": extent(items)}


class Collected:
    """A scene of a collection that has a shape of its own."""

    __slots__ = ()
    collection: ClassVar[str]

    def gathered(self, items: Sequence[Json]) -> Json:
        """Return the collection that holds some items like this one's."""
        return collection(self.collection, items)


@cache
def shape(name: str) -> Mapping[str, Any]:
    """Return a shape: an item and a collection."""
    text = (files(__package__) / "shapes" / f"{name}.json").read_text()
    document: Mapping[str, Any] = json.loads(text)
    return document


def extent(items: Sequence[Json]) -> Json:
    """Return where and when some items are."""
    west, south, east, north = zip(*(one["bbox"] for one in items), strict=True)
    bounds = [min(west), min(south), max(east), max(north)]
    times = sorted(time for one in items for time in _times(one["properties"]))
    return {"spatial": {"bbox": [bounds]}, "temporal": {"interval": [[times[0], times[-1]]]}}


def lies(directory: Path, address: str) -> Path:
    """Return where in an archive the file of an address lies."""
    host, _, path = address.removeprefix("http://").partition("/")
    if host.endswith(DOMAIN):
        return directory / BLOBS / host.removesuffix(DOMAIN) / path
    return directory / OPEN / host / path


def written(time: datetime, timespec: str = "microseconds") -> str:
    """Return a time as items have it."""
    return time.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def _times(properties: Mapping[str, Any]) -> list[str]:
    names = ("datetime", "start_datetime", "end_datetime")
    return [properties[name] for name in names if properties.get(name)]
