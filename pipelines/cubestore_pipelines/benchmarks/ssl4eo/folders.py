"""v1 as it was published: ``SENSOR/ID/ACQUISITION/BAND.tif``, a metadata.json beside the bands."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.sensors import Band
from cubestore_pipelines import gdal
from cubestore_pipelines.benchmarks.ssl4eo import metadata
from cubestore_pipelines.benchmarks.ssl4eo.choices import Choices
from cubestore_pipelines.benchmarks.ssl4eo.identifiers import chosen
from cubestore_pipelines.benchmarks.ssl4eo.offset import NONE, by_baseline, compared
from cubestore_pipelines.benchmarks.ssl4eo.patch import Acquisition, Patch
from cubestore_pipelines.benchmarks.ssl4eo.published import EXTENT, SEASONS, Modality
from cubestore_pipelines.benchmarks.ssl4eo.seasons import seasons
from cubestore_pipelines.errors import AssetError, DatasetError

CRS = "EPSG:4326"
"""Of every file."""

WORKERS = 4
"""Threads that read patches ahead: a patch is over a hundred small files."""

AHEAD = 16
"""Patches that are read ahead."""

SAME_PLACE = 0.5
"""Of a patch's side: how far the middles of what was seen of one patch lie apart, at most. The
downloader's crops and half pixels make up a twentieth of it."""

SHARPEST = 10
"""Metres of the pixels whose grid is the patch's."""

Grid = tuple[float, ...]

REMEDY = "fetch the patch again, or leave it out with --void-ids"


class Folders:
    """The patches of v1, in the order of their ids."""

    def __init__(self, source: Path, modalities: Sequence[Modality], choices: Choices) -> None:
        """List the patches; nothing of them is read.

        Raises:
            DatasetError: an id that a sensor lacks, or that was asked for and is not there.
        """
        self.source, self.modalities, self.incomplete = source, modalities, choices.incomplete
        folders = {m.name: _names(source / m.name) for m in modalities}
        self.ids, self.not_part = chosen(folders, choices)
        self.count = len(self.ids)

    def files(self, count: int) -> Iterator[Path]:
        """Yield the folders of the first patches: the files in them are too many to look at."""
        for patch_id in self.ids[:count]:
            yield from (self.source / modality.name / patch_id for modality in self.modalities)

    def patches(self, count: int) -> Iterator[Patch]:
        """Yield the first patches, some of them read ahead.

        Raises:
            DatasetError: a patch that is not as it was published; names file and patch.
        """
        with ThreadPoolExecutor(WORKERS) as threads:
            for start in range(0, count, AHEAD):
                yield from threads.map(self.read, self.ids[start : min(start + AHEAD, count)])

    def read(self, patch_id: str) -> Patch:
        """Return a patch.

        Raises:
            DatasetError: it is not as it was published.
        """
        found = {m.name: self._acquisitions(m, patch_id) for m in self.modalities}
        row = f"Patch {patch_id}"
        placed = [_grid(one) for some in found.values() for one in some]
        if not placed:
            raise DatasetError(f"{row} has no acquisition", expected=_FOUR, remedy=REMEDY)
        _refuse_apart([(grid, SHARPEST) for grid in placed], row)
        longitude, latitude = _middle(placed[0], SHARPEST)
        return Patch(
            patch_id=patch_id,
            longitude=longitude,
            latitude=latitude,
            crs=CRS,
            transform=placed[0],
            row=row,
            seasons=self._in_seasons(found, row),
        )

    def _acquisitions(self, modality: Modality, patch_id: str) -> list[Acquisition]:
        """Return a sensor's acquisitions of a patch, the earliest first."""
        folder = self.source / modality.name / patch_id
        names = _names(folder) if folder.is_dir() else []
        row = f"Patch {patch_id}, {modality.name}"
        if len(names) > SEASONS or (len(names) < SEASONS and not self.incomplete):
            remedy = "--incomplete takes patches that lack seasons; --void-ids leaves patches out"
            found = f"{row} has {len(names)} acquisitions: {folder}"
            raise DatasetError(found, expected=_FOUR, remedy=remedy)
        found_ = [_acquisition(folder / name, modality, row) for name in names]
        return sorted(found_, key=lambda one: (one.time, one.item_id))

    def _in_seasons(
        self, found: dict[str, list[Acquisition]], row: str
    ) -> dict[str, tuple[Acquisition | None, ...]]:
        numbers = seasons({name: [one.time for one in some] for name, some in found.items()})
        if numbers is None:
            times = {name: [str(one.time)[:10] for one in some] for name, some in found.items()}
            raise DatasetError(
                f"{row} has acquisitions on {times}, which make no four seasons",
                expected="for each sensor one in a season, the dates of a season within 30 days",
                remedy=REMEDY,
            )
        placed = {n: dict(zip(numbers[n], some, strict=True)) for n, some in found.items()}
        return {n: tuple(some.get(k) for k in range(SEASONS)) for n, some in placed.items()}


_FOUR = f"{SEASONS}, a season each"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def _acquisition(folder: Path, modality: Modality, row: str) -> Acquisition:
    time, known = metadata.read(folder / "metadata.json", optical=modality.optical, row=row)
    read = [
        _plane(folder / f"{name}.tif", band, modality, row)
        for band, name in zip(modality.bands, modality.files, strict=True)
    ]
    grids = [(grid, band.gsd) for band, (_, grid) in zip(modality.bands, read, strict=True)]
    _refuse_apart(grids, f"{row}: {folder}")
    a, _, west, _, e, north = next(grid for grid, gsd in grids if gsd == SHARPEST)
    grid = {"west": west, "north": north, "pixel_width": a, "pixel_height": -e}
    planes = {band.name: plane for band, (plane, _) in zip(modality.bands, read, strict=True)}
    told = by_baseline(str(known["processing_baseline"])) if modality.optical else NONE
    return Acquisition(
        item_id=folder.name,
        time=time,
        planes=planes,
        known={**known, **grid},
        excess=compared(told, modality.sensor, planes),
    )


def _plane(path: Path, band: Band, modality: Modality, row: str) -> tuple[NDArray[Any], Grid]:
    """Return a band's pixels and its grid, of the size that its pixels of metres make."""
    size = round(EXTENT / band.gsd)
    if not path.is_file():
        raise DatasetError(f"{row}: {path} is not there", expected="every band", remedy=REMEDY)
    try:
        with gdal.opened(path, f"{row}: {path}") as file:
            found = file.count, *file.shape, file.dtypes[0]
            wanted = 1, size, size, modality.dtype.name
            if found != wanted or not _in_degrees(file.crs, file.transform):
                raise DatasetError(
                    f"{row}: {path} holds {found}, {file.crs}, transform {file.transform[:6]}",
                    expected=f"{wanted}: bands, rows, columns, dtype; north up in degrees",
                    remedy=REMEDY,
                )
            return file.read(1), tuple(file.transform[:6])
    except AssetError as error:
        raise DatasetError(error.found, expected=error.expected, remedy=REMEDY) from None


def _in_degrees(crs: Any, transform: Grid) -> bool:  # noqa: ANN401 - rasterio's
    a, b, _, d, e, _ = transform[:6]
    return crs is not None and bool(crs.is_geographic) and a > 0 > e and b == d == 0


def _grid(one: Acquisition) -> Grid:
    west, north, width, height = (
        float(one.known[n]) for n in ("west", "north", "pixel_width", "pixel_height")
    )
    return width, 0.0, west, 0.0, -height, north


def _middle(grid: Grid, gsd: float) -> tuple[float, float]:
    """Return longitude and latitude of a patch's middle on a grid of so many metres."""
    a, _, west, _, e, north = grid
    return west + EXTENT / gsd / 2 * a, north + EXTENT / gsd / 2 * e


def _refuse_apart(grids: Sequence[tuple[Grid, float]], row: str) -> None:
    middles = np.array([_middle(grid, gsd) for grid, gsd in grids])
    (a, *_, e, _), gsd = grids[0]
    sides = np.abs([a, e]) * (EXTENT / gsd)
    if (np.ptp(middles, axis=0) > SAME_PLACE * sides).any():
        raise DatasetError(
            f"{row} lies in several places: {middles.min(axis=0)} to {middles.max(axis=0)}",
            expected="one place, in degrees, for every band and acquisition",
            remedy=REMEDY,
        )
