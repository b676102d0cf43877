"""Variables beside the pixels of a set that is written: declared once, filled block by block.

Pixels, labels and columns never change. What is computed from them, such as a model's vectors, is
added later by the same protocol as a cube's (`cubestore.commit`): a block of patches is seen whole
or not at all, and what a writer leaves that was killed the next one undoes. Which blocks are
complete is in the root, under ``cubestore:computed``, counted along each variable's own chunks.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cubestore.commit import Change, Committer, Staged, locked
from cubestore.encoding import Array
from cubestore.errors import MismatchError, SlotError
from cubestore.patches.definition import _along
from cubestore.patches.reading import PatchSet
from cubestore.records import Root
from cubestore.slot import Instant, iso
from cubestore.staging import Staging
from cubestore.visible import COMPUTED

WAIT = 60.0
"""Seconds that a writer waits for another by default."""

Runs = list[list[int]]


@contextlib.contextmanager
def adding(patches: PatchSet, *, wait: float = WAIT) -> Iterator["PatchAdder"]:
    """Hold a set's lock, to add variables and fill them.

    Raises:
        UnknownPatchSetError: there is no such set.
        LockedError: another writer still held it after ``wait``.
        ForeignWriteError: something other than the store has written to it.
        NotWritableError: the disk is read-only or full.
    """
    patches.root()
    with locked(patches.control, wait) as committer:
        yield PatchAdder(committer)


class PatchAdder:
    """The one writer of a set; each of its methods is one commit."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    @property
    def root(self) -> Root:
        """The committed state."""
        if self._committer.root is None:
            raise AssertionError("a set is written before anything is added to it")
        return self._committer.root

    @property
    def arrays(self) -> dict[str, Array]:
        """The set's arrays, as committed."""
        return {n: Array.from_document(n, told) for n, told in self.root.arrays.items()}

    @property
    def staging(self) -> Staging:
        """Where blocks are left for this writer."""
        return Staging(self._committer.staging, self.arrays)

    def declare(
        self,
        variables: Sequence[Array],
        axes: Mapping[str, np.ndarray[Any, Any]],
        *,
        created: Instant | None = None,
    ) -> Root:
        """Add variables without values, and the coordinates of dims that the set lacks.

        Args:
            variables: of as many patches as the set has.
            axes: dim -> its values.
            created: for the record; None: now.

        Raises:
            MismatchError: a name that is taken, or a dim of another size.
        """
        self._refuse_misfit(variables)
        made = [_along(n, n, v) for n, v in axes.items() if n not in self.root.arrays]
        arrays = {array.name: array for array, _ in made}
        staging = Staging(self._committer.staging, arrays)
        blocks = [staging.write(array.name, (0,), values) for array, values in made]
        arrays |= {v.name: self._with_coordinates(v) for v in variables}
        documents = {name: array.document() for name, array in arrays.items()}
        computed = self.root.attributes.get(COMPUTED, {}) | {v.name: [] for v in variables}
        return self._commit(
            "add variable",
            {"variables": [v.name for v in variables]},
            [block for block in blocks if block],
            computed,
            created,
            arrays={**self.root.arrays, **documents},
        )

    def fill(
        self,
        patches: range,
        staged: Iterable[Staged | None],
        names: Sequence[str],
        created: Instant | None = None,
    ) -> Root:
        """Give patches the values of added variables; from this commit on readers see them.

        Args:
            patches: whole blocks of each of the variables.
            staged: their blocks; what has none is nodata.
            names: the variables.
            created: for the record; None: now.

        Raises:
            SlotError: patches that are no whole blocks, or have their values already.
        """
        computed = dict(self.root.attributes.get(COMPUTED, {}))
        for name in names:
            blocks = blocks_of(self.arrays[name], patches)
            computed[name] = _merged(name, computed.get(name), blocks)
        told = {"variables": list(names), "patches": [patches.start, patches.stop]}
        blocks_ = [block for block in staged if block]
        return self._commit("fill variable", told, blocks_, computed, created)

    def _commit(
        self,
        operation: str,
        details: dict[str, Any],
        staged: Sequence[Staged],
        computed: Mapping[str, Any],
        created: Instant | None,
        arrays: Mapping[str, Any] | None = None,
    ) -> Root:
        change = Change(
            operation=operation,
            arrays=arrays or self.root.arrays,
            attributes={**self.root.attributes, COMPUTED: dict(computed)},
            staged=staged,
            details=details,
            created=iso(created),
        )
        return self._committer.commit(change)

    def _refuse_misfit(self, variables: Sequence[Array]) -> None:
        held = self.arrays.values()
        sizes = {d: n for a in held for d, n in zip(a.dims, a.shape, strict=True)}
        for variable in variables:
            own = dict(zip(variable.dims, variable.shape, strict=True))
            odd = [d for d, n in own.items() if sizes.get(d, n) != n]
            if odd or variable.name in self.root.arrays:
                raise MismatchError(
                    f"{variable.name} on {own}",
                    expected=f"a name that is free, and {odd[0]} of {sizes[odd[0]]}"
                    if odd
                    else "a name that is free",
                    remedy="give it a name of its own",
                )

    def _with_coordinates(self, variable: Array) -> Array:
        """Return a variable that lists the coordinates on its dims, as those of the set do."""
        listed = " ".join(a.attributes.get("coordinates", "") for a in self.arrays.values())
        known = [self.arrays[n] for n in dict.fromkeys(listed.split())]
        own = [a.name for a in known if set(a.dims) <= set(variable.dims)]
        return replace(variable, attributes={**variable.attributes, "coordinates": " ".join(own)})


def blocks_of(array: Array, patches: range) -> range:
    """Return the blocks of an array, along the patches, that some patches are.

    Raises:
        SlotError: they are no whole blocks.
    """
    count, high = array.shape[0], array.block[0]
    whole = patches.stop == count or patches.stop % high == 0
    if patches.step == 1 and 0 <= patches.start < patches.stop <= count and whole:
        first, rest = divmod(patches.start, high)
        if not rest:
            return range(first, -(-patches.stop // high))
    raise SlotError(
        f"{array.name} of patches {patches.start} to {patches.stop}",
        expected=f"whole blocks of {high}, out of {count} patches",
        remedy="take the blocks that are missing, as they are listed",
    )


def complete(root: Root, name: str) -> set[int] | None:
    """Return the blocks of a variable that are complete; None: all, as it came with its set."""
    runs = root.attributes.get(COMPUTED, {}).get(name)
    return None if runs is None else {n for first, end, _ in runs for n in range(first, end)}


def _merged(name: str, runs: Runs | None, blocks: range) -> Runs:
    """Return runs [first, behind the last, commit of the pixels] with some blocks more."""
    done = {n for first, end, _ in runs or [] for n in range(first, end)}
    if runs is None or not done.isdisjoint(blocks):
        raise SlotError(
            f"{name} has blocks {blocks.start} to {blocks.stop} already",
            expected="blocks that lack their values",
            remedy="take those that are listed as missing; another set needs another name",
        )
    merged: Runs = []
    for number in sorted({*done, *blocks}):
        if merged and merged[-1][1] == number:
            merged[-1][1] = number + 1
        else:
            merged.append([number, number + 1, 0])
    return merged
