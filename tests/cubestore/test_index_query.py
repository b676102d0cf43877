"""Questions to the index, and what other software makes of its files."""

from pathlib import Path

import duckdb
import fsspec
import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import shapely

import cubestore
from cubestore.errors import NoIndexError, NotAStoreError, QueryError, UnknownSensorError
from cubestore.index.landcover import CLASSES
from cubestore.index.query import scan, stale

CROSSING = "01UBT"


@pytest.fixture(scope="module")
def store(tmp_path_factory, append):
    """Three cubes on two tiles, one of them at the antimeridian, with land cover on one."""
    store = cubestore.create_store(tmp_path_factory.mktemp("query") / "store")
    for tile, sensor in [
        ("31UDQ", "sentinel-2-l2a"),
        ("31UDQ", "landsat-c2-l2"),
        (CROSSING, "sentinel-2-l2a"),
    ]:
        cube = store.create_cube(tile, sensor)
        for number, month in enumerate([3, 6, 9]):
            time = f"2023-{month:02}-12T10:50:31Z"
            known = {"seed": number, "platform": ["sentinel-2a", "sentinel-2b"][number % 2]}
            shard = (2, 4) if tile == CROSSING else (-1, -1)
            append(cube, time, f"item {month}", shard=shard, **known)
    cover = store.create_cube("31UDQ", "esa-worldcover")
    classes = np.random.default_rng(0).choice(list(CLASSES.values()), (1, 740, 740)).astype("u1")
    classes[:, :, 600:] = 50
    slot = cubestore.Slot(time="2021-01-01", item_id="v200")
    cover.append(slot, {"land_cover": classes}, origin=(10240, 10240))
    cubestore.index_store(store, sensors=["sentinel-2-l2a", "landsat-c2-l2"])
    return store


def files(store):
    return str(Path(store.path, "index/chips/*.parquet"))


# Other software.


def test_duckdb_geopandas_and_pyarrow_read_the_same_rows(store):
    whole = scan(store)
    told = ds.dataset(Path(files(store)).parent, format="parquet").to_table()
    assert told.schema.remove_metadata().equals(whole.schema.remove_metadata())
    assert sorted(told["chipid"].to_pylist()) == sorted(whole["chipid"].to_pylist())
    question = "tile = '31UDQ' and nodata_percentage < 0.9 and time >= '2023-06-01'"
    rows = duckdb.read_parquet(files(store)).filter(question)
    assert len(rows) == len(scan(store, where=question)) > 0
    frames = [
        gpd.read_parquet(path) for path in sorted(Path(files(store)).parent.glob("*.parquet"))
    ]
    assert {frame.crs.to_string() for frame in frames} == {"OGC:CRS84"}
    assert sum(map(len, frames)) == len(whole)


def test_geopandas_reads_a_box_by_the_covering(store):
    path = min(Path(files(store)).parent.glob("*31UDQ-sentinel*.parquet"))
    box = tuple(scan(store, sensor="sentinel-2-l2a", tile="31UDQ")["bbox"][0].as_py().values())
    there = gpd.read_parquet(path, bbox=box)
    ours = scan(store, sensor="sentinel-2-l2a", tile="31UDQ", bbox=box)
    assert sorted(there.chipid) == sorted(ours["chipid"].to_pylist())
    assert 0 < len(ours) < len(scan(store, sensor="sentinel-2-l2a", tile="31UDQ"))


def test_chips_are_a_geodataframe(store):
    frame = cubestore.chips(store, sensor="sentinel-2-l2a", max_nodata=0.9)
    assert frame.crs.to_string() == "OGC:CRS84"
    assert list(frame.columns)[:3] == ["chipid", "tile", "sensor"]
    assert frame.geometry.is_valid.all()
    few = cubestore.chips(store, columns=["chipid", "slot"], tile="31UDQ")
    assert list(few.columns) == ["chipid", "slot", "geometry"]


def test_columns_are_those_of_the_format(store):
    assert scan(store).schema.names == [
        "chipid", "tile", "sensor", "platform", "time", "slot", "date", "chip_index_x",
        "chip_index_y", "chip_size", "cloud_cover_percentage", "nodata_percentage", "class_tree",
        "class_shrub", "class_grass", "class_crop", "class_built", "class_bare", "class_snow",
        "class_water", "class_wetland", "class_mangrove", "class_moss", "split", "item_id",
        "store_commit", "geometry", "bbox", "band_valid",
    ]  # fmt: skip
    types = {field.name: str(field.type) for field in scan(store).schema}
    assert types["chip_index_x"] == types["chip_index_y"] == "uint16"
    assert types["cloud_cover_percentage"] == types["class_moss"] == "float"
    assert types["slot"] == types["store_commit"] == "int32"
    assert (types["time"], types["date"]) == ("timestamp[us, tz=UTC]", "date32[day]")


# Questions.


@pytest.mark.parametrize(
    ("question", "months"),
    [
        ("2023", {3, 6, 9}),
        ("2023-06", {6}),
        ("2023-06/..", {6, 9}),
        ("../2023-06", {3, 6}),
        ("2023-03-13/2023-06-12", {6}),
        ("2023-06-12T10:50:31Z", {6}),
        ("2023-06-12T10:50:32Z/2023-09-12T12:50:31+02:00", {9}),
        ("2022", set()),
        ("", {3, 6, 9}),
    ],
)
def test_a_time_is_asked_for_as_elsewhere(store, question, months):
    found = scan(store, datetime=question)["date"].to_pylist()
    assert {date.month for date in found} == months


def test_a_box_finds_the_chips_whose_bounding_box_meets_it(store):
    rows = scan(store, tile="31UDQ").to_pylist()
    rng = np.random.default_rng(0)
    for _ in range(20):
        west, east = np.sort(rng.uniform(2.6, 3.2, 2))
        south, north = np.sort(rng.uniform(48.6, 48.8, 2))
        expected = {
            row["chipid"]
            for row in rows
            if row["bbox"]["xmin"] <= east
            and row["bbox"]["xmax"] >= west
            and row["bbox"]["ymin"] <= north
            and row["bbox"]["ymax"] >= south
        }
        found = scan(store, bbox=(west, south, east, north))["chipid"].to_pylist()
        assert set(found) == expected


@pytest.mark.parametrize(
    ("bbox", "finds"),
    [
        ((179.99, 51, -179.99, 53), "crossing"),
        ((-180, 51, -179.9999, 53), "crossing"),
        ((179.9999, 51, 180, 53), "crossing"),
        ((100, 51, 110, 53), "nothing"),
        ((-110, 51, -100, 53), "nothing"),
        ((170, 51, -170, 53), "all"),
        ((-180, -90, 180, 90), "all"),
    ],
)
def test_boxes_at_the_antimeridian(store, bbox, finds):
    rows = scan(store, tile=CROSSING).to_pylist()
    crossing = [r["chipid"] for r in rows if r["bbox"]["xmin"] > r["bbox"]["xmax"]]
    expected = {"crossing": crossing, "nothing": [], "all": [r["chipid"] for r in rows]}[finds]
    assert crossing
    found = scan(store, tile=CROSSING, bbox=bbox)["chipid"].to_pylist()
    assert sorted(found) == sorted(expected)


def test_a_chip_that_reaches_past_its_tile_is_found_there(store):
    outside = scan(store, sensor="landsat-c2-l2")["bbox"].to_pylist()
    east = max(box["xmax"] for box in outside)
    tile = cubestore.tile("31UDQ").footprint.bounds[2]
    assert east > tile + 0.01
    assert len(scan(store, sensor="landsat-c2-l2", bbox=(east - 0.001, 48, east + 1, 50))) > 0


@pytest.mark.parametrize(
    ("condition", "meets"),
    [
        ("class_built > 0.2", lambda r: (r["class_built"] or 0) > np.float32(0.2)),
        ("class_built>0.2 and slot=1", lambda r: (r["class_built"] or 0) > 0.2 and r["slot"] == 1),
        ("slot = 1 OR slot == 2", lambda r: r["slot"] in {1, 2}),
        ("slot = 1 or slot = 2 and tile = '31UDQ'", lambda r: r["slot"] == 1 or (r["slot"] == 2 and r["tile"] == "31UDQ")),  # noqa: E501
        ("(slot = 1 or slot = 2) AND tile != '31UDQ'", lambda r: r["slot"] in {1, 2} and r["tile"] != "31UDQ"),  # noqa: E501
        ("not slot = 1", lambda r: r["slot"] != 1),
        ("NOT NOT slot <> 1", lambda r: r["slot"] != 1),
        ("slot in (0, 2)", lambda r: r["slot"] in {0, 2}),
        ("platform not in ('sentinel-2a', 'x')", lambda r: r["platform"] != "sentinel-2a"),
        ('platform == "sentinel-2a"', lambda r: r["platform"] == "sentinel-2a"),
        ("class_tree is null", lambda r: r["class_tree"] is None),
        ("class_tree IS NOT NULL", lambda r: r["class_tree"] is not None),
        ("class_tree is None", lambda r: r["class_tree"] is None),
        ("0 < slot <= 1", lambda r: r["slot"] == 1),
        ("1 >= slot", lambda r: r["slot"] <= 1),
        ("chip_index_x > chip_index_y", lambda r: r["chip_index_x"] > r["chip_index_y"]),
        ("chip_index_x > -1", lambda _: True),
        ("chip_index_x < 40.5", lambda r: r["chip_index_x"] < 40.5),
        ("date = '2023-06-12'", lambda r: r["date"].month == 6),
        ("time > '2023-06'", lambda r: r["date"].month >= 6),
        ("split = ''", lambda _: True),
        ("item_id = 'it''s'", lambda _: False),
        ("slot < 99999999999", lambda _: True),
    ],
)  # fmt: skip
def test_a_condition_keeps_the_rows_that_meet_it(store, condition, meets):
    expected = [row["chipid"] for row in scan(store).to_pylist() if meets(row)]
    assert scan(store, where=condition)["chipid"].to_pylist() == expected


@pytest.mark.parametrize(
    "condition",
    [
        "band_valid = 1",
        "geometry is null",
        "bbox.xmin > 2",
        "nonsense > 1",
        "1 = 1",
        "'a' = 'a'",
        "slot",
        "slot =",
        "slot = 1 slot",
        "slot = 1; drop table chips",
        "slot = 1 -- and more",
        "slot = 1 union select",
        "__import__('os').system('true')",
        "().__class__",
        "slot.__class__ = 1",
        "slot = (lambda: 1)()",
        "slot = 'one'",
        "platform = 1",
        "platform > slot",
        "time > 5",
        "time > 'yesterday'",
        "slot = 0x10",
        "slot in ()",
        "slot in (1",
        "slot in (platform)",
        "slot is 1",
        "slot = true",
        "slot not 1",
        "platform like 'a%'",
        "slot = 1 and",
        "and slot = 1",
        "(slot = 1",
        "slot = 1)",
        "slot = 99999999999999999999",
        "platform = 'open",
        "slot = 1 \x00",
        "(" * 1000 + "slot = 1" + ")" * 1000,
        "not " * 1000 + "slot = 1",
        "slot = 1 or " * 10_000 + "slot = 1",
    ],
)
def test_what_is_no_condition_is_refused(store, condition):
    with pytest.raises(QueryError) as refused:
        scan(store, where=condition)
    assert refused.value.expected
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("question", "error", "told"),
    [
        ({"max_cloud": 20}, QueryError, "give 0.2"),
        ({"max_nodata": -0.1}, QueryError, "from 0 to 1"),
        ({"max_cloud": float("nan")}, QueryError, "from 0 to 1"),
        ({"bbox": (2, 48, 3)}, QueryError, "west, south, east, north"),
        ({"bbox": (2, 49, 3, 48)}, QueryError, "south below north"),
        ({"bbox": (190, 48, 200, 49)}, QueryError, "subtract 360"),
        ({"bbox": (2, float("nan"), 3, 48)}, QueryError, "south below north"),
        ({"datetime": "2024/2023"}, QueryError, "the earlier first"),
        ({"datetime": "summer"}, QueryError, "A/B"),
        ({"columns": ["chipid", "cloud"]}, QueryError, "cloud_cover_percentage"),
        ({"columns": "chipid"}, QueryError, "in a list"),
        ({"sensor": "sentinel-2"}, UnknownSensorError, "sentinel-2"),
        ({"sensor": "naip"}, NoIndexError, "cubestore index"),
        ({"tile": "32ULC"}, NoIndexError, "cubestore index"),
        ({"chip_size": 64}, NoIndexError, "--chip-size 64"),
    ],
)
def test_questions_that_cannot_be_answered_say_what_to_do(store, question, error, told):
    with pytest.raises(error, match=told):
        scan(store, **question)


def test_a_store_without_an_index_says_how_to_make_one(tmp_path):
    empty = cubestore.create_store(tmp_path / "empty")
    with pytest.raises(NoIndexError, match="cubestore index"):
        cubestore.chips(empty)
    with pytest.raises(NotAStoreError):
        cubestore.chips(tmp_path / "nowhere")
    assert stale(empty) == []


def test_of_several_sizes_one_must_be_named(tmp_path, append):
    store = cubestore.create_store(tmp_path / "store")
    append(store.create_cube("31UDQ", "sentinel-2-l2a"), "2023-06-12", "one")
    for size in (256, 512):
        cubestore.index_store(store, chip_size=size)
    with pytest.raises(QueryError, match="256, 512"):
        scan(store)
    assert set(scan(store, chip_size=512)["chip_size"].to_pylist()) == {512}


def test_two_ways_of_counting_are_not_mixed(tmp_path, append):
    store = cubestore.create_store(tmp_path / "store")
    for sensor in ("sentinel-2-l2a", "landsat-c2-l2"):
        append(store.create_cube("31UDQ", sensor), "2023-06-12", "one")
    cubestore.index_store(store)
    cubestore.index_store(store, sensors="landsat-c2-l2", compat="stacchip")
    with pytest.raises(QueryError, match="--compat stacchip"):
        scan(store)
    assert len(scan(store, sensor="sentinel-2-l2a")) > 0


def test_a_store_that_is_far_away_is_asked_the_same(store):
    far = "memory://query-store"
    files = fsspec.filesystem("memory")
    files.put(store.path, "/query-store", recursive=True)
    try:
        question = {"bbox": (2.7, 48, 3, 50), "max_nodata": 0.9, "where": "slot > 0"}
        assert scan(far, **question).equals(scan(store, **question))
        assert len(cubestore.chips(far)) == len(scan(store))
        assert stale(far) == stale(store) == [("31UDQ", "esa-worldcover")]
    finally:
        files.rm("/query-store", recursive=True)


def test_an_answer_without_rows_has_all_columns(store):
    nothing = scan(store, bbox=(100, 0, 101, 1))
    assert nothing.schema.names == scan(store).schema.names
    assert len(cubestore.chips(store, bbox=(100, 0, 101, 1))) == 0
    assert scan(store, bbox=(100, 0, 101, 1), columns=["slot"]).schema == pa.schema(
        [("slot", pa.int32())]
    )


def test_a_chips_geometry_is_cut_at_the_antimeridian(store):
    frame = cubestore.chips(store, tile=CROSSING)
    crossing = frame[frame.geometry.geom_type == "MultiPolygon"]
    assert len(crossing) > 0
    assert np.abs(shapely.bounds(crossing.geometry.values)).max() == 180
