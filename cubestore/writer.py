"""What can be done to a cube, each a commit: append, fill, add a variable, fill it, describe.

A :class:`Writer` holds the cube's lock. Blocks come from its :class:`Staging`, wherever they
were encoded; the writer gives them their keys. What it refuses stands in `refusals`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cubestore import layout, refusals, stac
from cubestore.commit import Change, Committer, Staged
from cubestore.encoding import STRING, Array, Json
from cubestore.errors import DamagedError
from cubestore.records import Root
from cubestore.refusals import Shard
from cubestore.sensors import Sensor
from cubestore.slot import Instant, Slot, iso, refuse_tokens, refuse_unfit_items
from cubestore.staging import Staging, known
from cubestore.visible import COMPUTED

ENDLESS = np.iinfo("int64").max
"""Length of an array that blocks are made for before their slots are committed."""


class Writer:
    """The one writer of a cube; each of its methods is one commit."""

    arrays: Mapping[str, Array]
    """The cube's arrays, as committed."""

    staging: Staging
    """Where blocks are left for this writer, of slots present and to come."""

    def __init__(self, committer: Committer, sensor: Sensor) -> None:
        self._committer = committer
        self.sensor = sensor
        self._past = committer.control.history(self.root)
        self._asked: dict[int, set[Shard]] = {}
        self._complete: set[int] = set()
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
        """Return the shards that a slot was asked for, whatever came of them.

        Raises:
            DamagedError: a commit record is not the one that was committed.
        """
        try:
            while slot not in self._complete and (record := next(self._past, None)):
                self._note(record.operation, record.details)
        except DamagedError:
            self._past = self._committer.control.history(self.root)
            raise
        return set(self._asked.get(slot, ()))

    def _note(self, operation: str, details: Json) -> None:
        """Take in what a commit was asked for; a slot's own append is the last to be read."""
        if operation in {"append", "fill"}:
            for told in details["slots"]:
                shards = self._asked.setdefault(told["slot"], set())
                shards |= {(row, column) for row, column in told["shards"]}
        if operation == "append":
            self._complete |= {told["slot"] for told in details["slots"]}

    def append(self, slots: Sequence[Slot], staged: Iterable[Staged | None]) -> Root:
        """Append slots with their blocks; the first gets the index :attr:`slots`.

        Raises:
            SlotError: an item_id that the cube has, a superseded one that it has not or of which
                some shards would be hidden, or blocks of slots or shards not asked for.
        """
        if not slots:
            return self.root
        first, blocks = self.slots, [block for block in staged if block]
        items, replaced = self._column("item_id"), self._column("supersedes")
        refusals.refuse_unfit(slots, items, replaced, self.asked)
        asked = {first + k: slot.shards for k, slot in enumerate(slots)}
        refusals.refuse_unasked(blocks, asked, self._layers())
        entries = [slot.coordinates() for slot in slots]
        for name in self._time_coordinates():
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

    def fill(  # noqa: PLR0913 - coordinates that may change, by keyword
        self,
        slot: int,
        shards: Sequence[Shard],
        staged: Iterable[Staged | None],
        *,
        clear_fraction: float | None = None,
        valid_fraction: float | None = None,
        item_id: str | None = None,
        source_url: str | None = None,
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
            item_id: the slot's items with those that these shards come from besides.
            source_url: the same.
            items: provenance, as in :class:`Slot`.
            created: for the record; None: now.

        Raises:
            SlotError: no such slot, a shard that was asked for before, or an item_id that leaves
                out some of the slot's items.
        """
        refusals.refuse_absent(slot, self.slots)
        if item_id is not None:
            refusals.refuse_fewer_items(slot, item_id, self._column("item_id"))
        refuse_tokens(source_url or "")
        blocks = [block for block in staged if block]
        refusals.refuse_unasked(blocks, {slot: shards}, self._layers())
        refusals.refuse_asked(slot, shards, self.asked(slot))
        changes: dict[str, float | str | None] = {
            "clear_fraction": clear_fraction,
            "valid_fraction": valid_fraction,
            "item_id": item_id,
            "source_url": source_url,
        }
        for name, value in changes.items():
            if value is not None:
                blocks += self._coordinate(name, {slot: value})
        provenance = [dict(item) for item in items]
        refuse_unfit_items(provenance)
        told = {"slot": int(slot), "shards": _listed(shards), "items": provenance}
        return self._commit("fill", blocks, {"slots": [told]}, created=created)

    def add_variable(
        self,
        variable: Array,
        coordinates: Mapping[str, npt.ArrayLike],
        *,
        created: Instant | None = None,
    ) -> Root:
        """Add a variable without values, and the coordinates of dims that the cube lacks.

        Args:
            variable: its metadata; time first, a slot a block. It gets the cube's length.
            coordinates: dim -> its values, one-dimensional.
            created: for the record; None: now.

        Raises:
            MismatchError: a name that is taken, or dims, sizes or dtypes that do not fit.
        """
        axes = {name: _axis_values(values) for name, values in coordinates.items()}
        made = [_axis(name, values) for name, values in axes.items()]
        refusals.refuse_taken([variable.name, *axes], self.arrays)
        variable = self._fitted(variable, made)
        staging = replace(self.staging, arrays={array.name: array for array in made})
        blocks = [staging.write(a.name, (0,), axes[a.name]) for a in made]
        arrays = {**self.root.arrays, **{a.name: a.document() for a in (*made, variable)}}
        computed = {**self.root.attributes.get(COMPUTED, {}), variable.name: []}
        return self._commit(
            "add variable",
            [block for block in blocks if block],
            {"variable": variable.name},
            arrays=arrays,
            attributes={**self.root.attributes, COMPUTED: computed},
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
        """Give slots of an added variable their values. See :meth:`fill_variables`."""
        return self.fill_variables([name], slots, staged, created=created)

    def fill_variables(
        self,
        names: Sequence[str],
        slots: Mapping[int, int],
        staged: Iterable[Staged | None],
        *,
        created: Instant | None = None,
    ) -> Root:
        """Give slots of added variables their values; from this commit on readers see them.

        What belongs together, as an embedding and its loss, is seen together or not at all.

        Args:
            names: the variables.
            slots: index -> the commit of the pixels from which the values were computed.
            staged: the blocks. Without shards a block may replace one, if it keeps its values.
            created: for the record; None: now.

        Raises:
            MismatchError: no such variable, or none at all.
            SlotError: no such slot, blocks of other slots or variables, or values that readers
                have seen and that would change.
        """
        computed = self.root.attributes.get(COMPUTED, {})
        added = {name: self.arrays[name] for name in computed}
        arrays = {name: known(added, name) for name in names or [""]}
        for slot in slots:
            refusals.refuse_absent(slot, self.slots)
        blocks = [block for block in staged if block]
        refusals.refuse_strays(blocks, {f"{name}/c/{slot}/" for name in arrays for slot in slots})
        of = {n: [b for b in blocks if b.key.startswith(f"{n}/c/")] for n in arrays}
        for name, array in arrays.items():
            refusals.refuse_changed(self._committer.group, array, of[name])
        slots = {int(slot): int(commit) for slot, commit in slots.items()}
        runs = {name: _merged(computed[name], slots) for name in arrays}
        what: Json = {"variable": names[0]} if len(names) == 1 else {"variables": list(arrays)}
        return self._commit(
            "fill variable",
            blocks,
            {**what, "slots": [[s, c] for s, c in sorted(slots.items())]},
            attributes={**self.root.attributes, COMPUTED: {**computed, **runs}},
            replaces=frozenset(b.key for n, a in arrays.items() if not a.shards for b in of[n]),
            created=created,
        )

    def describe(self, attributes: Mapping[str, Any], *, created: Instant | None = None) -> Root:
        """Change attributes of the group that tell of the cube, such as its statistics.

        Args:
            attributes: name, with ``cubestore:`` in front -> JSON; None takes the attribute away.
            created: for the record; None: now.

        Returns:
            The committed state; the same as before where nothing would change.

        Raises:
            MismatchError: names that are not the describer's, or values that are no JSON.
        """
        refusals.refuse_attributes(attributes)
        asked = {**self.root.attributes, **json.loads(json.dumps(dict(attributes)))}
        described = {name: value for name, value in asked.items() if value is not None}
        if described == self.root.attributes:
            return self.root
        told = {"attributes": sorted(attributes)}
        return self._commit("describe", [], told, attributes=described, created=created)

    def describe_item(self, item: Mapping[str, Any], *, created: Instant | None = None) -> Root:
        """Put a STAC item of the cube into the group's attributes. See `cubestore.stac`.

        Args:
            item: with hrefs from the group on, and without a link to the store.
            created: for the record; None: now.

        Returns:
            The committed state; the same as before where that item is there already.

        Raises:
            MismatchError: the item is no JSON.
        """
        refusals.refuse_no_json({stac.ITEM: item})
        described = stac.with_item(self.root.attributes, json.loads(json.dumps(item)))
        if described == self.root.attributes:
            return self.root
        told = {"attributes": [stac.ITEM]}
        return self._commit("describe", [], told, attributes=described, created=created)

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
        tails = frozenset(
            f"{name}/c/{chunk}" for name in self._time_coordinates() for chunk in range(last + 1)
        )
        change = Change(
            operation=operation,
            arrays=arrays,
            attributes=attributes or self.root.attributes,
            staged=staged,
            replaces=replaces | tails,
            tails=tails,
            details=details,
            created=iso(created),
        )
        before = self.root.number
        try:
            return self._committer.commit(change)
        finally:  # it may have been committed, and the disk full right behind
            self._look()
            if self.root.number > before:
                self._note(operation, details)

    def _look(self) -> None:
        """Take over the arrays of the committed state."""
        self.arrays = {n: Array.from_document(n, d) for n, d in self.root.arrays.items()}
        endless = {name: array.sized("time", ENDLESS) for name, array in self.arrays.items()}
        self.staging = Staging(self._committer.staging, endless)

    def _time_coordinates(self) -> list[str]:
        return [name for name, array in self.arrays.items() if array.dims == ("time",)]

    def _coordinate(self, name: str, changes: Mapping[int, Any]) -> list[Staged]:
        """Stage the chunks of a time coordinate that ``changes`` (slot -> value) change."""
        staged = []
        for chunk in sorted({slot // layout.TIME_CHUNK for slot in changes}):
            before = self._stored(name, chunk)
            values = before.copy()
            for slot, value in changes.items():
                if slot // layout.TIME_CHUNK == chunk:
                    values[slot % layout.TIME_CHUNK] = value
            new = chunk * layout.TIME_CHUNK >= self.slots
            if new or not np.array_equal(before, values, equal_nan=values.dtype.kind == "f"):
                staged.append(self.staging.write(name, (chunk,), values))
        return [block for block in staged if block]

    def _stored(self, name: str, chunk: int) -> np.ndarray[Any, Any]:
        """Return a chunk of a time coordinate, of which only committed slots are kept."""
        array = self.arrays[name]
        values = np.full(array.chunks, array.fill, array.numpy_dtype)
        committed = self.slots - chunk * layout.TIME_CHUNK
        if committed > 0:
            key = array.key((chunk,))
            values[:committed] = array.decode_chunk(self._bytes(key), key)[:committed]
        return values

    def _bytes(self, key: str) -> bytes:
        try:
            return (self._committer.group / key).read_bytes()
        except FileNotFoundError as error:
            raise DamagedError(
                f"{self._committer.group / key} is missing",
                expected="every chunk of every coordinate",
                remedy="run `cubestore verify`, and restore the key from a copy",
            ) from error

    def _column(self, name: str) -> list[Any]:
        """Return a time coordinate, whole."""
        chunks = range(self.arrays[name].blocks()[0])
        return [value for chunk in chunks for value in self._stored(name, chunk).tolist()][
            : self.slots
        ]

    def _layers(self) -> list[Array]:
        """Return the arrays that hold pixels, in shards."""
        computed = self.root.attributes.get(COMPUTED, {})
        return [a for n, a in self.arrays.items() if a.shards and n not in computed]

    def _fitted(self, variable: Array, axes: Sequence[Array]) -> Array:
        """Return an added variable with the cube's length and what CF asks for."""
        if variable.dims[:1] == ("time",):
            variable = variable.sized("time", self.slots)
        refusals.refuse_misfit(variable, (*self.arrays.values(), *axes))
        listed = {"coordinates": layout.coordinates_attribute(self.sensor, variable.dims)}
        return replace(variable, attributes={**listed, **variable.attributes})


def _axis(name: str, values: np.ndarray[Any, Any]) -> Array:
    text = values.dtype.kind == "O"
    return Array(
        name=name,
        dims=(name,),
        shape=values.shape,
        dtype=STRING if text else values.dtype.name,
        fill="" if text else layout.unknown(values.dtype),
        chunks=values.shape,
    )


def _axis_values(values: npt.ArrayLike) -> np.ndarray[Any, Any]:
    """Return a coordinate as it is encoded: text as objects."""
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind in "UT" else array


def _grown(document: Json, slots: int) -> Json:
    if "time" not in document["dimension_names"]:
        return document
    axis = document["dimension_names"].index("time")
    shape = [slots if k == axis else n for k, n in enumerate(document["shape"])]
    return {**document, "shape": shape}


def _listed(shards: Sequence[Shard]) -> list[list[int]]:
    """Return shards as JSON, whatever integers they were."""
    return [[int(row), int(column)] for row, column in shards]


def _told(index: int, slot: Slot) -> Json:
    return {
        "slot": index,
        "item_id": slot.item_id,
        "supersedes": slot.supersedes,
        "shards": _listed(slot.shards),
        "items": [dict(item) for item in slot.items],
    }


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
