"""Scenes on a tile -> acquisitions: what becomes one slot of the cube.

One acquisition is what one platform saw from one relative orbit on one solar day of the tile, in
one processing. The same part of a datatake in several spellings or processings is one scene: the
highest baseline counts, then the latest generation. Other parts are mosaicked.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cubestore.grids import Tile
from cubestore_pipelines.scene import Scene

DEGREES_PER_HOUR = 15.0
"""By which the sun moves: solar time is UTC plus longitude over it."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Scenes that belong into one slot, in the order in which they are laid over each other."""

    scenes: tuple[Scene, ...]

    @property
    def time(self) -> datetime:
        """The start of the first scene."""
        return min(scene.time for scene in self.scenes)

    @property
    def item_id(self) -> str:
        """The scenes' ids, joined with a space."""
        return " ".join(scene.item_id for scene in self.scenes)

    @property
    def cloud_cover(self) -> float:
        """Percent: the mean of those scenes that tell, weighted by what they cover."""
        told = [(s.cloud_cover, _covered(s)) for s in self.scenes if not math.isnan(s.cloud_cover)]
        weight = sum(covered for _, covered in told)
        return sum(cloud * covered for cloud, covered in told) / weight if weight else math.nan

    @property
    def covered(self) -> float:
        """Roughly the percent of the tile that has data."""
        return min(100.0, sum(_covered(scene) for scene in self.scenes))

    @property
    def nodata_cover(self) -> float:
        """Percent of the tile without data, as the provider tells; NaN where it does not."""
        told = not all(math.isnan(scene.nodata_cover) for scene in self.scenes)
        return 100.0 - self.covered if told else math.nan


def acquisitions(scenes: Iterable[Scene], tile: Tile) -> list[Acquisition]:
    """Return what becomes the slots of a tile, by time.

    Args:
        scenes: of one sensor; those cut to another tile are left out.
        tile: whose solar day counts.
    """
    here = [scene for scene in scenes if scene.tile in {"", tile.id}]
    groups: dict[Hashable, list[Scene]] = defaultdict(list)
    for scene in newest(here):
        groups[_slot(scene, tile)].append(scene)
    found = [Acquisition(tuple(sorted(group, key=_order))) for group in groups.values()]
    return sorted(found, key=lambda one: (one.time, one.item_id))


def sighting(
    platform: str, orbit: int, occasion: str | datetime, tile: Tile
) -> tuple[str, int, str]:
    """Return what a new processing of an acquisition has in common with the old.

    Args:
        platform: normalised.
        orbit: the relative one, or the track.
        occasion: what the products call it, else when it was: then the solar day counts.
        tile: whose day.
    """
    if isinstance(occasion, datetime):
        longitude, _ = tile.center
        day = (occasion + timedelta(hours=longitude / DEGREES_PER_HOUR)).date()
        return platform, orbit, day.isoformat()
    return platform, orbit, occasion


def _slot(scene: Scene, tile: Tile) -> Hashable:
    """Return what the scenes of one slot have in common."""
    return shown(scene, scene.time, tile), (scene.processing_baseline, scene.dn_offset)


def shown(scene: Scene, time: datetime, tile: Tile) -> tuple[str, int, str]:
    """Return the sighting of a scene, at the time of the acquisition that it begins."""
    orbit = scene.relative_orbit if scene.track < 0 else scene.track
    return sighting(scene.platform, orbit, scene.occasion or time, tile)


def part(scene: Scene) -> tuple[str, ...]:
    """Return what a scene has in common with itself in other spellings and processings."""
    if scene.datatake and scene.sensing_start:
        return scene.platform, scene.datatake, scene.sensing_start
    return (scene.item_id,)


def newest(scenes: Iterable[Scene]) -> Iterator[Scene]:
    """Yield each part of each datatake once, in its newest processing."""
    known: dict[Hashable, Scene] = {}
    for scene in _products(scenes):
        key = (part(scene), scene.tile)
        if key not in known or _order_of(scene) > _order_of(known[key]):
            known[key] = scene
    yield from known.values()


def _products(scenes: Iterable[Scene]) -> Iterator[Scene]:
    """Yield each product once: an item that does not tell its datastrip may be one that does."""
    told: set[Hashable] = set()
    for scene in sorted(scenes, key=lambda one: (not one.sensing_start, one.item_id)):
        key = (
            scene.platform,
            scene.datatake,
            scene.processing_baseline,
            scene.generated,
            scene.tile,
        )
        if scene.sensing_start:
            told.add(key)
        if scene.sensing_start or key not in told:
            yield scene


def rank(scene: Scene) -> tuple[tuple[int, ...], str]:
    """Return by what of two processings of a part the newer is told."""
    return baseline(scene.processing_baseline), scene.generated


def _order_of(scene: Scene) -> tuple[object, ...]:
    return *rank(scene), scene.item_id


def baseline(text: str) -> tuple[int, ...]:
    """Return a processing baseline as numbers, which compare."""
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(p.isdigit() for p in parts) else ()


def _order(scene: Scene) -> tuple[datetime, str]:
    return scene.time, scene.item_id


def _covered(scene: Scene) -> float:
    return 100.0 - (0.0 if math.isnan(scene.nodata_cover) else scene.nodata_cover)
