"""The demo: a store is made, extended, filled, corrected, verified and read, without a network.

Whatever is there already is left as it is, so that a demo that was interrupted goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cubestore import Cube, Slot, Store, create_store, layout
from cubestore.errors import UnknownCubeError
from cubestore_pipelines.simulate.landscape import Scene

TILE, SENSOR = "31UDQ", "sentinel-2-l2a"
"""The tile of Paris."""

SHARD = (2, 2)
NEIGHBOUR = (2, 3)
"""The shards (row, column) of two areas of interest; the second comes later."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the demo does, and the command or call that does it."""

    title: str
    call: str


def scenes() -> list[Scene]:
    """Return the scenes of the demo, one a season."""
    seasons = [(1, 14, 0.35), (4, 23, 0.25), (7, 12, 0.1), (10, 20, 0.5)]
    return [
        Scene(
            item_id=f"SIM_MSIL2A_2024{month:02}{day:02}_T{TILE}_N0510",
            time=datetime(2024, month, day, 10, 50, 31, tzinfo=UTC),
            cloudiness=cloudiness,
        )
        for month, day, cloudiness in seasons
    ]


def build(directory: Path) -> Iterator[Step]:
    """Do what the demo does, a step at a time.

    Args:
        directory: of the store; made where it is not there.
    """
    store = create_store(directory)
    yield Step("a store", f'store = cubestore.create_store("{directory}")')
    cube = _cube(store)
    yield Step("a cube that spans its tile", f'cube = store.create_cube("{TILE}", "{SENSOR}")')
    first, *later = scenes()
    _append(cube, first)
    yield Step("one slot, of one shard", "cube.append(slot, pixels, origin=(4096, 4096))")
    for scene in later:
        _append(cube, scene)
    yield Step("three more slots", "cube.append(…)")
    _fill(cube, first)
    yield Step("a shard that a slot lacked", "writer.fill(0, [(2, 3)], staged)")
    newer = f"{first.item_id}_R2"
    reprocessed = Scene(item_id=newer, time=first.time, cloudiness=first.cloudiness)
    _append(cube, reprocessed, supersedes=first.item_id)
    yield Step("the first scene, reprocessed", "cube.append(Slot(…, supersedes=…), pixels, …)")


def _cube(store: Store) -> Cube:
    try:
        return store.cube(TILE, SENSOR)
    except UnknownCubeError:
        return store.create_cube(TILE, SENSOR, created=scenes()[0].time)


def _append(cube: Cube, scene: Scene, *, supersedes: str = "") -> None:
    if scene.item_id in cube.open(superseded=True).item_id.values:
        return
    slot = Slot(
        time=scene.time,
        item_id=scene.item_id,
        platform="sentinel-2a",
        processing_baseline="05.10",
        dn_offset=-1000,
        dn_offset_source="processing baseline",
        orbit_state="descending",
        relative_orbit=51,
        supersedes=supersedes,
        created=scene.time,
    )
    pixels = _pixels(cube, scene, SHARD, columns=2 if supersedes else 1)
    cube.append(slot, pixels, origin=_origin(SHARD))


def _fill(cube: Cube, scene: Scene) -> None:
    with cube.write() as writer:
        if NEIGHBOUR in writer.asked(0):
            return
        staged = [
            writer.staging.write(name, (0, *[0] * (values.ndim - 2), *NEIGHBOUR), values[None])
            for name, values in _pixels(cube, scene, NEIGHBOUR).items()
        ]
        writer.fill(0, [NEIGHBOUR], staged, valid_fraction=1.0, created=scene.time)


def _origin(shard: tuple[int, int]) -> tuple[int, int]:
    return shard[0] * layout.SHARD, shard[1] * layout.SHARD


def _pixels(
    cube: Cube, scene: Scene, shard: tuple[int, int], *, columns: int = 1
) -> dict[str, NDArray[np.generic]]:
    """Return a scene's pixels on a shard, and on those east of it."""
    y, x = _origin(shard)
    grid = layout.geobox(cube.sensor, cube.tile)
    return scene.pixels(grid[y : y + layout.SHARD, x : x + columns * layout.SHARD])
