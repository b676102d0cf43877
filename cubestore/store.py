"""A store: which cubes there are, and the way to each."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import fsspec
import xarray as xr

from cubestore import align, disk, grids, layout
from cubestore.cube import WAIT, Cube, cube_at
from cubestore.errors import (
    FormatError,
    NotAStoreError,
    UnknownCubeError,
    UnknownTileError,
)
from cubestore.mosaic import Resampling
from cubestore.patches import PATCHES, PatchDescription, PatchSet, PatchWriter, create
from cubestore.reader import read
from cubestore.records import COMMIT, METADATA, dump
from cubestore.sensors import SENSORS
from cubestore.slot import Instant
from cubestore.verify import Report

MARKER = dump(
    {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"cubestore:format": layout.FORMAT},
    }
)
"""The store's own ``zarr.json``: a group without consolidated metadata, for it would slow down
whoever opens one of many cubes (1.9 s against 7 ms, of 2,000)."""

GROUP = dump({"zarr_format": 3, "node_type": "group", "attributes": {}})


@dataclass(frozen=True, slots=True)
class Store:
    """A directory of cubes, ``GRID/TILE/SENSOR``."""

    path: str
    """Path or address."""

    def cubes(self) -> list[tuple[str, str]]:
        """Return the (tile, sensor) of every cube, sorted."""
        found = _local_cubes(self.path) if "://" not in self.path else _remote_cubes(self.path)
        return sorted(cube for cube in found if _is_cube(*cube))

    def cube(self, tile: str, sensor: str) -> Cube:
        """Return a cube of the store.

        Raises:
            UnknownTileError: no such tile.
            UnknownSensorError: no such sensor.
            UnknownCubeError: the store has no such cube.
            FormatError: the cube is of another format.
        """
        cube = cube_at(self.path, tile, sensor)
        cube.root()
        return cube

    def create_cube(
        self,
        tile: str,
        sensor: str,
        *,
        bands: Sequence[str] | None = None,
        layers: Sequence[str] = (),
        lossless: bool = False,
        created: Instant | None = None,
        wait: float = WAIT,
    ) -> Cube:
        """Create a cube that spans its tile and has no slots yet.

        Args:
            tile: ``31UDQ`` or ``h18v04``.
            sensor: the sensor's id.
            bands: names, in the cube's order; None: the standard ones. Fixed from then on.
            layers: the sensor's optional layers that it is to hold.
            lossless: keep every bit of float pixels, where the sensor's are rounded.
            created: for the record; None: now.
            wait: seconds to wait for another writer.

        Raises:
            CubeExistsError: it is there already.
            MismatchError: tile, bands or layers that are not the sensor's.
        """
        cube = cube_at(self.path, tile, sensor)
        layout.template(cube.sensor, cube.tile, bands=bands, layers=layers)  # or refuse it now
        with disk.writable(Path(self.path)):
            for group in (Path(cube.path).parent.parent, Path(cube.path).parent):
                _mark(group, GROUP)
        cube.create(bands=bands, layers=layers, lossless=lossless, created=created, wait=wait)
        return cube

    def open_tile(self, tile: str) -> xr.DataTree:
        """Open every cube of a tile: a DataTree with a node for each sensor, read lazily.

        Raises:
            UnknownTileError: no such tile.
            UnknownCubeError: the store has no cube of it.
        """
        name = grids.tile(tile).id
        nodes = {s: self.cube(t, s).open() for t, s in self.cubes() if t == name}
        if not nodes:
            raise UnknownCubeError(
                f"{self.path} has no cube of {name}",
                expected="a tile that `cubestore info` lists",
                remedy="build it",
            )
        return xr.DataTree.from_dict(nodes, name=name)

    def align(
        self,
        tile: str,
        sensors: Sequence[str],
        gsd: float,
        window: tuple[slice, slice] | None = None,
        *,
        resampling: Resampling = "bilinear",
        chunks: Mapping[str, int] | None = None,
    ) -> xr.Dataset:
        """Open several sensors' cubes of a tile on one grid, lazily: `cubestore.align.align`."""
        return align.align(self, tile, sensors, gsd, window, resampling=resampling, chunks=chunks)

    def patch_sets(self) -> list[str]:
        """Return the ``DATASET/PART`` of every patch set, sorted."""
        if "://" not in self.path:
            return sorted(_local_patches(self.path))
        files, root = fsspec.url_to_fs(self.path)
        found = files.glob(f"{root}/{PATCHES}/*/*/{METADATA}")
        return sorted("/".join(path.split("/")[-3:-1]) for path in found)

    def patches(self, name: str) -> PatchSet:
        """Return a patch set of the store.

        Raises:
            UnknownPatchSetError: the store has no such patch set.
            FormatError: it is of another format.
        """
        found = PatchSet(self.path, name)
        found.root()
        return found

    @contextlib.contextmanager
    def create_patches(
        self,
        description: PatchDescription,
        *,
        created: Instant | None = None,
        wait: float = WAIT,
    ) -> Iterator[PatchWriter]:
        """Write a patch set; it is there, whole, when the block ends without an error.

        Args:
            description: what it holds.
            created: for the record; None: now.
            wait: seconds to wait for another writer of this set.

        Raises:
            CubeExistsError: it is there already.
            LockedError: another writer still wrote it after ``wait``.
            NotWritableError: the disk is read-only or full.
        """
        made = PatchSet(self.path, description.name)
        with create(made.control, description, created, wait) as writer:
            yield writer
        with disk.writable(Path(self.path)):
            for group in (Path(made.path).parent.parent, Path(made.path).parent):
                _mark(group, GROUP)

    def verify(self) -> Iterator[Report]:
        """Compare every cube and patch set with its records. See :meth:`Cube.verify`."""
        for tile, sensor in sorted({*self.cubes(), *_controlled(self.path)}):
            yield cube_at(self.path, tile, sensor).verify()
        for name in sorted({*self.patch_sets(), *_controlled_patches(self.path)}):
            yield PatchSet(self.path, name).verify()


def create_store(path: str | os.PathLike[str]) -> Store:
    """Make a directory a store; one that is a store already is left as it is.

    Raises:
        NotAStoreError: the directory holds other things.
        FormatError: a store of another format.
        NotWritableError: the disk is read-only or full.
    """
    directory = disk.path_of(os.fspath(path)).absolute()
    if (directory / METADATA).exists():
        return open_store(directory)
    if directory.exists() and (not directory.is_dir() or _holds_things(directory)):
        raise NotAStoreError(
            f"{directory} holds other things",
            expected="an empty directory, or one that is not there yet",
            remedy="choose another for the store",
        )
    with disk.writable(directory):
        _mark(directory, MARKER)
    return Store(str(directory))


def open_store(path: str | os.PathLike[str]) -> Store:
    """Open a store on a file system, or at an address that fsspec reads.

    Raises:
        NotAStoreError: there is none, or a package is missing that reads such addresses.
        FormatError: a store of another format.
    """
    address = os.fspath(path)
    if "://" not in address:
        address = str(Path(address).absolute())  # for the tasks, wherever they run
    found = _format_of(f"{address}/{METADATA}")
    if found is None:
        raise NotAStoreError(
            f"{address} is not a store",
            expected=f"a directory with a {METADATA} that names its cubestore:format",
            remedy="create it with cubestore.create_store, or check the path",
        )
    if found != layout.FORMAT:
        raise FormatError(
            f"{address} is a store of format {found}",
            expected=f"format {layout.FORMAT}",
            remedy="read it with a version of cubestore that knows it",
        )
    return Store(address)


def open_tile(path: str | os.PathLike[str], tile: str) -> xr.DataTree:
    """Open every cube of a tile of the store at ``path``. See :meth:`Store.open_tile`."""
    return open_store(path).open_tile(tile)


def _format_of(path: str) -> object:
    """Return the format that a store's marker names; None where there is no such marker."""
    try:
        attributes = json.loads(read(path))["attributes"]
        return None if COMMIT in attributes else attributes["cubestore:format"]
    except ImportError as error:
        raise NotAStoreError(
            f"{path} cannot be read", expected="an address that fsspec reads", remedy=str(error)
        ) from error
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _mark(directory: Path, document: bytes) -> None:
    """Make a directory a group, however much of that a killed process has done."""
    changed = disk.make_directory(directory)
    if not (directory / METADATA).exists():
        with contextlib.suppress(FileNotFoundError):  # another marked it, and swept this away
            disk.replace(directory / METADATA, document)
    disk.sweep(directory)
    disk.sync(sorted(changed | {directory, directory.parent}))


def _holds_things(directory: Path) -> bool:
    return any(not entry.name.endswith(disk.PARTIAL) for entry in directory.iterdir())


def _is_cube(tile: str, sensor: str) -> bool:
    """Whether those are names of ours: ``31UDQ.bak`` is somebody's copy."""
    try:
        return sensor in SENSORS and bool(grids.tile(tile))
    except UnknownTileError:
        return False


def _local_cubes(path: str) -> Iterator[tuple[str, str]]:
    for grid in grids.GRIDS:
        for tile in _directories(f"{path}/{grid}"):
            for sensor in _directories(tile.path):
                if Path(sensor.path, METADATA).exists():
                    yield tile.name, sensor.name


def _controlled(path: str) -> Iterator[tuple[str, str]]:
    """Yield what was ever committed to, and may have lost its root."""
    for control in Path(path).glob(f"*/*/{layout.CONTROL}/*/commits/0000000.json"):
        *_, tile, _, sensor, _, _ = control.parts
        if _is_cube(tile, sensor):
            yield tile, sensor


def _local_patches(path: str) -> Iterator[str]:
    for dataset in _directories(f"{path}/{PATCHES}"):
        for part in _directories(dataset.path):
            if Path(part.path, METADATA).exists():
                yield f"{dataset.name}/{part.name}"


def _controlled_patches(path: str) -> Iterator[str]:
    """Yield what was ever written, and what is being written or was cut short."""
    for left in ("commits/0000000.json", "staging/*"):
        for entry in Path(path, PATCHES, layout.CONTROL).glob(f"*/*/{left}"):
            yield "/".join(entry.parts[-4:-2])


def _directories(path: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(path) as entries:
            return [e for e in entries if e.is_dir() and not e.name.startswith(".")]
    except FileNotFoundError:
        return []


def _remote_cubes(address: str) -> Iterator[tuple[str, str]]:
    files, root = fsspec.url_to_fs(address)
    for grid in grids.GRIDS:
        for path in files.glob(f"{root}/{grid}/*/*/{METADATA}"):
            tile, sensor = path.split("/")[-3:-1]
            yield tile, sensor
