"""Every sensor's cube on disk, held against the store format's own tables."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr
import zarr
import zarr_cm
from zarr.core.buffer import default_buffer_prototype

import cubestore
from cubestore import layout
from cubestore.errors import MismatchError

S2_L2A = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
S2_L1C = ["B01", *S2_L2A[:8], "B09", "B10", "B11", "B12"]
OLI = ["B4", "B3", "B2", "B5", "B6", "B7"]
SUR_REFL = [f"sur_refl_b0{n}" for n in range(1, 8)]
SCL = {"quality": ("uint8", 0), "cloud_class": ("uint8", 255)}
QA_PIXEL = {"quality": ("uint16", 1), "cloud_class": ("uint8", 255)}
MODIS_LAYERS = {
    "quality": ("uint32", 4294967295),
    "state": ("uint16", 65535),
    "day_of_year": ("uint16", 65535),
    "cloud_class": ("uint8", 255),
}


class Row(NamedTuple):
    tile: str
    size: int
    bands: list[str]
    variable: str
    dtype: str
    fill: float
    packing: tuple[float, float] | None = None
    masks: dict[str, tuple[str, int]] = {}  # noqa: RUF012 - never changed


SENTINEL_2 = ("reflectance", "int16", -32768, (1e-4, 0.0))
LANDSAT_L2 = ("reflectance", "uint16", 0, (2.75e-5, -0.2), QA_PIXEL)
LANDSAT_L1 = ("reflectance", "uint16", 0, (2e-5, -0.1), QA_PIXEL)
MODIS = ("reflectance", "int16", -28672, (1e-4, 0.0), MODIS_LAYERS)
RGB = ["red", "green", "blue"]

CUBES = {
    "sentinel-2-l2a": Row("31UDQ", 10980, S2_L2A, *SENTINEL_2, SCL),
    "sentinel-2-l1c": Row("33XWG", 10980, S2_L1C, *SENTINEL_2),
    "landsat-c2-l2": Row("18LTM", 3661, OLI, *LANDSAT_L2),
    "landsat-c2-l1": Row("31UDQ", 3661, OLI, *LANDSAT_L1),
    "sentinel-1-rtc": Row("31UDQ", 10980, ["vv", "vh"], "backscatter", "float32", np.nan),
    "naip": Row("10SEG", 109800, [*RGB, "nir"], "brightness", "uint8", 0),
    "linz": Row("60GUV", 219600, RGB, "brightness", "uint8", 0),
    "modis-09a1": Row("h18v04", 2400, SUR_REFL, *MODIS),
    "cop-dem-glo-30": Row("31UDQ", 3660, ["elevation"], "elevation", "float32", np.nan),
    "esa-worldcover": Row("31UDQ", 10980, ["map"], "land_cover", "uint8", 0),
}

# Name -> dtype, and the value that says "unknown".
ON_TIME = {
    "time": ("int64", 0),
    "time_end": ("int64", 0),
    "item_id": ("string", ""),
    "source_url": ("string", ""),
    "platform": ("string", ""),
    "processing_baseline": ("string", ""),
    "processor_version": ("string", ""),
    "dn_offset": ("int16", -1),
    "dn_offset_source": ("string", ""),
    "orbit_state": ("string", ""),
    "relative_orbit": ("int32", -1),
    "sun_azimuth": ("float32", np.nan),
    "sun_elevation": ("float32", np.nan),
    "view_azimuth": ("float32", np.nan),
    "view_zenith": ("float32", np.nan),
    "cloud_cover": ("float32", np.nan),
    "clear_fraction": ("float32", np.nan),
    "valid_fraction": ("float32", np.nan),
    "supersedes": ("string", ""),
    "created": ("int64", 0),
}
INSTANTS = ["time", "time_end", "created"]
ON_BAND = ["band", "common_name", "center_wavelength", "full_width_half_max", "gsd"]


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    store = cubestore.create_store(tmp_path_factory.mktemp("layout") / "store")
    return {sensor: store.create_cube(row.tile, sensor) for sensor, row in CUBES.items()}


def test_the_table_has_every_sensor():
    assert set(CUBES) == set(cubestore.SENSORS)


@pytest.mark.parametrize("sensor", CUBES)
def test_a_cube_is_what_the_format_says(cubes, sensor):
    row, group = CUBES[sensor], zarr.open_group(cubes[sensor].path, mode="r")
    assert cubes[sensor].path.endswith(f"/{cubes[sensor].tile.grid}/{row.tile}/{sensor}")
    assert group["band"][:].tolist() == row.bands

    pixels = group[row.variable]
    assert pixels.metadata.dimension_names == ("time", "band", "y", "x")
    assert pixels.shape == (0, len(row.bands), row.size, row.size)
    assert pixels.dtype == row.dtype
    np.testing.assert_equal(pixels.fill_value, np.dtype(row.dtype).type(row.fill))
    assert pixels.chunks == (1, len(row.bands), 128, 128)
    assert pixels.shards == (1, len(row.bands), 2048, 2048)

    layers = {n: group[n] for n, _ in group.arrays() if group[n].ndim == 3}
    assert {n: (a.dtype.name, int(a.fill_value)) for n, a in layers.items()} == row.masks
    for layer in layers.values():
        assert layer.metadata.dimension_names == ("time", "y", "x")
        assert (layer.chunks, layer.shards) == ((1, 128, 128), (1, 2048, 2048))

    attributes = dict(pixels.attrs)
    masked = row.variable in {"reflectance", "brightness"}
    assert attributes.get("_FillValue") == (row.fill if masked else None)
    scaled = attributes.get("scale_factor"), attributes.get("add_offset")
    assert scaled == (row.packing or (None, None))
    expected = {"sentinel-1-rtc": 10}.get(sensor)
    assert attributes.get("_QuantizeBitRoundNumberOfSignificantBits") == expected
    expected = {"modis-09a1": [-100, 16000]}.get(sensor)
    assert attributes.get("valid_range") == expected


@pytest.mark.parametrize("sensor", CUBES)
def test_masks_and_floats_carry_no_fill_value(cubes, sensor):
    for name, array in zarr.open_group(cubes[sensor].path, mode="r").arrays():
        if "_FillValue" in array.attrs:
            assert name in {"reflectance", "brightness"}
            assert array.dtype.kind in "iu"


@pytest.mark.parametrize("sensor", CUBES)
def test_masks_say_what_they_mean(cubes, sensor):
    for name, array in zarr.open_group(cubes[sensor].path, mode="r").arrays():
        if name in {"quality", "cloud_class", "state", "land_cover"}:
            words = array.attrs["flag_meanings"].split()
            for kind in {"flag_values", "flag_masks"} & set(array.attrs):
                assert len(array.attrs[kind]) == len(words)
                assert all(0 <= v <= np.iinfo(array.dtype).max for v in array.attrs[kind])


@pytest.mark.parametrize("sensor", CUBES)
def test_coordinates_are_those_of_the_format(cubes, sensor):
    group = zarr.open_group(cubes[sensor].path, mode="r")
    on = {name: a.metadata.dimension_names for name, a in group.arrays() if a.ndim < 3}
    on_time = [n for n in ON_TIME if n != "time_end" or sensor == "modis-09a1"]
    expected = dict.fromkeys(on_time, ("time",)) | dict.fromkeys(ON_BAND, ("band",))
    assert on == expected | {"y": ("y",), "x": ("x",), "spatial_ref": ()}
    for name in on_time:
        array = group[name]
        dtype, unknown = ON_TIME[name]
        assert array.chunks == (4096,)
        assert array.metadata.to_dict()["data_type"] == dtype
        np.testing.assert_equal(array.fill_value, unknown)
        if name in INSTANTS:
            assert array.attrs["units"] == "microseconds since 1970-01-01"
            assert array.attrs["calendar"] == "proleptic_gregorian"
    assert group["x"].dtype == group["y"].dtype == "float64"


@pytest.mark.parametrize("sensor", CUBES)
def test_variables_name_their_coordinates_and_their_grid(cubes, sensor):
    group = zarr.open_group(cubes[sensor].path, mode="r")
    for name, array in group.arrays():
        if {"y", "x"} <= set(array.metadata.dimension_names):
            assert array.attrs["grid_mapping"] == "spatial_ref"
            listed = array.attrs["coordinates"].split()
            dims = array.metadata.dimension_names
            helps = [n for n in ON_BAND if "band" in dims and n != "band"]
            times = [n for n in ON_TIME if n in group and n != "time"]
            assert sorted(listed) == sorted([*times, *helps, "spatial_ref"]), name


@pytest.mark.parametrize("sensor", CUBES)
def test_pixels_lie_on_the_grid_of_the_tile(cubes, sensor):
    cube = cubes[sensor]
    group = zarr.open_group(cube.path, mode="r")
    grid = cube.tile.geobox(cube.sensor.gsd, margin=cube.sensor.margin)
    box = grid.boundingbox
    half = grid.resolution.x / 2
    y, x = group["y"][:], group["x"][:]
    np.testing.assert_allclose([x[0] - half, x[-1] + half], [box.left, box.right], atol=1e-6)
    np.testing.assert_allclose([y[0] + half, y[-1] - half], [box.top, box.bottom], atol=1e-6)
    assert y[0] > y[-1]  # north up
    numbers = [float(n) for n in group["spatial_ref"].attrs["GeoTransform"].split()]
    assert tuple(numbers) == grid.affine.to_gdal()
    assert "crs_wkt" in group["spatial_ref"].attrs


@pytest.mark.parametrize("sensor", CUBES)
def test_the_zarr_conventions_hold(cubes, sensor):
    cube = cubes[sensor]
    group = zarr.open_group(cube.path, mode="r")
    grid = cube.tile.geobox(cube.sensor.gsd, margin=cube.sensor.margin)
    pixels = [a for _, a in group.arrays() if {"y", "x"} <= set(a.metadata.dimension_names)]
    for node in (group, *pixels):
        attributes = node.attrs.asdict()
        assert {c["name"] for c in attributes["zarr_conventions"]} == {"proj", "spatial"}
        zarr_cm.validate_all(attributes)
        assert attributes["spatial:dimensions"] == ["y", "x"]
        assert attributes["spatial:shape"] == list(grid.shape)
        assert attributes["spatial:transform"] == list(grid.affine[:6])
        if cube.tile.grid == "mgrs":
            assert attributes["proj:code"] == f"EPSG:{cube.tile.crs.epsg}"
        else:
            assert "Sinusoidal" in attributes["proj:wkt2"]
    assert not any("spatial:bbox" in array.attrs for array in pixels)
    np.testing.assert_allclose(group.attrs["spatial:bbox"], grid.boundingbox.bbox)


@pytest.mark.parametrize("sensor", CUBES)
def test_the_group_says_what_it_is(cubes, sensor):
    cube, known = cubes[sensor], cubestore.sensor(sensor)
    attributes = zarr.open_group(cube.path, mode="r").attrs.asdict()
    assert attributes["Conventions"] == "CF-1.11"
    assert attributes["grid:code"] == cube.tile.grid_code
    assert attributes["gsd"] == known.gsd
    assert attributes["constellation"] == known.constellation
    assert attributes["attribution"] == known.attribution
    assert attributes["license"] == known.license
    assert attributes["cubestore:format"] == 1
    assert attributes["cubestore:commit"]["number"] == 0
    assert attributes["cubestore:commit"]["digest"].startswith("sha256:")
    assert attributes["source"].startswith("cubestore ")


@pytest.mark.parametrize("sensor", CUBES)
def test_metadata_is_just_what_zarr_would_write(cubes, sensor):
    home = cubes[sensor].path
    group = zarr.open_group(home, mode="r")
    root = json.loads(Path(home, "zarr.json").read_bytes())
    assert as_zarr_writes(group) == root
    for name, array in group.arrays():
        document = root["consolidated_metadata"]["metadata"][name]
        assert as_zarr_writes(array) == document
        own = zarr.open_array(f"{home}/{name}", mode="r")
        assert as_zarr_writes(own) == document


def as_zarr_writes(node):
    buffers = node.metadata.to_buffer_dict(default_buffer_prototype())
    return json.loads(buffers["zarr.json"].to_bytes())


@pytest.mark.parametrize("sensor", CUBES)
def test_a_cube_without_slots_opens(cubes, sensor):
    plain, ours = xr.open_zarr(cubes[sensor].path, chunks=None), cubes[sensor].open()
    assert plain.sizes["time"] == ours.sizes["time"] == 0
    assert set(plain.coords) == set(ours.coords)
    assert set(plain.data_vars) == set(ours.data_vars)


def test_a_cube_holds_the_bands_and_layers_that_were_asked_for(store):
    bands = ["B1", "B4"]
    cube = store.create_cube("31UDQ", "landsat-c2-l2", bands=bands, layers=["surface_temperature"])
    ds = xr.open_zarr(cube.path, mask_and_scale=False, chunks=None)
    assert ds.band.values.tolist() == bands
    assert ds.common_name.values.tolist() == ["coastal", "red"]
    assert ds.surface_temperature.attrs["_FillValue"] == 0  # else nodata would be 149 K
    assert ds.surface_temperature.dims == ("time", "y", "x")


def test_lossless_keeps_every_bit(store):
    cube = store.create_cube("31UDQ", "sentinel-1-rtc", lossless=True)
    ds = xr.open_zarr(cube.path, chunks=None)
    assert not [name for name in ds.backscatter.attrs if "Quantize" in name]


@pytest.mark.parametrize(
    ("sensor", "tile"),
    [("modis-09a1", "31UDQ"), ("sentinel-2-l2a", "h18v04")],
)
def test_a_tile_of_another_grid_is_refused(sensor, tile):
    with pytest.raises(MismatchError, match="is of the grid"):
        layout.geobox(cubestore.sensor(sensor), cubestore.tile(tile))


def test_landsat_lies_at_15_mod_30():
    grid = layout.geobox(cubestore.sensor("landsat-c2-l2"), cubestore.tile("31UDQ"))
    assert (grid.affine.c % 30, grid.affine.f % 30) == (15, 15)
    assert grid.shape == (3661, 3661)
