"""What an import makes: planned from the files, written once, found again where it is there.

Every importer looks at its files and returns what sets they make, each as `Planned`; what is told
of them, and what is written, comes from that alone.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import cubestore
from cubestore import PatchDescription, Store
from cubestore.errors import CubeExistsError, CubestoreError, QueryError
from cubestore_pipelines.errors import NothingFoundError
from cubestore_pipelines.failures import Refusal

DIGEST, PART, LEFT_OUT = "source_digest", "part", "left_out"
"""Attributes of a set: from which files it was made and with which options, whether it is a part,
and what could not be taken."""

Batch = tuple[Mapping[str, np.ndarray[Any, Any]], Mapping[str, npt.ArrayLike]]
"""Variables and columns of the next patches."""

Progress = Callable[[str, int, int], None]
"""Told the set, the patches that were gone through, and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One thing that an import made, found there as it would make it, or would make."""

    name: str
    """Of the patch set, ``DATASET/PART``; or of the variable of embeddings."""

    patches: int
    """How many it holds."""

    bytes: int
    """Of its variables, before they are encoded."""

    left_out: tuple[str, ...] = ()
    """What was asked for and could not be taken, each with the reason."""

    notes: tuple[str, ...] = ()
    """What else is to be known: what is by rule no part of it, and what is odd as published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A patch set that an import would write; its files are checked, but for their pixels."""

    description: PatchDescription
    patches: int
    """How many will be taken."""

    of: int
    """How many there are; where that is more, the first are taken."""

    digest: str
    """Tells files and options from any others."""

    batches: Callable[[], Iterator[Batch | Refusal]]
    """Reads the patches, in order; a refusal stands for one that cannot be taken."""

    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the set."""
        return self.description.name

    def told(self, patches: int, refused: Sequence[str] = ()) -> Imported:
        """Return what is told of the set, with so many patches in it."""
        arrays = self.description.arrays().values()
        each = sum(prod(array.shape[1:]) * array.numpy_dtype.itemsize for array in arrays)
        return Imported(
            name=self.name,
            patches=patches,
            bytes=patches * each,
            left_out=(*self.left_out, *refused),
            notes=self.notes,
        )

    def there(self, store: Store) -> Imported | None:
        """Return the set that a store has, if it was made as this one would be; None: it has none.

        Raises:
            CubeExistsError: it was made from other files or with other options.
        """
        if self.name not in store.patch_sets():
            return None
        held = store.patches(self.name)
        attributes = held.root().attributes
        if attributes.get(DIGEST) != self.digest:
            part = f", of {attributes[PART]}" if PART in attributes else ""
            raise CubeExistsError(
                f"{held.path} is there, made from other files or with other options{part}",
                expected="a name that is free, or the same files and options",
                remedy="remove it and its record, or choose another store, to import anew",
            )
        return self.told(held.open().sizes["patch"], attributes.get(LEFT_OUT, ()))

    def write(self, store: Store, progress: Progress) -> Imported:
        """Write the set.

        Raises:
            DatasetError: pixels that are not as published; the store is as it was.
            NothingFoundError: no patch can be taken.
        """
        refused: list[str] = []
        with store.create_patches(self._marked()) as writer:
            for batch in self.batches():
                if isinstance(batch, Refusal):
                    refused.append(f"{batch.item}: {_said(batch)}")
                else:
                    writer.append(*batch)
                progress(self.name, writer.count + len(refused), self.patches)
            if not writer.count:
                raise NothingFoundError(
                    f"None of {self.patches} patches of {self.name} can be taken. {refused[0]}"
                )
            writer.tell(**({LEFT_OUT: refused} if refused else {}))
        return self.told(writer.count, refused)

    def _marked(self) -> PatchDescription:
        """Return the description with what tells the set from others, and from the whole."""
        about, title = {**self.description.attributes, DIGEST: self.digest}, self.description.title
        if self.patches < self.of:
            about[PART] = f"the first {self.patches} of {self.of} patches"
            title = f"{title}, {about[PART]}"
        return replace(self.description, attributes=about, title=title)


def carried_out(
    plans: Sequence[Planned],
    store: str | Path,
    *,
    plan_only: bool = False,
    progress: Progress | None = None,
) -> list[Imported]:
    """Write sets, or tell of them alone; one that is there as it would be made is left as it is.

    Raises:
        CubeExistsError: one is there, made from other files or with other options; none is written.
    """
    where = Store(str(Path(store).absolute()))
    there = [one.there(where) for one in plans]
    if plan_only:
        return [old or one.told(one.patches) for old, one in zip(there, plans, strict=True)]
    made = cubestore.create_store(store)
    tell = progress or (lambda *_: None)
    return [old or one.write(made, tell) for old, one in zip(there, plans, strict=True)]


def first(count: int, limit: int | None) -> int:
    """Return how many of so many patches are taken.

    Raises:
        QueryError: a limit below 1.
    """
    if limit is not None and limit < 1:
        raise QueryError(f"A limit of {limit}", expected="at least 1", remedy="leave it out: all")
    return count if limit is None else min(count, limit)


def fingerprint(folder: Path, files: Iterable[Path], *options: object) -> str:
    """Return what tells files and options from any others: names, sizes, times; no byte is read."""
    digest = hashlib.sha256(repr(options).encode())
    for path in files:
        about = path.stat() if path.exists() else None
        size = (about.st_size, about.st_mtime_ns) if about else ()
        digest.update(repr((str(path.relative_to(folder)), *size)).encode())
    return digest.hexdigest()


def _said(refusal: Refusal) -> str:
    return str(CubestoreError(refusal.found, expected=refusal.expected, remedy=refusal.remedy))
