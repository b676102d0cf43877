"""Plan -> commits, on any dask client.

One task reads one slot onto one shard. Whoever runs the build holds the cube's lock and commits
slot after slot, in the order of time; a slot is committed when all of its shards were read. What
cannot be read is written down, and its slot left out: the next run tries it again, and only it.
"""

import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from distributed import Client, Future, as_completed

import cubestore
from cubestore import Cube, Slot, Store, layout
from cubestore.cube import cube_at
from cubestore.errors import CubeExistsError, NotWritableError, UnknownCubeError
from cubestore.writer import Writer
from cubestore_pipelines import cluster, ledger, offset
from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.addresses import policy
from cubestore_pipelines.angles import Angles
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.coverage import Footprints, Shard, shard_grid
from cubestore_pipelines.errors import OffsetError, PlanError
from cubestore_pipelines.failures import Failure, LeftOut, Refusal
from cubestore_pipelines.plan import CubePlan, Plan
from cubestore_pipelines.present import Counts, Held, Job, held, jobs, provenance
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.shard import Outcome, Reading, Task, carry_out, unforeseen

AHEAD = 3
"""Tasks under way for each thread of the workers: enough to keep them busy, few enough that little
is staged when a build is killed."""


class Watcher(Protocol):
    """Who is told how a build goes on."""

    def begun(self, tile: str, sensor: str, *, slots: int, shards: int) -> None:
        """Tell what will be done on a cube."""

    def read(self, outcome: Outcome) -> None:
        """Tell that a shard was read."""

    def committed(self, tile: str, sensor: str, item_id: str) -> None:
        """Tell that a slot was committed."""

    def failed(self, failure: Failure | Refusal) -> None:
        """Tell that something could not be used."""

    def left_out(self, measured: LeftOut) -> None:
        """Tell that something was read, and is cloudier or emptier than wanted."""


@dataclass(slots=True)
class Report:
    """What came of a build."""

    store: str
    cubes: list[tuple[str, str]] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)
    """The item ids of the slots that were appended or filled."""

    unchanged: int = 0
    """Acquisitions of which nothing was missing."""

    shards: int = 0
    bytes: int = 0
    failures: list[Failure | Refusal] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    """What was read, and is cloudier or emptier than wanted."""


def build(
    store: str | Path,
    plan: Plan,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    watcher: Watcher | None = None,
    start: Callable[[], Client] | None = None,
) -> Report:
    """Build or extend cubes as a plan tells.

    Args:
        store: where; made when it is not there.
        plan: what.
        scheduler: address of a dask scheduler; None: workers on this machine.
        workers: how many of them; None: one a processor.
        watcher: who is told how it goes on.
        start: returns the workers of several builds, instead of both; see `cluster.when_needed`.

    Raises:
        LockedError: another build holds one of the cubes; says who.
        NotWritableError: the disk is full or read-only; what was committed stays.
    """
    made = cubestore.create_store(store)
    report = Report(store=made.path)
    told = watcher or _Nobody()
    reading = reading_of(plan)
    _note_refusals(made, plan, report, told)
    with cluster.when_needed(scheduler, workers) as own:
        for one in plan.cubes:
            CubeBuild(made, plan.choices, one, reading, report, told, start or own).run()
    return report


def reading_of(plan: Plan) -> Reading:
    """Return the choices of a plan that each task needs."""
    where, choices = plan.catalog, plan.choices
    return Reading(
        policy=policy(where.address, choices.allow),
        profile=where.profile,
        timeout=choices.timeout,
        checksums=choices.checksums,
        resampling=choices.resampling,
        ocean_zero=choices.ocean_zero,
        build=uuid.uuid4().hex,
    )


class _Nobody:
    def begun(self, tile: str, sensor: str, *, slots: int, shards: int) -> None: ...
    def read(self, outcome: Outcome) -> None: ...
    def committed(self, tile: str, sensor: str, item_id: str) -> None: ...
    def failed(self, failure: Failure | Refusal) -> None: ...
    def left_out(self, measured: LeftOut) -> None: ...


def _note_refusals(store: Store, plan: Plan, report: Report, told: Watcher) -> None:
    said: set[str] = set()
    for refusal in plan.refused:
        ledger.record(cube_at(store.path, refusal.tile, refusal.sensor), [refusal])
        if refusal.found not in said:
            told.failed(refusal)
        said.add(refusal.found)
    report.failures += plan.refused


def _cube(store: Store, one: CubePlan, *, lossless: bool) -> Cube:
    try:
        return store.cube(one.tile, one.sensor)
    except UnknownCubeError:
        with contextlib.suppress(CubeExistsError):  # another build was quicker
            return store.create_cube(
                one.tile,
                one.sensor,
                bands=one.bands,
                layers=one.layers,
                lossless=lossless,
                wait=0,
            )
        return store.cube(one.tile, one.sensor)


@dataclass(slots=True)
class _Slot:
    """A job under way."""

    job: Job
    waiting: set[Shard]
    outcomes: list[Outcome] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def done(self) -> bool:
        return not self.waiting or self.failure is not None


class CubeBuild:
    """The build of one cube."""

    def __init__(
        self,
        store: Store,
        choices: Choices,
        one: CubePlan,
        reading: Reading,
        report: Report,
        told: Watcher,
        start: Callable[[], Client],
    ) -> None:
        self.cube = _cube(store, one, lossless=choices.lossless)
        self.choices, self.one, self.reading = choices, one, reading
        self.report, self.told, self.start = report, told, start
        self.grid = layout.geobox(self.cube.sensor, self.cube.tile)
        self.footprints = Footprints(self.cube.tile)

    def run(self) -> None:
        """Build what the plan has of the cube; whoever wrote to it meanwhile keeps what he wrote.

        Raises:
            LockedError: another build holds the cube.
            PlanError: its bands are not those of the plan.
            NotWritableError: the disk is full or read-only.
        """
        self.report.cubes.append((self.one.tile, self.one.sensor))
        with self.cube.write(wait=0) as writer:
            self._refuse_other_bands()
            jobs = self._jobs(held(self.cube))
            shards = sum(len(job.shards) for job in jobs)
            self.told.begun(self.one.tile, self.one.sensor, slots=len(jobs), shards=shards)
            if jobs:
                self._carry_out(writer, jobs)

    def _refuse_other_bands(self) -> None:
        bands = tuple(str(name) for name in self.cube.open().band.values)
        if bands != self.one.bands:
            raise PlanError(
                f"The cube {self.one.tile} {self.one.sensor} holds the bands {' '.join(bands)}",
                expected=f"{' '.join(self.one.bands)}, as the plan has them",
                remedy="make the plan again: a cube's bands are fixed when it is created",
            )

    def _jobs(self, there: Sequence[Held]) -> list[Job]:
        made = jobs(
            self.one.acquisitions, self.one.shards, there, self.cube.tile, meets=self._meets
        )
        for job in made:
            if job.problem:
                self._fail(_conflict(job))
        self.report.unchanged += sum(not job.shards and not job.problem for job in made)
        return [job for job in made if job.shards]

    def _meets(self, scene: Scene, shard: Shard) -> bool:
        """Whether a scene may have pixels in a shard, by its footprint."""
        return self.footprints.meet(scene.footprint, shard_grid(self.grid, shard))

    def _carry_out(self, writer: Writer, jobs: Sequence[Job]) -> None:
        """Keep the workers busy; commit the oldest slot whenever it is done."""
        client = self.start()
        slots = deque(_Slot(job, set(job.shards)) for job in jobs)
        tasks = self._tasks(writer, list(slots))
        running: dict[Future[Outcome], tuple[_Slot, Task]] = {}
        ready = as_completed()
        try:
            self._submit(client, tasks, running, ready)
            for future in ready:
                slot, task = running.pop(future)
                self._take(slot, task, future)
                future.release()
                while slots and slots[0].done:
                    self._finish(writer, slots.popleft())
                self._submit(client, tasks, running, ready)
        finally:
            client.cancel(list(running))

    def _tasks(self, writer: Writer, slots: Iterable[_Slot]) -> Iterator[tuple[_Slot, Task]]:
        sensor = self.cube.sensor
        known = (*layout.layers_of(sensor), *sensor.optional_layers)
        layers = tuple(layer.name for layer in known if layer.name in writer.arrays)
        for slot in slots:
            for shard in slot.job.shards:
                if slot.failure is not None:
                    break
                pixels, scenes = shard_grid(self.grid, shard), slot.job.acquisition.scenes
                task = Task(
                    staging=writer.staging,
                    sensor=sensor,
                    bands=self.one.bands,
                    layers=layers,
                    slot=writer.slots,
                    shard=shard,
                    grid=pixels,
                    angles=self.choices.view_angles and shard == slot.job.shards[0],
                    scenes=tuple(
                        s for s in scenes if self.footprints.may_meet(s.footprint, pixels)
                    ),
                    reading=self.reading,
                )
                yield slot, task

    def _submit(
        self,
        client: Client,
        tasks: Iterator[tuple[_Slot, Task]],
        running: dict[Future[Outcome], tuple[_Slot, Task]],
        ready: Any,  # noqa: ANN401 - dask's as_completed
    ) -> None:
        threads = max(1, sum(client.nthreads().values()))
        while len(running) < AHEAD * threads and (following := next(tasks, None)):
            future = client.submit(carry_out, following[1], pure=False)
            running[future] = following
            ready.add(future)

    def _take(self, slot: _Slot, task: Task, future: Future[Outcome]) -> None:
        """Take in what came of a task; whatever a worker died of is a failure too."""
        error = future.exception()
        if isinstance(error, NotWritableError):
            raise error
        if error is not None:
            outcome = Outcome(shard=task.shard, failure=unforeseen(task, error))
        else:
            outcome = future.result()
        slot.waiting.discard(task.shard)
        if outcome.failure and slot.failure is None:
            slot.failure = outcome.failure
        slot.outcomes.append(outcome)
        self.told.read(outcome)

    def _finish(self, writer: Writer, slot: _Slot) -> None:
        if slot.failure is None:
            slot.failure = _contradiction(slot)
        if slot.failure is not None:
            self._fail(slot.failure)
            return
        if slot.job.fills is None and (measured := self._unwanted(slot)):
            self._leave_out(measured)
            return
        _commit(writer, slot)
        self.report.committed.append(slot.job.acquisition.item_id)
        self.report.shards += len(slot.outcomes)
        self.report.bytes += sum(outcome.size for outcome in slot.outcomes)
        self.told.committed(self.one.tile, self.one.sensor, slot.job.acquisition.item_id)

    def _unwanted(self, slot: _Slot) -> LeftOut | None:
        """Return what was measured of a slot that is cloudier or emptier than wanted."""
        counts = Counts.of(slot.outcomes)
        measured = LeftOut(
            item=slot.job.acquisition.item_id,
            shards=slot.job.shards,
            cloud=100 * (1 - counts.clear_fraction) if counts.known else None,
            nodata=100 * (1 - counts.valid_fraction),
        )
        limits = self.choices.max_measured_cloud, self.choices.max_measured_nodata
        return measured if measured.beyond(*limits) else None

    def _leave_out(self, measured: LeftOut) -> None:
        self.report.left_out.append(measured)
        ledger.record(self.cube, [measured])
        self.told.left_out(measured)

    def _fail(self, failure: Failure) -> None:
        self.report.failures.append(failure)
        ledger.record(self.cube, [failure])
        self.told.failed(failure)


def _conflict(job: Job) -> Failure:
    """Refuse what the cube cannot tell from what it has."""
    return Failure(
        item=job.acquisition.item_id,
        asset="",
        found=job.problem,
        expected="another id for another processing, and all parts of a slot in one search",
        remedy=job.remedy,
    )


def _contradiction(slot: _Slot) -> Failure | None:
    """Refuse pixels that prove the decided offset wrong, over the whole slot."""
    first = slot.job.acquisition.scenes[0]
    dark = sum(outcome.dark for outcome in slot.outcomes)
    valid = sum(outcome.evidence for outcome in slot.outcomes)
    item_id = slot.job.acquisition.item_id
    try:
        offset.refuse_contradiction(item_id, first.dn_offset, dark=dark, valid=valid)
    except OffsetError as error:
        return Failure.of(item_id, error)
    return None


def _commit(writer: Writer, slot: _Slot) -> None:
    job, outcomes = slot.job, slot.outcomes
    staged = [block for outcome in outcomes for block in outcome.staged]
    counts = Counts.of(outcomes)
    items = _items(job.acquisition, outcomes, counts)
    if job.fills is not None:
        whole = counts + job.before
        item_id, source_url = _extended(job)
        writer.fill(
            job.fills,
            job.shards,
            [block.at(job.fills) for block in staged],
            clear_fraction=whole.clear_fraction,
            valid_fraction=whole.valid_fraction,
            item_id=item_id,
            source_url=source_url,
            items=items,
        )
    else:
        described = _described(job, counts, items, _angles(slot))
        writer.append([described], [block.at(writer.slots) for block in staged])


def _extended(job: Job) -> tuple[str, str]:
    """Return the items and addresses of a slot, with those that it gets besides."""
    items, urls = (told.split() for told in job.extends)
    items += job.acquisition.item_id.split()
    urls += _addresses(job.acquisition)
    return " ".join(dict.fromkeys(items)), " ".join(dict.fromkeys(urls))


def _addresses(acquisition: Acquisition) -> list[str]:
    """Return where the items came from, without signature; an address with a space is left out."""
    urls = dict.fromkeys(s.url.partition("?")[0] for s in acquisition.scenes if s.url)
    return [url for url in urls if " " not in url]


def _items(
    acquisition: Acquisition, outcomes: Sequence[Outcome], counts: Counts
) -> tuple[dict[str, Any], ...]:
    """Return the items' provenance; the first one's also tells what was counted in the shards."""
    found: list[dict[str, Any]] = []
    for scene in acquisition.scenes:
        assets = {
            asset: told
            for outcome in outcomes
            for asset, told in outcome.provenance.get(scene.item_id, {}).items()
        }
        counted = {} if found else {"pixels": asdict(counts)}
        found.append(provenance(scene, assets) | counted)
    return tuple(found)


def _angles(slot: _Slot) -> Angles:
    """Return from where the first scene was seen: as its item tells, or its metadata."""
    first = slot.job.acquisition.scenes[0]
    read = (o.angles[first.item_id] for o in slot.outcomes if first.item_id in o.angles)
    return next(read, Angles(first.view_zenith, first.view_azimuth))


def _described(job: Job, counts: Counts, items: tuple[dict[str, Any], ...], angles: Angles) -> Slot:
    """Return what the cube will know of an acquisition besides its pixels."""
    acquisition, first = job.acquisition, job.acquisition.scenes[0]
    return Slot(
        time=acquisition.time,
        time_end=max(scene.time_end for scene in acquisition.scenes),
        item_id=acquisition.item_id,
        shards=job.shards,
        items=items,
        source_url=" ".join(_addresses(acquisition)),
        platform=first.platform,
        processing_baseline=first.processing_baseline,
        processor_version=first.processor_version,
        dn_offset=first.dn_offset,
        dn_offset_source=first.dn_offset_source,
        orbit_state=first.orbit_state,
        relative_orbit=first.relative_orbit,
        sun_azimuth=first.sun_azimuth,
        sun_elevation=first.sun_elevation,
        view_azimuth=angles.azimuth,
        view_zenith=angles.zenith,
        cloud_cover=acquisition.cloud_cover,
        clear_fraction=counts.clear_fraction,
        valid_fraction=counts.valid_fraction,
        supersedes=job.supersedes,
    )
