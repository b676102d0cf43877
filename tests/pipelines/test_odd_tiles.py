"""Tiles where grids are odd: 180 degrees, 84 north, bands C and V, the equator, two zones at once.

Every expected value is computed with pyproj for each pixel of the cube, from a file that the test
has written.
"""

import json

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine

import cubestore_pipelines
from cubestore import grids
from tests.pipelines.real import stac_item

LONLAT = "EPSG:4326"


@pytest.fixture
def built(tmp_path, scheduler):
    """Build a tile from items, and return the cube as plain xarray opens it, as stored."""

    def built(sensor, tile, features, **options):
        catalog = tmp_path / f"{sensor}.json"
        catalog.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        report = cubestore_pipelines.build(
            tmp_path / "store",
            catalog=str(catalog),
            sensor=sensor,
            tile=tile,
            scheduler=scheduler,
            **options,
        )
        assert not report.failures
        path = tmp_path / "store" / "mgrs" / tile / sensor
        return xr.open_zarr(path, chunks=None, mask_and_scale=False)

    return built


def write(path, pixels, affine, crs, nodata=None):
    bands = pixels if pixels.ndim == 3 else pixels[None]
    profile = {"driver": "GTiff", "count": len(bands), "dtype": bands.dtype, "crs": crs}
    size = {"height": bands.shape[1], "width": bands.shape[2], "transform": affine}
    tiles = {"tiled": True, "compress": "deflate", "nodata": nodata}
    with rasterio.open(path, "w", **profile, **size, **tiles) as file:
        file.write(bands)
    return path


def lonlat(cube, step=1):
    """Return longitude and latitude of every so manieth pixel of a cube."""
    crs = pyproj.CRS(cube.spatial_ref.attrs["crs_wkt"])
    x, y = np.meshgrid(cube.x.values[::step], cube.y.values[::step])
    return pyproj.Transformer.from_crs(crs, LONLAT, always_xy=True).transform(x, y)


# Heights, in sheets of one degree.


def plane(longitude, latitude):
    """Heights that any bilinear interpolation in lon/lat keeps, over the antimeridian too."""
    return 3 * (longitude % 360 - 180) * 100 + 70 * latitude


def sheet(folder, west, south, columns):
    """Write a sheet of Copernicus DEM: pixel centres on the degree, of the belt's width."""
    across, down = 1 / columns, 1 / 1200
    affine = Affine(across, 0, west - across / 2, 0, -down, south + 1 + down / 2)
    longitude = west + np.arange(columns) * across
    latitude = south + 1 - np.arange(1200) * down
    heights = plane(*np.meshgrid(longitude, latitude)).astype("float32")
    name = f"Copernicus_DSM_COG_10_{'N' if south >= 0 else 'S'}{abs(south):02}_00_"
    name += f"{'E' if west >= 0 else 'W'}{abs(west):03}_00_DEM"
    path = write(folder / f"{name}.tif", heights, affine, LONLAT)
    box = shapely.box(west, south, west + 1, south + 1)
    return stac_item(name, "cop-dem-glo-30", "2021-04-22T00:00:00Z", box, {"data": path})


@pytest.mark.parametrize(
    ("tile", "wests", "souths", "columns"),
    [
        ("01KAB", (178, 179, -180, -179), (-18, -17), 1200),  # 180 degrees goes through it
        (
            "01WCN",
            (178, 179, -180, -179, -178),
            (64, 65),
            600,
        ),  # and this, in the north
        ("33XVN", tuple(range(6, 16)), (82, 83), 240),  # as far north as there are tiles: 84 N
        ("01CDN", (178, 179, *range(-180, -175)), (-80, -79, -78), 240),  # band C
        ("32VLM", (4, 5, 6, 7, 8), (59, 60), 600),  # band V, where zone 32 is wide
        ("31NHA", (5, 6), (-1, 0), 1200),  # the equator, in a tile of the north
        ("31MHV", (5, 6), (-1, 0), 1200),  # and in one of the south
    ],
)
def test_heights_have_no_seam_where_sheets_meet(built, tmp_path, tile, wests, souths, columns):
    sheets = [sheet(tmp_path, west, south, columns) for west in wests for south in souths]
    cube = built("cop-dem-glo-30", tile, sheets)
    assert cube.item_id.item().split().__len__() > 1
    heights = cube.elevation.values[0, 0, ::7, ::7]
    expected = plane(*lonlat(cube, 7))
    known = ~np.isnan(heights)
    assert known.mean() > 0.99
    # Float32 holds 30,000 m to 2 mm, and a source pixel is 90 m of ground.
    np.testing.assert_allclose(heights[known], expected[known], atol=0.02)


def test_a_sheet_that_does_not_exist_over_sea_is_nan_or_zero(built, tmp_path):
    one = sheet(tmp_path, 6, 0, 1200)
    cube = built("cop-dem-glo-30", "32NKF", [one])
    longitude, latitude = lonlat(cube, 9)
    inside = (longitude > 6.001) & (longitude < 6.999) & (latitude > 0.001) & (latitude < 0.999)
    heights = cube.elevation.values[0, 0, ::9, ::9]
    assert not np.isnan(heights[inside]).any()
    away = (longitude < 5.99) | (longitude > 7.01) | (latitude < -0.01) | (latitude > 1.01)
    assert away.any()
    assert np.isnan(heights[away]).all()
    share = float(cube.valid_fraction.item())
    assert 0.3 < share < 0.8


def test_the_sea_is_zero_for_who_asks_for_it(built, tmp_path):
    one = sheet(tmp_path, 6, 0, 1200)
    cube = built("cop-dem-glo-30", "32NKF", [one], ocean_zero=True)
    longitude, latitude = lonlat(cube, 9)
    heights = cube.elevation.values[0, 0, ::9, ::9]
    away = (longitude < 5.99) | (longitude > 7.01) | (latitude < -0.01) | (latitude > 1.01)
    assert (heights[away] == 0).all()
    assert not np.isnan(heights).any()
    assert cube.valid_fraction.item() == 1


# Landsat, whose zones are of the north alone.

BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22", "qa_pixel")


def landsat(folder, name, epsg, left, top, shape, *, when, seed):
    """Write a scene on Landsat's own grid, whose edges lie at 15 mod 30."""
    assert left % 30 == top % 30 == 15
    affine = Affine(30, 0, left, 0, -30, top)
    numbers = np.random.default_rng(seed).integers(7000, 20000, shape).astype("uint16")
    numbers[: shape[0] // 10] = 0
    quality = np.where(numbers == 0, 1, 21824).astype("uint16")
    reflectance = write(folder / f"{name}.tif", numbers, affine, f"EPSG:{epsg}", nodata=0)
    mask = write(folder / f"{name}_qa.tif", quality, affine, f"EPSG:{epsg}")
    rows, columns = shape
    to_lonlat = pyproj.Transformer.from_crs(epsg, LONLAT, always_xy=True)
    bounds = (left, top - 30 * rows, left + 30 * columns, top)
    box = shapely.box(*to_lonlat.transform_bounds(*bounds))
    assets = dict.fromkeys(BANDS[:-1], reflectance) | {"qa_pixel": mask}
    told = {"landsat:wrs_path": name[10:13], "landsat:wrs_row": name[13:16]}
    return stac_item(name, "landsat-c2-l2", when, box, assets, **told), numbers


def taken(cube, numbers, epsg, left, top):
    """Return what lies under the centres of a cube's pixels, 0 outside of the scene, and doubts."""
    crs = pyproj.CRS(cube.spatial_ref.attrs["crs_wkt"])
    there = pyproj.Transformer.from_crs(crs, epsg, always_xy=True)
    x, y = there.transform(*np.meshgrid(cube.x.values, cube.y.values))
    across, down = (x - left) / 30, (top - y) / 30
    doubt = (np.abs(across - np.rint(across)) < 1e-3) | (np.abs(down - np.rint(down)) < 1e-3)
    column, row = np.floor(across).astype(int), np.floor(down).astype(int)
    inside = (row >= 0) & (column >= 0) & (row < numbers.shape[0]) & (column < numbers.shape[1])
    found = np.zeros(x.shape, numbers.dtype)
    found[inside] = numbers[row[inside], column[inside]]
    return found, doubt


SCENE = "LC08_L2SP_{:03}{:03}_{}_02_T1"
NOON = "2021-06-12T10:10:00Z"


def test_a_scene_of_the_north_is_not_resampled_on_a_tile_of_the_south(built, tmp_path):
    """326xx and 327xx are one zone: northings differ by 10,000,000 m, and pixels do not."""
    tile = grids.tile("31MHV")
    left, top = tile.bounds.left + 30_015, tile.bounds.top - 10_000_000 - 20_985
    name = SCENE.format(188, 60, "20210612")
    item, numbers = landsat(tmp_path, name, 32631, left, top, (300, 400), when=NOON, seed=1)
    cube = built("landsat-c2-l2", tile.id, [item], bands=["B4"])
    row, column = (20_985 + 15) // 30, (30_015 + 15) // 30
    window = cube.isel(y=slice(row, row + 300), x=slice(column, column + 400))
    np.testing.assert_array_equal(window.reflectance.values[0, 0], numbers)
    assert float(cube.y[row]) == top + 10_000_000 - 15
    assert int((cube.reflectance.values != 0).sum()) == int((numbers != 0).sum())
    assert cube.relative_orbit.item() == 188060


def test_one_slot_of_scenes_from_two_zones(built, tmp_path):
    """Two rows of a path, published in neighbouring zones: one as it is, the other warped."""
    tile = grids.tile("31UGQ")
    west = tile.bounds.left + 20_055, tile.bounds.bottom + 90_045
    mine, own = landsat(
        tmp_path, SCENE.format(197, 25, "20210612"), 32631, *west, (900, 1200), when=NOON, seed=2
    )
    to_other = pyproj.Transformer.from_crs(32631, 32632, always_xy=True)
    x, y = to_other.transform(west[0], west[1] - 20_000)
    left, top = round(x / 30) * 30 + 15, round(y / 30) * 30 + 15
    later = "2021-06-12T10:10:24Z"
    other, warped = landsat(
        tmp_path,
        SCENE.format(197, 26, "20210612"),
        32632,
        left,
        top,
        (900, 1200),
        when=later,
        seed=3,
    )
    cube = built("landsat-c2-l2", tile.id, [other, mine], bands=["B4"])
    assert cube.sizes["time"] == 1
    assert cube.item_id.item() == f"{mine['id']} {other['id']}"
    first, _ = taken(cube, own, 32631, *west)
    second, doubt = taken(cube, warped, 32632, left, top)
    expected = np.where(first > 0, first, second)
    sure = ~doubt | (first > 0)
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(cube.reflectance.values[0, 0][sure], expected[sure])
    assert ((first == 0) & (second > 0)).sum() > 100_000
    quality = cube.quality.values[0][sure]
    assert set(np.unique(quality[expected[sure] > 0])) == {21824}
    fraction = (expected > 0).mean()
    assert cube.valid_fraction.item() == pytest.approx(fraction, abs=1e-3)


def test_paths_that_overlap_are_slots_of_their_own(built, tmp_path):
    """A place between two paths is seen twice in nine days, and both are kept."""
    tile = grids.tile("31UGQ")
    corner = tile.bounds.left + 20_055, tile.bounds.bottom + 90_045
    days = {197: "20210612", 196: "20210605"}
    items = [
        landsat(
            tmp_path,
            SCENE.format(path, 25, day),
            32631,
            *corner,
            (120, 150),
            when=f"{day[:4]}-{day[4:6]}-{day[6:]}T10:10:00Z",
            seed=path,
        )[0]
        for path, day in days.items()
    ]
    cube = built("landsat-c2-l2", tile.id, items, bands=["B4"])
    assert cube.relative_orbit.values.tolist() == [196025, 197025]
