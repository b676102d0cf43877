"""From a granule to files and an item, as an archive publishes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import assets, items, rasters
from cubestore_pipelines.simulate.assets import Json
from cubestore_pipelines.simulate.granules import GSD, NODATA, SCL_GSD, Granule
from cubestore_pipelines.simulate.plane import part
from cubestore_pipelines.simulate.rasters import Patch
from cubestore_pipelines.simulate.scenes import DOCUMENT

WHITE = 3_000
"""The reflectance, in steps of 1/10000, that the true-colour image shows as white."""

THUMBNAIL = 30
"""Pixels of 10 m to one of the thumbnail, so that the tile has a whole number of them."""

AIR = {"AOT": 120, "WVP": 1_800}
"""Digital numbers of aerosol and water vapour: the same everywhere."""

VIEW_ZENITH, VIEW_AZIMUTH = 4.25, 105.5
"""Degrees; from there every granule is seen."""

_ANGLES = f"""<Level-2A_Tile_ID><Geometric_Info><Tile_Angles><Mean_Viewing_Incidence_Angle_List>
<Mean_Viewing_Incidence_Angle bandId="0"><ZENITH_ANGLE unit="deg">{VIEW_ZENITH}</ZENITH_ANGLE>
<AZIMUTH_ANGLE unit="deg">{VIEW_AZIMUTH}</AZIMUTH_ANGLE></Mean_Viewing_Incidence_Angle>
</Mean_Viewing_Incidence_Angle_List></Tile_Angles></Geometric_Info></Level-2A_Tile_ID>
"""

_VISIBLE = ("B04", "B03", "B02")


def write(granule: Granule, container: Path) -> Json:
    """Write the files of a granule into the folder of the blobs, and return its item."""
    files = {asset: container / assets.path(granule, asset) for asset in assets.FILES}
    classes = [_write_rasters(_Part(granule, gsd, files)) for gsd in (10, 20, 60)][1]
    for document in assets.DOCUMENTS:
        text = _ANGLES if document == "granule-metadata" else DOCUMENT
        rasters.write_text(files[document], text)
    return items.item(granule, classes)


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
        whole = Patch(self.granule.grid(self.gsd), self.window)
        rasters.write(self.files[asset], values, whole, nodata=NODATA)


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
    place = slice(rows, rows + small.shape[1]), slice(columns, columns + small.shape[2])
    rasters.write(piece.files["preview"], small, Patch(coarse, place), nodata=NODATA)
