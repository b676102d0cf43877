"""What is done to a cube while faults strike, each so that it can be repeated to the byte.

The cube is MODIS on h18v04, of which only the shard in the south-east corner is used: it has
352 x 352 pixels, so a trial takes milliseconds and still touches every kind of file.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

import cubestore
import cubestore.cube
from cubestore.cube import WAIT, cube_at
from cubestore.records import Root
from cubestore.slot import iso
from cubestore.writer import Writer

SENSOR, TILE = "modis-09a1", "h18v04"
CORNER, SIDE, SHARD = (2048, 2048), 352, (1, 1)
USED = 144
"""Pixels of the corner that hold data: two by two chunks, the rest is nodata."""

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
CREATED = "2025-01-01T00:00:00Z"
DTYPES = {
    "reflectance": ("int16", -28672, 7),
    "quality": ("uint32", 2**32 - 1, 0),
    "cloud_class": ("uint8", 255, 0),
    "state": ("uint16", 65535, 0),
    "day_of_year": ("uint16", 65535, 0),
}
EMBEDDING, LOSS = "embedding_test", "loss_test"
AXES = {"y_test": 2, "x_test": 2, "feature_test": 4}


def slot(number: int, *, supersedes: str = "") -> cubestore.Slot:
    """Return a slot with every coordinate known, so that every file of the cube is written."""
    time = BEGIN + timedelta(days=8 * number)
    return cubestore.Slot(
        time=time,
        time_end=time + timedelta(days=8),
        item_id=f"slot-{number:05d}",
        source_url=f"https://example.org/{number}.tif",
        platform="terra",
        processing_baseline="6.1",
        processor_version="1",
        dn_offset_source="none",
        orbit_state="descending",
        relative_orbit=number,
        sun_azimuth=float(number),
        sun_elevation=2.0,
        view_azimuth=3.0,
        view_zenith=4.0,
        cloud_cover=5.0,
        supersedes=supersedes,
        created=CREATED,
    )


def pixels(number: int) -> dict[str, np.ndarray]:
    """Return the pixels of a slot's corner, found from its number alone."""
    rng = np.random.default_rng(number)
    made = {}
    for name, (dtype, nodata, bands) in DTYPES.items():
        shape = (bands, SIDE, SIDE) if bands else (SIDE, SIDE)
        made[name] = np.full(shape, nodata, dtype)
        used = made[name][..., :USED, :USED]
        used[...] = rng.integers(0, 4, used.shape)
    return made


def cube(store: Path) -> cubestore.Cube:
    """Return the cube of a store, whether it is there or not."""
    return cube_at(str(store), TILE, SENSOR)


def committed(store: Path) -> int:
    """Return the number of the newest commit, -1 before the first."""
    root = Root.read(Path(cube(store).path))
    return root.number if root else -1


def create(store: Path) -> None:
    """Create store and cube, while the clock stands still."""
    cubestore.cube.iso = lambda _: iso(CREATED)
    cubestore.create_store(store).create_cube(TILE, SENSOR)


def append(store: Path, number: int, *, supersedes: str = "", wait: float = WAIT) -> None:
    """Append one slot with its corner."""
    described = slot(number, supersedes=supersedes)
    cube(store).append(described, pixels(number), origin=CORNER, wait=wait)


def stage(writer: Writer, index: int, number: int) -> list[cubestore.writer.Staged | None]:
    """Leave the corner of a slot for a writer."""
    return [
        writer.staging.write(name, (index, *([0] if bands else []), *SHARD), values[None])
        for (name, (_, _, bands)), values in zip(
            DTYPES.items(), pixels(number).values(), strict=True
        )
    ]


def append_with(writer: Writer, described: Sequence[tuple[int, str]], *, filled: bool) -> None:
    """Append slots, (number, what it supersedes), in one commit; empty ones are to be filled."""
    slots = [slot(number, supersedes=old) for number, old in described]
    blocks = []
    if filled:
        slots = [
            replace(s, shards=(SHARD,), **fractions(number))
            for s, (number, _) in zip(slots, described, strict=True)
        ]
        for index, (number, _) in enumerate(described, writer.slots):
            blocks += stage(writer, index, number)
    writer.append(slots, blocks)


def append_many(store: Path, described: Sequence[tuple[int, str]], *, filled: bool) -> None:
    """Append slots in one commit. See :func:`append_with`."""
    with cube(store).write() as writer:
        append_with(writer, described, filled=filled)


def fractions(number: int) -> dict[str, float]:
    """Return how much of a slot's corner is valid and clear."""
    values = pixels(number)
    valid = values["reflectance"] != DTYPES["reflectance"][1]
    known = values["cloud_class"] != DTYPES["cloud_class"][1]
    clear = values["cloud_class"] == 0
    return {
        "valid_fraction": float(valid.any(axis=0).mean()),
        "clear_fraction": clear.sum() / known.sum(),
    }


def fill(store: Path, index: int, number: int) -> None:
    """Give an empty slot its corner."""
    with cube(store).write() as writer:
        blocks = stage(writer, index, number)
        writer.fill(index, [SHARD], blocks, **fractions(number), created=CREATED)


def embedding() -> cubestore.Array:
    """Return a variable of four numbers a chip."""
    return cubestore.Array(
        name=EMBEDDING,
        dims=("time", *AXES),
        shape=(0, *AXES.values()),
        dtype="float32",
        fill=float("nan"),
        chunks=(1, *AXES.values()),
    )


def add_variable(store: Path) -> None:
    """Add an embedding on axes of its own."""
    axes = {name: np.arange(1.0, size + 1) for name, size in AXES.items()}
    with cube(store).write() as writer:
        writer.add_variable(embedding(), axes, created=CREATED)


def add_loss(store: Path) -> None:
    """Add a number a chip beside the embedding."""
    with cube(store).write() as writer:
        writer.add_variable(replace(embedding(), name=LOSS), {}, created=CREATED)


def fill_variable(store: Path, slots: Iterable[int]) -> None:
    """Give slots their embeddings: their index and one."""
    with cube(store).write() as writer:
        blocks = [
            writer.staging.write(
                EMBEDDING, (k, 0, 0, 0), np.full((1, *AXES.values()), k + 1, "float32")
            )
            for k in slots
        ]
        writer.fill_variable(EMBEDDING, dict.fromkeys(slots, 1), blocks, created=CREATED)


def fill_together(store: Path, slots: Iterable[int]) -> None:
    """Give slots their embeddings and losses in one commit."""
    with cube(store).write() as writer:
        blocks = [
            writer.staging.write(name, (k, 0, 0, 0), np.full((1, *AXES.values()), k + 1, "float32"))
            for name in (EMBEDDING, LOSS)
            for k in slots
        ]
        writer.fill_variables([EMBEDDING, LOSS], dict.fromkeys(slots, 1), blocks, created=CREATED)


def describe(store: Path) -> None:
    """Say something of the cube, as statistics do."""
    with cube(store).write() as writer:
        writer.describe({"cubestore:statistics": {"mean": [1.5]}}, created=CREATED)


@dataclass(frozen=True, slots=True)
class Operation:
    """One commit, and how a cube gets to where it is next."""

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], None]
    by_shard: bool = False
    """Whether readers may see its shards one by one, before the commit: each nodata or whole."""

    def repeat(self, store: Path, before: int) -> None:
        """Run it as the next run of a build would: what is there already is a no-op."""
        if committed(store) > before:
            cube(store).recover()
        else:
            self.run(store)


def _two_slots(store: Path) -> None:
    create(store)
    append(store, 0)
    append(store, 1)


def _one_to_fill(store: Path) -> None:
    create(store)
    append(store, 0)
    append_many(store, [(1, "")], filled=False)


def _with_variable(store: Path) -> None:
    _two_slots(store)
    add_variable(store)


def _with_both(store: Path) -> None:
    _with_variable(store)
    add_loss(store)


def _append_two(store: Path) -> None:
    append_many(store, [(2, ""), (3, "slot-00000")], filled=True)


def _fill_both(store: Path) -> None:
    fill_variable(store, (0, 1))


def _nothing(_store: Path) -> None:
    pass


OPERATIONS = (
    Operation("create", _nothing, create),
    Operation("first append", create, lambda store: append(store, 0)),
    Operation("append", _two_slots, lambda store: append(store, 2, supersedes="slot-00000")),
    Operation("append two", _two_slots, _append_two),
    Operation("fill shards", _one_to_fill, lambda store: fill(store, 1, 1), by_shard=True),
    Operation("new variable", _two_slots, add_variable),
    Operation("fill variable", _with_variable, _fill_both, by_shard=True),
    Operation(
        "fill together", _with_both, lambda store: fill_together(store, (0, 1)), by_shard=True
    ),
    Operation("describe", _two_slots, describe),
)


def operation(name: str) -> Operation:
    """Return the operation of that name."""
    return next(o for o in OPERATIONS if o.name == name)
