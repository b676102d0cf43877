"""Recipes: read and refused, planned, and run whole by the program on the simulated archive."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import cubestore
from cubestore_pipelines import search
from cubestore_pipelines.choices import choices
from cubestore_pipelines.errors import PlanError, RecipeError
from cubestore_pipelines.recipes.recipe import filled, recipe, recipes
from cubestore_pipelines.recipes.run import Options, run
from cubestore_pipelines.recipes.verbs import VERBS
from cubestore_pipelines.simulate.archive import make_archive, tiny_everything_plan
from cubestore_pipelines.simulate.plans import CROSSING, HARBOUR, PLAINS
from cubestore_pipelines.simulate.sentinel1 import Frame
from cubestore_pipelines.simulate.server import serving

PROGRAM = Path(sys.executable).with_name("cubestore")
DRAWN = "10"
"""A seed that draws for 31UGQ the year and the quarter of which the archive has scenes."""

JULY = 2
"""Where that year's scene of Sentinel-2 stands among those of the archive."""

EMPTY = "100"
"""Percent: simulated scenes are small, and their tiles nearly empty."""


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_that_comes_with_the_program_is_understood(name):
    made = recipe(name)
    assert made.title
    assert "github" in made.source or "huggingface" in made.source
    for step in made.steps:
        if step.verb in VERBS:
            for compat in ("", *made.compats):
                VERBS[step.verb].options(step.as_published(compat), step.where)


def test_the_published_data_sets_have_a_recipe():
    assert recipes() == ["clay-c2sms-floods", "clay-v0", "clay-v1", "cloudsen12", "ssl4eo-s12"]


def built(name, sensor):
    """Return the options of the step of a recipe that builds a sensor."""
    steps = [step for step in recipe(name).steps if step.verb == "build"]
    return next(step for step in steps if sensor in step.options["sensor"])


@pytest.mark.parametrize(
    ("name", "sensor", "published"),
    [  # what stacchip's processors and Clay v0's datacube.py ask for
        (
            "clay-v1",
            "sentinel-2-l2a",
            {"catalog": "earth-search", "datetime": "2018/2023", "max_nodata": 20, "max_cloud": 75},
        ),
        ("clay-v1", "landsat-c2-l1", {"catalog": "usgs", "max_cloud": 75}),
        ("clay-v1", "landsat-c2-l2", {"catalog": "usgs", "max_cloud": 75}),
        ("clay-v1", "sentinel-1-rtc", {"select": "random-years:1 random-quarter"}),
        ("clay-v1", "naip", {"select": "latest-and-another"}),
        ("clay-v1", "linz", {"catalog": "$linz", "aoi": "$linz"}),  # what was drawn, there
        ("clay-v1", "modis-09a1", {"select": "first-per-month", "datetime": "2018/2023"}),
        ("clay-v0", "sentinel-1-rtc", {"max_cloud": 50, "max_nodata": 20, "datetime": "2017/2023"}),
    ],
)
def test_clays_platforms_are_asked_for_as_clay_did(name, sensor, published):
    options = built(name, sensor).options
    assert {key: options[key] for key in published} == published


def test_the_limit_of_cloud_that_was_published_is_there_by_name():
    step = built("clay-v1", "sentinel-2-l2a")
    assert step.as_published("")["max_cloud"] == 75
    assert step.as_published("published") == {**step.options, "max_cloud": 0.75}


BUILD = "build: {catalog: x, sensor: naip, tile: 14SNH"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no `steps`"),
        ("steps: [", "Expected: YAML"),
        ("steps:\n  - 3", "step 1: 3"),
        ("steps: 3", "steps: 3"),
        ("title: x\nstep:\n  - index:\nsteps:\n  - index:", "step. Expected: some of title"),
        ("steps:\n  - index:\n    stats:", "line 2 (step 1): the verbs index, stats"),
        ("steps:\n  - as: x", "line 2 (step 1): the verbs of none"),
        ("steps:\n  - stats:\n  - brew: {tea: 3}", "line 3 (step 2, brew): no step is called"),
        (
            "steps:\n\n  - index: {chips: 3}",
            "line 3 (step 1, index): the option chips. Expected: one of sensor",
        ),
        (f"steps:\n  - {BUILD}, cloud: 3}}", "(step 1, build): the option cloud"),
        (f"steps:\n  - {BUILD}, max_cloud: much}}", "max_cloud: 'much'. Expected: a number"),
        (f"steps:\n  - {BUILD}, lossless: 1}}", "lossless: 1. Expected: true or false"),
        ("steps:\n  - index: {chip_size: 25.6}", "chip_size: 25.6. Expected: a whole number"),
        ("steps:\n  - index: {sensor: [{a: 1}]}", "Expected: text or a list of them"),
        ("steps:\n  - index: {compat: clay}", "compat: 'clay'. Expected: stacchip"),
        ("steps:\n  - import clay-embeddings: {name: a/b}", "no source. Expected: source"),
        ("steps:\n  - index: [256]", "the options [256]"),
        (f"steps:\n  - {BUILD}, aoi: $place}}", "$place stands for nothing"),
        (f"steps:\n  - {BUILD}, aoi: $source/a.geojson}}", "it needs files of yours"),
        ("steps:\n  - index:\n    as: source", "as: 'source'"),
        ("steps:\n  - index:\n    as: 3", "as: 3"),
        ("steps:\n  - index:\n    as: a/b.fgb", "as: 'a/b.fgb'"),
        ("steps:\n  - index:\n    compat: clay", "compat: 'clay'"),
        ("steps:\n  - index: {seed: 1, seed: 2}", "a key twice"),
        ("steps:\n  - index:\n    as: a\n  - stats:\n    as: a", "two steps `as` a"),
    ],
)
def test_a_recipe_that_is_not_understood_is_refused_before_anything_is_done(
    tmp_path, text, problem
):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        list(run(file, tmp_path / "store"))
    assert problem in str(caught.value)
    assert str(file) in str(caught.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (Options(given=("mgrs=nowhere.txt",)), "--given mgrs=nowhere.txt"),
        (Options(given=("tiles=/etc/hostname",)), "of landcover, mgrs, sin, naip, linz"),
        (Options(compat="clay"), "--compat clay. Expected: one of published"),
        (Options(option=("seed",)), "--option seed. Expected: NAME=VALUE"),
        (Options(), "or --given landcover=FILE"),
    ],
)
def test_what_a_recipe_is_not_asked_for_is_refused(tmp_path, options, problem):
    with pytest.raises(RecipeError) as caught:
        list(run("clay-v1", tmp_path, options))
    assert problem in str(caught.value)


def test_what_is_made_for_a_given_file_alone_is_left_out(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "steps:\n"
        "  - sample landcover: {worldcover: $source/worldcover}\n    as: landcover\n"
        "  - sample clay-v1: {statistics: $landcover}\n    as: mgrs\n"
        "  - stats:\n"
    )
    tiles = tmp_path / "tiles.txt"
    tiles.write_text("31UGQ")
    options = Options(given=(f"mgrs={tiles}",), plan_only=True)
    assert [done.step.output for done in run(file, tmp_path / "s", options)] == ["mgrs", ""]
    with pytest.raises(RecipeError, match="it needs files of yours"):
        list(run(file, tmp_path / "s"))


@pytest.mark.parametrize("beside", ["tile: 14SNH", "bbox: [2, 48, 3, 49]"])
def test_places_stand_for_themselves(tmp_path, beside):
    file = tmp_path / "mine.yaml"
    file.write_text(f"steps:\n  - build: {{catalog: x, sensor: naip, places: a.fgb, {beside}}}")
    with pytest.raises(PlanError, match="either places, each for itself, or tiles"):
        list(run(file, tmp_path / "store"))


def test_a_recipe_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(RecipeError, match="one of clay-c2sms-floods, clay-v0, clay-v1"):
        recipe(tmp_path / "clay-v2")


def test_a_name_stands_for_a_file_alone_or_before_a_slash():
    known = {"source": "/data", "mgrs": "/store/mgrs.fgb"}
    told = {"a": "$mgrs", "b": ["$source/x y", 3], "c": "price $source", "d": 75}
    assert filled(told, known, "") == {**told, "a": "/store/mgrs.fgb", "b": ["/data/x y", 3]}


WORDS = st.text(st.characters(categories=["L", "N"], exclude_characters="$"), min_size=1)


@given(st.dictionaries(WORDS, WORDS | st.integers() | st.floats(allow_nan=False) | st.booleans()))
def test_what_has_no_name_in_it_stays_as_it_is(options):
    assert filled(options, {}, "") == options


@given(st.integers(2014, 2024), st.floats(0, 100), st.booleans())
def test_options_reach_the_builds_choices(year, cloud, lossless):
    text = {"catalog": "x", "sensor": ["naip"], "tile": "14SNH", "datetime": year}
    text |= {"max_cloud": cloud, "lossless": lossless}
    made = choices(**VERBS["build"].options(yaml.safe_load(yaml.safe_dump(text)), ""))
    assert (made.datetime, made.max_cloud, made.lossless) == (str(year), cloud, lossless)
    assert made.sensors == ("naip",)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The first scene of every kind, a second one of Sentinel-2, and all frames of the radar."""
    every = tiny_everything_plan()
    kinds = [type(one) for one in every]
    some = [
        one
        for n, one in enumerate(every)
        if n in {JULY, kinds.index(type(one))} or isinstance(one, Frame)
    ]
    return make_archive(tmp_path_factory.mktemp("archive"), some)


@pytest.fixture(scope="module")
def server(archive):
    with serving(archive) as running:
        yield running


@pytest.fixture(scope="module")
def places(server, tmp_path_factory):
    """Return the files that samplers would make."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "mgrs.txt").write_text("31UGQ\n32ULV\n")
    (folder / "sin.txt").write_text("h18v04\n")
    (folder / "naip.geojson").write_text(json.dumps({"type": "Point", "coordinates": PLAINS}))
    east, north = HARBOUR
    box = [east - 0.05, north - 0.05, east + 0.05, north + 0.05]
    found = search(catalog=server.linz_url, profile="linz", sensor="linz", bbox=box)
    scenes = {"type": "FeatureCollection", "features": [one.portable() for one in found]}
    (folder / "linz.json").write_text(json.dumps(scenes))
    return folder


@pytest.fixture
def start(server, workers):
    """Return what starts the program on the archive."""

    def start(*arguments):
        command = [PROGRAM, "run", *map(str, arguments), "--scheduler", workers, "--json"]
        return subprocess.Popen(
            command,
            env={**os.environ, **server.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def ended(process, check=0):
    out, said = process.communicate(timeout=120)
    assert process.returncode == check, said
    assert "Traceback" not in said
    return json.loads(out)["steps"]


def test_clay_v1_is_planned_whole(server, places, start, tmp_path):
    """Every sampler's places, every platform's catalogue, before a pixel is read."""
    usgs = tmp_path / "usgs.yaml"
    level_1 = {"B4": "red", "B3": "green", "B2": "blue", "B5": "nir08"}
    level_1 |= {"B6": "swir16", "B7": "swir22"}
    sensors = {"landsat-c2l1": "landsat-c2-l1", "landsat-c2-l2": "landsat-c2-l2"}
    told = {
        name: {"sensor": s, "bands": level_1, "quality": "qa_pixel"} for name, s in sensors.items()
    }
    usgs.write_text(json.dumps({"url": server.stac_url, "collections": told}))
    files = [f"--given={file.stem}={file}" for file in places.iterdir()]
    where = ["--catalog", server.stac_url]
    where += [f"--catalog=usgs={usgs}", "--option", f"seed={DRAWN}", "--option"]
    how = [f"max_nodata={EMPTY}", "--limit", "1", "--plan-only"]
    steps = ended(start("clay-v1", tmp_path / "store", *files, *where, *how))
    told = [step for step in steps if step["step"] == "build"]
    assert [step["cubes"] for step in told] == [1, 2, 1, 1, 3, 1]  # Wellington: on three tiles
    assert all(step["places"] == 1 and step["scenes"] and step["bytes"] for step in told)
    assert told[0]["chips"] == 43 * 43  # 10980 pixels, the last chip of each row cut
    assert not (tmp_path / "store" / "mgrs").exists()


RECIPE = """
title: Two sensors of a place, and their chips
steps:
  - sample clay-v1:
    as: mgrs
  - build: {{catalog: earth-search, sensor: [sentinel-2-l2a, sentinel-1-rtc], tiles: $mgrs,
            bbox: {box}, select: [all, "sentinel-1-rtc=near:sentinel-2-l2a:3d"]}}
  - build: {{catalog: earth-search, sensor: cop-dem-glo-30, tiles: $mgrs, bbox: {box}}}
  - stats:
  - index: {{chip_size: 512}}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    east, north = CROSSING
    box = [round(n, 4) for n in (east - 0.012, north - 0.006, east + 0.012, north + 0.006)]
    file = tmp_path_factory.mktemp("recipe") / "small.yaml"
    file.write_text(RECIPE.format(box=box))
    return file


def state(store):
    """Return the metadata of every cube: it names each commit by its digest."""
    return {file: file.read_bytes() for file in store.glob("mgrs/*/*/zarr.json")}


def test_a_recipe_that_is_killed_goes_on_and_then_changes_nothing(
    server, workers, places, small, start, tmp_path
):
    store = tmp_path / "store"
    asked = [small, store, "--catalog", server.stac_url, f"--given=mgrs={places / 'mgrs.txt'}"]
    asked += ["--limit", "1"]
    first = start(*asked)
    radar = store / "mgrs/31UGQ/sentinel-1-rtc/zarr.json"
    wait_until(radar.exists)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    steps = ended(start(*asked))
    assert [step["step"] for step in steps] == [
        "sample clay-v1",
        "build",
        "build",
        "stats",
        "index",
    ]
    assert sum(step.get("failed", 0) for step in steps) == 0
    assert steps[1]["unchanged"] + steps[1]["committed"] == 2
    cubes = cubestore.open_store(store).cubes()
    wanted = ["cop-dem-glo-30", "sentinel-1-rtc", "sentinel-2-l2a"]  # --limit 1: of 32ULV none
    assert cubes == [("31UGQ", sensor) for sensor in wanted]
    assert all(cubestore.open_store(store).cube(*cube).open().sizes["time"] == 1 for cube in cubes)
    assert not any(report.damaged for report in cubestore.open_store(store).verify())
    before = state(store)
    given = (f"mgrs={places / 'mgrs.txt'}",)
    options = Options(catalog=(server.stac_url,), given=given, limit=1, scheduler=workers)
    again = [step.result.facts for step in run(small, store, options)]
    assert [facts["committed"] for facts in again if "committed" in facts] == [0, 0]
    assert again[-1]["unchanged"] == 3
    assert state(store) == before


def wait_until(true, limit=60.0):
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_place_without_scenes_is_told_and_the_run_goes_on(server, small, tmp_path):
    elsewhere = tmp_path / "tiles.txt"
    elsewhere.write_text("10SGD")
    options = Options(
        catalog=(server.stac_url,),
        given=(f"mgrs={elsewhere}",),
        option=("bbox=[-120.6, 37.9, -120.5, 38]",),
        plan_only=True,
    )
    steps = [step.result for step in run(small, tmp_path / "store", options)]
    assert [step.facts["nothing_found"] for step in steps if "places" in step.facts] == [1, 1]
    assert sum(step.failed for step in steps) == 2
