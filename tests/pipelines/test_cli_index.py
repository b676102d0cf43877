"""The verbs of the chip index, as a user runs them."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import cubestore


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = cubestore.create_store(tmp_path_factory.mktemp("cli") / "store")
    cube = store.create_cube("31UDQ", "sentinel-1-rtc")
    pixels = np.ones((2, 2048, 2048), "float32")
    slot = cubestore.Slot(time="2023-06-12", item_id="one", platform="sentinel-1a")
    cube.append(slot, {"backscatter": pixels})
    return store


def test_index_then_export(program, store, tmp_path):
    first = program("index", store.path, "--sensor", "sentinel-1-rtc", "--compat", "stacchip")
    assert "1 of 1 slots counted" in first.err
    assert "written" in first.out
    told = json.loads(program("index", store.path, "--compat", "stacchip", "--json").out)
    assert [(one["state"], one["chips"]) for one in told["files"]] == [("unchanged", 64)]
    asked = ["--where", "chip_index_x < 2", "--max-cloud", "0.5", "--bbox", "1", "48", "3", "50"]
    done = program("export", "chips", store.path, tmp_path / "out", *asked, "--json")
    assert json.loads(done.out)["chips"] == {"sentinel-1-rtc": 16}
    (index,) = (tmp_path / "out").rglob("index_*.parquet")
    assert pq.read_metadata(index).num_rows == 16


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["index", "nowhere"], 1, "nowhere is not a store"),
        (["index", "{store}", "--sensor", "naip"], 1, "has no cube of naip"),
        (["index", "{store}", "--compat", "clay"], 2, "clay"),
        (["export", "chips", "{store}", "out", "--chip-size", "64"], 1, "--chip-size 64"),
        (["export", "chips", "{store}", "out", "--max-cloud", "20"], 1, "give 0.2"),
        (["export", "chips", "{store}", "out", "--where", "x = 1"], 1, "no column 'x'"),
        (["export", "chips", "{store}"], 2, "DIRECTORY"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(program, store, arguments, status, problem):
    cubestore.index_store(store, compat="stacchip")
    done = program(*(a.format(store=store.path) for a in arguments), check=status)
    assert problem in done.err
    assert done.out == ""
    assert status != 1 or done.err.count("\n") == 1


def test_export_has_help_for_each_of_its_verbs(program):
    assert "Example: cubestore export chips" in program("export", "chips", "--help").out
