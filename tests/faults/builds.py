"""The real ``cubestore build``, stopped: killed, interrupted, out of disk, beside another.

A build is watched by the lines that it writes: they tell which phase it is in, so that kills fall
into all of them. What a line told to be committed must be there, whatever happened afterwards.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import cubestore
from cubestore_pipelines.simulate.archive import Archive
from cubestore_pipelines.simulate.faults import Fault, Kind
from cubestore_pipelines.simulate.server import Serving, serving
from tests.faults import ingest, site, space
from tests.faults.table import Row

SLOTS = 6
LATENCY = 0.01
"""Seconds before each answer, so that reading takes its time."""

READING, COMMITTED = "shards to read", ": committed "


@dataclass(slots=True)
class Running:
    """A build that runs, and what it has told so far."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def until(self, word: str, count: int = 1) -> bool:
        """Read what it tells until so many lines have a word; False: it has ended before."""
        while sum(word in line for line in self.lines) < count:
            line = self.process.stderr.readline()
            if not line:
                return False
            self.lines.append(line)
        return True

    def end(self) -> site.Done:
        """Wait for its end."""
        stdout, stderr = self.process.communicate(timeout=site.PATIENCE)
        self.lines += stderr.splitlines(keepends=True)
        return site.Done(self.process.returncode, stdout, "".join(self.lines))

    @property
    def committed(self) -> set[str]:
        """What it told that it committed."""
        told = (line for line in self.lines if COMMITTED in line and line.endswith("\n"))
        return {line.partition(COMMITTED)[2].strip() for line in told}

    def workers(self) -> list[psutil.Process]:
        """Return the processes that read for it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children(recursive=True)
            return [one for one in children if "spawn_main" in " ".join(one.cmdline())]
        return []

    def signal_all(self, number: int) -> None:
        """Send a signal to the build and to all of its workers, as a terminal does."""
        os.killpg(self.process.pid, number)


@contextlib.contextmanager
def started(store: Path, server: Serving, *options: object, workers: int = 2) -> Iterator[Running]:
    """Start a build; nothing of it is left in the end."""
    command = site.arguments(store, server.stac_url, *options, workers=workers)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = site.surroundings(server)
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as process:
        try:
            yield Running(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


# Kills.


@dataclass(slots=True)
class Victim:
    """A store that builds are killed on, until it is complete."""

    store: Path
    made: Archive
    server: Serving
    told: set[str] = field(default_factory=set)
    """What builds told that they committed."""

    def look(self, row: Row, where: str, state: str) -> set[str]:
        """See what readers see after a fault; return the slots."""
        there = set(site.slots(self.store))
        row.see(state, site.wrong(self.store, self.made) + self._damage(), where)
        if lost := self.told - there:
            row.lose(f"{where}: {', '.join(sorted(lost))}")
        self.told |= there
        return there

    def _damage(self) -> list[str]:
        if not (site.cube(self.store) / "zarr.json").exists():
            return []
        report = cubestore.open_store(self.store).cube(site.TILE, site.SENSOR).verify()
        return [f"verify: {f.key} {f.state}" for f in report.findings if report.damaged]

    def complete(self, row: Row, where: str) -> None:
        """Let the next build complete, and compare with the truth."""
        done = site.build(self.store, self.server.stac_url, server=self.server)
        there = site.slots(self.store)
        missing = [g.item_id for g in self.made.granules if g.item_id not in there]
        ended = [] if done.status == 0 else [f"status {done.status}: {done.stderr[-300:]}"]
        found = missing + ended + done.problems + site.wrong(self.store, self.made)
        row.compare(found + site.damage(self.store), where)

    def renew(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.store, ignore_errors=True)
        self.told = set()


def kills(base: Path, trials: int = 200, seed: int = 0) -> Iterator[Row]:
    """Kill builds at random, each on what the ones before have left."""
    rng, row = random.Random(seed), Row("kill a build at a random moment")
    made = site.archive(base / "archive", site.scenes(SLOTS))
    with serving(made, latency=LATENCY) as server:
        victim = Victim(base / "store", made, server)
        ended = 0
        for trial in range(trials):
            where = f"kill {trial}, "
            with started(victim.store, server) as running:
                where += _wait(rng, running, SLOTS - len(victim.told))
                alone = rng.random() < 0.3
                where += ", the coordinator alone" if alone else ", all"
                ended += running.process.poll() is not None
                if alone:
                    running.process.kill()
                else:
                    running.signal_all(signal.SIGKILL)
                running.process.wait()
                before = set(victim.told)
                victim.told |= running.committed
                there = set(site.slots(victim.store))
                victim.look(row, where, "new" if there > before else "old")
            if len(there) == SLOTS or rng.random() < 0.1:
                victim.complete(row, where)
                victim.renew()
        victim.complete(row, "the last")
    row.note = f"old, new: slots had come in or not; {ended} had ended by themselves"
    yield row.done()


def _wait(rng: random.Random, running: Running, left: int) -> str:
    """Wait for a random moment of a random phase; return what it is called."""
    phase = rng.choice(["starting", "reading", "committing", "committing"])
    if phase == "starting":
        seconds = rng.uniform(0, 3)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.process.wait(seconds)
        return f"{seconds:.2f} s after the start"
    if phase == "reading":
        running.until(READING)
        seconds = rng.uniform(0, 2)
    else:
        count = rng.randint(1, max(left - 1, 1))
        running.until(COMMITTED, count)
        phase, seconds = f"after commit {count}", rng.uniform(0, 0.25)
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.process.wait(seconds)
    return f"{phase} {seconds:.2f} s"


# Interruptions, deaths of workers, and another build.


def interruptions(
    base: Path, only: Sequence[str] = (), receivers: Sequence[bool] = (True, False)
) -> Iterator[Row]:
    """Interrupt builds in each phase; then resume.

    Args:
        base: where.
        only: some of the moments.
        receivers: True: all processes get the signal, as from a terminal; False: the build alone.
    """
    row = Row("SIGINT in each phase")
    made = site.archive(base / "archive", site.scenes(SLOTS))
    for name in only or MOMENTS:
        for everyone in receivers:
            with serving(made, latency=0.1) as server:
                victim = Victim(base / f"{name} {everyone}", made, server)
                _interrupt(row, victim, name, everyone=everyone)
                victim.complete(row, name)
    yield row.done()


def _interrupt(row: Row, victim: Victim, name: str, *, everyone: bool) -> None:
    with started(victim.store, victim.server) as running:
        MOMENTS[name](running, victim.server)
        send = running.signal_all if everyone else running.process.send_signal
        send(signal.SIGINT)
        done = running.end()
        victim.told |= running.committed
    where = f"{name}, {'all' if everyone else 'the coordinator'}"
    row.failures += [f"{where}: {problem}: {done.stderr[-800:]}" for problem in done.problems]
    if done.status != 130 or "same command resumes" not in done.stderr:
        row.failures.append(f"{where}: status {done.status}: {done.stderr[-500:]}")
    victim.look(row, where, "new" if victim.told else "old")


def _asked(server: Serving, running: Running) -> None:
    """Wait until the catalogue is asked."""
    while not server.requests and running.process.poll() is None:
        time.sleep(0.02)


def _read(server: Serving, running: Running) -> None:
    """Wait until a file is read."""
    while not any(path.endswith(".tif") for _, path, _ in server.requests):
        if running.process.poll() is not None:
            return
        time.sleep(0.02)


MOMENTS: dict[str, Callable[[Running, Serving], object]] = {
    "planning": lambda running, server: _asked(server, running),
    "starting workers": lambda running, _: running.until(READING),
    "reading": lambda running, server: running.until(READING) and _read(server, running),
    "committing": lambda running, _: running.until(COMMITTED),
}
"""How it is known that a build is there."""


def _kill_a_worker(row: Row, running: Running, server: Serving) -> None:
    """Kill a worker while it reads, once it is seen what GDAL may load there."""
    running.until(READING)
    _read(server, running)
    for one in running.workers():
        if "VRT" not in one.environ().get("GDAL_SKIP", ""):
            row.failures.append("a worker's GDAL may open a VRT")
    for one in running.workers()[:1]:
        one.kill()


def workers(base: Path) -> Iterator[Row]:
    """Kill a worker while it reads: another takes its task; and see what GDAL may load there."""
    row = Row("kill a worker")
    made = site.archive(base / "archive", site.scenes(SLOTS))
    with serving(made, latency=0.1) as server:
        victim = Victim(base / "store", made, server)
        with started(victim.store, server) as running:
            _kill_a_worker(row, running, server)
            done = running.end()
            victim.told |= running.committed
        row.failures += done.problems
        if done.status or len(victim.told) != SLOTS:
            row.failures.append(f"status {done.status}, {done.stderr[-500:]}")
        victim.look(row, "killed once", "new")
        victim.complete(row, "killed once")
    yield row.done()


def beside(base: Path) -> Iterator[Row]:
    """Start a build while another runs: it is told who holds the lock, and then finds it done."""
    row = Row("a build beside a build")
    made = site.archive(base / "archive", site.scenes(2))
    with serving(made) as server:
        server.faults.inject(Fault("*_B02_10m.tif", Kind.STALL, seconds=site.PATIENCE))
        victim = Victim(base / "store", made, server)
        with started(victim.store, server) as running:
            running.until(READING)
            done = site.build(victim.store, server.stac_url, server=server)
            row.failures += done.problems
            if done.status != 1 or str(running.process.pid) not in done.stderr:
                row.failures.append(f"status {done.status}: {done.stderr[-500:]}")
            running.signal_all(signal.SIGINT)
            if running.end().status != 130:
                row.failures.append("the first one does not end")
        victim.look(row, "beside", "old")
        victim.complete(row, "beside")
    yield row.done()


def eventful(base: Path) -> Iterator[Row]:
    """One build, beside which another starts, that loses a worker and is interrupted."""
    row = Row("a second build, a worker's death, SIGINT")
    made = site.archive(base / "archive", site.scenes(SLOTS))
    with serving(made, latency=0.1) as server:
        server.faults.inject(Fault("*_B02_10m.tif", Kind.STALL, after=4, seconds=site.PATIENCE))
        victim = Victim(base / "store", made, server)
        with started(victim.store, server) as running:
            _kill_a_worker(row, running, server)
            second = site.build(victim.store, server.stac_url, server=server)
            row.failures += second.problems
            if second.status != 1 or str(running.process.pid) not in second.stderr:
                row.failures.append(f"the second: {second.status}: {second.stderr[-500:]}")
            running.until(COMMITTED)
            running.signal_all(signal.SIGINT)
            done = running.end()
            victim.told |= running.committed
        row.failures += [f"{problem}: {done.stderr[-800:]}" for problem in done.problems]
        if done.status != 130 or "same command resumes" not in done.stderr:
            row.failures.append(f"status {done.status}: {done.stderr[-500:]}")
        victim.look(row, "interrupted", "new" if victim.told else "old")
        victim.complete(row, "interrupted")
    yield row.done()


def schedulers(base: Path) -> Iterator[Row]:
    """Name a dask scheduler that is none."""
    row = Row("a dask scheduler that is none")
    made = site.archive(base / "archive", site.scenes(1))
    with serving(made) as server:
        port = server.url.rpartition(":")[2]
        for address in ("tcp://127.0.0.1:9", f"tcp://127.0.0.1:{port}", "nonsense"):
            try:
                done = site.build(
                    base / "store", server.stac_url, "--scheduler", address, server=server
                )
            except subprocess.TimeoutExpired:
                row.failures.append(f"{address}: it hangs")
                continue
            wrong = done.problems + [f"status {done.status}"] * (done.status != 1)
            row.see("old", wrong, f"{address}: {done.stderr[-500:]}")
    yield row.done()


# Disks.


def full(base: Path, rooms: Sequence[int] = range(0, 3 << 19, 3 << 16)) -> Iterator[Row]:
    """Build onto a disk with ever more room, also where a failure must be written down."""
    row = Row("a build on a full disk")
    table = [*([ingest.Spoilt(name="sound")] * 4), ingest.CONTENT[2]]
    one = ingest.case(base / "case", table)
    with space.mounted(base / "disk") as refused:
        if refused:
            row.skipped = refused
            yield row.done()
            return
        for room in rooms:
            for made, expected in ((one.sound, 0), (one.spoilt, 3)):
                _onto_full_disk(row, one, made, base / "disk", room, expected)
        _no_room_for_the_ledger(row, base, base / "disk")
    yield row.done()


def _onto_full_disk(
    row: Row, one: ingest.Case, made: Archive, disk: Path, room: int, expected: int
) -> None:
    store, filler = disk / "store", disk / "filler"
    space._leave_room(disk, filler, room)
    where = f"{room} bytes left, {'one item bad' if expected else 'all sound'}"
    done = site.build(store, site.on_disk(made))
    fitted = done.status == expected
    wrong = site.wrong(store, one.sound) + site.damage(store) + done.problems
    wrong += [] if fitted or done.status == 1 else [f"status {done.status}"]
    wrong = wrong and [*wrong, done.stderr[-700:]]
    row.see("new" if fitted else "old", wrong, where)
    filler.unlink()
    again = site.build(store, site.on_disk(one.sound))
    missing = [g.item_id for g in one.granules if g.item_id not in site.slots(store)]
    row.compare(missing + again.problems + site.wrong(store, one.sound), where)
    shutil.rmtree(store)


def _no_room_for_the_ledger(row: Row, base: Path, disk: Path) -> None:
    """Refuse an item of a cube on a disk that takes no line more."""
    lacking = next(row for row in ingest.CONTENT if row.name == "an item without the asset")
    one = ingest.case(base / "ledger", [ingest.CONTENT[0], lacking])
    store, filler = disk / "store", disk / "filler"
    row.failures += site.build(store, site.on_disk(one.sound)).problems
    space._leave_room(disk, filler, 0)
    done = site.build(store, site.on_disk(one.spoilt))
    wrong = done.problems + site.wrong(store, one.sound) + site.damage(store)
    wrong += [f"status {done.status}"] * (done.status != 1)
    row.see("old", wrong and [*wrong, done.stderr[-300:]], "no room for a line of the ledger")
    filler.unlink()


def limited(base: Path, sizes: Sequence[int] = (1 << 10, 1 << 13, 1 << 15)) -> Iterator[Row]:
    """Build where no file may be larger than a limit: what is written is cut off."""
    row = Row("a limit on the size of files")
    made = site.archive(base / "archive", site.scenes(2))
    catalog = site.on_disk(made)
    for size in sizes:
        store = base / f"{size}"
        command = site.arguments(store, catalog)

        def limit(size: int = size) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        done = site.run(command, preexec_fn=limit)
        wrong = site.wrong(store, made) + done.problems
        wrong += [f"status {done.status}"] * (done.status not in {0, 1})
        row.see("old", wrong and [*wrong, done.stderr[-500:]], f"{size} bytes")
        again = site.build(store, catalog)
        row.compare(
            again.problems + [f"status {again.status}"] * bool(again.status), f"{size} bytes"
        )
    yield row.done()
