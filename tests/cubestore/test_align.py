"""Several sensors on one grid: against pixels as stored, PROJ point by point, and GDAL."""

import pickle
import shutil

import numpy as np
import pyproj
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox

import cubestore
from cubestore import adjust, align, layout, mosaic
from cubestore.errors import (
    GridMismatchError,
    MismatchError,
    UnknownCubeError,
    UnknownSensorError,
    UnknownTileError,
)

S2, LANDSAT, MODIS, DEM = "sentinel-2-l2a", "landsat-c2-l2", "modis-09a1", "cop-dem-glo-30"
CORNER = (slice(-160, None), slice(-120, None))
"""The south-east of 31UDQ, where something is stored and something is not."""

TERRA = {"platform": "terra", "processing_baseline": "6.1", "cloud_cover": 10.0}


@pytest.fixture(scope="module")
def store(tmp_path_factory, append):
    store = cubestore.create_store(tmp_path_factory.mktemp("align") / "store")
    s2 = store.create_cube("31UDQ", S2, bands=["B02", "B8A"])
    angles = {"sun_elevation": 40.0, "view_zenith": 5.0, "sun_azimuth": 160.0, "view_azimuth": 90.0}
    append(s2, "2024-03-01", "s-late", seed=1, platform="sentinel-2a", **angles)
    append(s2, "2024-01-05", "s-early", seed=2, platform="sentinel-2b", **angles)
    append(s2, "2024-03-01", "s-better", seed=3, supersedes="s-late", platform="sentinel-2a")
    landsat = store.create_cube("31UDQ", LANDSAT, bands=["B4", "B5"])
    append(landsat, "2024-02-01", "l0", seed=4, platform="landsat-9")
    append(store.create_cube("31UDQ", DEM), "2021-01-01", "dem", seed=5)
    return store


def fields(row, column):
    """Reflectance and state of MODIS at pixels counted over the whole grid: the first a plane."""
    red = 2000 + 3 * (row - 9600) - 2 * (column - 43_400)
    return red.astype("int16"), ((row * 7 + column * 3) % 1000).astype("uint16")


def fill(store, tile, shard, times):
    """Write slots of MODIS on one shard, of fields that go on from tile to tile."""
    cube = store.create_cube(tile, MODIS, bands=["sur_refl_b01"])
    lines, lengths = zip(*((s * 2048, min(2048, 2400 - s * 2048)) for s in shard), strict=True)
    row = np.arange(lengths[0])[:, None] + lines[0] + int(tile[4:]) * 2400
    column = np.arange(lengths[1])[None] + lines[1] + int(tile[1:3]) * 2400
    red, state = fields(row, column)
    for time in times:
        with cube.write() as writer:
            names = [n for n, a in writer.arrays.items() if a.shards]
            dtypes = {n: writer.arrays[n].numpy_dtype for n in names}
        pixels = {n: np.zeros(state.shape, dtypes[n]) for n in names}
        pixels |= {"reflectance": red[None], "state": state}
        known = cubestore.Slot(time=time, item_id=f"{tile}-{time}", **TERRA)
        cube.append(known, pixels, origin=lines)


@pytest.fixture(scope="module")
def modis(tmp_path_factory):
    """31UDR lies on both sides of 50 degrees north, where MODIS tiles meet."""
    store = cubestore.create_store(tmp_path_factory.mktemp("modis") / "store")
    fill(store, "h18v03", (1, 0), ["2024-01-01", "2024-01-17"])
    fill(store, "h18v04", (0, 0), ["2024-01-09", "2024-01-17"])
    return store


def cut(dataset, name, window, band=0):
    array = dataset[name].isel(y=window[0], x=window[1])
    return array.isel({d: band for d in array.dims if str(d).startswith("band")}).values


# The same pixels.


def test_the_cubes_own_grid_gives_its_pixels_bit_for_bit(store):
    cube = store.cube("31UDQ", S2).open().isel(y=CORNER[0], x=CORNER[1])
    for window, part in ((CORNER, {}), (None, {"y": CORNER[0], "x": CORNER[1]})):
        aligned = store.align("31UDQ", [S2], 10, window).isel(part)
        for name in cube.data_vars:
            ours = aligned[f"{name}_sentinel_2_l2a"]
            assert ours.dtype == cube[name].dtype
            np.testing.assert_array_equal(ours.values, cube[name].values)
            assert ours.attrs["resampling"] == "none"
        np.testing.assert_array_equal(aligned.x, cube.x)
        np.testing.assert_array_equal(aligned.y, cube.y)
    assert np.isnan(cube.reflectance.values).any()
    assert (cube.quality.values == 0).any()


def test_modis_on_its_own_grid_is_left_as_it_is(modis):
    window = (slice(2300, 2400), slice(200, 300))
    aligned = modis.align("h18v03", [MODIS], 463.3127, window)
    cube = modis.cube("h18v03", MODIS).open().isel(y=window[0], x=window[1])
    for name in ("reflectance", "state", "quality", "cloud_class", "day_of_year"):
        np.testing.assert_array_equal(aligned[f"{name}_modis_09a1"], cube[name])
    np.testing.assert_array_equal(aligned.x, cube.x)


def test_names_dims_and_coordinates_carry_the_sensor(store):
    aligned = store.align("31UDQ", [S2, LANDSAT], 10, CORNER)
    pixels = aligned.reflectance_sentinel_2_l2a
    assert pixels.dims == ("time_sentinel_2_l2a", "band_sentinel_2_l2a", "y", "x")
    assert aligned.quality_landsat_c2_l2.dims == ("time_landsat_c2_l2", "y", "x")
    assert aligned.band_landsat_c2_l2.values.tolist() == ["B4", "B5"]
    assert aligned.item_id_sentinel_2_l2a.values.tolist() == ["s-early", "s-better"]
    assert aligned.center_wavelength_sentinel_2_l2a.values.tolist() == [0.4924, 0.8647]
    assert {str(name) for name in aligned.dims} == {*pixels.dims, "time_landsat_c2_l2"} | {
        "band_landsat_c2_l2"
    }
    sources = aligned.attrs["cubestore:sources"]
    assert sources[S2]["31UDQ"]["number"] == store.cube("31UDQ", S2).root().number


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
def test_others_find_the_grid(store):
    import odc.geo.xr  # noqa: F401, PLC0415 - makes .odc

    aligned = store.align("31UDQ", [S2], 20, (slice(100, 300), slice(50, 90)))
    expected = cubestore.tile("31UDQ").geobox(20)[100:300, 50:90]
    assert aligned.odc.geobox == expected
    assert aligned.reflectance_sentinel_2_l2a.odc.geobox == expected
    assert not [n for n in aligned.reflectance_sentinel_2_l2a.attrs if ":" in n]


def test_a_sensors_part_is_as_its_cube_gives_it(store):
    aligned = store.align("31UDQ", [LANDSAT, S2], 10, CORNER)
    part = align.select(aligned, S2)
    cube = store.cube("31UDQ", S2).open().isel(y=CORNER[0], x=CORNER[1])
    assert set(part.variables) == set(cube.variables)
    for name in cube.variables:
        assert part[name].dims == cube[name].dims
        if name != "spatial_ref":
            np.testing.assert_array_equal(part[name], cube[name])
    with pytest.raises(MismatchError, match="modis"):
        align.select(aligned, MODIS)
    with pytest.raises(MismatchError, match="no sensors"):
        align.select(cube, S2)


def test_what_is_aligned_can_be_adjusted_and_the_other_way_round_is_the_same(store):
    part = align.select(store.align("31UDQ", [S2], 20, CORNER), S2).isel(time=[0])
    nbar = adjust.bandpass(adjust.c_factor(part)).reflectance
    before = adjust.bandpass(adjust.c_factor(store.cube("31UDQ", S2).open().isel(time=[0])))
    whole = before.reflectance.isel(y=slice(-320, None), x=slice(-240, None))
    mean = whole.coarsen(y=2, x=2).mean()
    np.testing.assert_allclose(nbar, mean, rtol=1e-6, atol=2e-9)


# Coarser by whole pixels.


@pytest.mark.parametrize("times", [2, 3, 6])
def test_whole_pixels_become_their_mean_and_masks_the_nearest(store, times):
    rows, columns = (10980 // times - 30, 10980 // times), (10980 // times - 40, 10980 // times)
    window = slice(*rows), slice(*columns)
    aligned = store.align("31UDQ", [S2], 10 * times, window)
    cube = store.cube("31UDQ", S2).open()
    cube = cube.isel(y=slice(*(times * r for r in rows)), x=slice(*(times * c for c in columns)))
    expected = cube.reflectance.astype("float64").coarsen(y=times, x=times).mean()
    found = aligned.reflectance_sentinel_2_l2a
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found.dtype, found.attrs["resampling"]) == ("float32", "mean")
    middle = slice(times // 2, None, times)
    np.testing.assert_array_equal(
        aligned.quality_sentinel_2_l2a, cube.quality.isel(y=middle, x=middle)
    )
    assert aligned.quality_sentinel_2_l2a.attrs["resampling"] == "nearest"


def test_a_mean_is_of_the_pixels_that_have_data(store):
    found = store.align("31UDQ", [S2], 100).reflectance_sentinel_2_l2a[0, 0, -16:, -11:].values
    cube = store.cube("31UDQ", S2).open().reflectance[0, 0, -160:, -110:].values
    blocks = cube.reshape(16, 10, 11, 10).swapaxes(1, 2).reshape(16, 11, 100)
    some = np.isfinite(blocks).any(axis=-1)
    assert not some.all()  # the first row and column lie outside of what was written
    np.testing.assert_array_equal(np.isnan(found), ~some)
    np.testing.assert_allclose(found[some], np.nanmean(blocks[some], axis=-1), rtol=1e-6)


# Other grids of the same CRS.


def test_half_a_pixel_aside_is_the_mean_of_four(store):
    """Landsat's pixels on those of the tile: 15 m north-west of them."""
    aligned = store.align("31UDQ", [LANDSAT], 30, (slice(-60, None), slice(-40, None)))
    stored = store.cube("31UDQ", LANDSAT).open().reflectance[0, :, -61:, -41:].values
    corners = [stored[:, y : y + 60, x : x + 40] for y in (0, 1) for x in (0, 1)]
    found = aligned.reflectance_landsat_c2_l2[0].values
    np.testing.assert_allclose(found, np.mean(corners, axis=0), rtol=1e-6)
    assert aligned.reflectance_landsat_c2_l2.attrs["resampling"] == "bilinear"
    quality = store.cube("31UDQ", LANDSAT).open().quality[0, -61:, -41:].values
    ours = aligned.quality_landsat_c2_l2[0].values
    around = np.stack([quality[y : y + 60, x : x + 40] for y in (0, 1) for x in (0, 1)])
    assert (around == ours).any(axis=0).all()
    assert ours.dtype == "uint16"


@pytest.mark.parametrize("method", ["bilinear", "cubic", "nearest"])
def test_finer_pixels_are_those_of_gdal(store, method):
    from rasterio.warp import Resampling, reproject  # noqa: PLC0415 - the reference

    window = (slice(-90, -30), slice(-90, -30))
    aligned = store.align("31UDQ", [DEM], 10, window, resampling=method)
    cube = store.cube("31UDQ", DEM)
    grid = layout.geobox(cube.sensor, cube.tile)
    target = mosaic.crop(cube.tile.geobox(10), slice(10890, 10950), slice(10890, 10950))
    expected = np.full((60, 60), np.nan, "float32")
    reproject(
        cube.open().elevation[0, 0, -60:, -60:].values,
        expected,
        src_transform=mosaic.crop(grid, slice(3600, 3660), slice(3600, 3660)).affine,
        src_crs=str(grid.crs),
        dst_transform=target.affine,
        dst_crs=str(grid.crs),
        src_nodata=np.nan,
        resampling=Resampling[method],
        tolerance=0,
    )
    found = aligned.elevation_cop_dem_glo_30[0, 0].values
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-3)


def test_nodata_never_mixes_with_data(store):
    found = store.align("31UDQ", [LANDSAT], 10, CORNER).reflectance_landsat_c2_l2[0].values
    stored = store.cube("31UDQ", LANDSAT).open().reflectance[0].values
    assert np.nanmin(found) >= np.nanmin(stored) - 1e-6
    assert np.nanmax(found) <= np.nanmax(stored) + 1e-6
    aside = store.align("31UDQ", [LANDSAT], 30, (slice(-170, None), slice(-120, None)))
    values = aside.reflectance_landsat_c2_l2[0, 0].values
    assert np.isnan(values[:18, :18]).all()
    assert np.isfinite(values[-148:]).all()
    assert np.isfinite(values[:, -98:]).all()


# MODIS on an MGRS tile.


def on_modis(tile, gsd, window):
    """Row and column on the whole MODIS grid, as floats, of pixel centres: PROJ, one by one."""
    place = cubestore.tile(tile)
    grid = mosaic.crop(place.geobox(gsd), *window)
    values = layout.space_values(grid)
    x, y = np.meshgrid(values["x"], values["y"])
    sinusoidal = cubestore.tile("h18v04")
    way = pyproj.Transformer.from_crs(place.crs.proj, sinusoidal.crs.proj, always_xy=True)
    east, north = way.transform(x, y)
    pixel = sinusoidal.gsd
    return 21_600 - north / pixel, east / pixel + 43_200


SEAM = (slice(450, 650), slice(300, 420))
"""Of 31UDR at 100 m: rows on both sides of 50 degrees north."""


def test_modis_tiles_are_one_mosaic_without_a_seam(modis):
    aligned = modis.align("31UDR", [MODIS], 100, SEAM)
    times = aligned.time_modis_09a1.values.astype("M8[D]").astype(str).tolist()
    assert times == ["2024-01-01", "2024-01-09", "2024-01-17"]
    row, column = on_modis("31UDR", 100, SEAM)
    north = row < 9600
    assert north.any()
    assert not north.all()
    # a plane: bilinear is exact, across the tiles' edge too; row + 0.5 is a pixel's centre
    expected = (2000 + 3 * (row - 0.5 - 9600) - 2 * (column - 0.5 - 43_400)) * 1e-4
    found = aligned.reflectance_modis_09a1[:, 0].values
    np.testing.assert_allclose(found[2], expected, atol=2e-6)
    for slot, there in ((0, north), (1, ~north)):
        np.testing.assert_array_equal(np.isfinite(found[slot]), there)
        inside = there & (abs(row - 9600) > 1)
        np.testing.assert_allclose(found[slot][inside], expected[inside], atol=2e-6)


def test_modis_masks_are_those_of_the_pixel_around(modis):
    found = modis.align("31UDR", [MODIS], 100, SEAM).state_modis_09a1
    row, column = on_modis("31UDR", 100, SEAM)
    _, state = fields(np.floor(row).astype(int), np.floor(column).astype(int))
    clear = np.minimum(abs(row - np.rint(row)), abs(column - np.rint(column))) > 1e-4
    assert found.dtype == "uint16"
    np.testing.assert_array_equal(found[2].values[clear], state[clear])
    there = row < 9600
    np.testing.assert_array_equal(found[0].values[clear & there], state[clear & there])
    assert (found[0].values[~there] == 65535).all()


def test_slots_of_a_mosaic_tell_what_their_tiles_agree_on(modis):
    aligned = modis.align("31UDR", [MODIS], 100, SEAM)
    items = aligned.item_id_modis_09a1.values.tolist()
    assert items[0] == "h18v03-2024-01-01"
    assert items[2] == "h18v03-2024-01-17 h18v04-2024-01-17"
    assert aligned.platform_modis_09a1.values.tolist() == ["terra"] * 3
    assert aligned.cloud_cover_modis_09a1.values.tolist() == [10.0] * 3
    assert sorted(aligned.attrs["cubestore:sources"][MODIS]) == ["h18v03", "h18v04"]


@pytest.mark.parametrize(
    ("name", "said", "agreed"),
    [
        ("item_id", ["a", "b", "a"], "a b"),
        ("platform", ["terra", "terra"], "terra"),
        ("orbit_state", ["ascending", ""], ""),  # unknown
        ("relative_orbit", [3, 4], -1),
        ("cloud_cover", [np.float32("nan"), np.float32("nan")], np.nan),
        ("valid_fraction", [np.float32(0.5), np.float32(1)], np.nan),
        ("created", [np.datetime64("2024-01-02"), np.datetime64("2024-01-03")], "2024-01-03"),
    ],
)
def test_what_tiles_do_not_agree_on_is_unknown(name, said, agreed):
    assert str(align._one_of(name, said)) == str(agreed)


def test_two_slots_of_one_time_and_platform_stay_two(modis, tmp_path):
    shutil.copytree(modis.path, tmp_path / "copy")
    store = cubestore.open_store(tmp_path / "copy")
    cube = store.cube("h18v03", MODIS)
    pixels = {n: v.isel(time=0, y=slice(2048, None), x=slice(0, 2048)) for n, v in raw(cube)}
    again = cubestore.Slot(time="2024-01-17", item_id="again", **TERRA)
    cube.append(again, {n: v.values for n, v in pixels.items()}, origin=(2048, 0))
    aligned = store.align("31UDR", [MODIS], 100, SEAM)
    expected = ["h18v03-2024-01-17 h18v04-2024-01-17", "again"]
    assert aligned.item_id_modis_09a1.values.tolist()[2:] == expected


def raw(cube):
    return cube.open(mask_and_scale=False).data_vars.items()


def test_tiles_that_the_store_lacks_are_nodata(modis, tmp_path):
    shutil.copytree(modis.path, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/sin/h18v04")
    aligned = cubestore.open_store(tmp_path / "copy").align("31UDR", [MODIS], 100, SEAM)
    found = aligned.reflectance_modis_09a1[1, 0].values
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[-1]).all()


def test_modis_tiles_of_different_bands_are_refused(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    store.create_cube("h18v03", MODIS)
    store.create_cube("h18v04", MODIS, bands=["sur_refl_b02"])
    with pytest.raises(MismatchError, match="h18v04/modis-09a1 holds the bands sur_refl_b02"):
        store.align("31UDR", [MODIS], 100)


# Laziness.


@pytest.fixture
def reads(monkeypatch):
    """What is read of arrays: the keys."""
    kept = []
    read = cubestore.reader._Pixels._read
    monkeypatch.setattr(
        cubestore.reader._Pixels, "_read", lambda self, key: kept.append(key) or read(self, key)
    )
    return kept


def test_opening_reads_no_pixel_and_a_window_only_what_it_needs(store, reads):
    aligned = store.align("31UDQ", [S2, LANDSAT, DEM], 10)
    assert repr(aligned)
    assert aligned.sizes["y"] == 10980
    assert not reads
    part = aligned.reflectance_landsat_c2_l2[0, :, -300:, -300:]
    assert np.isfinite(part.values).any()
    assert len(reads) == 1
    *_, rows, columns = reads[0]
    assert max(rows.stop - rows.start, columns.stop - columns.start) < 110
    reads.clear()
    assert np.isnan(aligned.elevation_cop_dem_glo_30[0, 0, 5, 5].values)
    assert len(reads) == 1


def test_chunks_are_slots_and_about_a_shard(store):
    aligned = store.align("31UDQ", [S2, LANDSAT], 10)
    assert aligned.reflectance_sentinel_2_l2a.chunks[0] == (1, 1)
    assert aligned.chunksizes["y"] == (2048,) * 5 + (740,)
    coarse = store.align("31UDQ", [S2, LANDSAT], 20, (slice(1000, 3000), slice(0, 100)))
    assert coarse.chunksizes["y"] == (24, 1024, 952)  # where the whole tile's end
    assert coarse.chunksizes["x"] == (100,)
    own = store.align("31UDQ", [S2], 10, chunks={"y": 4096})
    assert (own.chunksizes["y"], own.chunksizes["x"][0]) == ((4096, 4096, 2788), 2048)


@pytest.mark.parametrize(("sensor", "gsd"), [(S2, 10), (S2, 60), (LANDSAT, 10), (DEM, 75)])
def test_a_window_gives_what_the_whole_gives(store, sensor, gsd):
    whole = store.align("31UDQ", [sensor], gsd)
    size = whole.sizes["y"]
    window = slice(size - 60, size - 3), slice(size - 50, size)
    part = store.align("31UDQ", [sensor], gsd, window, chunks={"y": 17, "x": 23})
    expected = whole.isel(y=window[0], x=window[1])
    for name in part.data_vars:
        np.testing.assert_allclose(part[name], expected[name], rtol=1e-6, atol=1e-7)


def test_any_part_of_it_can_be_had(store):
    aligned = store.align("31UDQ", [S2], 20, CORNER)
    pixels = aligned.reflectance_sentinel_2_l2a
    whole = pixels.values
    assert whole.shape == (2, 2, 160, 120)
    for key in [
        (0, 1, slice(5, 9), slice(None)),
        (slice(None, None, -1), slice(None), [3, 100, 7], -1),
        (slice(0, 0), 0, 3, slice(4, 60, 7)),
        (1, 0, 150, 110),
    ]:
        if not isinstance(key[2], list):
            np.testing.assert_array_equal(pixels[key].values, whole[key])
        lazy = align_lazily(store)[key]
        np.testing.assert_array_equal(lazy.values, xr.Variable(pixels.dims, whole)[key].values)


def align_lazily(store):
    """The same window without dask."""
    cube = store.cube("31UDQ", S2)
    pixels = cube.open().reflectance.variable
    grid = mosaic.crop(cube.tile.geobox(20), slice(5330, 5490), slice(5370, 5490))
    own = layout.geobox(cube.sensor, cube.tile)
    beside = mosaic.side_by_side([pixels], [own], [[0, 1]], np.nan)
    return mosaic.Aligned(beside, grid, "bilinear").variable(pixels, "_sentinel_2_l2a")


def test_a_deleted_shard_stops_nothing_but_its_pixels(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "copy")
    shard = tmp_path / "copy/mgrs/31UDQ/sentinel-2-l2a/reflectance/c/1/0/5/5"
    shard.write_bytes(shard.read_bytes()[:-1])
    aligned = cubestore.open_store(tmp_path / "copy").align("31UDQ", [S2], 10, CORNER)
    assert aligned.quality_sentinel_2_l2a.values.any()
    with pytest.raises(Exception, match=r"checksum|crc|size"):
        aligned.reflectance_sentinel_2_l2a[0].values  # noqa: B018


def test_an_aligned_dataset_can_be_sent_and_written(store, tmp_path):
    aligned = store.align("31UDQ", [S2, LANDSAT], 30, (slice(-40, None), slice(-30, None)))
    again = pickle.loads(pickle.dumps(aligned))  # noqa: S301 - our own
    xr.testing.assert_identical(again.load(), aligned.load())
    aligned.to_zarr(tmp_path / "aligned.zarr", consolidated=False)
    read = xr.open_zarr(tmp_path / "aligned.zarr", consolidated=False, decode_coords="all")
    assert read.quality_sentinel_2_l2a.dtype == "uint8"
    xr.testing.assert_equal(read.drop_vars("spatial_ref").load(), aligned.drop_vars("spatial_ref"))


def test_a_cube_without_slots_is_empty(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    store.create_cube("31UDQ", S2)
    store.create_cube("h18v03", MODIS)
    store.create_cube("h18v04", MODIS)
    assert store.align("31UDQ", [S2], 20).reflectance_sentinel_2_l2a.shape == (0, 10, 5490, 5490)
    store.create_cube("31UDR", S2)
    both = store.align("31UDR", [S2, MODIS], 20, CORNER)
    assert both.reflectance_modis_09a1.shape == (0, 7, 160, 120)


# What is refused.


@pytest.mark.parametrize(
    ("tile", "sensors", "gsd", "options", "error", "told"),
    [
        ("31UDX", [S2], 10, {}, UnknownTileError, "31UDX"),
        ("31UDQ", ["s2"], 10, {}, UnknownSensorError, "s2"),
        ("31UDQ", ["naip"], 10, {}, UnknownCubeError, "no cube 31UDQ naip"),
        ("31UDQ", [MODIS], 10, {}, UnknownCubeError, "no cube h18v04 modis-09a1"),
        ("31UDQ", [S2], 7, {}, GridMismatchError, "whole number"),
        ("h18v04", [S2], 463.3127, {}, MismatchError, "align on such a tile"),
        ("31UDQ", [], 10, {}, MismatchError, "at least one sensor"),
        ("31UDQ", [S2], 10, {"resampling": "lanczos"}, MismatchError, "cubic"),
        ("31UDQ", [S2], 10, {"chunks": {"time": 3}}, MismatchError, "along y and x"),
    ],
    ids=["tile", "sensor", "cube", "no MODIS", "gsd", "grid", "none", "method", "chunks"],
)
def test_what_cannot_be_aligned_is_refused(store, tile, sensors, gsd, options, error, told):
    with pytest.raises(error, match=told):
        store.align(tile, sensors, gsd, **options)


@pytest.mark.parametrize(
    "window",
    [
        (slice(5, 5), slice(0, 9)),  # nothing
        (slice(0, 9), slice(10980, 10999)),  # outside
        (slice(0, 9, 2), slice(0, 9)),  # not all of it
    ],
    ids=["empty", "outside", "step"],
)
def test_windows_that_are_none_are_refused(store, window):
    with pytest.raises(GridMismatchError, match="10980 x 10980"):
        store.align("31UDQ", [S2], 10, window)


def test_one_sensor_may_be_named_alone_or_twice(store):
    one = store.align("31UDQ", S2, 10, CORNER)
    two = store.align("31UDQ", [S2, S2], 10, CORNER)
    assert list(one.variables) == list(two.variables)


@pytest.mark.parametrize(
    ("shift", "pixel", "fit"),
    [
        ((0, 0), 10, (1, 0, 0)),
        ((30, -20), 10, (1, 2, 3)),  # east and south of the first
        ((40, -40), 20, (2, 4, 4)),
        ((5, 0), 10, None),  # between edges
        ((0, 0), 15, None),
        ((0, 0), 5, None),  # finer
        ((1e-6, 0), 10, (1, 0, 0)),  # rounding
    ],
)
def test_grids_fit_where_edges_do(shift, pixel, fit):
    from affine import Affine  # noqa: PLC0415

    source = GeoBox((100, 100), Affine(10, 0, 600_000, 0, -10, 5_400_000), "EPSG:32631")
    corner = Affine(pixel, 0, 600_000 + shift[0], 0, -pixel, 5_400_000 + shift[1])
    assert mosaic._fit(source, GeoBox((9, 9), corner, "EPSG:32631")) == fit
    assert mosaic._fit(source, GeoBox((9, 9), corner, "EPSG:32630")) is None
