"""The power fails: at a moment of a run, and of runs that follow one that was killed."""

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.faults import look, process
from tests.faults.durability import Recording, hold_many_files
from tests.faults.kills import Stage
from tests.faults.operations import OPERATIONS, SENSOR, cube
from tests.faults.table import Row

STORE = "store"
CHANGE, SYNC, TURN, DONE = b"c", b"s", b"t", b"d"
TURNS = {"commits", SENSOR}
"""The directories on which it depends what is committed: of the records, and of the root."""

PLACES = ((CHANGE + SYNC + TURN, 250), (SYNC, 80), (TURN, 6))
"""Where a run is killed: before a change of some kinds, at most so many on."""


def losses(base: Path, states: int = 500, every: int = 1) -> Iterator[Row]:
    """Fail the power at moments of every operation, run once and after one or two kills.

    Args:
        base: where.
        states: that are left of the disk.
        every: try only every so manyth operation.
    """
    hold_many_files()
    rng, row = random.Random(3), Row("power failed, unsynced files and names forgotten")
    kinds = [(what, kills) for what in OPERATIONS for kills in (0, 1, 2)][::every]
    for number, (what, kills) in enumerate(kinds):
        stage = Stage(base / str(number), what)
        recording = record(stage, base / str(number) / "disk", kills, rng)
        for _ in range(states * (number + 1) // len(kinds) - states * number // len(kinds)):
            _lose(stage, recording, rng, row)
        recording.close()
        shutil.rmtree(base / str(number))
    yield row.done()


def record(stage: Stage, top: Path, kills: int, rng: random.Random) -> Recording:
    """Record an operation, after some runs of it that were killed."""
    top.mkdir()
    recording = Recording(top)
    recording.snap()
    _follow(recording, stage.operation.prepare)
    recording.begin, recording.acknowledged = len(recording.moments) - 1, None
    for _ in range(kills):
        kinds, most = rng.choice(PLACES)
        _follow(recording, stage.repeat_at, kill_at=(kinds, rng.randint(1, most)))
    _follow(recording, stage.repeat_at)
    return recording


def _follow(
    recording: Recording, run: Callable[[Path], None], kill_at: tuple[bytes, int] = (b"", 0)
) -> None:
    """Run something in a child that waits, before each change, until the disk is recorded.

    Args:
        recording: where to.
        run: what.
        kill_at: before which change, counted among those of some kinds.
    """
    told, telling = os.pipe()
    going, go = os.pipe()

    def tell(kind: bytes, inode: int = 0) -> None:
        os.write(telling, kind + inode.to_bytes(8, "little"))
        os.read(going, 1)

    def before(event: str, arguments: tuple[int, ...]) -> None:
        if event == "fsync":
            name = Path(f"/proc/self/fd/{arguments[0]}").readlink().name
            tell(TURN if name in TURNS else SYNC, os.fstat(arguments[0]).st_ino)
        else:
            tell(CHANGE)

    def job() -> None:
        process.watch(before)
        run(recording.top / STORE)
        tell(DONE)

    child = process.fork(job)
    os.close(telling)
    kinds, left = kill_at
    while message := os.read(told, 9):
        left -= message[:1] in kinds
        last = left == 0 and message[:1] in kinds
        synced = None if last else int.from_bytes(message[1:], "little") or None
        recording.snap(synced, turn=message[:1] == TURN)
        if message[:1] == DONE and recording.acknowledged is None:
            recording.acknowledged = len(recording.moments) - 1
        if last:
            os.kill(child, signal.SIGKILL)
        os.write(go, b"g")
    process.wait(child)
    for handle in (told, going, go):
        os.close(handle)
    recording.snap()


def _lose(stage: Stage, recording: Recording, rng: random.Random, row: Row) -> None:
    at = recording.moment(rng)
    where = f"{stage.operation.name}, moment {at} of {len(recording.moments)}"
    disk = stage.trial.parent / "failed"
    recording.fail(at, rng, disk)
    shutil.rmtree(stage.trial, ignore_errors=True)
    if (disk / STORE).exists():
        (disk / STORE).rename(stage.trial)
    shutil.rmtree(disk)
    done = recording.acknowledged is not None and at >= recording.acknowledged
    if stage.look(row, where, settled=False) == "old" and done:
        row.lose(where)
    _settle(stage, row, where)
    stage.repeat(row, where)


def _settle(stage: Stage, row: Row, where: str) -> None:
    """After recovery, readers of every kind and verify find nothing wrong."""
    if not Path(cube(stage.trial).path).exists():
        return
    try:
        process.run(_recover, stage.trial)
    except RuntimeError as error:
        row.failures.append(f"{where}: recover: {error}")
        return
    seen = process.ask(look.sight, stage.trial)
    _, wrong = look.judge(seen, stage.old, stage.new, replace(stage.operation, by_shard=False))
    if wrong or isinstance(seen.direct, str):
        row.torn += 1
        row.failures.append(f"{where}, recovered: {'; '.join(wrong[:4])} {str(seen.direct)[:80]}")


def _recover(store: Path) -> None:
    cube(store).recover()
