"""The recipes that come with the program, each run whole on the simulated archive, and again."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import geopandas
import pytest
import shapely

import cubestore
from cubestore_pipelines.recipes.recipe import recipe, recipes
from cubestore_pipelines.recipes.verbs import VERBS
from cubestore_pipelines.simulate import cloudsen12, floods, ssl4eo
from cubestore_pipelines.simulate.archive import make_archive, tiny_everything_plan
from cubestore_pipelines.simulate.landsat import RawScene, SurfaceScene
from cubestore_pipelines.simulate.linz import Sheet
from cubestore_pipelines.simulate.maps import cover_tiles
from cubestore_pipelines.simulate.modis import Composite
from cubestore_pipelines.simulate.naip import Quad
from cubestore_pipelines.simulate.plans import PLAINS
from cubestore_pipelines.simulate.rasters import Square
from cubestore_pipelines.simulate.server import serving

PROGRAM = Path(sys.executable).with_name("cubestore")

LAND = Square(6.1, 49.05, 3000)
"""Ground of 31UGQ alone, so that no other tile has land cover and is drawn."""

OPTIONS = ("--option=seed=10", "--option=max_nodata=100")
"""A seed that draws for 31UGQ the years and the quarter of which the archive has scenes, which are
small: their tile is nearly empty."""

SHAPES = {
    "populated_places": shapely.Point(PLAINS),
    "parks_and_protected_lands_area": shapely.Point(PLAINS).buffer(0.1),
    "airports": shapely.Point(PLAINS),
    "ports": shapely.Point(-90, 30),
    "rivers_lake_centerlines": shapely.LineString([(-98, 41), (-97, 41)]),
    "lakes": shapely.box(-99, 38, -98, 39),
}
"""Natural Earth: a feature of each kind, the first where the archive has pictures."""


@pytest.mark.parametrize("name", recipes())
def test_every_step_of_a_recipe_is_known(name):
    assert {step.verb for step in recipe(name).steps} <= VERBS.keys()


def planned():
    """Yield the scenes of the floods, the first of every other kind, and land cover."""
    yield from floods.plan()
    every = tiny_everything_plan()
    for kind in (SurfaceScene, RawScene, Composite, Quad):
        yield next(one for one in every if type(one) is kind)
    sheet = next(one for one in every if isinstance(one, Sheet))  # of a survey that Clay took
    yield replace(sheet, survey=replace(sheet.survey, slug="wellington_2021_0.3m"))
    yield from cover_tiles(LAND, 2021)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(make_archive(tmp_path_factory.mktemp("archive"), tuple(planned()))) as running:
        yield running


@pytest.fixture(scope="module")
def source(server, tmp_path_factory):
    """The user's own files, of all recipes."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "natural_earth").mkdir()
    for name, shape in SHAPES.items():
        table = geopandas.GeoDataFrame({"name": [name]}, geometry=[shape], crs="EPSG:4326")
        table.to_file(folder / "natural_earth" / f"ne_10m_{name}.shp")
    (folder / "sin.txt").write_text("h18v04\n")
    bands = {"B4": "red", "B3": "green", "B2": "blue", "B5": "nir08", "B6": "swir16"}
    told = {"bands": {**bands, "B7": "swir22"}, "quality": "qa_pixel"}
    names = {"landsat-c2l1": "landsat-c2-l1", "landsat-c2-l2": "landsat-c2-l2"}
    usgs = {"url": server.stac_url, "sign": "planetary-computer"}
    usgs["collections"] = {name: {"sensor": sensor, **told} for name, sensor in names.items()}
    (folder / "usgs.yaml").write_text(json.dumps(usgs))
    return folder


@pytest.fixture
def run(workers, tmp_path):
    """Run a recipe's first bit into a store, by the program; return what each step tells."""

    def run(name, *options, check=0):
        done = subprocess.run(
            [PROGRAM, *words(name, tmp_path / "store", workers, options)],
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == check, done.stderr
        return json.loads(done.stdout)["steps"]

    return run


@pytest.fixture
def again(program, workers, tmp_path):
    """Do the same in this process, which is quicker."""

    def again(name, *options):
        done = program(*words(name, tmp_path / "store", workers, options))
        return json.loads(done.out)["steps"]

    return again


def words(name, store, workers, options):
    told = ["run", name, store, "--limit", 1, *options, "--scheduler", workers, "--json"]
    return [str(word) for word in told]


def state(store):
    """Return what samples made, and the metadata of every cube and set: they name its commit."""
    there = [*store.glob("*/*/*/zarr.json"), *store.glob("recipes/*/*")]
    return {file: file.read_bytes() for file in there}


def held(store):
    return {sensor for _, sensor in cubestore.open_store(store).cubes()}


def by_verb(steps):
    return {step["step"]: step for step in steps}


def test_clay_v0(run, again, server, source, tmp_path):
    asked = ["clay-v0", "--source", source, "--catalog", server.stac_url, *OPTIONS]
    told = by_verb(run(*asked))
    assert told["sample landcover"]["tiles"] == told["sample clay-v0.1"]["tiles"] == 1
    assert told["build"]["committed"] == 3
    assert told["index"]["chips"] > 0
    store = tmp_path / "store"
    assert held(store) == {"sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30"}
    before = state(store)
    assert by_verb(again(*asked))["build"]["committed"] == 0
    assert state(store) == before


def test_clay_v1(run, again, server, source, tmp_path):
    """Of the 39 surveys of LINZ the archive has one: the others are told, when it is drawn."""
    asked = ["clay-v1", "--source", source, "--catalog", server.stac_url, *OPTIONS]
    asked += [f"--catalog=usgs={source / 'usgs.yaml'}", f"--catalog=linz={server.linz_url}"]
    asked += [f"--given=sin={source / 'sin.txt'}"]  # the archive has one of the 233 tiles
    steps = run(*asked, check=3)
    told = by_verb(steps)
    assert told["sample naip"]["places"] > 4000
    assert (told["sample linz"]["scenes"], told["sample linz"]["absent"]) == (1, 38)
    builds = [step for step in steps if step["step"] == "build"]
    assert all(step["committed"] and not step["failed"] for step in builds)
    store = tmp_path / "store"
    modis = {"modis-09a1", "sentinel-2-l2a", "sentinel-1-rtc"}
    assert held(store) == {"landsat-c2-l1", "landsat-c2-l2", "naip", "linz"} | modis
    before = state(store)
    done = [step["committed"] for step in again(*asked) if step["step"] == "build"]
    assert done == [0] * len(builds)
    assert state(store) == before


def write_cloudsen12(folder):
    cloudsen12.make_folder(folder / "high" / "train", [1])


def write_chips(folder):
    floods.write_chips(folder, floods.events())


@pytest.mark.parametrize(
    ("name", "write", "made"),
    [
        ("cloudsen12", write_cloudsen12, "cloudsen12/high-train"),
        ("ssl4eo-s12", ssl4eo.write_v1, "ssl4eo-s12/v1"),
        ("clay-c2sms-floods", write_chips, "c2sms/clay"),
    ],
)
def test_published_files(run, again, server, tmp_path, name, write, made):
    """What is planned is what is made: the first patch of the set."""
    write(tmp_path / "source")
    asked = [name, "--source", tmp_path / "source", "--catalog", server.stac_url]
    (told,) = again(*asked, "--plan-only")
    assert (told["sets"], told["patches"], told["left_out"]) == ([made], 1, 0)
    assert told["bytes"] > 1e6
    assert not (tmp_path / "store").exists()
    assert run(*asked) == [told]
    before = state(tmp_path / "store")
    assert again(*asked) == [told]
    assert state(tmp_path / "store") == before
    assert cubestore.open_store(tmp_path / "store").patches(made).open().sizes["patch"] == 1
