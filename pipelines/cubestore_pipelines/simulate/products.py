"""From a granule to files and an item, as an archive publishes them.

Files have the size of the whole tile; where there are no data they have no blocks either, so an
archive of small windows is small.
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from cubestore_pipelines.simulate import assets, items
from cubestore_pipelines.simulate.granules import GSD, NODATA, SCL_GSD, Granule, part

BLOCK = 512
"""Pixels along a block of a file."""

WHITE = 3_000
"""The reflectance, in steps of 1/10000, that the true-colour image shows as white."""

THUMBNAIL = 30
"""Pixels of 10 m to one of the thumbnail, so that the tile has a whole number of them."""

AIR = {"AOT": 120, "WVP": 1_800}
"""Digital numbers of aerosol and water vapour: the same everywhere."""

_PROFILE = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": BLOCK,
    "blockysize": BLOCK,
    "compress": "deflate",
    "zlevel": 1,
    "predictor": 2,
    "nodata": NODATA,
    "sparse_ok": True,
    "interleave": "pixel",
}

_DOCUMENT = "<simulated/>\n"
"""What the metadata files hold."""

_VISIBLE = ("B04", "B03", "B02")


def write(granule: Granule, container: Path, record: Path) -> None:
    """Write the files of a granule and, when they are whole, its item.

    Args:
        granule: the granule; nothing happens if its record is there.
        container: the folder of the blobs.
        record: the file of the item.
    """
    if record.exists():
        return
    files = {asset: container / assets.path(granule, asset) for asset in assets.FILES}
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    classes = [_write_rasters(_Part(granule, gsd, files)) for gsd in (10, 20, 60)][1]
    for document in assets.DOCUMENTS:
        write_text(files[document], _DOCUMENT)
    write_text(record, json.dumps(items.item(granule, classes), indent=1))


def write_all(
    granules: Iterable[Granule], container: Path, records: Path, *, workers: int = 0
) -> None:
    """Write what is not there yet of some granules.

    Args:
        granules: the granules.
        container: the folder of the blobs.
        records: the folder of the items.
        workers: processes that share the work; 0 does it in this one.
    """
    records.mkdir(parents=True, exist_ok=True)
    left = {granule: records / f"{granule.item_id}.json" for granule in granules}
    left = {granule: record for granule, record in left.items() if not record.exists()}
    if not workers or not left:
        for granule, record in left.items():
            write(granule, container, record)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for done in [pool.submit(write, one, container, record) for one, record in left.items()]:
            done.result()


@dataclass(frozen=True, slots=True)
class _Part:
    """What a granule's files of one pixel size are made of."""

    granule: Granule
    gsd: int
    files: Mapping[str, Path]

    @property
    def window(self) -> tuple[slice, slice]:
        return self.granule.window(self.gsd)

    @property
    def grid(self) -> GeoBox:
        return part(self.granule.grid(self.gsd), self.window)

    @property
    def bands(self) -> list[str]:
        return [band for band, gsd in GSD.items() if gsd == self.gsd and band in self.files]

    def write(self, asset: str, values: NDArray[Any]) -> None:
        """Write pixels of the window as a file of the whole tile."""
        whole = self.granule.grid(self.gsd)
        _write_raster(self.files[asset], values, whole, Window.from_slices(*self.window))


def _write_rasters(piece: _Part) -> NDArray[np.uint8]:
    """Write all files of one pixel size, and return the scene classification on its window."""
    view = piece.granule.scene.view(piece.grid)
    numbers = piece.granule.numbers(view, piece.grid, piece.bands)
    for band, values in zip(piece.bands, numbers, strict=True):
        piece.write(band, values[None])
    classes = piece.granule.classes(view, piece.grid)
    if piece.gsd == SCL_GSD:
        piece.write("SCL", classes[None])
    if set(_VISIBLE) <= set(piece.bands):
        _write_air(piece, numbers[:1] != NODATA)
        _write_visual(piece, numbers[[piece.bands.index(band) for band in _VISIBLE]])
    return classes


def _write_air(piece: _Part, valid: NDArray[np.bool_]) -> None:
    for asset, value in AIR.items():
        piece.write(asset, valid * np.uint16(value))


def _write_visual(piece: _Part, numbers: NDArray[np.uint16]) -> None:
    """Write the true-colour image, and the thumbnail of some of its pixels."""
    steps = np.arange(2**16) - piece.granule.offset
    shown = (1 + np.clip(steps, 0, WHITE) * 254 // WHITE).astype("uint8")
    shown[NODATA] = 0
    image = shown[numbers]
    piece.write("visual", image)
    coarse = piece.granule.grid(10 * THUMBNAIL)
    small = image[:, ::THUMBNAIL, ::THUMBNAIL]
    rows, columns = (one.start // THUMBNAIL for one in piece.window)
    place = Window(columns, rows, small.shape[2], small.shape[1])
    _write_raster(piece.files["preview"], small, coarse, place)


def _write_raster(path: Path, values: NDArray[Any], grid: GeoBox, window: Window) -> None:
    unfinished = path.with_suffix(".part")
    shape = {"count": len(values), "height": grid.shape[0], "width": grid.shape[1]}
    place = {"crs": str(grid.crs), "transform": grid.affine}
    with rasterio.open(unfinished, "w", dtype=values.dtype, **shape, **place, **_PROFILE) as file:
        file.write(values, window=window)
    unfinished.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text)
    unfinished.replace(path)
