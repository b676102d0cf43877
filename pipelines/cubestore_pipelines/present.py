"""What a cube holds already, and so what is left to do for an acquisition.

The same scenes in the same processing: nothing, or the shards that they lack. Other parts of what
a slot shows, for shards that it lacks: they are filled, and the parts named with its items. A newer
processing, or a part that arrived late: a new slot that supersedes the old one. What is older than
the cube's is left alone.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from cubestore import Cube, reader
from cubestore.grids import Tile
from cubestore_pipelines.acquisitions import Acquisition, baseline, part, rank, shown, sighting
from cubestore_pipelines.coverage import Shard
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.shard import Outcome

Meets = Callable[[Scene, Shard], bool]

ANOTHER = "leave the item out with --skip-item, or build into another store"
TOGETHER = "build once with an area and a --datetime that find all items of the slot together"

Rank = tuple[tuple[int, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted in shards, so that a slot's fractions stay right when it gets more."""

    total: int = 0
    valid: int = 0
    known: int = 0
    """Whose cloud class is known."""

    clear: int = 0

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Counts":
        """Return the counts of tasks, together."""
        each = (cls(total=o.pixels, valid=o.valid, known=o.known, clear=o.clear) for o in outcomes)
        return sum(each, cls())

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            total=self.total + other.total,
            valid=self.valid + other.valid,
            known=self.known + other.known,
            clear=self.clear + other.clear,
        )

    @property
    def clear_fraction(self) -> float:
        """Clear pixels / those whose class is known."""
        return self.clear / self.known if self.known else math.nan

    @property
    def valid_fraction(self) -> float:
        """Pixels with data / all."""
        return self.valid / self.total if self.total else math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A slot of the cube."""

    slot: int
    item_id: str
    source_url: str = ""
    processing: tuple[str, int] = ("", 0)
    """Baseline, and what was added to the digital numbers."""

    sighting: tuple[object, ...]
    asked: frozenset[Shard]
    parts: Mapping[tuple[str, ...], Rank]
    counts: Counts
    superseded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done for an acquisition."""

    acquisition: Acquisition
    shards: tuple[Shard, ...]
    """To read."""

    fills: int | None = None
    """The slot that lacks them, or None: a new slot."""

    before: Counts = field(default_factory=Counts)
    """What was counted in the shards that the slot has."""

    extends: tuple[str, str] = ("", "")
    """The slot's items and addresses, where others are added to them."""

    supersedes: str = ""
    reason: str = ""
    """Why nothing is to be done, or ""."""

    problem: str = ""
    """Why nothing can be done, or ""."""

    remedy: str = ANOTHER


def held(cube: Cube) -> list[Held]:
    """Return the slots of a cube, in its order."""
    asked, items = _records(cube)
    entries = _entries(cube)
    replaced = {entry["supersedes"] for entry in entries} - {""}
    return [
        Held(
            slot=slot,
            item_id=entry["item_id"],
            source_url=entry["source_url"],
            processing=(entry["processing_baseline"], entry["dn_offset"]),
            sighting=_sighting(entry, next(iter(items.get(slot, ())), {}), cube.tile),
            asked=frozenset(asked.get(slot, ())),
            parts=_parts(items.get(slot, ())),
            counts=sum(
                (Counts(**i["pixels"]) for i in items.get(slot, ()) if "pixels" in i), Counts()
            ),
            superseded=entry["item_id"] in replaced,
        )
        for slot, entry in enumerate(entries)
    ]


def _entries(cube: Cube) -> list[dict[str, Any]]:
    """Return the time coordinates that identify slots, in order of arrival."""
    dataset = reader.dataset(cube.path, cube.root(), mask_and_scale=False)
    names = (
        "item_id",
        "source_url",
        "platform",
        "processing_baseline",
        "dn_offset",
        "relative_orbit",
        "supersedes",
    )
    columns = {name: dataset[name].values.tolist() for name in names}
    columns["time"] = [utc(moment) for moment in dataset.time.values]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _sighting(entry: Mapping[str, Any], item: Mapping[str, Any], tile: Tile) -> tuple[object, ...]:
    """Return what a slot shows: its coordinates tell, and the record of its first item."""
    orbit = item.get("track", entry["relative_orbit"])
    return sighting(entry["platform"], orbit, item.get("occasion") or entry["time"], tile)


def utc(moment: np.datetime64) -> datetime:
    """Return a cube's time, to the microsecond."""
    return datetime.fromisoformat(f"{moment.astype('M8[us]')}Z")


def _records(cube: Cube) -> tuple[dict[int, set[Shard]], dict[int, list[Mapping[str, Any]]]]:
    """Return the shards that each slot was asked for, and its items' provenance."""
    asked: dict[int, set[Shard]] = {}
    items: dict[int, list[Mapping[str, Any]]] = {}
    for record in cube.records():
        if record.operation in {"append", "fill"}:
            for told in record.details["slots"]:
                shards = {(row, column) for row, column in told["shards"]}
                asked.setdefault(told["slot"], set()).update(shards)
                items.setdefault(told["slot"], []).extend(told["items"])
    return asked, items


def provenance(scene: Scene, assets: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the commit record keeps of an item, and of where its bytes came from."""
    return {
        "id": scene.item_id,
        "collection": scene.collection,
        "url": scene.url.partition("?")[0],
        "part": list(part(scene)),
        "processing_baseline": scene.processing_baseline,
        "generated": scene.generated,
        **({"occasion": scene.occasion} if scene.occasion else {}),
        **({"track": scene.track} if scene.track >= 0 else {}),
        "assets": dict(assets),
    }


def _parts(items: Iterable[Mapping[str, Any]]) -> dict[tuple[str, ...], Rank]:
    return {
        tuple(item["part"]): (baseline(item["processing_baseline"]), item["generated"])
        for item in items
        if "part" in item
    }


def jobs(
    acquisitions: Sequence[Acquisition],
    shards: Sequence[Shard],
    there: Sequence[Held],
    tile: Tile,
    *,
    meets: Meets = lambda _scene, _shard: True,
) -> list[Job]:
    """Return what is to be done for each of the acquisitions of a plan.

    Args:
        acquisitions: of one cube.
        shards: that each is asked for.
        there: the cube's slots.
        tile: the cube's.
        meets: whether a scene may have pixels in a shard.
    """
    planned = frozenset(part(scene) for one in acquisitions for scene in one.scenes)
    made = [
        left_to_do(one, shards, there, tile, planned=planned, meets=meets) for one in acquisitions
    ]
    replaced = {job.supersedes: job.shards for job in made if job.supersedes}
    return [_anew(job, replaced) for job in made]


def _anew(job: Job, replaced: Mapping[str, tuple[Shard, ...]]) -> Job:
    """Keep what only a slot shows that another job supersedes: as a slot of its own."""
    shards = replaced.get(job.extends[0])
    if shards is None or job.supersedes or job.problem:
        return job
    return Job(acquisition=job.acquisition, shards=shards)


def left_to_do(
    acquisition: Acquisition,
    shards: Sequence[Shard],
    there: Sequence[Held],
    tile: Tile,
    *,
    planned: frozenset[tuple[str, ...]] = frozenset(),
    meets: Meets = lambda _scene, _shard: True,
) -> Job:
    """Return what is to be done for an acquisition, in a cube that holds ``there``.

    Args:
        acquisition: one of the plan's.
        shards: that it is asked for.
        there: the cube's slots.
        tile: the cube's.
        planned: the parts of all acquisitions of the plan.
        meets: whether a scene may have pixels in a shard.
    """
    wanted = {part(scene): rank(scene) for scene in acquisition.scenes}
    if same := [one for one in there if one.item_id == acquisition.item_id]:
        return _of_same_id(acquisition, shards, same[-1], wanted)
    for one in reversed(_related(acquisition, wanted, there, tile)):
        if job := _beside(acquisition, shards, one, planned, meets):
            return job
    return Job(acquisition=acquisition, shards=tuple(sorted(shards)))


def _beside(
    acquisition: Acquisition,
    shards: Sequence[Shard],
    one: Held,
    planned: frozenset[tuple[str, ...]],
    meets: Meets,
) -> Job | None:
    """Return what is to be done beside a slot that shows the same, or other parts of it."""
    wanted = {part(scene): rank(scene) for scene in acquisition.scenes}
    new = [scene for scene in acquisition.scenes if part(scene) not in one.parts]
    if not new and all(one.parts[key] >= rank for key, rank in wanted.items()):
        if all(one.parts[key] == rank for key, rank in wanted.items()):
            return _fill(acquisition, shards, one, "there already")
        return Job(acquisition=acquisition, shards=(), reason="the cube's is newer")
    first = acquisition.scenes[0]
    unchanged = all(one.parts.get(key, rank) == rank for key, rank in wanted.items())
    unchanged &= one.processing == (first.processing_baseline, first.dn_offset)
    late = [scene for scene in new if any(meets(scene, shard) for shard in one.asked)]
    if unchanged and not late:
        return _fill(acquisition, shards, one, "there already")
    if one.parts.keys() <= (wanted.keys() if unchanged else wanted.keys() | planned):
        together = tuple(sorted({*shards, *one.asked}))
        return Job(acquisition=acquisition, shards=together, supersedes=one.item_id)
    if unchanged:
        names = " ".join(scene.item_id for scene in late)
        problem = (
            f"{names} arrived late for the slot of {one.item_id}: it shows shards that are there"
        )
        return Job(acquisition=acquisition, shards=(), problem=problem, remedy=TOGETHER)
    return None


def _of_same_id(
    acquisition: Acquisition,
    shards: Sequence[Shard],
    one: Held,
    wanted: Mapping[tuple[str, ...], Rank],
) -> Job:
    if one.superseded:
        return Job(acquisition=acquisition, shards=(), reason="superseded by a newer slot")
    if any(rank > one.parts.get(key, rank) for key, rank in wanted.items()):
        problem = f"{acquisition.item_id} was processed again under the id that the cube has"
        return Job(acquisition=acquisition, shards=(), problem=problem)
    return _fill(acquisition, shards, one, "there already")


def _fill(acquisition: Acquisition, shards: Sequence[Shard], one: Held, reason: str) -> Job:
    missing = tuple(sorted({*shards} - one.asked))
    return Job(
        acquisition=acquisition,
        shards=missing,
        fills=one.slot if missing else None,
        before=one.counts,
        extends=(one.item_id, one.source_url),
        reason="" if missing else reason,
    )


def _related(
    acquisition: Acquisition,
    wanted: Mapping[tuple[str, ...], Rank],
    there: Sequence[Held],
    tile: Tile,
) -> list[Held]:
    """Return the slots that show what the acquisition shows, or other parts of it."""
    first = acquisition.scenes[0]
    key = shown(first, acquisition.time, tile)
    known = bool(first.datatake or first.occasion)
    return [
        one
        for one in there
        if not one.superseded
        and one.parts
        and (one.parts.keys() & wanted.keys() or (known and one.sighting == key))
    ]
