"""Every sensor, from the simulated archive to its cube, by the program as a user runs it.

What a cube must hold is computed from the simulated landscape, never from a file.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
import xarray as xr

import cubestore
from cubestore import grids, layout
from cubestore_pipelines.simulate.plans import COAST, CROSSING, HARBOUR, PLAINS
from cubestore_pipelines.simulate.products import VIEW_AZIMUTH, VIEW_ZENITH
from cubestore_pipelines.simulate.server import serving
from tests.pipelines import real

PROGRAM = Path(sys.executable).with_name("cubestore")
MGRS, SIN = "31UGQ", "h18v04"
HALF = 0.012
"""Degrees about a place that are built."""

TIES = 1e-5
"""The part of the pixels whose centres lie on an edge of the source's, to the last digit."""

LAYERS = ("saturation", "surface_temperature")
LAYERS += ("solar_zenith_angle", "view_zenith_angle", "relative_azimuth_angle")


@pytest.fixture(scope="module")
def server(everything):
    with serving(everything) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


def around(place):
    longitude, latitude = place
    box = (longitude - HALF, latitude - HALF / 2, longitude + HALF, latitude + HALF / 2)
    return ["--bbox", *map(str, box)]


@pytest.fixture(scope="module")
def run(server, workers, tmp_path_factory):
    """Run a build in this process."""
    store = tmp_path_factory.mktemp("store") / "store"

    def run(*options, catalog=server.stac_url, check=0):
        where = ["--catalog", catalog, "--scheduler", workers, "--json"]
        done = real.cubestore("build", store, *where, *options, check=check)
        return json.loads(done.stdout) if check != 1 else done.stderr

    run.store = store
    return run


@pytest.fixture(scope="module")
def place(run, server, workers):
    """Build all that shows one place, in one command and a process of its own."""
    sensors = ("sentinel-2-l2a", "sentinel-1-rtc", "landsat-c2-l2", "modis-09a1")
    sensors += ("cop-dem-glo-30", "esa-worldcover")
    named = [word for sensor in sensors for word in ("--sensor", sensor)]
    tiles = ["--tile", MGRS, "--tile", SIN, *around(CROSSING)]
    more = ["--layers", *LAYERS, "--view-angles"]
    where = ["--catalog", server.stac_url, "--scheduler", workers]
    done = subprocess.run(
        [
            *map(str, [PROGRAM, "build", run.store, *where]),
            *[*named, *tiles, *more, "--resampling", "nearest", "--json"],
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def cube_of(store, tile, sensor):
    return cubestore.open_store(store).cube(tile, sensor)


def compare(archive, cube, spot, item_ids, *, half=150):
    """Hold a slot's pixels about a spot against the truth."""
    dataset = cube.open(mask_and_scale=False)
    slot = dataset.isel(time=dataset.item_id.values.tolist().index(item_ids))
    grid = layout.geobox(cube.sensor, cube.tile)
    there = pyproj.Transformer.from_crs("EPSG:4326", cube.tile.crs.proj, always_xy=True)
    column, row = (int(n) for n in ~grid.affine @ there.transform(*spot))
    rows, columns = (
        slice(max(0, at - half), min(size, at + half))
        for at, size in zip((row, column), grid.shape, strict=True)
    )
    bands = [str(name) for name in dataset.band.values]
    truth = archive.truth(grid[rows, columns], *item_ids.split(), bands=bands)
    held = {n for n in dataset.data_vars if "y" in dataset[n].dims}
    for name in held & truth.keys():
        got = slot[name].isel(y=rows, x=columns).values
        if got.dtype.kind == "f":
            np.testing.assert_allclose(got, truth[name], rtol=6e-4, err_msg=name)
        else:
            assert (got != truth[name]).mean() <= TIES, f"{item_ids} {name}"
    missing = {layer.name for layer in layout.layers_of(cube.sensor)} - truth.keys()
    assert not missing
    return truth


@pytest.mark.parametrize(
    ("tile", "sensor", "slots"),
    [
        (MGRS, "sentinel-2-l2a", 3),  # of six: the neighbour's, one twice, one in two parts
        (MGRS, "sentinel-1-rtc", 4),  # of five: two are frames of one pass
        (MGRS, "landsat-c2-l2", 2),  # of three: two are rows of one path; one in the next zone
        (SIN, "modis-09a1", 3),  # Terra and Aqua apart
        (MGRS, "cop-dem-glo-30", 1),  # two sheets
        (MGRS, "esa-worldcover", 2),  # two versions
    ],
)
def test_what_a_place_was_seen_by(everything, run, place, tile, sensor, slots):
    assert place["failed"] == 0
    cube = cube_of(run.store, tile, sensor)
    held = cube.open(superseded=True).item_id.values.tolist()
    kept = cube.open().item_id.values.tolist()
    assert len(kept) == slots, held
    for item_ids in kept:
        compare(everything, cube, CROSSING, item_ids)
    assert not cube.verify().findings
    group = run.store / cube.tile.grid / tile / sensor
    assert xr.open_zarr(group, chunks=None).sizes["time"] == len(held)


def test_view_angles_come_from_the_granules_metadata(run, place):
    assert place["failed"] == 0
    seen = cube_of(run.store, MGRS, "sentinel-2-l2a").open()
    assert set(seen.view_zenith.values.tolist()) == {VIEW_ZENITH}
    assert set(seen.view_azimuth.values.tolist()) == {VIEW_AZIMUTH}


def test_a_second_run_reads_nothing(run, place):
    sensors = [word for cube in place["cubes"] for word in ("--sensor", cube["sensor"])]
    tiles = ["--tile", MGRS, "--tile", SIN, *around(CROSSING)]
    again = run(*sensors, *tiles)
    assert (again["committed"], again["shards"], again["failed"]) == (0, 0, 0)


def test_composites_end_and_cross_the_years_end(run, place):
    assert place["committed"]
    cube = cube_of(run.store, SIN, "modis-09a1").open()
    spans = [
        (str(one.platform.item()), *(str(t.values)[:10] for t in (one.time, one.time_end)))
        for one in (cube.isel(time=n) for n in range(cube.sizes["time"]))
    ]
    assert ("terra", "2022-12-27", "2023-01-03") in spans
    assert {"terra", "aqua"} == {platform for platform, *_ in spans}
    last = cube.isel(time=[start for _, start, _ in spans].index("2022-12-27"))
    days = set(np.unique(last.day_of_year.values)) - {65535}
    assert days <= {361, 362, 363, 364, 365, 1, 2, 3}
    assert days & {1, 2, 3}


def test_level_1_is_built_where_a_profile_tells_where_it_lies(everything, run, tmp_path):
    """USGS's own files need a login, and its bucket an account: a profile says where they lie."""
    bands = {
        "B4": "red",
        "B3": "green",
        "B2": "blue",
        "B5": "nir08",
        "B6": "swir16",
        "B7": "swir22",
    }
    told = {"sensor": "landsat-c2-l1", "bands": bands, "quality": "qa_pixel"}
    told |= {"saturation": "qa_radsat"}
    profile = tmp_path / "mine.yaml"
    profile.write_text(json.dumps({"collections": {"landsat-c2l1": told}}))
    where = ["--tile", MGRS, *around(CROSSING), "--layers", "saturation", "--profile", profile]
    done = run("--sensor", "landsat-c2-l1", *where)
    assert (done["committed"], done["failed"]) == (1, 0)
    cube = cube_of(run.store, MGRS, "landsat-c2-l1")
    (item_id,) = cube.open().item_id.values.tolist()
    compare(everything, cube, CROSSING, item_id)
    assert cube.open().sun_elevation.item() > 0


def test_the_multispectral_scanner_is_refused_with_the_way_to_oli(run):
    said = run(
        "--sensor", "landsat-c2-l1", "--collection", "landsat-c2-l1", "--tile", MGRS, check=1
    )
    assert "Landsat 5 MSS Level-1" in said
    assert "--catalog usgs" in said


def test_a_scene_of_the_south_lies_on_its_own_grid(everything, run):
    tile = inmost(HARBOUR)
    done = run("--sensor", "landsat-c2-l2", "--tile", tile, *around(HARBOUR))
    assert done["failed"] == 0
    cube = cube_of(run.store, tile, "landsat-c2-l2")
    (item_id,) = cube.open().item_id.values.tolist()
    compare(everything, cube, HARBOUR, item_id)


def inmost(place):
    """Return the tile in which a place lies farthest from an edge."""
    around = shapely.Point(place)

    def depth(tile):
        there = pyproj.Transformer.from_crs("EPSG:4326", tile.crs.proj, always_xy=True)
        x, y = there.transform(*place)
        left, bottom, right, top = tile.bounds.bbox
        return min(x - left, right - x, y - bottom, top - y)

    return max(grids.tiles_covering(around, "mgrs"), key=depth).id


def test_quads_of_a_day_are_one_slot_and_band_four_is_infrared(everything, run):
    done = run("--sensor", "naip", "--tile", "14SNH", *around(PLAINS), "--resampling", "nearest")
    assert done["failed"] == 0
    cube = cube_of(run.store, "14SNH", "naip")
    slots = cube.open().item_id.values.tolist()
    assert sorted(len(ids.split()) for ids in slots) == [1, 1, 2]
    for item_ids in slots:
        compare(everything, cube, PLAINS, item_ids, half=400)


def test_surveys_with_sheets_of_one_name_are_slots_of_their_own(everything, run, server):
    tile = inmost(HARBOUR)
    done = run(
        "--sensor",
        "linz",
        "--tile",
        tile,
        *around(HARBOUR),
        "--profile",
        "linz",
        "--resampling",
        "nearest",
        catalog=server.linz_url,
    )
    assert done["failed"] == 0
    cube = cube_of(run.store, tile, "linz")
    slots = cube.open().item_id.values.tolist()
    assert sorted(len(ids.split()) for ids in slots) == [1, 2]
    for item_ids in slots:
        compare(everything, cube, HARBOUR, item_ids, half=300)


@pytest.mark.parametrize("options", [(), ("--ocean-zero",)])
def test_a_sheet_that_is_not_there_over_sea(options, tmp_path, server, workers):
    store = tmp_path / "store"
    where = ["--catalog", server.stac_url, "--tile", "30UVA", *around(COAST)]
    told = ["--sensor", "cop-dem-glo-30", *options, "--scheduler", workers]
    real.cubestore("build", store, *where, *told)
    heights = cube_of(store, "30UVA", "cop-dem-glo-30").open().elevation.isel(time=0, band=0)
    to_lonlat = pyproj.Transformer.from_crs("EPSG:32630", "EPSG:4326", always_xy=True)
    x, y = to_lonlat.transform(*COAST, direction="INVERSE")
    heights = heights.sel(x=slice(x - 500, x + 500), y=slice(y + 500, y - 500))
    values = heights.values
    _, latitude = to_lonlat.transform(*np.meshgrid(heights.x.values, heights.y.values))
    sea, land = values[latitude < 49.999], values[latitude > 50.001]
    assert land.size
    assert not np.isnan(land).any()
    if options:
        assert not np.isnan(sea).any()
    else:
        assert np.isnan(sea).all()
