"""A small archive with known truth: files and items on disk, and what a cube of them must hold.

Two tiles of neighbouring UTM zones show the same ground between Metz and Saarbrücken, where
31UGQ and 32ULV overlap. What is there is kept, so an archive that was interrupted is completed.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore import cloud, grids
from cubestore_pipelines.simulate import granules, items, products
from cubestore_pipelines.simulate.assets import ACCOUNT, COLLECTION, CONTAINER, Json
from cubestore_pipelines.simulate.granules import ALIGNED, CUBE_NODATA, Granule, Swath
from cubestore_pipelines.simulate.landscape import STANDARD

PLACE = (6.5, 49.05)
"""Longitude and latitude of the middle; four shards of 31UGQ meet 1.5 km from it."""

TILE, NEIGHBOUR = "31UGQ", "32ULV"

SIDE = 26_000
"""Metres of ground that the demo's archive shows."""

TINY = 3_000
"""Metres of ground that a test's archive shows."""

_SENSING = timedelta(seconds=13)
"""From the start of a datatake to that of its first datastrip with this place."""

_OVERLAP = 600
"""Metres that are in both of two datastrips."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the files of some granules are, and what is in them."""

    directory: Path
    granules: tuple[Granule, ...]

    @property
    def blobs(self) -> Path:
        """The folder of the storage accounts; in each its containers, in each its blobs."""
        return self.directory / "blobs"

    @property
    def items(self) -> list[Json]:
        """The items of the archive, in the order of `granules`."""
        features: list[Json] = self._read(f"{COLLECTION}.json")["features"]
        return features

    @property
    def collections(self) -> list[Json]:
        """The collections of the archive."""
        return [self._read(f"{COLLECTION}.collection.json")]

    def granule(self, item_id: str) -> Granule:
        """Return the granule of an item."""
        return next(one for one in self.granules if one.item_id == item_id)

    def truth(
        self, grid: GeoBox, *item_ids: str, bands: Sequence[str] = STANDARD
    ) -> dict[str, NDArray[np.generic]]:
        """Return what a cube must hold in the slot of an item, or of several items' mosaic.

        Nothing is read: it is computed from the landscape again.

        Args:
            grid: a part of the tile's 10 m pixels.
            item_ids: the items; where they overlap they show the same.
            bands: names of Sentinel-2's bands.

        Returns:
            ``reflectance (band, y, x)``, ``quality (y, x)`` and ``cloud_class (y, x)``, as stored.
        """
        first, *others = (granules.truth(self.granule(one), grid, bands) for one in item_ids)
        reflectance, quality = first["reflectance"], first["quality"]
        for other in others:
            reflectance = np.where(reflectance == CUBE_NODATA, other["reflectance"], reflectance)
            quality = np.where(quality == 0, other["quality"], quality)
        classes = cloud.from_scl(quality)
        return {"reflectance": reflectance, "quality": quality, "cloud_class": classes}

    def _read(self, name: str) -> Json:
        document: Json = json.loads((self.directory / name).read_text())
        return document


def make_archive(directory: Path, plan: Sequence[Granule] = (), *, workers: int = 0) -> Archive:
    """Make an archive, or complete it.

    Args:
        directory: where; made where it is not there.
        plan: its granules; the demo's where none are given.
        workers: processes that share the work; 0 does it in this one. A program that has others
            work keeps what it does behind ``if __name__ == "__main__"``.

    Raises:
        FileExistsError: an archive of other granules is there.
    """
    archive = Archive(directory, tuple(plan or demo_plan()))
    _claim(directory / "plan.sha256", archive.granules)
    container = archive.blobs / ACCOUNT / CONTAINER
    products.write_all(archive.granules, container, directory / "items", workers=workers)
    records = [directory / "items" / f"{one.item_id}.json" for one in archive.granules]
    features = [json.loads(record.read_text()) for record in records]
    written = {
        f"{COLLECTION}.json": {"type": "FeatureCollection", "features": features},
        f"{COLLECTION}.collection.json": items.collection(archive.granules),
    }
    for name, document in written.items():
        products.write_text(directory / name, json.dumps(document))
    return archive


def demo_plan(side: int = SIDE) -> tuple[Granule, ...]:
    """Return the granules of the demo: two years, and what makes real archives hard.

    Args:
        side: metres of ground, in both directions.
    """
    autumn = _granule("2021-10-16", "03.01", 0.25, side)
    summer = _granule("2021-07-18", "03.01", 0.1, side)
    seasons = [("01-19", 0.3), ("04-19", 0.2), ("07-18", 0.1), ("10-16", 0.25)]
    later = [_granule(f"2023-{day}", "05.09", cloudiness, side) for day, cloudiness in seasons]
    cloudy = _granule("2023-05-14", "05.09", 0.9, side, platform="2B")
    partial = replace(cloudy, swath=replace(cloudy.swath, slant=0.25))
    return (
        summer,
        _reprocessed(summer),
        autumn,
        *later,
        _on_neighbour(later[2], side),
        *_strips(_granule("2023-08-27", "05.09", 0.15, side)),
        partial,
    )


def tiny_plan(side: int = TINY) -> tuple[Granule, ...]:
    """Return what tests need of the demo's granules, on a small patch of ground.

    It is a scene with and one without the offset, the latter reprocessed too, the two datastrips
    of a datatake, and a scene on the neighbouring zone's tile.
    """
    summer, again, *_, july, _, neighbour, north, south, _ = demo_plan(side)
    return summer, again, july, neighbour, north, south


def _granule(
    day: str, baseline: str, cloudiness: float, side: int, platform: str = "2A"
) -> Granule:
    time = datetime.fromisoformat(f"{day}T10:30:31.024Z")
    return Granule(
        tile=TILE,
        time=time,
        strip=time + _SENSING,
        generated=time + timedelta(hours=9, minutes=17),
        baseline=baseline,
        cloudiness=cloudiness,
        swath=_swath(TILE, side),
        platform=platform,
    )


def _reprocessed(granule: Granule) -> Granule:
    """Return the same scene as it was processed again two years later, with the offset."""
    return replace(granule, baseline="05.00", generated=granule.generated + timedelta(days=697))


def _on_neighbour(granule: Granule, side: int) -> Granule:
    return replace(granule, tile=NEIGHBOUR, swath=_swath(NEIGHBOUR, side))


def _strips(granule: Granule) -> tuple[Granule, Granule]:
    """Return the north and the south of a granule as its two datastrips."""
    swath = granule.swath
    middle = (swath.top + swath.bottom) // 2 // ALIGNED * ALIGNED
    overlap = min(_OVERLAP, middle - swath.top)
    north = replace(granule, swath=replace(swath, bottom=middle + overlap))
    south = replace(
        granule,
        swath=replace(swath, top=middle),
        strip=granule.strip + timedelta(minutes=3, seconds=31),
        generated=granule.generated + timedelta(minutes=26, seconds=4),
    )
    return north, south


def _swath(tile: str, side: int) -> Swath:
    """Return the square of ground about the place, on a tile."""
    box = grids.tile(tile)
    to_tile = pyproj.Transformer.from_crs("EPSG:4326", str(box.crs), always_xy=True)
    x, y = to_tile.transform(*PLACE)
    left = round((x - box.bounds.left - side / 2) / ALIGNED) * ALIGNED
    top = round((box.bounds.top - y - side / 2) / ALIGNED) * ALIGNED
    return Swath(top=top, bottom=top + side, left=left, right=left + side)


def _claim(path: Path, plan: Sequence[Granule]) -> None:
    """Note which plan a directory is for, or refuse one that is for another."""
    digest = hashlib.sha256(repr(plan).encode()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        products.write_text(path, digest)
    if path.read_text() != digest:
        raise FileExistsError(f"{path.parent} holds an archive of other scenes: use another folder")
