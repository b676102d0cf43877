"""The program as a user runs it: its status, its two outputs; the demo in a process of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pystac
import pytest
import xarray as xr

from cubestore import SENSORS, layout, open_item, open_store
from cubestore_pipelines.cli.verbs import VERBS
from cubestore_pipelines.simulate.archive import NEIGHBOUR, TILE, make_archive, shown_plan
from cubestore_pipelines.simulate.granules import part

SENSOR = "sentinel-2-l2a"
PROGRAM = Path(sys.executable).with_name("cubestore")


def cubestore(*arguments, check=0):
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo") / "store"
    return directory, cubestore("demo", directory)


def test_the_demo_makes_cubes_that_plain_xarray_opens(demo):
    directory, done = demo
    opened = xr.open_zarr(directory / "mgrs" / TILE / SENSOR, chunks=None)
    assert dict(opened.sizes) == {"time": 9, "band": 10, "y": 10980, "x": 10980}
    window = opened.reflectance.isel(y=slice(6000, 6064), x=slice(6000, 6064)).values
    assert 0 < np.nanmean(window) < 1
    assert not np.isnan(window).any()
    for words in ("cubestore build", "xr.open_zarr", "<xarray.Dataset>", "@", "demo.png"):
        assert words in done.stdout
    assert (directory / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_the_demo_ends_with_chips_that_look_alike(demo):
    directory, done = demo
    for words in ("cubestore embed", "cubestore export embeddings", "cubestore nearest"):
        assert words in done.stdout
    assert (directory / "alike.png").read_bytes().startswith(b"\x89PNG")
    (file,) = (directory / "exported").iterdir()
    frame = gpd.read_parquet(file)
    assert len(frame) == 27  # of two slots of the radar
    asked, *near = re.findall(r"^  (31UGQ-\S+)  (\d\.\d{4})$", done.stdout, re.MULTILINE)
    assert asked[1] == "0.0000"
    distances = [float(distance) for _, distance in near]
    assert len(near) == 3
    assert distances == sorted(distances)
    vectors = dict(zip(frame.universal_class_identifier, frame.embeddings, strict=True))
    one, other = (np.array(vectors[f"{name}-rcf"]) for name in (asked[0], near[0][0]))
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert 1 - cosine == pytest.approx(distances[0], abs=1e-4)


def test_the_demo_is_catalogued_and_tells_how_to_look_at_it(demo):
    directory, done = demo
    assert done.stdout.strip().endswith(f"$ cubestore serve {directory}")
    catalog = pystac.Catalog.from_file(str(directory / "catalog" / "catalog.json"))
    items = {item.id: item for item in catalog.get_items(recursive=True)}
    opened = open_item(items[f"{TILE}-{SENSOR}"])  # without the one that is superseded
    assert opened.sizes["time"] == 8
    assert f"{TILE}-sentinel-1-rtc-embedding_rcf" in items


def test_the_demo_stores_what_its_archive_has(demo):
    directory, _ = demo
    archive = make_archive(directory / ".archive", shown_plan())
    cube = open_store(directory).cube(TILE, SENSOR)
    window = part(layout.geobox(cube.sensor, cube.tile), (slice(6100, 6300), slice(6050, 6200)))
    opened = cube.open(superseded=True, mask_and_scale=False)
    for slot in range(opened.sizes["time"]):
        stored = opened.isel(time=slot, y=slice(6100, 6300), x=slice(6050, 6200))
        truth = archive.truth(window, *str(stored.item_id.item()).split())
        for name, values in truth.items():
            np.testing.assert_array_equal(stored[name].values, values)


def test_a_second_demo_changes_nothing(program, demo):
    directory, _ = demo
    before = committed(directory)
    facts = json.loads(program("demo", directory, "--json").out)
    assert (facts["slots"], facts["superseded"]) == (9, 1)
    assert facts["commit"] == 10  # nine slots, and the item that describes them
    assert committed(directory) == before


def committed(directory):
    return {path: path.read_bytes() for path in (directory / "mgrs").rglob("zarr.json")}


def test_the_reprocessed_scene_hides_the_one_it_supersedes(demo):
    directory, _ = demo
    shown = open_store(directory).cube(TILE, SENSOR).open()
    assert shown.sizes["time"] == 8
    assert shown.processing_baseline.values[0] == "05.00"
    assert shown.dn_offset.values.tolist() == [-1000, 0, *[-1000] * 6]


def test_info_tells_what_is_there(program, demo):
    directory, _ = demo
    cubes = json.loads(program("info", directory, "--json").out)["cubes"]
    told = {(c["tile"], c["sensor"]): c["slots"] for c in cubes}
    assert told == {
        (TILE, SENSOR): 9,
        (NEIGHBOUR, SENSOR): 1,
        (TILE, "sentinel-1-rtc"): 2,  # of four: those near an optical slot
        (TILE, "landsat-c2-l2"): 2,
        (TILE, "cop-dem-glo-30"): 1,
        (TILE, "esa-worldcover"): 2,
        ("h18v04", "modis-09a1"): 3,
        ("14SNH", "naip"): 3,
        ("60GUV", "linz"): 2,
    }
    cubes = [c for c in cubes if (c["tile"], c["sensor"]) == (TILE, SENSOR)]
    files = [p for p in (directory / "mgrs" / TILE / SENSOR).rglob("*") if p.is_file()]
    blocks = [p for p in files if p.name != "zarr.json"]
    assert cubes[0]["files"] == len(blocks)
    assert cubes[0]["bytes"] == sum(p.stat().st_size for p in blocks)
    text = program("info", directory, TILE, SENSOR).out
    assert "EPSG:32631" in text
    assert "2023-10-16" in text


def test_verify_names_a_damaged_key(program, demo, tmp_path):
    directory, _ = demo
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    assert "all as committed" in program("verify", copy).err
    cube = copy / "mgrs" / TILE / SENSOR
    shard = cube / "reflectance/c/0/0/2/3"
    shard.write_bytes(b"\0" + shard.read_bytes()[1:])
    done = program("verify", copy, check=3)
    assert shard.relative_to(cube).as_posix() in done.out
    report = json.loads(program("verify", copy, "--json", check=3).out)
    assert not report["ok"]
    found = [finding["state"] for one in report["cubes"] for finding in one["findings"]]
    assert found == ["damaged"]


def test_sensors_lists_all_and_one(program):
    listed = json.loads(program("sensors", "--json").out)["sensors"]
    assert [row["sensor"] for row in listed] == list(SENSORS)
    bands = json.loads(program("sensors", "sentinel-2-l2a", "--json").out)["bands"]
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
def test_tiles_of_a_place(program, place, tiles):
    found = json.loads(program("tiles", *place, "--json").out)["tiles"]
    assert [tile["tile"] for tile in found] == tiles


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["info", "nowhere"], 1, "nowhere is not a store"),
        (["info", "{demo}", "../x"], 1, "'../x' is no tile id"),
        (["info", "{demo}", "31UGQ", "sentinel-2"], 1, "No sensor is called 'sentinel-2'"),
        (["info", "{demo}", "32ULC", "sentinel-2-l2a"], 1, "has no cube 32ULC sentinel-2-l2a"),
        (["tiles", "--point", "200", "0"], 1, "Longitudes 200.0"),
        (["tiles"], 2, "Place"),
        (["verify"], 2, "STORE"),
        (["embrace"], 2, "embrace"),
        (["demo", "/proc/1/demo"], 1, "Cannot write"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(program, demo, arguments, status, problem):
    done = program(*(a.format(demo=demo[0]) for a in arguments), check=status)
    assert problem in done.err
    assert done.out == ""
    if status == 1:
        assert done.err.count("\n") == 1
        assert "Remedy:" in done.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(program, verb):
    text = program(verb, "--help").out
    assert re.search(rf"Example: cubestore {verb}\b", text)


def test_a_process_ends_with_the_status_and_without_a_traceback():
    done = cubestore("info", "nowhere", check=1)
    assert done.stdout == ""
    assert re.fullmatch(r"cubestore: \S+/nowhere is not a store\. .*\n", done.stderr)


def test_an_interrupted_verb_says_so_with_its_status(tmp_path):
    code = (
        "import sys, cubestore_pipelines.demo as d, cubestore_pipelines.cli as c\n"
        "def stop(*_, **__): raise KeyboardInterrupt\n"
        "d.make_archive = stop\n"
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
