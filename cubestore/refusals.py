"""What a writer refuses, because a reader of the cube would be misled by it.

Each of these looks at what a commit would do and raises, or returns and has changed nothing.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np

from cubestore.commit import Staged
from cubestore.encoding import Array
from cubestore.errors import MismatchError, SlotError
from cubestore.records import COMMIT
from cubestore.slot import Slot
from cubestore.visible import COMPUTED

Shard = tuple[int, int]

OURS = "cubestore:"
"""What the names of the attributes begin with that the store gives a cube."""

PROTOCOL = frozenset({COMMIT, COMPUTED, "cubestore:format", "cubestore:sensor", "cubestore:tile"})
"""Attributes that say what the cube is: only the protocol itself changes them."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def refuse_absent(slot: int, slots: int) -> None:
    """Refuse the index of a slot that the cube of so many slots lacks.

    Raises:
        SlotError: it does.
    """
    if not 0 <= slot < slots:
        raise SlotError(f"Slot {slot}", expected=f"0 to {slots - 1}", remedy="append it first")


def refuse_unfit(
    new: Sequence[Slot],
    items: Sequence[str],
    replaced: Collection[str],
    asked: Callable[[int], AbstractSet[Shard]],
) -> None:
    """Refuse slots that are there, or that supersede what they cannot.

    Args:
        new: the slots to append.
        items: the ``item_id`` of each slot of the cube.
        replaced: those that another slot supersedes.
        asked: gives the shards that a slot of the cube was asked for.

    Raises:
        SlotError: there is such a slot.
    """
    there, gone = {item: index for index, item in enumerate(items)}, set(replaced)
    for index, slot in enumerate(new, len(items)):
        if slot.item_id in there:
            raise SlotError(
                f"The cube already has {slot.item_id}",
                expected="a scene that it lacks",
                remedy="fill the shards that it lacks, or supersede it under another id",
            )
        if slot.supersedes:
            older = there.get(slot.supersedes)
            if older is None or slot.supersedes in gone:
                state = "not in the cube" if older is None else "superseded"
                raise SlotError(
                    f"{slot.item_id} supersedes {slot.supersedes}, which is {state}",
                    expected="the newest slot of that scene",
                    remedy="see `cubestore info` for the cube's slots",
                )
            within = older - len(items)
            refuse_hiding(slot, set(new[within].shards) if within >= 0 else asked(older))
        there[slot.item_id] = index
        gone.add(slot.supersedes)


def refuse_hiding(slot: Slot, asked: AbstractSet[Shard]) -> None:
    """A superseded slot is hidden whole, so the newer must have been asked for all of it.

    Raises:
        SlotError: it was not.
    """
    hidden = sorted(asked - set(slot.shards))
    if hidden:
        raise SlotError(
            f"{slot.item_id} supersedes {slot.supersedes} without its shard {hidden[0]}",
            expected=f"all shards of the older slot: {sorted(asked)}",
            remedy="read them of the newer scene too",
        )


def refuse_unasked(
    staged: Sequence[Staged], asked: Mapping[int, Sequence[Shard]], layers: Iterable[Array]
) -> None:
    """Refuse shards outside the cube, and blocks of slots or shards that nobody asked for.

    Args:
        staged: the blocks.
        asked: slot -> its shards.
        layers: the arrays whose shards they may be.

    Raises:
        SlotError: there are such.
    """
    layers = list(layers)
    rows, columns = layers[0].blocks()[-2:]
    beyond = [s for a in asked.values() for s in a if not (s[0] < rows and s[1] < columns)]
    if beyond or any(n < 0 for a in asked.values() for s in a for n in s):
        raise SlotError(
            f"Shards {beyond or list(asked.values())}",
            expected=f"(row, column) from (0, 0) to ({rows - 1}, {columns - 1})",
            remedy="widen the area to whole shards of the tile",
        )
    allowed = {
        array.key((slot, *[0] * (len(array.dims) - 3), *shard))
        for array in layers
        for slot, shards in asked.items()
        for shard in shards
    }
    strays = sorted(block.key for block in staged if block.key not in allowed)
    if strays:
        raise SlotError(
            f"Blocks of {', '.join(strays)}",
            expected="blocks of the slots and shards that are written",
            remedy="list every shard that was asked for",
        )


def refuse_fewer_items(slot: int, item_id: str, there: Sequence[str]) -> None:
    """Refuse another name for a slot than its own with more items behind it.

    Raises:
        SlotError: it is another.
    """
    mine, others = there[slot], [*there[:slot], *there[slot + 1 :]]
    if set(mine.split()) <= set(item_id.split()) and item_id not in others:
        return
    raise SlotError(
        f"Slot {slot} of {mine} is to be called {item_id}",
        expected="all of its items, and more",
        remedy="append another slot for other items",
    )


def refuse_asked(slot: int, shards: Sequence[Shard], asked: AbstractSet[Shard]) -> None:
    """Refuse shards that a slot was asked for before.

    Raises:
        SlotError: it was.
    """
    twice = sorted(asked & set(shards))
    if twice:
        raise SlotError(
            f"Slot {slot} was asked for shard {twice[0]} before",
            expected="shards that the slot lacks",
            remedy="append a slot that supersedes this one",
        )


def refuse_changed(group: Path, array: Array, staged: Iterable[Staged]) -> None:
    """Refuse blocks that change a value which readers have seen; nodata may become one.

    Raises:
        SlotError: one does.
    """
    for block in staged:
        path = group / block.key
        if array.shards or not path.exists():
            continue
        old = array.decode_chunk(path.read_bytes(), block.key)
        new = array.decode_chunk(block.path.read_bytes(), block.key)
        missing = np.isnan(old) if old.dtype.kind == "f" else old == array.fill
        if not np.array_equal(old[~missing], new[~missing]):
            raise SlotError(
                f"{block.key} would change values that readers have seen",
                expected="the same values, and more of them",
                remedy="give the second set a variable of another name",
            )


def refuse_taken(names: Sequence[str], arrays: Collection[str]) -> None:
    """Refuse names of variables that are no names, or that the cube has.

    Raises:
        MismatchError: one is, or it has.
    """
    for name in names:
        if name in arrays or names.count(name) > 1 or not _NAME.fullmatch(name):
            raise MismatchError(
                f"A variable called {name!r}",
                expected="a new name of letters, digits and _",
                remedy=f"choose another; the cube has {', '.join(arrays)}",
            )


def refuse_strays(staged: Iterable[Staged], prefixes: AbstractSet[str]) -> None:
    """Refuse blocks of other variables or slots than those that are filled.

    Raises:
        SlotError: there are such.
    """
    for block in staged:
        if not block.key.startswith(tuple(prefixes)):
            raise SlotError(
                f"A block of {block.key}",
                expected=f"blocks under {', '.join(sorted(prefixes))}",
                remedy="list every slot that is filled",
            )


def refuse_misfit(variable: Array, arrays: Iterable[Array]) -> None:
    """Refuse a variable that cannot be filled slot by slot, or whose dims have other sizes.

    Args:
        variable: of the cube's length.
        arrays: those of the cube, and those that come with it.

    Raises:
        MismatchError: it cannot, or they have.
    """
    if variable.dims[:1] != ("time",) or variable.block[0] != 1 or len(variable.dims) == 1:
        raise MismatchError(
            f"{variable.name} on {variable.dims} in blocks of {variable.block}",
            expected="time first, then other dims, and one slot in a block",
            remedy="cut it so that every slot can be filled by itself",
        )
    sizes: dict[str, int] = {}
    for array in arrays:
        sizes |= dict(zip(array.dims, array.shape, strict=True))
    for dim, size in zip(variable.dims, variable.shape, strict=True):
        if sizes.get(dim, size) != size:
            raise MismatchError(
                f"{variable.name}: {dim} has {size}",
                expected=f"{sizes[dim]}, as in the cube",
                remedy="another size needs a dim of another name",
            )


def refuse_attributes(attributes: Mapping[str, Any]) -> None:
    """Refuse to describe a cube by what is not the describer's, or is no JSON.

    Raises:
        MismatchError: a name without the store's prefix, one that the protocol owns, or a value
            that JSON does not hold.
    """
    foreign = sorted(n for n in attributes if not n.startswith(OURS) or n in PROTOCOL)
    if foreign:
        raise MismatchError(
            f"The attributes {', '.join(foreign)}",
            expected=f"names that begin with {OURS}, and none of {', '.join(sorted(PROTOCOL))}",
            remedy="what a cube is, only its commits say; describe it under another name",
        )
    refuse_no_json(attributes)


def refuse_no_json(attributes: Mapping[str, Any]) -> None:
    """Refuse attributes that JSON does not hold.

    Raises:
        MismatchError: some do not.
    """
    try:
        json.dumps(attributes, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MismatchError(
            f"The attributes {', '.join(attributes)} are not JSON: {error}",
            expected="objects of text, numbers, lists; no NaN",
            remedy="leave out what is not known",
        ) from None
