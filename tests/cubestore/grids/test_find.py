"""From places to tiles."""

import numpy as np
import pytest
import shapely

from cubestore.errors import GridMismatchError
from cubestore.grids import (
    GRIDS,
    mgrs,
    mgrs_tiles,
    sinusoidal_tiles,
    tiles_at,
    tiles_covering,
    tiles_in,
)


def ids(tiles):
    return " ".join(one.id for one in tiles)


@pytest.fixture(scope="module")
def brute():
    """Every Sentinel-2 tile and a tree of all their footprints."""
    tiles = list(mgrs_tiles())
    return np.array([one.id for one in tiles]), shapely.STRtree(mgrs.footprints(tiles))


@pytest.mark.parametrize(("lon", "lat", "found"), [
    (2.35, 48.85, "31UDQ"),  # Paris
    (3.0, 0.0, "31MDV 31MEV 31NDA 31NEA"),  # on the equator and its zone's central meridian
    (180.0, 0.5, "01NAA"),
    (-180.0, 0.5, "01NAA"),
    (180.0, -72.5, "01CCV 60CWE"),
    (6.0, 38.1, "31SGC 32SKH"),  # two zones have it
    (6.0, 45.0, "31TGK"),  # … or one of them
    (5.3, 60.4, "32VKN"),  # Bergen: Norway's exception
    (15.6, 78.2, "33XWG"),  # Longyearbyen: Svalbard's
    (20.0, 84.6, "33XWP 35XMP"),
])  # fmt: skip
def test_the_tiles_at_a_point(lon, lat, found):
    assert ids(tiles_at(lon, lat)) == found


@pytest.mark.parametrize("seed", range(40))
def test_no_tile_of_a_box_is_missed(brute, seed):
    names, tree = brute
    random = np.random.default_rng(seed)
    west, south = random.uniform((-180, -86), (180, 86))
    box = shapely.box(
        west, south, *np.minimum(random.uniform((west, south), (west + 30, south + 9)), (180, 90))
    )
    assert [one.id for one in tiles_covering(box)] == sorted(names[tree.query(box, "intersects")])


@pytest.mark.parametrize(("box", "grid", "found"), [
    ((0, 40, 10, 50), "sin", "h18v04"),  # neighbours that it only touches have no part in it
    ((0, 40, 0.1, 40.1), "sin", "h18v04"),
    ((179.9, 0.1, -179.9, 0.2), "sin", "h00v08 h35v08"),  # across the antimeridian
    ((179.9, -72.6, -179.9, -72.5), "mgrs", "01CCV 01CDV 60CWE"),
    ((2.3, 48.8, 2.3, 48.8), "mgrs", "31UDQ"),  # a box that is a point
    ((2.3, 48.8, 2.3, 48.9), "mgrs", "31UDQ"),  # … or a line
    ((0, 89, 1, 90), "mgrs", ""),
])  # fmt: skip
def test_the_tiles_in_a_box(box, grid, found):
    assert ids(tiles_in(*box, grid)) == found


def test_the_whole_earth_has_all_tiles():
    assert set(tiles_in(-180, -90, 180, 90, "sin")) == set(sinusoidal_tiles())


def test_a_box_across_the_antimeridian_takes_the_short_way():
    zones = {one.id[:2] for one in tiles_in(170, -45, -170, -30)}
    assert zones == {"59", "60", "01", "02"}


@pytest.mark.parametrize(("wkt", "found"), [
    ("POINT (2.35 48.85)", "31UDQ"),
    ("POINT Z (2.35 48.85 35)", "31UDQ"),
    ("MULTIPOINT (2.35 48.85, 15.6 78.2)", "31UDQ 33XWG"),
    ("LINESTRING (2.35 48.85, 2.36 48.85)", "31UDQ"),
    ("GEOMETRYCOLLECTION (POINT (2.35 48.85), GEOMETRYCOLLECTION (POINT (15.6 78.2)))",
     "31UDQ 33XWG"),
    ("GEOMETRYCOLLECTION (POINT (2 49), POLYGON ((15.6 78.2, 15.7 78.2, 15.6 78.21, 15.6 78.2)))",
     "31UDQ 33XWG"),
    ("POLYGON EMPTY", ""),
    ("GEOMETRYCOLLECTION EMPTY", ""),
])  # fmt: skip
def test_the_tiles_of_any_geometry(wkt, found):
    assert ids(tiles_covering(shapely.from_wkt(wkt))) == found


def test_a_polygon_is_not_its_box():
    corner = shapely.Polygon([(0, 40), (10, 40), (0, 50)])
    assert set(tiles_covering(corner)) < set(tiles_in(0, 40, 10, 50))


@pytest.mark.parametrize(("call", "found"), [
    (lambda: tiles_at(200, 0), "Longitudes 200"),
    (lambda: tiles_at(48, 97), "latitudes 97"),
    (lambda: tiles_at(float("nan"), 0), "nan"),
    (lambda: tiles_in(0, 50, 10, 40), "A box from 50° to 40°"),
    (lambda: tiles_in(170, 0, 190, 10), "170 to 190"),
    (lambda: tiles_covering(shapely.box(500000, 0, 600000, 100)), "500000"),
    (lambda: tiles_covering(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])), "not valid"),
    (lambda: tiles_at(0, 0, "utm"), "no grid 'utm'"),
])  # fmt: skip
def test_what_is_no_place_is_refused(call, found):
    with pytest.raises(GridMismatchError) as caught:
        call()
    assert found in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


def test_a_grid_cannot_be_added_by_accident():
    with pytest.raises(TypeError):
        GRIDS["mine"] = mgrs
