"""The Sentinel-2 tiles against ESA's own table, and what that table does not have."""

import importlib.util
import re
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info

from cubestore.errors import UnknownTileError
from cubestore.grids import mgrs, mgrs_tiles, squares, tile, tiles_at

ROW = re.compile(
    rb">(\w{5})</font>.*?>(\d{5})</font>.*?MULTIPOLYGON\(\(\((\d[^)]*)\)"
    rb".*?LL_WKT.*?MULTIPOLYGON\(\(\(([^)]*)\)"
)


@pytest.fixture(scope="module")
def esa():
    """ESA's table: id -> (EPSG, corners in UTM, corners in lon/lat), corners from the NW."""
    package = importlib.util.find_spec("s2tiling").submodule_search_locations[0]
    with zipfile.ZipFile(Path(package) / "data" / "s2_tiling.zip") as archive:
        assert archive.namelist() == [f"{squares.TILPAR}.kml"]
        rows = ROW.findall(archive.read(f"{squares.TILPAR}.kml"))
    return {
        name.decode(): (int(epsg), corners(utm), corners(lonlat))
        for name, epsg, utm, lonlat in rows
    }


def corners(text):
    return np.array([corner.split() for corner in text.split(b",")], float)[:4]


@pytest.fixture(scope="module")
def every():
    return list(mgrs_tiles())


def test_the_tiles_are_exactly_the_56686_of_esa(esa, every):
    ids = [one.id for one in every]
    assert len(ids) == len(set(ids)) == len(esa) == 56_686
    assert set(ids) == set(esa)


def test_every_tile_has_the_zone_and_the_box_that_esa_gives_it(esa, every):
    wrong = [
        one.id
        for one in every
        for epsg, utm, _ in [esa[one.id]]
        if (one.crs.epsg, *one.bounds) != (epsg, *utm.min(axis=0), *utm.max(axis=0))
    ]
    assert wrong == []


def test_every_corner_lies_at_the_longitude_and_latitude_that_esa_gives_it(esa, every):
    x, y = np.stack([esa[one.id][1] for one in every]).T
    south = np.array([one.bounds.top - mgrs.north(one.square.row) for one in every])
    meridian = np.array([one.square.zone * 6 - 183 for one in every])
    lon, lat = mgrs._plane().transform(x, y - south, direction="INVERSE")
    theirs = np.stack([esa[one.id][2] for one in every]).T
    east = np.abs((lon + meridian - theirs[0] + 180) % 360 - 180) * np.cos(np.radians(lat))
    assert np.hypot(east, lat - theirs[1]).max() < 2e-6  # degrees: 0.2 m


def test_the_tiles_at_random_points_are_those_whose_boxes_cover_them(esa):
    random = np.random.default_rng(1)
    lon, lat = random.uniform(-180, 180, 300), random.uniform(-84.5, 85, 300)
    found = [set() for _ in lon]
    ids, rows = np.array(list(esa)), np.array([(epsg, *utm[0]) for epsg, utm, _ in esa.values()])
    for epsg in np.unique(rows[:, 0]):
        x, y = pyproj.Transformer.from_crs(4326, int(epsg), always_xy=True).transform(lon, lat)
        near = np.abs((lon - (epsg % 100) * 6 + 183 + 180) % 360 - 180) < 20
        inside = rows[:, 0] == epsg
        _, left, top = rows[inside].T
        covers = (left <= x[:, None]) & (x[:, None] < left + mgrs.SIDE)
        covers &= (top - mgrs.SIDE < y[:, None]) & (y[:, None] <= top)
        for point, index in zip(*np.nonzero(covers & near[:, None]), strict=True):
            found[point].add(str(ids[inside][index]))
    ours = [{one.id for one in tiles_at(*place)} for place in zip(lon, lat, strict=True)]
    assert ours == found


def test_every_id_leads_back_to_its_square(every):
    assert [one.id for one in every if mgrs.tile(one.id).square != one.square] == []


def test_another_published_table_agrees(shared_data):
    table = np.genfromtxt(
        shared_data / "grids" / "s2_mgrs_tiles_sample.csv",
        delimiter=",",
        names=True,
        dtype="U5,i4,f8,f8,f8,f8",
    )
    assert len(table) == 4027
    for row in table:
        one = tile(str(row["tile_id"]))
        assert one.crs.epsg == row["epsg"]
        assert one.bounds.bbox == (row["xmin"], row["ymin"], row["ulx"] + 109_800, row["uly"])


def test_footprints_agree_with_published_ones(shared_data):
    theirs = geopandas.read_file(shared_data / "grids" / "clay_mgrs_sample.gpkg")
    ours = mgrs.footprints([mgrs.tile(name) for name in theirs["name"]])
    others = theirs.geometry.to_numpy()
    assert len(theirs) == 936
    corners = [shapely.Polygon(shapely.get_coordinates(one)[::24]) for one in ours]
    assert shapely.hausdorff_distance(corners, others).max() < 1e-6  # they have four corners
    overlap = shapely.area(shapely.intersection(ours, others)) / shapely.area(ours)
    assert overlap.min() > 0.98
    assert overlap[np.abs(shapely.get_y(shapely.centroid(others))) < 70].min() > 0.99


@pytest.mark.parametrize(("tile_id", "epsg", "left", "top"), [
    ("31UDQ", 32631, 399960, 5500020),
    ("31NBA", 32631, 199980, 100020),  # stands on the equator
    ("31MBV", 32731, 199980, 10000000),  # hangs from it
    ("01CCV", 32701, 300000, 2000020),  # band C; across the antimeridian
    ("60DWF", 32760, 499980, 2100040),
    ("01WCP", 32601, 300000, 7400040),
    ("01NAA", 32601, 99960, 100020),  # only zone 1 has its westernmost sliver
    ("32VKR", 32632, 199980, 7100040),  # Norway: 32V reaches west to 3° E
    ("31VEF", 32631, 499980, 6600000),  # … and this is all that 31V has east of it
    ("33XWG", 32633, 499980, 8700000),  # Svalbard: four zones in place of seven
    ("31XEP", 32631, 499980, 9400020),  # the northernmost, to 84.7°
    ("31CEH", 32731, 499980, 800020),  # the southernmost, to 83.8°
])  # fmt: skip
def test_places_where_letters_are_easily_misread(tile_id, epsg, left, top):
    one = tile(tile_id)
    assert (one.crs.epsg, one.bounds.left, one.bounds.top) == (epsg, left, top)
    assert (one.grid, one.grid_code) == ("mgrs", f"MGRS-{tile_id}")


@pytest.mark.parametrize("tile_id", [
    "31IDQ", "31UOQ", "31UDO", "31YDQ",  # letters that MGRS does not use
    "99UDQ", "00UDQ", "61UDQ",  # zones that do not exist
    "31UKQ",  # a column of another zone
    "31UDC",  # a row of another band
    "31NAA",  # a sliver that zone 30 covers
    "60NHA", "60XVV",  # slivers that zone 1 covers
    "32XNG", "34XEN", "36XWG",  # zones that Svalbard has done without
    "32VJH",  # 31V covers it
    "32WME",  # 31W covers it
    "", "31UD", "31UDQQ", "../x", "31/DQ", "31UDQ\n", "\uff131UDQ", "\u06631UDQ", "31UDQ\0",
])  # fmt: skip
def test_what_esa_has_no_tile_of_is_refused(tile_id):
    with pytest.raises(UnknownTileError) as caught:
        tile(tile_id)
    assert repr(tile_id) in caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


@pytest.mark.parametrize(("tile_id", "expected"), [
    ("31UKQ", "a column letter of ABCDEFGH in zone 31"),
    ("31UDC", "a row letter of PQRSTUVAB in 31U"),
    ("31NAA", "in its row 31NBA, 31NCA, 31NDA, 31NEA, 31NFA, 31NGA, 31NHA"),
    ("32XNG", "in its row no tile"),
])  # fmt: skip
def test_a_refusal_says_which_letters_there_are(tile_id, expected):
    with pytest.raises(UnknownTileError) as caught:
        tile(tile_id)
    assert caught.value.expected == expected


@pytest.mark.parametrize(("text", "canonical"), [
    ("31udq", "31UDQ"),
    ("T31UDQ", "31UDQ"),  # product names
    ("MGRS-31UDQ", "31UDQ"),  # STAC's grid:code
    (" 31UDQ ", "31UDQ"),
    ("1CCV", "01CCV"),  # STAC's mgrs:utm_zone is a number
    ("t1ccv", "01CCV"),
])  # fmt: skip
def test_another_spelling_is_refused_and_the_canonical_one_offered(text, canonical):
    with pytest.raises(UnknownTileError) as caught:
        tile(text)
    assert caught.value.remedy == f"write {canonical}"


def test_bands_start_at_the_rows_nearest_to_their_parallels():
    utm = pyproj.Transformer.from_crs(4326, 32631, always_xy=True)
    _, northings = utm.transform([3.0] * 10, list(range(0, 80, 8)))
    assert tuple(np.rint(np.array(northings) / 1e5)) == squares.BAND_STARTS


@pytest.mark.parametrize("zone", [1, 31, 60])
def test_one_projection_serves_all_zones_and_both_hemispheres(zone):
    lon, lat = np.meshgrid(np.linspace(-10, 10, 21), np.linspace(-84, 84, 43))
    x, y = mgrs._plane().transform(lon, lat)
    for epsg, false_northing in ((32600, 0), (32700, 10_000_000)):
        utm = pyproj.Transformer.from_crs(4326, epsg + zone, always_xy=True)
        there, north = utm.transform(lon + zone * 6 - 183, lat)
        np.testing.assert_allclose(x, there, atol=1e-6)
        np.testing.assert_allclose(y + false_northing, north, atol=1e-6)


@pytest.mark.parametrize("zone", [1, 2, 31, 33, 37, 59, 60])
@pytest.mark.parametrize("lat", [-79.5, -45, -0.5, 0.5, 45, 60, 81.5])
def test_on_a_central_meridian_a_tile_lies_in_the_crs_that_pyproj_suggests(zone, lat):
    lon = zone * 6 - 183
    suggested = query_utm_crs_info("WGS 84", AreaOfInterest(lon, lat, lon, lat))
    assert {one.crs.epsg for one in tiles_at(lon, lat)} >= {int(info.code) for info in suggested}


def test_the_pole_has_no_tile():
    assert tiles_at(12.0, 89.9) == tiles_at(12.0, -90.0) == []


@pytest.mark.parametrize(
    ("tile_id", "lon"), [("01CCV", 178.6628), ("01WCP", 179.8), ("31UDQ", 2.4)]
)
def test_the_centre_is_on_the_right_side_of_the_antimeridian(tile_id, lon):
    assert tile(tile_id).center[0] == pytest.approx(lon, abs=0.7)
    assert shapely.contains_xy(tile(tile_id).footprint, *tile(tile_id).center)


def test_a_footprint_is_cut_at_the_antimeridian():
    footprint = tile("01CCV").footprint
    assert footprint.is_valid
    assert [part.exterior.is_ccw for part in footprint.geoms] == [True, True]
    assert footprint.bounds[::2] == (-180, 180)
    assert all(part.bounds[2] - part.bounds[0] < 4 for part in footprint.geoms)


def test_no_footprint_leaves_the_true_edge_by_5_m(every):
    for one in (one for one in every if one.square.zone in (31, 60)):
        utm = pyproj.Transformer.from_crs(4326, one.crs.proj, always_xy=True)
        for part in shapely.get_parts(one.footprint):
            vertices = shapely.get_coordinates(part)
            middles = (vertices[1:] + vertices[:-1]) / 2
            x, y = utm.transform(*middles[np.abs(middles[:, 0]) < 180].T)
            left, bottom, right, top = one.bounds
            away = np.abs([x - left, x - right, y - bottom, y - top]).min(axis=0)
            assert away.max(initial=0) < 5
