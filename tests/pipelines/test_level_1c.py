"""Sentinel-2 Level-1C: thirteen bands of three sizes, no mask, an offset that B10 can disprove."""

import json

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

from cubestore import SENSORS, tile
from tests.pipelines.real import cubestore

TILE = tile("31UGQ")
L1C = SENSORS["sentinel-2-l1c"]
ASSETS = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B10": "cirrus",
    "B11": "swir16",
    "B12": "swir22",
}
"""Earth Search's names."""

SIDE = 1200
"""Metres of ground: 120, 60 and 20 pixels."""


def item(folder, *, dark):
    """Write an item as Earth Search has them, with files of its own; B10's darkest number given."""
    left, top = TILE.bounds.left + 3600, TILE.bounds.top - 7200
    assets, random = {}, np.random.default_rng(0)
    for number, band in enumerate(L1C.bands):
        size = int(SIDE / band.gsd)
        pixels = random.integers(dark if band.name == "B10" else 1100, 4000, (size, size), "u2")
        pixels[0, number] = 0
        place = Affine(band.gsd, 0, left, 0, -band.gsd, top)
        path = folder / f"{band.name}.tif"
        profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "nodata": 0}
        with rasterio.open(
            path, "w", height=size, width=size, crs=str(TILE.crs), transform=place, **profile
        ) as file:
            file.write(pixels, 1)
        raster = {"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}
        assets[ASSETS[band.name]] = {"href": path.name, "gsd": band.gsd, "raster:bands": [raster]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2B_31UGQ_20240607_0_L1C",
        "collection": "sentinel-2-l1c",
        "geometry": None,
        "properties": {
            "datetime": "2024-06-07T10:40:22.930000Z",
            "platform": "sentinel-2b",
            "grid:code": "MGRS-31UGQ",
            "proj:epsg": 32631,
            "s2:product_type": "S2MSI1C",
            "s2:processing_baseline": "05.10",
        },
        "links": [],
        "assets": assets,
    }


@pytest.fixture
def build(tmp_path, scheduler):
    def build(*options, dark, status):
        path = tmp_path / "item.json"
        path.write_text(json.dumps(item(tmp_path, dark=dark)))
        place = ["--tile", TILE.id, "--bbox", "5.5", "49.5", "5.9", "49.7"]
        wanted = ["--catalog", path, "--sensor", L1C.id, *place, *options]
        how = ["--scheduler", scheduler]
        return cubestore("build", tmp_path / "store", *wanted, *how, check=status)

    return build


def test_thirteen_bands_lie_on_ten_metres_without_their_offset(build, tmp_path):
    build(dark=1000, status=0)
    opened = xr.open_zarr(
        tmp_path / "store/mgrs/31UGQ/sentinel-2-l1c", chunks=None, mask_and_scale=False
    )
    assert set(opened.data_vars) == {"reflectance"}
    assert opened.band.values.tolist() == [band.name for band in L1C.bands]
    assert opened.dn_offset.values.tolist() == [-1000]
    assert opened.dn_offset_source.values.tolist() == ["processing baseline 05.10"]
    stored = opened.reflectance.isel(time=0, y=slice(720, 840), x=slice(360, 480))
    for band in L1C.bands:
        with rasterio.open(tmp_path / f"{band.name}.tif") as file:
            numbers = file.read(1).astype("int32")
        expected = np.where(numbers == 0, -32768, numbers - 1000).repeat(int(band.gsd) // 10, 0)
        expected = expected.repeat(int(band.gsd) // 10, 1)
        np.testing.assert_array_equal(stored.sel(band=band.name).values, expected, band.name)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ((), 3),  # the cirrus band is too dark to carry an offset
        (("--dn-offset", "0"), 0),  # the user knows that there is none
    ],
)
def test_a_dark_cirrus_band_disproves_an_offset(build, options, status):
    done = build(*options, dark=5, status=status)
    assert ("no offset of 1000 is in them" in done.stderr) == (status == 3)
