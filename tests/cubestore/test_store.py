"""A store: its cubes, its tiles, and what it says of them."""

import pickle

import numpy as np
import pytest
import xarray as xr

import cubestore
from cubestore.errors import NotAStoreError, NotWritableError

CUBES = [
    ("31UDQ", "esa-worldcover"),
    ("31UDQ", "sentinel-2-l2a"),
    ("60GUV", "linz"),
    ("h18v04", "modis-09a1"),
]


@pytest.fixture
def full(store):
    for tile, sensor in reversed(CUBES):
        store.create_cube(tile, sensor)
    return store


def test_a_store_lists_its_cubes_in_order(full):
    assert full.cubes() == CUBES


def test_an_empty_store_has_no_cubes(store):
    assert store.cubes() == []
    assert list(store.verify()) == []


def test_a_store_is_found_again_from_its_path(full, tmp_path):
    for path in (full.path, tmp_path / "store", f"{full.path}/", f"file://{full.path}"):
        assert cubestore.open_store(path).cubes() == CUBES


def test_a_cube_lies_where_the_format_says(full, tmp_path):
    assert (
        full.cube("31UDQ", "sentinel-2-l2a").path == f"{tmp_path}/store/mgrs/31UDQ/sentinel-2-l2a"
    )
    assert full.cube("h18v04", "modis-09a1").path == f"{tmp_path}/store/sin/h18v04/modis-09a1"
    control = tmp_path / "store/mgrs/31UDQ/.control"
    assert sorted(p.name for p in control.iterdir()) == ["esa-worldcover", "sentinel-2-l2a"]


def test_stores_and_cubes_are_values(full):
    cube = full.cube("31UDQ", "sentinel-2-l2a")
    assert pickle.loads(pickle.dumps(full)) == full  # noqa: S301 - our own
    assert pickle.loads(pickle.dumps(cube)) == cube  # noqa: S301
    assert cube == cubestore.open_store(full.path).cube("31UDQ", "sentinel-2-l2a")


def test_a_tile_opens_as_a_tree(full):
    tree = cubestore.open_tile(full.path, "31UDQ")
    assert isinstance(tree, xr.DataTree)
    assert sorted(tree.children) == ["esa-worldcover", "sentinel-2-l2a"]
    assert tree["esa-worldcover"].to_dataset().land_cover.dtype == "uint8"


def test_an_empty_cube_is_described(full):
    info = full.cube("31UDQ", "sentinel-2-l2a").info()
    assert (info["slots"], info["first"], info["last"]) == (0, "", "")
    assert (info["valid_fraction"], info["clear_fraction"]) == (None, None)
    assert (info["crs"], info["commit"]) == ("EPSG:32631", 0)
    assert info["bands"][:2] == ["B02", "B03"]
    assert full.cube("h18v04", "modis-09a1").info()["crs"] == "MODIS sinusoidal"


def test_a_cube_is_described(full, append):
    cube = full.cube("31UDQ", "sentinel-2-l2a")
    append(cube, "2024-03-01T10:00:00Z", "b", cloud_cover=10)
    append(cube, "2024-01-01T10:00:00Z", "a", supersedes="b")
    info = cube.info()
    assert (info["slots"], info["superseded"], info["commit"]) == (2, 1, 2)
    assert (info["first"], info["last"]) == ("2024-01-01T10:00:00", "2024-03-01T10:00:00")
    keys = [p for p in cube.control.group.rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert info["files"] == len(keys)
    assert info["bytes"] == sum(p.stat().st_size for p in keys)
    assert 0 < info["valid_fraction"] < 1


def test_a_whole_store_is_verified(full, append):
    append(full.cube("h18v04", "modis-09a1"), "2024-01-01", "a")
    reports = list(full.verify())
    assert [report.path for report in reports] == [full.cube(*cube).path for cube in CUBES]
    assert not any(report.damaged for report in reports)


def test_from_afar_a_store_is_read_and_not_written(full, append):
    near = full.cube("h18v04", "modis-09a1")
    append(near, "2024-01-01", "a")
    far = cubestore.open_store(f"file://{full.path}").cube("h18v04", "modis-09a1")
    part = {"y": slice(-10, None), "x": slice(-10, None)}
    xr.testing.assert_identical(far.open().isel(part).load(), near.open().isel(part).load())
    with pytest.raises(NotWritableError, match="not on a file system"):
        append(far, "2024-01-02", "b")


def test_an_address_for_which_a_package_is_missing_names_the_package():
    with pytest.raises(NotAStoreError, match=r"oci://bucket/store.* Install ocifs"):
        cubestore.open_store("oci://bucket/store")


def test_an_optional_layer_is_appended_and_read(store, append):
    cube = store.create_cube("31UDQ", "landsat-c2-l2", layers=["surface_temperature"])
    stored = append(cube, "2024-01-01", "a")["surface_temperature"]
    kelvin = cube.open().surface_temperature[0, 2048:, 2048:].values
    expected = np.where(stored == 0, np.nan, stored * 0.00341802 + 149.0)
    np.testing.assert_allclose(kelvin, expected, rtol=1e-6)
