"""One task of a build: the scenes of a slot are read onto one shard, and left for the writer.

Everything is read inside the task, eagerly, with addresses signed there. A file that cannot be
read makes the task fail, with its item, its asset and the reason: never nodata.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
from odc.geo.geobox import GeoBox

from cubestore import cloud
from cubestore.commit import Staged
from cubestore.errors import AbandonedError, NotWritableError
from cubestore.sensors import Layer, Sensor
from cubestore.staging import Staging
from cubestore_pipelines import convert, offset
from cubestore_pipelines.addresses import Policy
from cubestore_pipelines.angles import Angles, parse
from cubestore_pipelines.clean import cleaning
from cubestore_pipelines.coverage import Shard
from cubestore_pipelines.errors import AssetError
from cubestore_pipelines.failures import Failure
from cubestore_pipelines.products import MAPS, PHOTOGRAPHS
from cubestore_pipelines.providers import Provider
from cubestore_pipelines.quilt import Quilt, longitude, quilts
from cubestore_pipelines.read import Access, File, Found, Pixels, opened, read, read_document
from cubestore_pipelines.scene import Raster, Scene
from cubestore_pipelines.sign import by_name

AT_ONCE = 8
"""Bands of a task that are read side by side: what waits for a server costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The choices of a build that a task needs."""

    policy: Policy
    profile: Provider | None = None
    timeout: float = 30.0
    checksums: bool = True
    resampling: str = ""
    """Of pixels that are not the cube's own; "": as the sensor has it."""

    ocean_zero: bool = False
    """Whether an elevation model has 0 where there is no sheet."""

    build: str = ""
    """What tells this build from others in the same worker."""

    def access(self, scene: Scene) -> Access:
        """Return how the files of a scene may be reached."""
        sign = by_name(scene.provider, self.profile)
        return Access(
            policy=self.policy,
            sign=sign,
            timeout=self.timeout,
            checksums=self.checksums,
            build=self.build,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A slot's shard."""

    staging: Staging | None = None
    """Where the blocks are left for the writer of a cube; None: the outcome has the variables."""

    sensor: Sensor
    bands: tuple[str, ...]
    layers: tuple[str, ...]
    """The cube's variables on ``(time, y, x)``."""

    slot: int
    """Where the blocks would go; the writer decides when it commits."""

    shard: Shard
    grid: GeoBox
    """The shard's pixels."""

    angles: bool = False
    """Whether the view angles are read too: once a slot."""

    scenes: tuple[Scene, ...]
    """Laid over each other: the first that has data wins."""

    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a task."""

    shard: Shard
    staged: tuple[Staged, ...] = ()
    arrays: Mapping[str, Pixels] = field(default_factory=dict)
    """The variables, ``([band,] y, x)``, of a task that leaves no blocks."""

    pixels: int = 0
    valid: int = 0
    known: int = 0
    """Pixels whose cloud class is known."""

    clear: int = 0
    evidence: int = 0
    """Valid digital numbers of the bands that tell whether an offset is in them."""

    dark: int = 0
    """Those that are too dark for one."""

    angles: Mapping[str, Angles] = field(default_factory=dict)
    """Item -> where it was seen from."""

    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Item -> asset -> where its bytes came from."""

    failure: Failure | None = None

    @property
    def size(self) -> int:
        """Bytes left for the writer."""
        return sum(block.measure[0] for block in self.staged)


class _FailedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def carry_out(task: Task) -> Outcome:
    """Read a slot's shard and leave it for the writer.

    Raises:
        AbandonedError: the writer is gone.
        NotWritableError: the disk is full.
    """
    try:
        mosaic = _Mosaic(task)
        if task.angles:
            mosaic.look()
        if task.sensor.id in MAPS:
            mosaic.sew(task.scenes)
        else:
            for scene in task.scenes:
                mosaic.lay(scene)
        if task.reading.ocean_zero and task.sensor.id in SEAS:
            mosaic.flood()
        return mosaic.outcome(_stage(task, mosaic) if mosaic.touched else [])
    except _FailedError as failed:
        return Outcome(shard=task.shard, failure=failed.failure)
    except (AbandonedError, NotWritableError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, the slot fails and is told of
        return Outcome(shard=task.shard, failure=unforeseen(task, error))


def unforeseen(task: Task, error: BaseException) -> Failure:
    """Return the failure of a task that ended in a way that nobody foresaw."""
    items = " ".join(scene.item_id for scene in task.scenes)
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return Failure(
        item=items,
        asset="",
        found=f"The task of {items} ended with {reason}",
        expected="a worker that lives to its end",
        remedy="run the build again; more memory or fewer --workers may help",
        shard=task.shard,
    )


@contextlib.contextmanager
def _attributed(scene: Scene, raster: Raster, shard: Shard) -> Iterator[str]:
    """Give what is done with a file a name for errors; a failure knows the item and the asset."""
    try:
        yield f"Item {scene.item_id}, asset {raster.asset},"
    except AssetError as error:
        raise _FailedError(
            Failure.of(scene.item_id, error, asset=raster.asset, shard=shard)
        ) from None


def _stage(task: Task, mosaic: "_Mosaic") -> list[Staged]:
    """Leave the blocks for the writer, if there is one; what is all nodata is not stored."""
    if task.staging is None:
        return []
    staged = []
    for name, values in mosaic.arrays.items():
        lead = (0,) * (values.ndim - 2)
        staged.append(task.staging.write(name, (task.slot, *lead, *task.shard), values[None]))
    return [block for block in staged if block]


class _Mosaic:
    """The variables of a shard, filled scene by scene."""

    def __init__(self, task: Task) -> None:
        self.task = task
        shape, sensor = task.grid.shape, task.sensor
        self.pixels = _empty(sensor.pixels, (len(task.bands), *shape))
        known = {layer.name: layer for layer in sensor.every_layer}
        self.layers = {name: known[name] for name in task.layers if name in known}
        self.masks = {name: _empty(layer, shape) for name, layer in self.layers.items()}
        self.free = np.ones(shape, "bool")
        self.touched = False
        """Whether any file has a pixel here."""

        self.evidence: dict[tuple[str, str], tuple[int, int]] = {}
        """Item and band -> valid digital numbers, and those too dark for an offset."""

        self.angles: dict[str, Angles] = {}
        self.provenance: dict[str, dict[str, Any]] = {}

    def lay(self, scene: Scene) -> None:
        """Put a scene where there is no data yet."""
        if not self.free.any():
            return
        first = self.free.all()
        pixels = self.pixels if first else np.empty_like(self.pixels)
        masks = self.masks if first else {n: np.empty_like(m) for n, m in self.masks.items()}
        self._read(scene, pixels, masks)
        convert.empty_beyond(self.task.sensor, masks)
        if not first:
            self._merge(pixels, masks)
        self.free &= ~self._valid(pixels)

    def look(self) -> None:
        """Read from where each scene was seen, where its metadata tell."""
        for scene in self.task.scenes:
            if scene.metadata is not None:
                access = self.task.reading.access(scene)
                with _attributed(scene, scene.metadata, self.task.shard) as name:
                    document = read_document(scene.metadata, access, name)
                    self.angles[scene.item_id] = parse(document, name)

    def sew(self, scenes: Sequence[Scene]) -> None:
        """Put in the sheets of a map, together, so that none is interpolated to its edge alone."""
        (name,) = self.task.bands
        grids = []
        for scene in scenes:
            with self._sheet(scene, name) as file:
                grids.append(file.grid)
        for quilt in quilts(grids, longitude(self.task.grid)):
            self._lay_quilt(quilt, scenes, name)

    def _lay_quilt(self, quilt: Quilt, scenes: Sequence[Scene], name: str) -> None:
        """Warp what a quilt has here, and put it where there is no data yet."""
        from cubestore.warp import Resampling, source_window, warp  # noqa: PLC0415 - numba is for who warps

        sensor, grid = self.task.sensor, self.task.grid
        resampling = cast("Resampling", self.task.reading.resampling or sensor.resampling)
        window = source_window(quilt.grid, grid, resampling=resampling)
        if window is None:
            return
        shape = tuple(span.stop - span.start for span in window)
        pixels = _empty(sensor.pixels, (1, *shape))
        for number, own, place in quilt.parts(*window):
            with self._sheet(scenes[number], name) as file:
                found = convert.Numbers(file.read(*own)[0], file.empty)
                sheet = np.empty_like(pixels[0][place])
                told = file.provenance(grid, resampling)
                convert.store_pixels(found, scenes[number], sensor, sheet, file.dataset.name)
            free = ~self._valid(pixels[:, *place])
            np.copyto(pixels[0][place], sheet, where=free)
            self._note(scenes[number], [scenes[number].bands[name]], told)
        warped = warp(
            pixels, quilt.grid[window], grid, resampling=resampling, nodata=sensor.pixels.nodata
        )
        np.copyto(self.pixels, warped, where=self.free)
        self.free &= ~self._valid(self.pixels)

    @contextlib.contextmanager
    def _sheet(self, scene: Scene, band: str) -> Iterator[File]:
        raster, access = scene.bands[band], self.task.reading.access(scene)
        nodata = convert.product_nodata(self.task.sensor)
        with (
            _attributed(scene, raster, self.task.shard) as name,
            opened([raster], access, name=name, nodata=nodata) as file,
        ):
            yield file

    def flood(self) -> None:
        """Let the sea have a height of zero wherever no sheet lies."""
        self.pixels[:, self.free] = 0
        self.free[:] = False
        self.touched = True

    def _merge(self, pixels: Pixels, masks: Mapping[str, Pixels]) -> None:
        np.copyto(self.pixels, pixels, where=self.free)
        for name, values in masks.items():
            np.copyto(self.masks[name], values, where=self.free)

    def _valid(self, pixels: Pixels) -> Pixels:
        """Where any band has data."""
        nodata, valid = self.task.sensor.pixels.nodata, np.zeros(pixels.shape[1:], "bool")
        for band in pixels:
            valid |= ~np.isnan(band) if band.dtype.kind == "f" else band != nodata
            if valid.all():
                break
        return valid

    def _read(self, scene: Scene, pixels: Pixels, masks: Mapping[str, Pixels]) -> None:
        jobs = [partial(self._bands, scene, names, pixels) for names in self._files(scene)]
        jobs += [partial(self._mask, scene, self.layers[n], out) for n, out in masks.items()]
        rasters = (*scene.bands.values(), *scene.layers.values())
        if not any("://" in raster.href for raster in rasters):
            for job in jobs:
                job()
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for running in [pool.submit(job) for job in jobs]:
                running.result()

    def _files(self, scene: Scene) -> list[list[str]]:
        """Return the bands that are wanted, those of one file together.

        What a photograph shows is seen in all of its bands: those are read that are not kept, and
        together whatever files they lie in.
        """
        if self.task.sensor.id in PHOTOGRAPHS:
            return [list(scene.bands)]
        files: dict[str, list[str]] = {}
        for name in self.task.bands:
            files.setdefault(scene.bands[name].href, []).append(name)
        return list(files.values())

    def _bands(self, scene: Scene, names: Sequence[str], pixels: Pixels) -> None:
        """Read the bands of a file into their places in the cube's."""
        sensor = self.task.sensor
        places = {name: place for place, name in enumerate(self.task.bands)}
        rasters = [scene.bands[name] for name in names]
        with _attributed(scene, rasters[0], self.task.shard) as title:
            found = self._read_file(scene, rasters, title)
            for n, name in enumerate(names):
                if name not in places:
                    continue
                if found is None:
                    pixels[places[name]] = sensor.pixels.nodata
                    continue
                numbers = convert.Numbers(found.pixels[n], found.nodata)
                convert.store_pixels(numbers, scene, sensor, pixels[places[name]], title)
                if _tells(scene, name):
                    self.evidence[scene.item_id, name] = _counted(numbers)

    def _read_file(self, scene: Scene, rasters: Sequence[Raster], name: str) -> Found | None:
        sensor = self.task.sensor
        return self._found(
            scene,
            rasters,
            name=name,
            nodata=convert.product_nodata(sensor),
            resampling=self.task.reading.resampling or sensor.resampling,
            cleaning=cleaning(sensor),
        )

    def _mask(self, scene: Scene, layer: Layer, out: Pixels) -> None:
        out[:] = layer.nodata
        if (raster := scene.layers.get(layer.name)) is None:
            return
        with _attributed(scene, raster, self.task.shard) as name:
            found = self._found(scene, [raster], name=name, nodata=layer.nodata)
            if found is not None:
                convert.store_mask(convert.Numbers(found.pixels[0], found.nodata), layer, out, name)

    def _found(self, scene: Scene, rasters: Sequence[Raster], **how: Any) -> Found | None:  # noqa: ANN401 - read's
        found = read(rasters, self.task.grid, self.task.reading.access(scene), **how)
        if found is not None:
            self._note(scene, rasters, found.provenance)
        return found

    def _note(self, scene: Scene, rasters: Sequence[Raster], provenance: Mapping[str, Any]) -> None:
        """Note that a file has pixels here, and where they came from."""
        self.touched = True
        told = self.provenance.setdefault(scene.item_id, {})
        told |= dict.fromkeys((raster.asset for raster in rasters), provenance)

    @property
    def arrays(self) -> dict[str, Pixels]:
        """The cube's variables on the shard."""
        arrays = {self.task.sensor.pixels.name: self.pixels, **self.masks}
        if cloud.CLOUD_CLASS.name in self.task.layers:
            arrays[cloud.CLOUD_CLASS.name] = self.classes
        return arrays

    @cached_property
    def classes(self) -> Pixels:
        """The clouds, once everything is laid."""
        return CLASSIFY[self.task.sensor.id](self.masks)

    def outcome(self, staged: Sequence[Staged]) -> Outcome:
        """Return what is told of the shard."""
        classified = self.touched and cloud.CLOUD_CLASS.name in self.task.layers
        classes = self.classes if classified else np.empty(0)
        known = classes != cloud.CLOUD_CLASS.nodata
        return Outcome(
            shard=self.task.shard,
            staged=tuple(staged),
            arrays={} if self.task.staging else self.arrays,
            pixels=self.free.size,
            valid=int(self.free.size - np.count_nonzero(self.free)),
            known=int(np.count_nonzero(known)),
            clear=int(np.count_nonzero(classes == cloud.CLEAR)),
            evidence=sum(valid for valid, _ in self.evidence.values()),
            dark=sum(dark for _, dark in self.evidence.values()),
            angles=self.angles,
            provenance=self.provenance,
        )


SEAS = ("cop-dem-glo-30",)
"""Sensors that publish no sheet where there is nothing but sea."""

CLASSIFY: Mapping[str, Callable[[Mapping[str, Pixels]], Pixels]] = {
    "sentinel-2-l2a": lambda masks: cloud.from_scl(masks["quality"]),
    "landsat-c2-l1": lambda masks: cloud.from_qa_pixel(masks["quality"]),
    "landsat-c2-l2": lambda masks: cloud.from_qa_pixel(masks["quality"]),
    "modis-09a1": lambda masks: cloud.from_modis_state(masks["state"]),
}
"""How each sensor's masks become the one scheme of clouds."""


def _tells(scene: Scene, band: str) -> bool:
    """Whether a band's pixels can prove wrong what was decided of the offset."""
    return scene.dn_offset == offset.OFFSET and band in offset.EVIDENCE.get(scene.sensor, ())


def _counted(found: convert.Numbers) -> tuple[int, int]:
    """Return how many digital numbers are valid, and how many of them too dark for an offset."""
    valid = found.pixels != 0
    if found.nodata:
        valid &= found.pixels != found.nodata
    return int(np.count_nonzero(valid)), int(np.count_nonzero(valid & (found.pixels < offset.DARK)))


def _empty(layer: Layer, shape: Iterable[int]) -> Pixels:
    return np.full(tuple(shape), layer.nodata, layer.dtype)
