"""The MODIS sinusoidal grid against NASA's table, odc-geo's grid and real files."""

import math

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from odc.geo import resyx_, xy_
from odc.geo.gridspec import GridSpec

from cubestore.errors import UnknownTileError
from cubestore.grids import sinusoidal_tiles, tile, tiles_at, window
from cubestore.grids.sinusoidal import EARTH_RADIUS, SIDE, WKT

KILOMETRE = math.degrees(SIDE / 1200 / EARTH_RADIUS)
"""A pixel of the 1 km products along the equator, degrees: NASA's table was made with these."""


@pytest.fixture(scope="module")
def nasa(shared_data):
    """NASA's table: (v, h) -> west, east, south, north."""
    path = shared_data / "grids" / "modis_sn_bound_10deg_even_v.txt"
    return {(int(v), int(h)): edges for v, h, *edges in np.loadtxt(path, skiprows=2)}


@pytest.fixture(scope="module")
def every():
    return list(sinusoidal_tiles())


def test_a_published_tile():
    one = tile("h18v04")
    assert one.bounds.bbox == pytest.approx((0, 4447802.079, 1111950.52, 5559752.599), abs=1e-3)
    assert (one.grid, one.grid_code, one.id) == ("sin", "MSIN-1804", "h18v04")
    assert one.center == pytest.approx((5 * math.sqrt(2), 45))


def test_the_tiles_with_a_part_in_the_earth_are_those_of_nasa(nasa, every):
    theirs = {place for place, edges in nasa.items() if edges[0] != -999}
    assert len(nasa) == 9 * 36
    assert {(one.row, one.column) for one in every if one.row % 2 == 0} == theirs
    assert {(17 - one.row, one.column) for one in every} == {(one.row, one.column) for one in every}
    assert len(every) == 460


def test_longitudes_are_those_of_nasa(nasa, every):
    """NASA gives the east edge a kilometre too far east; at the pole itself that is nonsense."""
    for one in (one for one in every if one.row in range(2, 18, 2)):
        west, east, _, _ = nasa[one.row, one.column]
        latitudes = np.radians([np.clip((9 - one.row) * 10, -90, 90), (8 - one.row) * 10])
        far_east = ((one.column - 17) * 10 + KILOMETRE) / np.cos(latitudes)
        bounds = one.footprint.bounds
        assert bounds[0] == pytest.approx(west, abs=1e-4)
        if bounds[2] == 180:
            assert east == 180
        else:
            assert min(far_east.max(), 180) == pytest.approx(east, abs=1e-4)


def test_latitudes_are_those_of_nasa(nasa, every):
    """Where the Earth ends within a tile NASA gives the edge of a 1 km pixel."""
    for one in (one for one in every if one.row % 2 == 0):
        _, _, south, north = nasa[one.row, one.column]
        _, bottom, _, top = one.footprint.bounds
        whole = top - bottom == pytest.approx(10)
        assert (bottom, top) == pytest.approx((south, north), abs=1e-4 if whole else KILOMETRE)


def test_odc_geo_has_the_same_boxes(every):
    odc = GridSpec(
        WKT,
        (2400, 2400),
        resyx_(-SIDE / 2400, SIDE / 2400),
        origin=xy_(-18 * SIDE, 8 * SIDE),
        flipy=True,
    )
    for one in every:
        theirs = odc[one.column, one.row]
        assert one.geobox().shape == theirs.shape
        assert one.geobox().crs == theirs.crs
        np.testing.assert_allclose(one.bounds.bbox, theirs.boundingbox.bbox, atol=1e-6)


@pytest.mark.parametrize(("folder", "tile_id", "gsd"), [
    ("MOD09A1.A2017193.h18v04.006", "h18v04", 463.3127),
    ("MCD43A4.A2017006.h21v11.006", "h21v11", 4633.127),  # ten to a pixel
])  # fmt: skip
def test_real_files_have_the_projection_and_lie_on_the_pixels(shared_data, folder, tile_id, gsd):
    path = next((shared_data / "modis" / folder).glob("*.[tT][iI][fF]"))
    with rasterio.open(path) as file:
        theirs, bounds, shape = pyproj.CRS(file.crs.to_wkt()), file.bounds, file.shape
    one = tile(tile_id)
    points = tile(tile_id).center
    both = [
        pyproj.Transformer.from_crs(4326, crs, always_xy=True) for crs in (one.crs.proj, theirs)
    ]
    ours, others = (transform.transform(*points) for transform in both)
    assert ours == pytest.approx(others, abs=1e-6)
    y, x = window(one.geobox(gsd), tuple(bounds))
    assert (y.stop - y.start, x.stop - x.start) == shape


def test_the_projection_survives_a_round_trip_through_wkt_and_json():
    crs = tile("h18v04").crs
    assert crs.epsg is None
    assert pyproj.CRS(crs.to_wkt()) == crs.proj == pyproj.CRS.from_json(crs.proj.to_json())
    assert crs.proj.name == "MODIS Sinusoidal"


@pytest.mark.parametrize("tile_id", [
    "h36v00", "h00v18", "h99v99",  # outside the grid
    "h00v00", "h13v00", "h22v17", "h08v02", "h27v15",  # wholly off the Earth
    "h18v4", "h18", "v04h18", "h-1v04", "h18v04/..", "h\uff118v04",
])  # fmt: skip
def test_what_is_no_tile_is_refused(tile_id):
    with pytest.raises(UnknownTileError) as caught:
        tile(tile_id)
    assert tile_id in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["H18V04", "h18v4", "MSIN-1804", "msin1804", " h18v04"])
def test_another_spelling_is_refused_and_the_canonical_one_offered(text):
    with pytest.raises(UnknownTileError, match="write h18v04"):
        tile(text)


def test_the_footprints_cut_up_the_earth_without_gap_or_overlap(every):
    outlines = [one.footprint for one in every]
    assert all(outline.is_valid and outline.exterior.is_ccw for outline in outlines)
    assert sum(outline.area for outline in outlines) == pytest.approx(360 * 180, rel=1e-5)
    assert shapely.union_all(outlines).area == pytest.approx(360 * 180, rel=1e-5)


def test_no_footprint_leaves_the_true_edge_by_70_m(every):
    plane = pyproj.Transformer.from_crs(4326, every[0].crs.proj, always_xy=True)
    for one in every:
        vertices = shapely.get_coordinates(one.footprint)
        middles = (vertices[1:] + vertices[:-1]) / 2
        x, y = plane.transform(*middles[np.abs(middles[:, 0]) < 179.999].T)
        left, bottom, right, top = one.bounds
        away = np.abs([x - left, x - right, y - bottom, y - top]).min(axis=0)
        assert away.max(initial=0) < 70


@pytest.mark.parametrize(("lon", "lat", "tile_id"), [
    (2.3, 48.8, "h18v04"),
    (0, 40, "h18v05"),  # a corner belongs to the tile that it is the north-west of
    (0, 0, "h18v09"),
    (-180, 0, "h00v09"),
    (180, 0, "h00v09"),  # the same place
    (-180, -60, "h09v15"),  # the last corner of the Earth in its row
    (179.999, 0, "h35v09"),
    (0, 90, "h18v00"),
    (0, -90, "h18v17"),
])  # fmt: skip
def test_a_point_has_one_tile(lon, lat, tile_id):
    assert [one.id for one in tiles_at(lon, lat, "sin")] == [tile_id]


@pytest.mark.parametrize(("tile_id", "neighbours"), [
    ("h18v04", "h17v03 h17v04 h17v05 h18v03 h18v05 h19v03 h19v04 h19v05"),
    ("h00v08", "h00v07 h00v09 h01v07 h01v08 h01v09 h35v07 h35v08 h35v09"),  # across 180°
    ("h14v00", "h14v01 h15v00 h15v01 h20v00 h21v00 h21v01"),  # six, two of them in a corner
    ("h17v00", "h16v00 h16v01 h17v01 h18v00 h18v01 h19v00"),  # at the pole
])  # fmt: skip
def test_neighbours_touch_on_the_earth(tile_id, neighbours):
    assert " ".join(one.id for one in tile(tile_id).neighbours()) == neighbours
