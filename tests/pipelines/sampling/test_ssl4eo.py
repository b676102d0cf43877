"""SSL4EO-S12's places: near cities, apart from each other, the same for a seed."""

import csv
import json

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import DatasetError, PlanError
from cubestore_pipelines.sampling import ssl4eo
from cubestore_pipelines.sampling.ssl4eo import read_cities

HEADER = ["city", "lat", "lng", "population"]


def cities(path, *rows, header=HEADER):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def least_distance(positions):
    """Return the least distance between two of some positions, (n, axes)."""
    apart = np.linalg.norm(positions[:, None] - positions, axis=-1)
    return apart[~np.eye(len(apart), dtype=bool)].min()


def on_sphere(places):
    lon, lat = np.radians([places.geometry.x, places.geometry.y])
    axes = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    return 6_371_000 * np.transpose(axes)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    longitude=st.sampled_from([0.0, 179.9, -180.0, 37.6]),
    latitude=st.sampled_from([0.0, 69.0, -41.3, 89.9]),
    std=st.sampled_from([10.0, 50.0]),
)
def test_places_lie_apart_and_on_the_earth(tmp_path_factory, seed, longitude, latitude, std):
    path = tmp_path_factory.mktemp("cities") / "cities.csv"
    cities(path, ["Somewhere", latitude, longitude, 1])
    places = ssl4eo(path, locations=150, std=std, seed=seed)
    assert least_distance(on_sphere(places)) >= 1.5 * 1320 * (1 - 1e-6)
    assert places.geometry.x.between(-180, 180).all()
    assert places.geometry.y.between(-90, 90).all()
    assert list(places["name"]) == [f"{n:06}" for n in range(150)]


@pytest.mark.parametrize(
    ("compat", "east"),
    [
        ("", 50),  # kilometres on the ground
        ("ssl4eo-s12", 25),  # degrees: half as long at 60°
    ],
)
def test_places_are_scattered_by_50_km(tmp_path, compat, east):
    path = cities(tmp_path / "cities.csv", ["Helsinki", 60.0, 25.0, 1])
    places = ssl4eo(path, locations=2000, radius=1, compat=compat)
    x = np.radians(places.geometry.x - 25) * 6371 * np.cos(np.radians(60))
    y = np.radians(places.geometry.y - 60) * 6371
    assert (x.std(), y.std()) == (pytest.approx(east, rel=0.06), pytest.approx(50, rel=0.06))


def test_with_compat_places_lie_apart_in_degrees_of_one_length(tmp_path):
    path = cities(tmp_path / "cities.csv", ["Helsinki", 60.0, 25.0, 1])
    places = ssl4eo(path, locations=800, std=20, compat="ssl4eo-s12")
    degrees = np.column_stack([places.geometry.x, places.geometry.y])
    assert least_distance(np.radians(degrees) * 6_371_000) >= 1.5 * 1320 * (1 - 1e-6)
    assert least_distance(on_sphere(places)) < 1.5 * 1320


def test_a_larger_sample_begins_with_a_smaller_one():
    small, large, other = ssl4eo(locations=50), ssl4eo(locations=200), ssl4eo(locations=50, seed=1)
    assert small.equals(large[:50])
    assert not small.geometry.equals(other.geometry)


def test_only_the_largest_cities_are_taken(tmp_path):
    rows = [[f"city {n}", n % 60, n, n if n % 7 else ""] for n in range(40)]
    path = cities(tmp_path / "cities.csv", *rows)
    places = ssl4eo(path, locations=200, largest=5)
    assert set(places["city"]) == {f"city {n}" for n in (39, 38, 37, 36, 34)}


def test_natural_earths_places_are_cities_too(tmp_path):
    points = [shapely.Point(2.35, 48.86), shapely.Point(174.7, -36.8)]
    told = {"NAME": ["Paris", "Auckland"], "POP_MAX": [9_904_000, 1_245_000], "geometry": points}
    geopandas.GeoDataFrame(told, crs="EPSG:4326").to_file(tmp_path / "places.gpkg")
    some = read_cities(tmp_path / "places.gpkg")
    assert [(one.name, one.longitude, one.population) for one in some] == [
        ("Paris", 2.35, 9_904_000),
        ("Auckland", 174.7, 1_245_000),
    ]


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (["city", "lat", "x", "population"], ["A", 1, 2, 3], r"has no column 'lng'"),
        (["city", "lat", "lng", "size"], ["A", 1, 2, 3], r"has no column 'population'"),
        (HEADER, ["A", 91, 2, 3], r"row 1: .* is no city"),
        (HEADER, ["A", 1, "east", 3], r"row 1: .* is no city"),
        (HEADER, ["A", 1], r"row 1: .* is no city"),
        (HEADER, ["A", 1, 2, "many"], r"row 1: .* is no city"),
        (HEADER, ["A", "nan", 2, 1], r"row 1: .* is no city"),
    ],
)
def test_what_is_no_file_of_cities_is_refused_by_row(tmp_path, header, row, message):
    path = cities(tmp_path / "cities.csv", ["Good", 1, 2, 3], row, header=header)
    with pytest.raises(DatasetError, match=rf"cities\.csv,? ?{message}"):
        ssl4eo(path, locations=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no cities"),
        (b"city,lat,lng,population\n", "has no cities"),
        (b"\xff\xff", "read"),
    ],
)
def test_an_empty_or_foreign_file_is_refused(tmp_path, content, message):
    (tmp_path / "cities.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        ssl4eo(tmp_path / "cities.csv", locations=1)


def test_there_is_room_for_so_many_places_and_no_more(tmp_path):
    path = cities(tmp_path / "cities.csv", ["Crowded", 10, 20, 1])
    with pytest.raises(PlanError, match=r"There is room for \d places about 1 cities"):
        ssl4eo(path, locations=100, std=0.5)


def test_the_program_writes_points(tmp_path, capsys):
    output = tmp_path / "places.fgb"
    assert main(["sample", "ssl4eo", "--locations", "30", "--output", str(output), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    table = geopandas.read_file(output)
    assert told["places"] == len(table) == 30
    assert set(table["name"]) == {f"{n:06}" for n in range(30)}
    assert set(table.geom_type) == {"Point"}
