"""Slots as Cloud Optimized GeoTIFFs: the cube's own numbers, where they lie, and what they mean."""

import json

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio

import cubestore
from cubestore.errors import QueryError, UnknownCubeError
from cubestore_pipelines.cli import main
from cubestore_pipelines.cogs import export_cogs
from tests.catalog.published import validator

CORNER = (1, 1)
"""The shard of MODIS' 2400 pixels in the south-east: 352 along a side."""


def pixels(cube, rows, columns, seed):
    """Return noise with a hole for every variable of a cube."""
    rng = np.random.default_rng(seed)
    with cube.write() as writer:
        arrays = {n: a for n, a in writer.arrays.items() if a.shards}
    made = {}
    for name, array in arrays.items():
        values = rng.integers(1, 9000, (*array.shape[1:-2], rows, columns)).astype(array.dtype)
        values[..., :100, :50] = array.fill
        made[name] = values
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A cube whose slots hold a corner, two shards, nothing, and the first one anew."""
    made = cubestore.create_store(tmp_path_factory.mktemp("cogs") / "store")
    cube = made.create_cube("h18v04", "modis-09a1")
    known = {"platform": "terra"}
    corner = cubestore.Slot(time="2024-01-09", item_id="a", **known)
    cube.append(corner, pixels(cube, 352, 352, 0), origin=(2048, 2048))
    cube.append(
        cubestore.Slot(time="2024-01-01", item_id="b"), pixels(cube, 352, 2400, 1), origin=(2048, 0)
    )
    with cube.write() as writer:
        writer.append([cubestore.Slot(time="2024-01-17", item_id="c", shards=(CORNER,))], [])
    again = cubestore.Slot(time="2024-01-09", item_id="d", supersedes="a", **known)
    cube.append(again, pixels(cube, 352, 352, 2), origin=(2048, 2048))
    return made


@pytest.fixture(scope="module")
def cogs(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return export_cogs(store.path, folder, tile="h18v04", sensor="modis-09a1")


def test_a_file_a_slot_that_holds_something_by_time(cogs):
    assert [(one.slot, one.width, one.height) for one in cogs] == [(1, 2400, 352), (3, 352, 352)]
    assert cogs[0].path.endswith("h18v04_modis-09a1_20240101T000000_1.tif")


def test_it_is_cloud_optimized_and_says_what_its_numbers_are(cogs):
    with rasterio.open(cogs[0].path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(1)
        assert file.profile["compress"] == "deflate"
        assert file.nodata == -28672
        assert file.scales == (1e-4,) * 7
        assert file.descriptions[0] == "sur_refl_b01"
    with rasterio.open(cogs[1].path) as file:
        assert file.tags()["item_id"] == "d"
        assert file.tags()["platform"] == "terra"


def test_pixels_and_places_are_the_cubes(store, cogs):
    cube = store.cube("h18v04", "modis-09a1").open(mask_and_scale=False)
    for one, slot in zip(cogs, (0, 1), strict=True):
        with rasterio.open(one.path) as file:
            values, bounds = file.read(), file.bounds
        part = cube.reflectance[slot, :, 2048:, 2400 - one.width :]
        np.testing.assert_array_equal(values, part.values)
        pixel = float(cube.x[1] - cube.x[0])
        assert bounds.left == pytest.approx(float(part.x[0]) - pixel / 2)
        assert bounds.top == pytest.approx(float(part.y[0]) + pixel / 2)


def test_each_has_an_item_that_is_valid_and_tells_of_its_bands(cogs, shared_data):
    judge = validator(shared_data)
    for one in cogs:
        item = pystac.Item.from_file(one.item)
        assert len(item.validate(validator=judge)) == 1 + len(item.stac_extensions)
        assert item.assets["data"].get_absolute_href() == one.path
        assert item.properties["proj:shape"] == [one.height, one.width]
        bands = item.assets["data"].extra_fields["bands"]
        assert [band["name"] for band in bands] == [f"sur_refl_b0{n}" for n in range(1, 8)]
        assert (bands[0]["nodata"], bands[0]["raster:scale"]) == (-28672, 1e-4)
        assert item.assets["data"].extra_fields["eo:bands"][0]["common_name"] == "red"


@pytest.mark.parametrize("sensor", ["sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30"])
def test_items_of_every_kind_of_pixels_are_valid(sensor, shared_data, tmp_path):
    made = cubestore.create_store(tmp_path / "store")
    cube = made.create_cube("31UDQ", sensor)
    with cube.write() as writer:
        side = next(a.shape[-1] for a in writer.arrays.values() if a.shards)
    edge = (side - 1) // 2048 * 2048
    slot = cubestore.Slot(time="2024-01-09", item_id="a", cloud_cover=3.0)
    cube.append(slot, pixels(cube, side - edge, side - edge, 0), origin=(edge, edge))
    (one,) = export_cogs(made.path, tmp_path / "files", tile="31UDQ", sensor=sensor)
    item = pystac.Item.from_file(one.item)
    item.validate(validator=validator(shared_data))
    held = cube.open().band.values.tolist()
    assert [band["name"] for band in item.assets["data"].extra_fields["bands"]] == held
    loaded = odc.stac.load([item], bands=held[:1])
    assert loaded.odc.geobox.shape == (one.height, one.width)


def test_odc_stac_loads_the_cubes_numbers_from_the_items(store, cogs):
    items = [pystac.Item.from_file(one.item) for one in cogs]
    loaded = odc.stac.load(items, bands=["sur_refl_b02"])
    cube = store.cube("h18v04", "modis-09a1").open(mask_and_scale=False)
    stored = cube.reflectance.sel(band="sur_refl_b02")[:2, 2048:].values
    assert loaded.sur_refl_b02.dtype == stored.dtype
    assert loaded.odc.geobox.affine.almost_equals(cube.odc.geobox[2048:].affine, 1e-6)
    np.testing.assert_array_equal(loaded.sur_refl_b02, stored)


def test_parts_that_lie_far_apart_are_files_of_their_own(tmp_path):
    """Between these two are 12 gigapixels of nothing, which no program should go through."""
    made = cubestore.create_store(tmp_path / "store")
    cube = made.create_cube("16RFU", "naip")
    edge = 109_800 - 53 * 2048
    slot = cubestore.Slot(time="2023-05-01", item_id="a", shards=((0, 0), (53, 53)))
    values = np.random.default_rng(0).integers(1, 255, (4, edge, edge)).astype("u1")
    start = np.pad(values, ((0, 0), (0, 2048 - edge), (0, 2048 - edge)))
    with cube.write() as writer:
        name = cube.sensor.pixels.name
        places = {(0, 0): start, (53, 53): values}
        staged = [
            writer.staging.write(name, (0, 0, *at), block[None]) for at, block in places.items()
        ]
        writer.append([slot], staged)
    asked = {"tile": "16RFU", "sensor": "naip"}
    first, last = export_cogs(made.path, tmp_path / "files", **asked)
    assert (first.width, last.width) == (2048, edge)
    assert last.path.endswith("_0_53-53.tif")
    with rasterio.open(last.path) as file:
        np.testing.assert_array_equal(file.read(), values)
        left, _, _, top = cube.tile.bounds
        assert (file.bounds.left, file.bounds.top) == (left + 53 * 2048, top - 53 * 2048)
    with rasterio.open(first.path) as file:
        np.testing.assert_array_equal(file.read(), start)


def test_the_command_takes_bands_and_times(store, tmp_path, capsys):
    asked = ["--tile", "h18v04", "--sensor", "modis-09a1", "--time", "2024-01-05/..", "--json"]
    bands = ["--bands", "sur_refl_b02", "--bands", "sur_refl_b01", "--compression", "zstd"]
    assert main(["export", "cog", store.path, *asked, *bands, "-o", str(tmp_path / "new")]) == 0
    (told,) = json.loads(capsys.readouterr().out)["files"]
    cube = store.cube("h18v04", "modis-09a1").open(mask_and_scale=False)
    with rasterio.open(told["path"]) as file:
        assert file.descriptions == ("sur_refl_b02", "sur_refl_b01")
        np.testing.assert_array_equal(file.read(1), cube.reflectance[1, 1, 2048:, 2048:].values)
    assert {str(path) for path in (tmp_path / "new").iterdir()} == {told["path"], told["item"]}


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"bands": ["red"]}, "Bands red"),
        ({"bands": []}, "Bands none"),
        ({"time": "soon"}, "soon"),
    ],
)
def test_what_the_cube_lacks_is_refused_and_nothing_written(store, tmp_path, asked, problem):
    with pytest.raises(QueryError, match=problem):
        export_cogs(store.path, tmp_path / "x", tile="h18v04", sensor="modis-09a1", **asked)
    with pytest.raises(UnknownCubeError):
        export_cogs(store.path, tmp_path / "x", tile="31UDQ", sensor="naip")
    assert not (tmp_path / "x").exists()
