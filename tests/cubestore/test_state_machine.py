"""The store against a model in memory, whatever is done to a cube and wherever that is cut short.

A crash is an error that nothing catches, raised by the system call that would change the disk,
and by all that follow: like a dead process, what unwinds can put nothing right.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.faults import operations as do
from tests.faults.process import changes

pytestmark = pytest.mark.faults

CRASH = st.none() | st.integers(1, 40) | st.integers(41, 250)
"""Before which change; half of a commit's lie in its first 100."""


class CrashError(BaseException):
    """The process is no more."""


class Fuse:
    """Lets so many changes to the disk pass, and none after."""

    def __init__(self) -> None:
        self.left: int | None = None

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.left is not None and changes(event, arguments):
            self.left -= 1
            if self.left <= 0:
                raise CrashError

    def burns(self, function: Callable[[], object], after: int | None) -> bool:
        """Call ``function``; return whether the fuse cut it short."""
        self.left = after
        try:
            function()
        except CrashError:
            return True
        finally:
            self.left = None
        return False


@cache
def fuse() -> Fuse:
    """Return the fuse of this process: an audit hook cannot be taken back."""
    made = Fuse()
    sys.addaudithook(made.hook)
    return made


@dataclass(slots=True)
class Modelled:
    """One slot as it should be."""

    number: int
    supersedes: str = ""
    filled: bool = False
    embedding: float = float("nan")
    uncertain: bool = False
    """A fill was cut short: until it is undone, each shard is nodata or whole."""


class Cubes(RuleBasedStateMachine):
    """A cube, and what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store = self.directory / "store"
        self.slots: list[Modelled] = []
        self.next = 0
        self.has_variable = False

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    @initialize(crash=CRASH)
    def create(self, crash: int | None) -> None:
        if fuse().burns(lambda: do.create(self.store), crash) and do.committed(self.store) < 0:
            do.create(self.store)

    def commit(self, run: Callable[[], object], crash: int | None) -> bool:
        """Run something that commits; return whether it did."""
        before = do.committed(self.store)
        crashed = fuse().burns(run, crash)
        after = do.committed(self.store)
        assert after in ({before, before + 1} if crashed else {before + 1})
        if not crashed or after > before:
            for slot in self.slots:
                slot.uncertain = False
        return after > before

    @rule(count=st.integers(1, 3), filled=st.booleans(), data=st.data(), crash=CRASH)
    def append(self, count: int, *, filled: bool, data: st.DataObject, crash: int | None) -> None:
        superseded = {slot.supersedes for slot in self.slots}
        ids = [do.slot(s.number).item_id for s in self.slots if filled or not s.filled]
        old = data.draw(st.sampled_from(["", *(i for i in ids if i not in superseded)]))
        new = [Modelled(self.next + k, old if k == 0 else "", filled) for k in range(count)]
        self.next += count
        described = [(slot.number, slot.supersedes) for slot in new]
        if self.commit(lambda: do.append_many(self.store, described, filled=filled), crash):
            self.slots += new

    @precondition(lambda self: any(not slot.filled for slot in self.slots))
    @rule(data=st.data(), crash=CRASH)
    def fill(self, data: st.DataObject, crash: int | None) -> None:
        empty = [k for k, slot in enumerate(self.slots) if not slot.filled]
        index = data.draw(st.sampled_from(empty))
        slot = self.slots[index]
        slot.filled = self.commit(lambda: do.fill(self.store, index, slot.number), crash)
        slot.uncertain = not slot.filled

    @precondition(lambda self: not self.has_variable)
    @rule(crash=CRASH)
    def add_variable(self, crash: int | None) -> None:
        self.has_variable = self.commit(lambda: do.add_variable(self.store), crash)

    @precondition(lambda self: self.has_variable and self.slots)
    @rule(data=st.data(), crash=CRASH)
    def fill_variable(self, data: st.DataObject, crash: int | None) -> None:
        chosen = data.draw(st.sets(st.integers(0, len(self.slots) - 1), min_size=1))
        if self.commit(lambda: do.fill_variable(self.store, chosen), crash):
            for index in chosen:
                self.slots[index].embedding = index + 1.0

    @rule(crash=CRASH)
    def recover(self, crash: int | None) -> None:
        before = do.committed(self.store)
        if not fuse().burns(do.cube(self.store).recover, crash):
            for slot in self.slots:
                slot.uncertain = False
        assert do.committed(self.store) == before

    @invariant()
    def nothing_is_damaged(self) -> None:
        report = do.cube(self.store).verify()
        assert not report.damaged, report.findings

    @invariant()
    def everyone_sees_the_model(self) -> None:
        plain = xr.open_zarr(do.cube(self.store).path, chunks=None, mask_and_scale=False)
        ours = do.cube(self.store).open(mask_and_scale=False, superseded=True)
        for data in (plain, ours):
            self.compare(data)
        assert (do.EMBEDDING in ours) == self.has_variable
        if self.has_variable:
            there = ours[do.EMBEDDING].values
            expected = np.array([slot.embedding for slot in self.slots], "float32")
            np.testing.assert_array_equal(
                there, np.broadcast_to(expected[:, None, None, None], there.shape)
            )
        replaced = {slot.supersedes for slot in self.slots}
        current = {do.slot(slot.number).item_id for slot in self.slots} - replaced
        assert {*do.cube(self.store).open().item_id.values.tolist()} == current

    def compare(self, data: xr.Dataset) -> None:
        assert data.item_id.values.tolist() == [do.slot(s.number).item_id for s in self.slots]
        assert data.supersedes.values.tolist() == [slot.supersedes for slot in self.slots]
        window = {a: slice(at, at + do.USED) for a, at in zip("yx", do.CORNER, strict=True)}
        for index, slot in enumerate(self.slots):
            pixels = do.pixels(slot.number)
            one = data.isel(time=index, **window)
            for name, (_, nodata, _) in do.DTYPES.items():
                whole = np.array_equal(one[name].values, pixels[name][..., : do.USED, : do.USED])
                none = bool((one[name].values == nodata).all())
                assert whole if slot.filled else none or (slot.uncertain and whole), (name, index)


TestCubes = Cubes.TestCase
TestCubes.settings = settings(
    max_examples=6,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
