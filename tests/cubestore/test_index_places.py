"""Where chips lie: outlines in lon/lat, at the antimeridian, at the Earth's edge, in order."""

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

import cubestore
from cubestore import grids, layout
from cubestore.index import hilbert
from cubestore.index.footprints import around, centres, footprints, on_earth
from cubestore.index.query import scan
from cubestore.sensors import sensor


def places(tile_id, sensor_id, size=256):
    """Return the tile, its outlines, and the chips of which it has some."""
    tile = grids.tile(tile_id)
    grid = layout.geobox(sensor(sensor_id), tile)
    count = -(-grid.shape[0] // size)
    rows, columns = (axis.ravel() for axis in np.mgrid[:count, :count])
    on = on_earth(tile, grid, size, rows, columns)
    found = footprints(tile, grid, size, rows[on], columns[on])
    return tile, grid, found, rows[on], columns[on]


TILES = [
    ("31UDQ", "sentinel-2-l2a", 1849, 0),
    ("31UDQ", "landsat-c2-l2", 225, 0),
    ("01UBT", "sentinel-2-l2a", 1849, 45),  # the antimeridian runs through it
    ("60UXC", "sentinel-2-l2a", 1849, 45),
    ("h18v04", "modis-09a1", 100, 0),
    ("h35v10", "modis-09a1", 40, 0),  # the Earth ends in it
    ("h14v00", "modis-09a1", 5, 0),  # of which little is Earth
    ("h17v00", "modis-09a1", 91, 0),  # the pole
    ("h17v08", "modis-09a1", 100, 0),  # the last row lies south of the equator
]


@pytest.mark.parametrize(("tile_id", "sensor_id", "count", "crossing"), TILES)
def test_outlines_are_valid_and_cover_the_tile(tile_id, sensor_id, count, crossing):
    tile, _, found, _, _ = places(tile_id, sensor_id)
    assert len(found.geometry) == count
    assert shapely.is_valid(found.geometry).all()
    assert np.isfinite(found.bounds).all()
    assert np.abs(shapely.bounds(found.geometry)).max() <= 180
    left_out = tile.footprint.difference(shapely.union_all(found.geometry).buffer(1e-9))
    assert left_out.area < 2e-4 * tile.footprint.area  # in degrees: most of it at the pole
    assert (found.bounds[:, 0] > found.bounds[:, 2]).sum() == crossing
    crosses = shapely.get_type_id(found.geometry) == shapely.GeometryType.MULTIPOLYGON
    assert crosses.sum() == crossing


@pytest.mark.parametrize("tile_id", ["31UDQ", "01UBT", "60UXC"])
def test_middles_are_those_of_the_squares_on_either_side_of_180(tile_id):
    tile, grid, found, rows, columns = places(tile_id, "sentinel-2-l2a")
    middles = [(n + 0.5) * 256 for n in (columns, rows)]
    there = pyproj.Transformer.from_crs(tile.crs.proj, "EPSG:4326", always_xy=True)
    lon, lat = there.transform(*(grid.affine * middles))
    east, north = centres(found.geometry)
    assert np.abs((east - lon + 180) % 360 - 180).max() < 1e-4
    assert np.abs(north - lat).max() < 1e-4
    assert np.abs(east).max() <= 180


@pytest.mark.parametrize(("tile_id", "sensor_id", "count", "crossing"), TILES)
def test_bounds_are_those_of_the_outline_with_west_above_east_at_180(
    tile_id, sensor_id, count, crossing
):
    _, _, found, _, _ = places(tile_id, sensor_id)
    assert len(found.bounds) == count
    for geometry, (west, south, east, north) in zip(found.geometry, found.bounds, strict=True):
        parts = sorted(shapely.bounds(part).tolist() for part in shapely.get_parts(geometry))
        expected = [parts[-1][0], parts[0][1], parts[0][2], parts[0][3]]
        if len(parts) > 1:
            expected[1] = min(parts[0][1], parts[1][1])
            expected[3] = max(parts[0][3], parts[1][3])
        np.testing.assert_allclose([west, south, east, north], expected, atol=1e-9)
    assert (around(found.bounds)[0] > around(found.bounds)[2]) == (crossing > 0)


def test_a_chip_in_utm_is_its_four_corners_and_the_last_one_is_whole():
    tile, _, found, rows, columns = places("31UDQ", "sentinel-2-l2a")
    transform = pyproj.Transformer.from_crs(tile.crs.proj, "EPSG:4326", always_xy=True).transform
    for chip in (0, 43 * 7 + 3, 43 * 43 - 1):
        x = tile.bounds.left + 2560 * (columns[chip] + np.array([0, 1, 1, 0]))
        y = tile.bounds.top - 2560 * (rows[chip] + np.array([1, 1, 0, 0]))
        ring = np.column_stack(transform(x, y))
        assert found.geometry[chip].exterior.is_ccw
        np.testing.assert_allclose(
            sorted(shapely.get_coordinates(found.geometry[chip])[:-1].tolist()),
            sorted(ring.tolist()),
            atol=1e-12,
        )


def test_a_bent_side_leaves_the_true_one_by_ten_metres_at_60_degrees():
    tile, grid, found, rows, columns = places("h22v02", "modis-09a1")
    chip = int(np.flatnonzero((rows == 8) & (columns == 5))[0])
    left = tile.bounds.left + 5 * 256 * grid.affine.a
    ring = shapely.get_coordinates(found.geometry[chip])[:-1]
    side = ring[len(ring) // 2 :][::-1]  # the second half goes down the western side
    latitude = np.linspace(side[0, 1], side[-1, 1], 1000)
    longitude = np.degrees(left / 6_371_007.181 / np.cos(np.radians(latitude)))
    drawn = np.interp(latitude, side[:, 1], side[:, 0])
    metres = np.abs(drawn - longitude) * np.cos(np.radians(latitude)) * 111_195
    assert 59 < latitude[0] < 61
    assert metres.max() < 10


def test_chips_off_the_earth_are_not_listed(store, scene):
    cube = store.create_cube("h14v00", "modis-09a1")
    parts = [scene(cube, shard, k) for k, shard in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)])]
    (nw, _), (ne, _), (sw, _), (se, _) = parts
    whole = {
        name: np.concatenate(
            [
                np.concatenate([nw[name], ne[name]], axis=-1),
                np.concatenate([sw[name], se[name]], axis=-1),
            ],
            axis=-2,
        )
        for name in nw
    }
    whole["reflectance"][:] = 100  # as if the product had data beyond the Earth's edge
    cube.append(cubestore.Slot(time="2023-06-12", item_id="one"), whole)
    cubestore.index_store(store)
    table = scan(store)
    geometry = shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))
    assert len(table) == 5
    assert (shapely.area(geometry) > 0).all()


@given(bits=st.integers(0, 6))
def test_the_curve_visits_each_cell_once_and_only_steps_to_neighbours(bits):
    side = 1 << bits
    y, x = (axis.ravel() for axis in np.mgrid[:side, :side])
    order = np.argsort(hilbert.distance(x, y))
    assert sorted(hilbert.distance(x, y).tolist()) == list(range(side * side))
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert (steps == 1).all()
