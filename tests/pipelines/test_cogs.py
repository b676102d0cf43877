"""Slots as Cloud Optimized GeoTIFFs: the cube's own numbers, where they lie, and what they mean."""

import json

import numpy as np
import pytest
import rasterio

import cubestore
from cubestore.errors import QueryError, UnknownCubeError
from cubestore_pipelines.cli import main
from cubestore_pipelines.cogs import export_cogs

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
    assert [path.name for path in (tmp_path / "new").iterdir()] == [told["path"].split("/")[-1]]


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
