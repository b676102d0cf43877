"""What holds for every tile and every place."""

import pickle

import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cubestore.grids import mgrs_tiles, sinusoidal_tiles, tile, tiles_at, tiles_covering

MGRS, SIN = ([one.id for one in tiles()] for tiles in (mgrs_tiles, sinusoidal_tiles))

any_tile = st.sampled_from(MGRS) | st.sampled_from(SIN)
longitudes = st.floats(-180, 180)
slow = settings(deadline=None, max_examples=40)


@slow
@given(any_tile)
def test_an_id_leads_to_its_tile(tile_id):
    one = tile(tile_id)
    assert (one.id, tile(one.id)) == (tile_id, one)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own


@slow
@given(longitudes, st.floats(-83.5, 84))
def test_every_place_but_the_poles_has_a_sentinel_2_tile(lon, lat):
    assert tiles_at(lon, lat)


@slow
@given(longitudes, st.floats(-90, 90))
def test_every_place_has_one_sinusoidal_tile(lon, lat):
    (one,) = tiles_at(lon, lat, "sin")
    assert tile(one.id) == one


@slow
@given(longitudes, st.floats(-83, 84), st.sampled_from(["mgrs", "sin"]))
def test_the_tiles_at_a_point_cover_it(lon, lat, grid):
    for one in tiles_at(lon, lat, grid):
        assert one.footprint.distance(shapely.Point(lon, lat)) < 1e-3 or abs(lon) > 179.99


@slow
@given(longitudes, st.floats(-83, 83), st.sampled_from(["mgrs", "sin"]))
def test_a_point_and_a_box_around_it_find_the_same_tiles(lon, lat, grid):
    assume(abs(lon) < 179)
    around = tiles_covering(shapely.box(lon - 1e-3, lat - 1e-3, lon + 1e-3, lat + 1e-3), grid)
    assert set(tiles_at(lon, lat, grid)) <= set(around)


@slow
@given(any_tile)
def test_a_footprint_is_valid_and_has_the_centre_in_it(tile_id):
    one = tile(tile_id)
    assert one.footprint.is_valid
    assert shapely.contains_xy(one.footprint, *one.center)
    assert one in tiles_at(*one.center, one.grid)


@slow
@given(any_tile)
def test_neighbours_are_mutual(tile_id):
    one = tile(tile_id)
    neighbours = one.neighbours()
    assert one not in neighbours
    assert list(neighbours) == sorted(neighbours, key=lambda other: other.id)
    assert all(one in other.neighbours() for other in neighbours)


@slow
@given(any_tile)
def test_overlaps_have_the_same_area_both_ways(tile_id):
    one = tile(tile_id)
    for other in one.neighbours():
        there, back = one.overlap(other), other.overlap(one)
        assert there.is_valid
        assert there.area == pytest.approx(back.area, rel=0.02, abs=1e4)


@slow
@given(st.sampled_from(MGRS))
def test_a_sentinel_2_tile_overlaps_its_neighbours(tile_id):
    one = tile(tile_id)
    assert sum(one.overlap(other).area > 0 for other in one.neighbours()) >= 3
