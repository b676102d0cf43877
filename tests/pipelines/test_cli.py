"""The program as a user runs it: in a process of its own, its status, its two outputs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cubestore import SENSORS, open_store
from cubestore_pipelines.cli import app

PROGRAM = Path(sys.executable).with_name("cubestore")


def cubestore(*arguments, check=0):
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo") / "store"
    return directory, cubestore("demo", directory)


def test_the_demo_makes_a_store_that_plain_xarray_opens(demo):
    directory, done = demo
    opened = xr.open_zarr(directory / "mgrs/31UDQ/sentinel-2-l2a", chunks=None)
    assert dict(opened.sizes) == {"time": 5, "band": 10, "y": 10980, "x": 10980}
    window = opened.reflectance.isel(y=slice(5000, 5064), x=slice(5000, 5064)).values
    assert 0 < np.nanmean(window) < 1
    assert not np.isnan(window).any()
    for part in ("cubestore.create_store", "xr.open_zarr", "<xarray.Dataset>", "@"):
        assert part in done.stdout


def test_a_second_demo_changes_nothing(demo):
    directory, _ = demo
    before = {path: path.read_bytes() for path in directory.rglob("*.json")}
    facts = json.loads(cubestore("demo", directory, "--json").stdout)
    assert (facts["slots"], facts["superseded"], facts["commit"]) == (5, 1, 6)
    locks = {path for path in before if path.name == "lock"}
    after = {path: path.read_bytes() for path in directory.rglob("*.json")}
    assert {p: b for p, b in after.items() if p not in locks} == before


def test_the_reprocessed_scene_hides_the_one_it_supersedes(demo):
    directory, _ = demo
    shown = open_store(directory).cube("31UDQ", "sentinel-2-l2a").open()
    assert shown.sizes["time"] == 4
    assert shown.item_id.values[0].endswith("_R2")


def test_info_tells_what_is_there(demo):
    directory, _ = demo
    cubes = json.loads(cubestore("info", directory, "--json").stdout)["cubes"]
    assert [(c["tile"], c["sensor"], c["slots"]) for c in cubes] == [("31UDQ", "sentinel-2-l2a", 5)]
    files = [p for p in (directory / "mgrs/31UDQ/sentinel-2-l2a").rglob("*") if p.is_file()]
    blocks = [p for p in files if p.name != "zarr.json"]
    assert cubes[0]["files"] == len(blocks)
    assert cubes[0]["bytes"] == sum(p.stat().st_size for p in blocks)
    text = cubestore("info", directory, "31UDQ", "sentinel-2-l2a").stdout
    assert "EPSG:32631" in text
    assert "2024-10-20" in text


def test_verify_names_a_damaged_key(demo, tmp_path):
    directory, _ = demo
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", directory, copy], check=True)  # noqa: S607 - coreutils
    assert "all as committed" in cubestore("verify", copy).stderr
    shard = copy / "mgrs/31UDQ/sentinel-2-l2a/reflectance/c/0/0/2/3"
    shard.write_bytes(b"\0" + shard.read_bytes()[1:])
    done = cubestore("verify", copy, check=3)
    assert shard.relative_to(copy / "mgrs/31UDQ/sentinel-2-l2a").as_posix() in done.stdout
    report = json.loads(cubestore("verify", copy, "--json", check=3).stdout)
    assert not report["ok"]
    assert [f["state"] for f in report["cubes"][0]["findings"]] == ["damaged"]


def test_sensors_lists_all_and_one():
    listed = json.loads(cubestore("sensors", "--json").stdout)["sensors"]
    assert [row["sensor"] for row in listed] == list(SENSORS)
    bands = json.loads(cubestore("sensors", "sentinel-2-l2a", "--json").stdout)["bands"]
    red = next(band for band in bands if band["band"] == "B04")
    assert (red["common_name"], red["wavelength_um"], red["gsd_m"]) == ("red", 0.6646, 10)
    assert red["source"]


@pytest.mark.parametrize(
    ("place", "tiles"),
    [
        (["--point", "2.35", "48.85"], ["31UDQ"]),
        (["--point", "2.35", "48.85", "--grid", "sin"], ["h18v04"]),
        (["--bbox", "179.5", "-17", "-179.5", "-16.5", "--grid", "sin"], ["h00v10", "h35v10"]),
    ],
)
def test_tiles_of_a_place(place, tiles):
    found = json.loads(cubestore("tiles", *place, "--json").stdout)["tiles"]
    assert [tile["tile"] for tile in found] == tiles


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["info", "nowhere"], 1, "nowhere is not a store"),
        (["info", "{demo}", "../x"], 1, "'../x' is no tile id"),
        (["info", "{demo}", "31UDQ", "sentinel-2"], 1, "No sensor is called 'sentinel-2'"),
        (["info", "{demo}", "32ULC", "sentinel-2-l2a"], 1, "has no cube 32ULC sentinel-2-l2a"),
        (["tiles", "--point", "200", "0"], 1, "Longitudes 200.0"),
        (["tiles"], 2, "Place"),
        (["verify"], 2, "STORE"),
        (["embrace"], 2, "embrace"),
        (["demo", "/proc/1/demo"], 1, "Cannot write"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(demo, arguments, status, problem):
    done = cubestore(*(a.format(demo=demo[0]) for a in arguments), check=status)
    assert problem in done.stderr
    assert done.stdout == ""
    if status == 1:
        assert done.stderr.count("\n") == 1
        assert "Remedy:" in done.stderr


@pytest.mark.parametrize("verb", [name for name in app if not name.startswith("-")])
def test_every_verb_has_help_with_an_example(verb):
    text = cubestore(verb, "--help").stdout
    assert re.search(rf"Example: cubestore {verb}\b", text)


def test_an_interrupted_verb_says_so_with_its_status(tmp_path):
    code = (
        "import sys, cubestore_pipelines.demo as d, cubestore_pipelines.cli as c\n"
        "def stop(*_): raise KeyboardInterrupt\n"
        "d.create_store = stop\n"
        "sys.exit(c.main(['demo', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "s"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
        timeout=60,
    )
    assert done.returncode == 130
    assert "the same command resumes" in done.stderr
