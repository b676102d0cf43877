"""A cube or a patch set as the catalogue sees it: one committed state, read once.

Of a cube only the coordinates on time are read that items tell of, and the commit records: opening
all of it would take ten times as long, and there may be thousands of cubes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.committed import Shard, committed
from cubestore.cube import Cube
from cubestore.encoding import Array
from cubestore.records import Root, digest
from cubestore_catalog.stac.records import Json

TOLD = (
    "time",
    "time_end",
    "item_id",
    "source_url",
    "platform",
    "cloud_cover",
    "clear_fraction",
    "supersedes",
    "created",
)
"""The coordinates that items tell of."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An acquisition, as far as items tell of it."""

    number: int
    """Its place on the cube's time axis, as stored."""

    start: int
    """Microseconds since 1970, UTC."""

    end: int
    item_id: str
    source_url: str
    platform: str
    cloud_cover: float | None
    clear_fraction: float | None
    supersedes: str
    superseded: bool

    def told(self) -> Json:
        """Return what of it stands in an item."""
        known = {
            "slot": self.number,
            "datetime": moment(self.start),
            "item_id": self.item_id,
            "cloud_cover": self.cloud_cover,
            "clear_fraction": self.clear_fraction,
            "supersedes": self.supersedes or None,
        }
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One committed state of a cube."""

    cube: Cube
    root: Root
    arrays: Mapping[str, Array]
    bands: tuple[str, ...]
    slots: tuple[Slot, ...]
    shards: Mapping[int, Sequence[Shard]]
    """Slot -> the shards of its pixels that are stored."""

    created: int
    """When its first slot was written, microseconds since 1970."""

    updated: str
    """When it was last committed to."""

    size: int
    """Bytes of all its chunks."""

    @property
    def seen(self) -> list[Slot]:
        """The slots that no other replaced, by time."""
        return sorted((s for s in self.slots if not s.superseded), key=lambda one: one.start)

    @property
    def path(self) -> str:
        """Where it lies in the store."""
        return path_of(self.cube)


def path_of(cube: Cube) -> str:
    """Return where a cube lies in its store: ``mgrs/31UDQ/sentinel-2-l2a``."""
    return f"{cube.tile.grid}/{cube.tile.id}/{cube.sensor.id}"


def snapshot(cube: Cube, root: Root) -> Snapshot:
    """Read what items tell of a cube.

    Raises:
        DamagedError: a coordinate or a commit record is not the one that was committed.
    """
    pixels = cube.sensor.pixels.name
    stored = committed(cube, root).shards.items()
    arrays = {name: Array.from_document(name, told) for name, told in root.arrays.items()}
    record = cube.control.record(root.number, root.digest)
    columns = {name: _values(cube, arrays[name]) for name in TOLD if name in arrays}
    return Snapshot(
        cube=cube,
        root=root,
        arrays=arrays,
        bands=tuple(map(str, _values(cube, arrays["band"]).tolist())),
        slots=tuple(_slots(columns)),
        shards={slot: named[pixels] for slot, named in stored if pixels in named},
        created=int(columns["created"].min(initial=np.iinfo("int64").max)),
        updated=record.created,
        size=record.total_bytes,
    )


def checksum_of(data: bytes) -> str:
    """Return the SHA-256 of a group's ``zarr.json``, in hexadecimal: it names every state."""
    return digest(data).partition(":")[2]


def moment(microseconds: int) -> str:
    """Return a time as RFC 3339 has it, without a fraction where there is none."""
    unit: Any = "us" if microseconds % 1_000_000 else "s"
    return f"{np.datetime64(microseconds, 'us').astype(f'datetime64[{unit}]')}Z"


def _values(cube: Cube, array: Array) -> NDArray[Any]:
    return array.assemble(lambda key: Path(cube.path, key).read_bytes())


def _slots(columns: Mapping[str, NDArray[Any]]) -> Iterator[Slot]:
    told = {name: values.tolist() for name, values in columns.items()}
    replaced = set(told["supersedes"]) - {""}
    ends = told.get("time_end", told["time"])
    for number, item_id in enumerate(told["item_id"]):
        yield Slot(
            number=number,
            start=told["time"][number],
            end=ends[number],
            item_id=item_id,
            source_url=told["source_url"][number],
            platform=told["platform"][number],
            cloud_cover=_known(told["cloud_cover"][number]),
            clear_fraction=_known(told["clear_fraction"][number]),
            supersedes=told["supersedes"][number],
            superseded=item_id in replaced,
        )


def _known(number: float) -> float | None:
    return None if np.isnan(number) else round(number, 4)
