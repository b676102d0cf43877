"""`cubestore stats`, in this process: what it prints, and what it keeps."""

import json

import numpy as np
import pytest

import cubestore
from cubestore.stats.survey import kept_statistics
from cubestore_pipelines.cli import main

MODIS = "modis-09a1"


@pytest.fixture
def store(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    for tile, value in (("h18v04", 100), ("h18v03", 300)):
        cube = store.create_cube(tile, MODIS)
        with cube.write() as writer:
            arrays = {n: a for n, a in writer.arrays.items() if a.shards}
        pixels = {
            n: np.full((7, 352, 352) if len(a.dims) > 3 else (352, 352), value, a.dtype)
            for n, a in arrays.items()
            if n != "cloud_class"
        }
        pixels["cloud_class"] = np.zeros((352, 352), "uint8")
        cube.append(cubestore.Slot(time="2024-01-01", item_id="a"), pixels, origin=(2048, 2048))
    return store


def test_it_prints_a_table_and_keeps_what_it_counted(store, capsys):
    assert main(["stats", store.path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    row = lines[1].split()
    assert row[:9] == [
        MODIS,
        "2",
        "sur_refl_b01",
        "stored",
        str(2 * 352 * 352),
        "200",
        "100",
        "100",
        "300",
    ]
    assert all(cell.startswith("~") for cell in row[9:])  # interpolated between two cubes
    assert kept_statistics(store.cube("h18v04", MODIS)).bands[0].mean == 100


def test_one_tile_as_json_and_without_keeping(store, capsys):
    asked = ["--sensor", MODIS, "--tile", "h18v03", "--no-keep", "--json"]
    assert main(["stats", store.path, *asked]) == 0
    (found,) = json.loads(capsys.readouterr().out)["statistics"]
    assert found["cubes"] == [{"tile": "h18v03", "commit": 1}]
    assert found["bands"][6]["percentiles"] == [300] * 9
    assert kept_statistics(store.cube("h18v03", MODIS)) is None


def test_a_sensor_that_is_not_there_is_one_line(store, capsys):
    assert main(["stats", store.path, "--sensor", "naip"]) == 1
    assert "has no cube of naip" in capsys.readouterr().err
