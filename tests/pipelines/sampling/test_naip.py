"""NAIP's places: all that Natural Earth has within the country, and some at random."""

import json

import geopandas
import numpy as np
import pytest
import shapely

from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import DatasetError, NothingFoundError
from cubestore_pipelines.sampling import naip, vector
from cubestore_pipelines.simulate.archive import make_archive
from cubestore_pipelines.simulate.naip import Quad
from cubestore_pipelines.simulate.plans import PLAINS, tiny_everything_plan

STATE = shapely.box(-100, 40, -94, 44)
KINDS = ["place", "park", "airport", "port", "river", "lake", "random"]


def table(path, shapes, crs="EPSG:4326", **columns):
    geopandas.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path)
    return path


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The outline of a state."""
    return table(
        tmp_path_factory.mktemp("state") / "state.geojson", [shapely.box(-100, 40, -94, 44)]
    )


def test_the_small_set_has_every_kind_within_the_country():
    found = naip()
    assert list(dict.fromkeys(found["kind"])) == KINDS
    assert (found["kind"] == "random").sum() == 4000
    assert "Honolulu" not in set(found["name"])
    west, south, east, north = found.total_bounds
    assert -125 < west < east < -66
    assert 24 < south < north < 49.4
    assert abroad(found).empty


def abroad(found):
    """Return the points that lie well within Canada, Mexico or the Atlantic."""
    others = [
        (-100, 49.2, -94.9, 60),
        (-79, 44.5, -76, 46),
        (-112, 27, -108.5, 31),
        (-72, 30, -66, 39),
    ]
    return found[found.within(shapely.union_all([shapely.box(*one) for one in others]))]


@pytest.mark.parametrize("ending", ["fgb", "parquet"])
def test_a_file_has_the_places_in_the_order_of_drawing(tmp_path, ending):
    drawn = naip(points=20)
    vector.write(drawn, tmp_path / f"places.{ending}")
    read = vector.read(tmp_path / f"places.{ending}")
    assert read["name"].tolist() == drawn["name"].tolist()
    assert read.geometry.geom_equals_exact(drawn.geometry, 1e-9).all()


def test_random_points_are_uniform_on_the_ground(state):
    found = naip(within=state, points=4000)
    random = found[found["kind"] == "random"]
    assert len(random) == 4000
    south = np.sin(np.radians(42)) - np.sin(np.radians(40))
    north = np.sin(np.radians(44)) - np.sin(np.radians(42))
    expected = south / (south + north)  # of a sphere's area
    assert (random.geometry.y < 42).mean() == pytest.approx(expected, abs=0.02)
    assert (random.geometry.x < -97).mean() == pytest.approx(0.5, abs=0.02)


RIVERS = {
    "Long": [
        shapely.LineString([(-99, 41), (-98, 41)]),
        shapely.LineString([(-98, 41), (-90, 41)]),
    ],
    "Other": [shapely.LineString([(-97, 43), (-97, 50)])],
    "Abroad": [shapely.LineString([(-90, 43), (-85, 50)])],
    "Ob": [shapely.LineString([(83, 42), (85, 42)])],  # where the plane is torn
    "": [shapely.LineString([(-96, 41), (-95, 42)]), shapely.LineString([(-99, 43), (-98, 43)])],
}


@pytest.mark.parametrize("seed", range(5))
def test_of_each_river_one_point_lies_on_it_within_the_country(tmp_path, state, seed):
    names = [name for name, pieces in RIVERS.items() for _ in pieces]
    pieces = [piece for some in RIVERS.values() for piece in some]
    path = table(tmp_path / "rivers.shp", pieces, name=names)
    found = naip(rivers=path, within=state, points=0, seed=seed)
    assert sorted(found["name"]) == ["", "", "Long", "Other"]  # two that have no name are two
    for name, point in zip(found["name"], found.geometry, strict=True):
        assert min(piece.distance(point) for piece in RIVERS[name]) < 1e-3
        assert STATE.buffer(1e-3).contains(point)


def test_a_rivers_points_are_as_likely_everywhere_along_it(tmp_path, state):
    names = [f"Long {n}" for n in range(400) for _ in RIVERS["Long"]]
    path = table(tmp_path / "rivers.gpkg", RIVERS["Long"] * 400, name=names)
    drawn = naip(rivers=path, within=state, points=0).geometry.x
    assert len(drawn) == 400
    assert (drawn < -98).mean() == pytest.approx(0.2, abs=0.06)  # 1 of 5 degrees within
    assert (drawn > -96).mean() == pytest.approx(0.4, abs=0.07)


def test_of_each_lake_one_point_lies_in_it_within_the_country(tmp_path, state):
    lakes = {
        "Inner": shapely.box(-99, 41, -98, 42),
        "Border": shapely.box(-95, 41, -93, 42),
        "Touching": shapely.box(-94, 41, -93, 42),
        "Bow tie": shapely.Polygon([(-97, 41), (-96, 42), (-96, 41), (-97, 42)]),
    }
    path = table(tmp_path / "lakes.fgb", list(lakes.values()), name=list(lakes))
    found = naip(lakes=path, within=state, points=0).set_index("name").geometry
    assert sorted(found.index) == ["Border", "Bow tie", "Inner"]
    assert lakes["Inner"].contains(found["Inner"])
    assert shapely.box(-95, 40.9, -93.99, 42.1).contains(found["Border"])


@pytest.mark.parametrize(
    ("kind", "shape", "there"),
    [
        ("places", shapely.Point(-97, 42), True),
        ("places", shapely.Point(-93, 42), False),
        ("airports", shapely.MultiPoint([(-97, 42), (-93, 42)]), True),
        ("ports", shapely.Point(97, 42), False),
        ("parks", shapely.box(-95, 41, -93, 43), True),  # its part within the country
        ("parks", shapely.LineString([(-97, 41), (-97, 42)]), True),  # a scenic trail
        ("parks", shapely.Point(-97, 41), True),
    ],
)
def test_features_within_the_country_give_a_point_each(tmp_path, state, kind, shape, there):
    path = table(tmp_path / f"{kind}.parquet.geojson", [shape], NAME=["A"], scalerank=[1])
    if not there:
        with pytest.raises(NothingFoundError, match="No place lies within the outline"):
            naip(**{kind: path}, within=state, points=0)
        return
    (row,) = naip(**{kind: path}, within=state, points=0).itertuples(index=False)
    assert (row.name, row.kind) == ("A", kind.removesuffix("s"))
    assert STATE.contains(row.geometry)


def test_files_may_be_in_any_crs_and_are_drawn_from_the_same_for_a_seed(tmp_path, state):
    lake = geopandas.GeoSeries([shapely.box(-98, 41, -97, 42)], crs="EPSG:4326")
    here = table(tmp_path / "a.gpkg", lake, name=["A"])
    there = table(tmp_path / "b.gpkg", lake.to_crs("EPSG:3857"), crs="EPSG:3857", name=["A"])
    points = [naip(lakes=path, within=state, points=5).geometry for path in (here, there, here)]
    assert points[0].equals(points[2])
    assert shapely.distance(points[0].array, points[1].array).max() < 1e-6
    assert not points[0].equals(naip(lakes=here, within=state, points=5, seed=1).geometry)


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        ("rivers", shapely.Point(-97, 42), "row 1 is Point. Expected: a line"),
        ("lakes", shapely.LineString([(-97, 42), (-96, 42)]), "row 1 is LineString. .*a polygon"),
        ("places", None, "row 1 is no geometry"),
        ("within", shapely.Point(-97, 42), "row 1 is Point. Expected: a polygon"),
    ],
)
def test_another_kind_of_geometry_is_refused_by_file_and_row(tmp_path, kind, shape, message):
    good = {"rivers": shapely.LineString([(-97, 41), (-97, 42)]), "places": shapely.Point(0, 0)}
    first = good.get(kind, shapely.box(-97, 41, -96, 42))
    path = table(tmp_path / "file.gpkg", [first, shape], name=["A", "B"])
    with pytest.raises(DatasetError, match=message) as refused:
        naip(**{kind: path}, points=0)
    assert "file.gpkg" in str(refused.value)


def test_places_are_an_area_of_interest_to_build(tmp_path, capsys):
    quads = [one for one in tiny_everything_plan() if isinstance(one, Quad)]
    archive = make_archive(tmp_path / "archive", quads)
    items = tmp_path / "items.json"
    items.write_text(json.dumps({"type": "FeatureCollection", "features": archive.items}))
    places = table(tmp_path / "places.geojson", [shapely.Point(*PLAINS), shapely.Point(-90, 35)])
    output = tmp_path / "naip.fgb"
    drawn = ["sample", "naip", "--places", str(places), "--points", "0", "--output", str(output)]
    assert main([*drawn, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["place"] == 2
    how = ["--catalog", str(items), "--sensor", "naip", "--aoi", str(output)]
    plan = ["plan", str(tmp_path / "store"), *how, "--output", str(tmp_path / "plan.json")]
    assert main([*plan, "--json"]) == 0
    cubes = json.loads(capsys.readouterr().out)["cubes"]
    assert cubes
    assert {len(cube["shards"]) for cube in cubes} == {1}
