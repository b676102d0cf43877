"""What can be done to a cube, each a commit: append, fill, add a variable, fill a variable.

A :class:`Writer` holds the cube's lock. Blocks are encoded by :class:`Staging`, which can be
sent to any process that sees the disk; the writer moves them to their keys.
"""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cubestore import disk, layout
from cubestore.commit import Change, Committer, Staged
from cubestore.encoding import Array, Json, crc32c
from cubestore.errors import AbandonedError, MismatchError, SlotError
from cubestore.records import Root
from cubestore.sensors import Sensor
from cubestore.slot import Instant, Slot, iso

COMPUTED = "cubestore:computed"
"""Root attribute: variable -> [first slot, behind the last, commit of their pixels], …"""

ENDLESS = np.iinfo("int64").max
"""Length of an array that blocks are made for before their slots are committed."""

Index = tuple[int, ...]
Shard = tuple[int, int]
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Staging:
    """Where tasks leave blocks for the writer; can be pickled and sent to them."""

    directory: Path
    arrays: Mapping[str, Array]

    def write(self, name: str, index: Index, values: np.ndarray[Any, Any]) -> Staged | None:
        """Encode a block and leave it, synced, for the writer.

        Args:
            name: the variable.
            index: of the block, counted in blocks along each dim; the first is the slot.
            values: the block; at the cube's far edges cut off there.

        Returns:
            What the writer needs to commit it; None where all is nodata: nothing is stored.

        Raises:
            MismatchError: another variable, dtype or shape than the cube's.
            AbandonedError: the writer is gone; what it asked for is not wanted any more.
        """
        array = _known(self.arrays, name)
        if values.shape != (expected := array.block_shape(index)):
            raise MismatchError(
                f"{name}: a block of shape {values.shape} at {index}",
                expected=f"{expected} on {array.dims}",
                remedy="cut the array along the shards",
            )
        data = array.encode(values)
        if data is None:
            return None
        path = self.directory / uuid.uuid4().hex
        self._leave(path, data)
        return Staged(array.key(index), path, len(data), crc32c(data))

    def _leave(self, path: Path, data: bytes) -> None:
        with disk.writable(path):
            try:
                disk.write_new(path, data)
            except FileNotFoundError:
                raise AbandonedError(
                    f"{self.directory} is gone: the writer that this task worked for has ended",
                    expected="a writer that waits for it",
                    remedy="nothing was changed; run the build again if it did not complete",
                ) from None


class Writer:
    """The one writer of a cube; each of its methods is one commit."""

    arrays: Mapping[str, Array]
    """The cube's arrays, as committed."""

    staging: Staging
    """Where blocks are left for this writer, of slots present and to come."""

    def __init__(self, committer: Committer, sensor: Sensor) -> None:
        self._committer = committer
        self.sensor = sensor
        self._look()

    @property
    def root(self) -> Root:
        """The committed state."""
        if self._committer.root is None:
            raise AssertionError("a cube is created before it is written to")
        return self._committer.root

    @property
    def slots(self) -> int:
        """How many slots the cube has: the index of the next one."""
        return int(self.root.arrays["time"]["shape"][0])

    def asked(self, slot: int) -> set[Shard]:
        """Return the shards that a slot was asked for, whatever came of them."""
        shards: set[Shard] = set()
        for record in self._committer.control.history(self.root):
            for told in record.details.get("slots", ()):
                if record.operation in {"append", "fill"} and told["slot"] == slot:
                    shards |= {(row, column) for row, column in told["shards"]}
                    if record.operation == "append":
                        return shards
        return shards

    def append(self, slots: Sequence[Slot], staged: Iterable[Staged | None]) -> Root:
        """Append slots with their blocks; the first gets the index :attr:`slots`.

        Raises:
            SlotError: an item_id that the cube has, a superseded one that it has not, or blocks
                of other slots or shards than those asked for.
        """
        if not slots:
            return self.root
        first, blocks = self.slots, [block for block in staged if block]
        self._refuse_unfit(slots)
        self._refuse_unasked(blocks, {first + k: slot.shards for k, slot in enumerate(slots)})
        entries = [slot.coordinates() for slot in slots]
        for name in layout.time_coordinates(self.sensor):
            changes = {first + k: entry[name] for k, entry in enumerate(entries)}
            blocks += self._coordinate(name, changes)
        details = {"slots": [_told(first + k, slot) for k, slot in enumerate(slots)]}
        return self._commit(
            "append",
            blocks,
            details,
            slots=first + len(slots),
            created=np.datetime64(max(entry["created"] for entry in entries), "us"),
        )

    def fill(
        self,
        slot: int,
        shards: Sequence[Shard],
        staged: Iterable[Staged | None],
        *,
        clear_fraction: float | None = None,
        valid_fraction: float | None = None,
        items: Sequence[Mapping[str, Any]] = (),
        created: Instant | None = None,
    ) -> Root:
        """Add shards that a slot lacks; what is there is never written again.

        Args:
            slot: its index.
            shards: those asked for, (row, column), whatever came of them.
            staged: their blocks.
            clear_fraction: of all the slot's shards, with these.
            valid_fraction: the same.
            items: provenance, as in :class:`Slot`.
            created: for the record; None: now.

        Raises:
            SlotError: no such slot, or a shard that was asked for before.
        """
        self._refuse_absent(slot)
        blocks = [block for block in staged if block]
        self._refuse_unasked(blocks, {slot: shards})
        self._refuse_asked(slot, shards)
        changes = {"clear_fraction": clear_fraction, "valid_fraction": valid_fraction}
        for name, value in changes.items():
            if value is not None:
                blocks += self._coordinate(name, {slot: value})
        told = {
            "slot": slot,
            "shards": [list(s) for s in shards],
            "items": [dict(i) for i in items],
        }
        return self._commit("fill", blocks, {"slots": [told]}, created=created)

    def add_variable(
        self,
        variable: Array,
        coordinates: Mapping[str, np.ndarray[Any, Any]],
        *,
        created: Instant | None = None,
    ) -> Root:
        """Add a variable without values, and the coordinates of dims that the cube lacks.

        Args:
            variable: its metadata; along ``time`` it gets the cube's length.
            coordinates: dim -> its values, one-dimensional.
            created: for the record; None: now.

        Raises:
            MismatchError: a name that is taken, or dims whose sizes do not match.
        """
        made = [_axis(name, values) for name, values in coordinates.items()]
        for array in (variable, *made):
            self._refuse_taken(array.name)
        variable = self._fitted(variable, coordinates)
        staging = replace(self.staging, arrays={array.name: array for array in made})
        blocks = [staging.write(a.name, (0,), coordinates[a.name]) for a in made]
        arrays = {**self.root.arrays, **{a.name: a.document() for a in (*made, variable)}}
        attributes = dict(self.root.attributes)
        if "time" in variable.dims:
            attributes[COMPUTED] = {**attributes.get(COMPUTED, {}), variable.name: []}
        return self._commit(
            "add variable",
            [block for block in blocks if block],
            {"variable": variable.name},
            arrays=arrays,
            attributes=attributes,
            created=created,
        )

    def fill_variable(
        self,
        name: str,
        slots: Mapping[int, int],
        staged: Iterable[Staged | None],
        *,
        created: Instant | None = None,
    ) -> Root:
        """Give slots of an added variable their values; from this commit on readers see them.

        Args:
            name: the variable.
            slots: index -> the commit of the pixels from which the values were computed.
            staged: the blocks. Without shards a block may replace one, if it keeps its values.
            created: for the record; None: now.

        Raises:
            MismatchError: no such variable.
            SlotError: no such slot, or blocks of other slots or variables.
        """
        computed = self.root.attributes.get(COMPUTED, {})
        array = _known({n: self.arrays[n] for n in computed}, name)
        for slot in slots:
            self._refuse_absent(slot)
        blocks = [block for block in staged if block]
        _refuse_strays(blocks, {f"{name}/c/{slot}/" for slot in slots})
        runs = _merged(computed[name], slots)
        return self._commit(
            "fill variable",
            blocks,
            {"variable": name, "slots": [[s, c] for s, c in sorted(slots.items())]},
            attributes={**self.root.attributes, COMPUTED: {**computed, name: runs}},
            replaces=frozenset() if array.shards else frozenset(b.key for b in blocks),
            created=created,
        )

    def _commit(
        self,
        operation: str,
        staged: Sequence[Staged],
        details: Json,
        *,
        slots: int | None = None,
        arrays: Mapping[str, Json] | None = None,
        attributes: Json | None = None,
        replaces: frozenset[str] = frozenset(),
        created: Instant | None = None,
    ) -> Root:
        arrays = arrays or self.root.arrays
        if slots is not None:
            arrays = {name: _grown(document, slots) for name, document in arrays.items()}
        last = max(0, (slots if slots is not None else self.slots) - 1) // layout.TIME_CHUNK
        names = layout.time_coordinates(self.sensor)
        changeable = {f"{name}/c/{i}" for name in names for i in range(last + 1)}
        root = self._committer.commit(
            Change(
                operation=operation,
                arrays=arrays,
                attributes=attributes or self.root.attributes,
                staged=staged,
                replaces=replaces | changeable,
                tails=frozenset(f"{name}/c/{last}" for name in names),
                details=details,
                created=iso(created),
            )
        )
        self._look()
        return root

    def _look(self) -> None:
        """Take over the arrays of the committed state."""
        self.arrays = {n: Array.from_document(n, d) for n, d in self.root.arrays.items()}
        endless = {name: array.sized("time", ENDLESS) for name, array in self.arrays.items()}
        self.staging = Staging(self._committer.staging, endless)

    def _coordinate(self, name: str, changes: Mapping[int, Any]) -> list[Staged]:
        """Stage the chunks of a time coordinate that ``changes`` (slot -> value) touch."""
        staged = []
        for chunk in sorted({slot // layout.TIME_CHUNK for slot in changes}):
            values = self._stored(name, chunk)
            for slot, value in changes.items():
                if slot // layout.TIME_CHUNK == chunk:
                    values[slot % layout.TIME_CHUNK] = value
            staged.append(self.staging.write(name, (chunk,), values))
        return [block for block in staged if block]

    def _stored(self, name: str, chunk: int) -> np.ndarray[Any, Any]:
        """Return a chunk of a time coordinate, of which only committed slots are kept."""
        array = self.arrays[name]
        values = np.full(array.chunks, array.fill, array.numpy_dtype)
        committed = self.slots - chunk * layout.TIME_CHUNK
        path = self._committer.group / array.key((chunk,))
        if committed > 0 and path.exists():
            there = array.decode_chunk(path.read_bytes(), str(path))
            values[:committed] = there[:committed]
        return values

    def _column(self, name: str) -> set[Any]:
        """Return what a time coordinate says of any slot."""
        chunks = range(self.arrays[name].blocks()[0])
        return set().union(*(self._stored(name, chunk).tolist() for chunk in chunks))

    def _refuse_unfit(self, slots: Sequence[Slot]) -> None:
        there, replaced = self._column("item_id"), self._column("supersedes")
        for slot in slots:
            if slot.item_id in there:
                raise SlotError(
                    f"The cube already has {slot.item_id}",
                    expected="a scene that it lacks",
                    remedy="fill the shards that it lacks, or supersede it under another id",
                )
            if slot.supersedes and (slot.supersedes not in there or slot.supersedes in replaced):
                state = "superseded" if slot.supersedes in replaced else "not in the cube"
                raise SlotError(
                    f"{slot.item_id} supersedes {slot.supersedes}, which is {state}",
                    expected="the newest slot of that scene",
                    remedy="see `cubestore info` for the cube's slots",
                )
            there.add(slot.item_id)
            replaced.add(slot.supersedes)

    def _refuse_absent(self, slot: int) -> None:
        if not 0 <= slot < self.slots:
            raise SlotError(
                f"Slot {slot}", expected=f"0 to {self.slots - 1}", remedy="append it first"
            )

    def _refuse_unasked(
        self, staged: Sequence[Staged], asked: Mapping[int, Sequence[Shard]]
    ) -> None:
        rows, columns = self.arrays[self.sensor.pixels.name].blocks()[-2:]
        beyond = [s for a in asked.values() for s in a if not (s[0] < rows and s[1] < columns)]
        if beyond or any(n < 0 for a in asked.values() for s in a for n in s):
            raise SlotError(
                f"Shards {beyond or list(asked.values())}",
                expected=f"(row, column) from (0, 0) to ({rows - 1}, {columns - 1})",
                remedy="widen the area to whole shards of the tile",
            )
        layers = [n for n, a in self.arrays.items() if a.shards and "time" in a.dims]
        pixels = self.sensor.pixels.name
        allowed = {
            "/".join([name, "c", str(slot), *(["0"] if name == pixels else []), f"{y}/{x}"])
            for name in layers
            for slot, shards in asked.items()
            for y, x in shards
        }
        strays = sorted(block.key for block in staged if block.key not in allowed)
        if strays:
            raise SlotError(
                f"Blocks of {', '.join(strays)}",
                expected="blocks of the slots and shards that are written",
                remedy="list every shard that was asked for",
            )

    def _refuse_asked(self, slot: int, shards: Sequence[Shard]) -> None:
        twice = sorted(self.asked(slot) & set(shards))
        if twice:
            raise SlotError(
                f"Slot {slot} was asked for shard {twice[0]} before",
                expected="shards that the slot lacks",
                remedy="append a slot that supersedes this one",
            )

    def _refuse_taken(self, name: str) -> None:
        if name in self.root.arrays or not _NAME.fullmatch(name):
            raise MismatchError(
                f"A variable called {name!r}",
                expected="a new name of letters, digits and _",
                remedy=f"choose another; the cube has {', '.join(self.root.arrays)}",
            )

    def _fitted(self, variable: Array, coordinates: Mapping[str, np.ndarray[Any, Any]]) -> Array:
        sizes = {dim: len(values) for dim, values in coordinates.items()}
        for array in self.arrays.values():
            sizes |= dict(zip(array.dims, array.shape, strict=True))
        variable = variable.sized("time", self.slots)
        for dim, size in zip(variable.dims, variable.shape, strict=True):
            if sizes.get(dim, size) != size:
                raise MismatchError(
                    f"{variable.name}: {dim} has {size}",
                    expected=f"{sizes[dim]}, as in the cube",
                    remedy="another size needs a dim of another name",
                )
        if "time" not in variable.dims:
            return variable
        listed = {"coordinates": layout.coordinates_attribute(self.sensor, variable.dims)}
        return replace(variable, attributes={**listed, **variable.attributes})


def _known(arrays: Mapping[str, Array], name: str) -> Array:
    if name not in arrays:
        raise MismatchError(
            f"A variable called {name!r}",
            expected=f"one of {', '.join(arrays) or 'none: nothing was added'}",
            remedy="add it first",
        )
    return arrays[name]


def _axis(name: str, values: np.ndarray[Any, Any]) -> Array:
    return Array(
        name=name,
        dims=(name,),
        shape=values.shape,
        dtype="string" if values.dtype.kind == "O" else values.dtype.name,
        fill="" if values.dtype.kind == "O" else layout.unknown(values.dtype),
        chunks=values.shape,
    )


def _grown(document: Json, slots: int) -> Json:
    if "time" not in document["dimension_names"]:
        return document
    axis = document["dimension_names"].index("time")
    shape = [slots if k == axis else n for k, n in enumerate(document["shape"])]
    return {**document, "shape": shape}


def _told(index: int, slot: Slot) -> Json:
    return {
        "slot": index,
        "item_id": slot.item_id,
        "supersedes": slot.supersedes,
        "shards": [list(shard) for shard in slot.shards],
        "items": [dict(item) for item in slot.items],
    }


def _refuse_strays(staged: Sequence[Staged], prefixes: set[str]) -> None:
    for block in staged:
        if not block.key.startswith(tuple(prefixes)):
            raise SlotError(
                f"A block of {block.key}",
                expected=f"blocks under {', '.join(sorted(prefixes))}",
                remedy="list every slot that is filled",
            )


def _merged(runs: Sequence[Sequence[int]], slots: Mapping[int, int]) -> list[list[int]]:
    """Return runs [first, behind the last, commit] of slots: the old ones and the new."""
    commits = {s: commit for first, end, commit in runs for s in range(first, end)} | dict(slots)
    merged: list[list[int]] = []
    for slot, commit in sorted(commits.items()):
        if merged and merged[-1][1:] == [slot, commit]:
            merged[-1][1] = slot + 1
        else:
            merged.append([slot, slot + 1, commit])
    return merged
