"""Where a catalogue says that data are: the stored shards of a cube, and no more of its tile."""

import itertools
import json

import numpy as np
import pystac
import pytest
import shapely

import cubestore
from cubestore import layout
from cubestore_catalog import Index, load, publish
from cubestore_catalog.search import query
from cubestore_catalog.stac import coverage, outline
from tests.catalog.published import append, slot

SENSORS = {"mgrs": "sentinel-2-l2a", "sin": "modis-09a1"}


def cut(tile, *shards):
    """Return the outline of shards of a tile's cube."""
    grid = layout.geobox(cubestore.SENSORS[SENSORS[tile.grid]], tile)
    return coverage.on_earth(coverage.covered(shards, grid), tile, grid)


def every_shard(tile):
    grid = layout.geobox(cubestore.SENSORS[SENSORS[tile.grid]], tile)
    return list(itertools.product(*(range(-(-size // layout.SHARD)) for size in grid.shape)))


@pytest.mark.parametrize(
    "name",
    [
        "31UDQ",
        "01KAB",  # lies on both sides of the antimeridian
        "33XWJ",  # far north: edges are bent
        "h18v04",
        "h14v01",  # a part is not Earth
        "h35v08",  # ends at the antimeridian, where the grid does
        "h18v00",  # has the pole in it
    ],
)
def test_the_shards_of_a_tile_make_up_its_footprint(name):
    tile = cubestore.tile(name)
    parts = [cut(tile, shard) for shard in every_shard(tile)]
    whole = shapely.union_all(parts)
    assert shapely.symmetric_difference(whole, tile.footprint).area < 1e-4 * tile.footprint.area
    assert sum(part.area for part in parts) == pytest.approx(tile.footprint.area, rel=1e-4)
    for part in parts:
        assert shapely.is_valid(part)
        assert np.abs(shapely.get_coordinates(part)[:, 0]).max() <= 180
        rings = [one.exterior for one in shapely.get_parts(part)]
        assert all(shapely.is_ccw(rings))  # RFC 7946, section 3.1.6
        assert shapely.get_num_coordinates(part) < 400


def test_all_shards_are_the_footprint_itself():
    tile = cubestore.tile("31UDQ")
    assert cut(tile, *every_shard(tile)).equals(tile.footprint)
    assert cut(tile).equals(tile.footprint)  # nothing is stored yet


@pytest.mark.parametrize(
    ("shards", "parts"),
    [
        ([(0, 0), (0, 0), (0, 1)], 1),  # of two slots, side by side
        ([(0, 0), (5, 5)], 2),
        ([(0, 0), (1, 1)], 2),  # a corner is no way from one to the other
        ([(y, x) for y in range(6) for x in range(6) if (y + x) % 2], 1),  # the hull of many
    ],
)
def test_what_is_apart_is_told_apart_unless_it_is_scattered(shards, parts):
    assert len(shapely.get_parts(cut(cubestore.tile("31UDQ"), *shards))) == parts


def test_a_box_goes_around_parts_on_both_sides_of_the_antimeridian():
    tile = cubestore.tile("01KAB")
    columns = [shard for shard in every_shard(tile) if shard[1] in {0, 5}]
    west, _, east, _ = outline.placed(cut(tile, *columns))["bbox"]
    assert 178 < west < 180
    assert -180 < east < -178


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A cube with data in two shards that touch at a corner, and in a third that was replaced."""
    made = cubestore.create_store(tmp_path_factory.mktemp("coverage") / "store")
    cube = made.create_cube("h18v04", "modis-09a1")
    for day, origin, size in (
        (1, (2048, 0), (352, 2048)),
        (2, (0, 2048), (2048, 352)),
        (3, (2048, 2048), (352, 352)),
    ):
        with cube.write() as writer:
            arrays = {n: a for n, a in writer.arrays.items() if a.shards}
        ones = {n: np.ones((*a.shape[1:-2], *size), a.dtype) for n, a in arrays.items()}
        cube.append(slot(day), ones, origin=origin)
    append(cube, slot(4, supersedes="scene-03", shards=((1, 1),)))
    publish(made.path)
    return made


def test_who_searches_by_place_finds_cubes_that_have_data_there(store):
    items, _ = load(store.path)
    index = Index(items)
    cube = store.cube("h18v04", "modis-09a1")
    for (y, x), found in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0}.items():
        inner = cut(cube.tile, (y, x)).representative_point().buffer(0.01)
        search = query.from_post({"intersects": shapely.geometry.mapping(inner)})
        assert index.search(search).matched == found


def test_the_plane_says_the_same_and_the_tile_is_still_told(store):
    item = pystac.Item.from_file(
        f"{store.path}/catalog/modis-09a1/h18v04-modis-09a1/h18v04-modis-09a1.json"
    )
    assert item.geometry["type"] == "MultiPolygon"
    told = item.properties
    plane = shapely.from_geojson(json.dumps(told["proj:geometry"]))
    assert told["proj:bbox"] == pytest.approx(list(plane.bounds))
    pixel = told["proj:transform"][0]
    assert plane.area == pytest.approx(2 * 352 * 2048 * pixel**2)
    assert told["proj:shape"] == [2400, 2400]
    assert told["grid:code"] == "MSIN-1804"
    assert told["cube:dimensions"]["x"]["extent"][1] == pytest.approx(
        told["proj:transform"][2] + 2400 * pixel
    )
