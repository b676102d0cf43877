"""What a product does not mark as nodata, and what of a photograph is data."""

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp

import cubestore
from cubestore_pipelines.addresses import Policy
from cubestore_pipelines.clean import cleaning
from cubestore_pipelines.errors import HeaderError
from cubestore_pipelines.read import Access, read
from cubestore_pipelines.scene import Raster

GRID = GeoBox.from_bbox((500_000, 5_300_000, 500_004, 5_300_003), "EPSG:32632", resolution=1)
HERE = Access(policy=Policy(local=True))
INF = np.inf


def write(path, bands, *, colours=(), mask=None, **options):
    profile = {"driver": "GTiff", "count": len(bands), "dtype": bands.dtype, "crs": "EPSG:32632"}
    size = {"height": bands.shape[1], "width": bands.shape[2], "transform": GRID.affine}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"),
        rasterio.open(path, "w", **profile, **size, **options) as file,
    ):
        file.write(bands)
        if colours:
            file.colorinterp = colours
        if mask is not None:
            file.write_mask(mask)
    return path


def found(path, sensor, count, grid=GRID, **more):
    rasters = [Raster(asset="a", href=str(path), index=n + 1) for n in range(count)]
    known = cleaning(cubestore.sensor(sensor))
    return read(rasters, grid, HERE, name="Item one", cleaning=known, **more).pixels


def test_what_sentinel_1_does_not_mark_becomes_nan(tmp_path):
    told = [[0.1, 0, -0.0, -1e-5], [np.nan, -32768, INF, 3e-5], [1, 2, 3, 4]]
    path = write(tmp_path / "vv.tif", np.array([told], "float32"), nodata=-32768)
    (pixels,) = found(path, "sentinel-1-rtc", 1)
    fine = [[1, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]]
    np.testing.assert_array_equal(np.isfinite(pixels), np.array(fine, bool))
    np.testing.assert_array_equal(pixels[2], [1, 2, 3, 4])


def test_unmarked_zeros_do_not_bleed_into_what_is_interpolated(tmp_path):
    values = np.zeros((1, 3, 4), "float32")
    values[:, :, 2:] = 5
    path = write(tmp_path / "vv.tif", values)
    shifted = GeoBox(GRID.shape, GRID.affine * rasterio.Affine.translation(0.3, 0), GRID.crs)
    (pixels,) = found(path, "sentinel-1-rtc", 1, shifted, resampling="bilinear")
    assert set(pixels[np.isfinite(pixels)]) == {5}


COLOURS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
DARK = np.array([[9, 0, 0, 255], [0, 0, 7, 255], [255, 1, 0, 255]], "uint8")
"""One band; in the others all is 0 but in the first row."""


def picture(bands):
    rest = np.zeros_like(DARK)
    rest[0] = [0, 3, 0, 255]
    return np.stack([DARK, *[rest] * (bands - 1)])


@pytest.mark.parametrize(
    ("sensor", "bands", "options", "empty"),
    [
        # Nothing is declared: black in all bands is no picture.
        ("naip", 4, {}, [(0, 2), (1, 0), (1, 1), (2, 2)]),
        ("naip", 4, {"nodata": 0}, [(0, 2), (1, 0), (1, 1), (2, 2)]),
        # Nodata is 255: black is a colour, and so is white in one band.
        ("linz", 3, {"nodata": 255}, [(0, 3)]),
        # The fourth band is near infrared, whatever it is called.
        ("naip", 4, {"colours": (*COLOURS, ColorInterp.alpha)}, [(0, 2), (1, 0), (1, 1), (2, 2)]),
        # A mask decides, whatever the pixels look like.
        ("naip", 4, {"mask": np.arange(12).reshape(3, 4) > 1}, [(0, 0), (0, 1)]),
        ("linz", 3, {"mask": np.arange(12).reshape(3, 4) != 5}, [(1, 1)]),
    ],
)
def test_what_of_a_photograph_is_data(tmp_path, sensor, bands, options, empty):
    told = picture(bands)
    pixels = found(write(tmp_path / "a.tif", told, **options), sensor, bands)
    expected = np.maximum(told, 1)
    for row, column in empty:
        expected[:, row, column] = 0
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("sensor", "bands", "last"),
    [("naip", 4, ColorInterp.undefined), ("linz", 3, ColorInterp.alpha)],
)
def test_a_band_behind_the_colours_is_a_mask(tmp_path, sensor, bands, last):
    told = picture(bands)
    mask = np.zeros((1, *told.shape[1:]), "uint8")
    mask[0, :, :2] = 255
    colours = (*COLOURS, *[ColorInterp.undefined] * (bands - 3), last)
    path = write(tmp_path / "a.tif", np.concatenate([told, mask]), colours=colours)
    pixels = found(path, sensor, bands)
    np.testing.assert_array_equal(pixels, np.where(mask > 0, np.maximum(told, 1), 0))


def test_a_surveys_near_infrared_is_no_mask(tmp_path):
    infrared = np.zeros((1, 3, 4), "uint8")
    path = write(
        tmp_path / "a.tif",
        np.concatenate([picture(3), infrared]),
        alpha="unspecified",
        photometric="RGB",
        nodata=255,
    )
    np.testing.assert_array_equal(
        found(path, "linz", 3), np.where((picture(3) == 255).all(0), 0, np.maximum(picture(3), 1))
    )


def test_bands_in_files_of_their_own_have_data_together(tmp_path):
    """White in one band alone is a colour, whichever file it lies in."""
    told = picture(3)
    paths = [write(tmp_path / f"{n}.tif", band[None], nodata=255) for n, band in enumerate(told)]
    rasters = [Raster(asset=path.stem, href=str(path)) for path in paths]
    got = read(rasters, GRID, HERE, name="Item one", cleaning=cleaning(cubestore.sensor("linz")))
    together = found(write(tmp_path / "all.tif", told, nodata=255), "linz", 3)
    np.testing.assert_array_equal(got.pixels, together)
    assert got.pixels[0, 2, 0] == 255


def test_numbers_of_another_kind_are_refused(tmp_path):
    path = write(tmp_path / "vv.tif", np.ones((1, 3, 4), "uint16"))
    with pytest.raises(HeaderError, match="holds uint16"):
        found(path, "sentinel-1-rtc", 1)
