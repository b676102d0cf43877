"""Splits that share no ground, whatever tiles, zones, sensors and seams the chips come from."""

import geopandas as gpd
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import shapely
from hypothesis import given, settings

import cubestore
from cubestore import layout, splits
from cubestore.errors import LeakError, MismatchError, QueryError
from cubestore.grids import tiles_in
from cubestore.index.footprints import footprints, on_earth, wkb
from cubestore.splits.assign import assert_no_leak, assign, parse
from cubestore.splits.partition import fraction
from cubestore.splits.places import places

S2, L8, MODIS = "sentinel-2-l2a", "landsat-c2-l2", "modis-09a1"
PARIS = ["31UDQ", "31UEQ", "31UDP", "31UEP"]
BORDER = ["31UGQ", "31UFQ", "32ULV", "32UMV"]  # 31 and 32 meet at 6° E
DATELINE = [tile.id for tile in tiles_in(179.2, -17.8, -179.2, -17.2)]
ARCTIC = [tile.id for tile in tiles_in(14, 82.6, 18, 83.4)]
EQUATOR = ["31NEA", "31MEV", "31NDA"]


def index(tiles, sensor=S2, size=1024, times=("2022-05-01",)):
    """A chip index as `cubestore index` makes it, of every chip of some tiles."""
    parts = []
    for name in tiles:
        tile, known = cubestore.tile(name), cubestore.sensor(sensor)
        grid = layout.geobox(known, tile)
        y, x = (
            axis.ravel()
            for axis in np.mgrid[: -(-grid.shape[0] // size), : -(-grid.shape[1] // size)]
        )
        there = on_earth(tile, grid, size, y, x)
        y, x = y[there], x[there]
        outlines = wkb(footprints(tile, grid, size, y, x).geometry)
        for slot, time in enumerate(times):
            ids = [f"{name}-{sensor}-{slot}-{size}-{a}-{b}" for a, b in zip(x, y, strict=True)]
            columns = {
                "chipid": ids,
                "tile": [name] * len(ids),
                "sensor": [sensor] * len(ids),
                "platform": [f"platform-{slot % 2}"] * len(ids),
                "time": pa.array(
                    np.full(len(ids), np.datetime64(time, "us")), pa.timestamp("us", "UTC")
                ),
                "slot": pa.array(np.full(len(ids), slot), pa.int32()),
                "chip_index_x": x.astype("uint16"),
                "chip_index_y": y.astype("uint16"),
                "chip_size": pa.array(np.full(len(ids), size), pa.int32()),
                "split": pa.array([None] * len(ids), pa.string()),
                "geometry": pa.array(outlines, pa.binary()),
            }
            parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def chosen(chips):
    return np.array(chips["split"].to_pylist(), object)


def by_chip(chips):
    return dict(zip(chips["chipid"].to_pylist(), chips["split"].to_pylist(), strict=True))


RULES = st.builds(
    lambda kind, size, buffer, seed: (
        splits.Blocks(size=size, buffer=buffer, seed=seed)
        if kind
        else splits.Each(buffer=buffer, seed=seed)
    ),
    st.booleans(),
    st.sampled_from([100_000.0, 50_000.0, 10_000.0]),
    st.sampled_from([0.0, 500.0, 2000.0, 15_000.0]),
    st.integers(0, 9),
)


@settings(max_examples=25, deadline=None)
@given(
    near=st.sampled_from([PARIS, BORDER, DATELINE, ARCTIC, EQUATOR]),
    keep=st.integers(1, 15),
    rule=RULES,
)
def test_nothing_leaks_and_nothing_is_left_out_without_need(near, keep, rule):
    tiles = [tile for bit, tile in enumerate(near) if keep >> bit & 1] or near
    chips = index(tiles)
    split = assign(chips, rule)  # which proves itself
    proposed = rule.propose(chips, places(chips))
    left_out = np.flatnonzero(chosen(split) == "")
    scarce = rule.plenty(list(rule.shares), [])
    assert (chosen(split)[chosen(split) != ""] == proposed[chosen(split) != ""]).all()
    for row in np.random.default_rng(0).permutation(left_out)[:3]:
        scarcer = scarce[: scarce.index(proposed[row])]
        tried = np.where(np.isin(proposed, scarcer), proposed, "")
        tried[row] = proposed[row]
        with pytest.raises(LeakError):
            assert_no_leak(chips.set_column(9, "split", pa.array(tried)), rule.buffer * 1.01)


@pytest.mark.parametrize(
    "rule", ["block:100km", "block:10km,buffer=2km", "hash", "hash:buffer=20km"]
)
@pytest.mark.parametrize(
    "chips",
    [
        lambda: pa.concat_tables([index(BORDER[:3]), index(["32ULV"], L8, 256)]),
        lambda: pa.concat_tables([index(["31UGQ"]), index(["h18v04", "h18v03"], MODIS, 64)]),
        lambda: index(["h00v09", "h35v09", "h35v10"], MODIS, 256),
        lambda: index(["h17v00", "h18v00"], MODIS, 256),
    ],
    ids=["sensors", "grids", "dateline", "pole"],
)
def test_sensors_grids_and_seams_are_kept_apart(chips, rule):
    split = assign(chips(), rule)
    assert_no_leak(split, parse(rule).buffer)
    assert len(set(chosen(split)) - {""}) > 1


def test_the_same_ground_is_in_the_same_split_in_every_tile_sensor_and_slot():
    times = ("2022-01-01", "2023-01-01")
    chips = pa.concat_tables(
        [index(["31UDQ", "31UEQ"], times=times), index(["31UDQ"], "sentinel-1-rtc", times=times)]
    )
    split = assign(chips, "block:10km")
    where = dict(zip(chips["chipid"].to_pylist(), chosen(split), strict=True))
    for chip in index(["31UDQ"])["chipid"].to_pylist():
        radar = chip.replace(S2, "sentinel-1-rtc")
        alike = {where[c] for c in (chip, radar, chip.replace("-0-1024", "-1-1024"))}
        assert len(alike) == 1
    assert len(places(chips)) == 2 * 121


def test_a_chips_split_does_not_depend_on_rows_or_on_tiles_that_come_later():
    rule = splits.Blocks(size=10_000, buffer=1000, seed=4)
    alone, together = index(PARIS[:1], size=256), index(PARIS, size=256)
    before, after = by_chip(assign(alone, rule)), by_chip(assign(together, rule))
    assert all(after[chip] in {split, ""} for chip, split in before.items())
    order = np.random.default_rng(1).permutation(len(together))
    assert by_chip(assign(together.take(order), rule)) == after
    assert by_chip(assign(together.take(order), rule)) != by_chip(assign(together, splits.Each()))
    again = splits.Blocks(size=10_000, buffer=1000, seed=5)
    assert by_chip(assign(together, again)) != after


def test_the_hash_is_the_same_on_every_machine():
    rule, chips = splits.Blocks(size=10_000, seed=0), index(["31UDQ"])
    corner = chips.slice(0, 1)  # its centre: 405,080 E, 5,494,900 N of the zone around 3° E
    assert rule.blocks(places(corner)) == ["block/10000/3/40/549"]
    assert fraction("0/block/10000/3/40/549") == 0.7115732348004605  # of its SHA-256
    letters = "".join(name[1] for name in chosen(assign(chips, rule))[:33])
    assert letters == "rrrrerrrrrarrrrrrrrrrrrrrrarrrrrr"


def test_shares_come_out_as_asked():
    shares = {"train": 0.7, "val": 0.2, "test": 0.1}
    chips = index(["31UDQ"], size=128)  # 7,396 places
    split = chosen(assign(chips, splits.Each(shares=shares, seed=3)))
    for name, share in shares.items():
        assert np.mean(split == name) == pytest.approx(share, abs=5 * (share / len(split)) ** 0.5)
    assert not (split == "").any()  # neighbours of one grid touch, and that is no leak


# By time, and from files.


def test_times_are_cut_and_the_ground_is_shared():
    times = ("2021-06-01", "2021-12-25", "2022-01-01", "2022-12-31", "2023-01-01")
    chips = index(["31UDQ"], times=times)
    split = dict(
        zip(
            chips["slot"].to_pylist(),
            chosen(assign(chips, "time:2022-01-01/2023-01-01")),
            strict=True,
        )
    )
    assert list(split.values()) == ["train", "train", "val", "val", "test"]
    gap = parse("time:2022-01-01,gap=10d,names=old/new")
    split = dict(zip(chips["slot"].to_pylist(), chosen(assign(chips, gap)), strict=True))
    assert list(split.values()) == ["old", "", "", "new", "new"]


@pytest.fixture
def four():
    """Chips of one tile, and the four of them in its north-west corner."""
    chips = index(["31UDQ"])
    return chips, [f"31UDQ-{S2}-0-1024-{x}-{y}" for x in (0, 1) for y in (0, 1)]


def test_a_file_names_chips(tmp_path, four):
    chips, names = four
    (tmp_path / "s.csv").write_text(
        "chipid,split\n" + "".join(f"{n},{k % 2}\n" for k, n in enumerate(names))
    )
    split = by_chip(assign(chips, f"file:{tmp_path / 's.csv'}"))
    assert [split[name] for name in names] == ["0", "1", "0", "1"]
    assert sum(value != "" for value in split.values()) == 4
    table = pa.table({"chipid": names, "split": ["a", "b", "a", "b"]})
    pa.parquet.write_table(table, tmp_path / "s,1.parquet")
    assert by_chip(assign(chips, f"file:{tmp_path / 's,1.parquet'}"))[names[1]] == "b"


def test_a_file_that_leaks_is_refused_unless_it_may_lose_chips(tmp_path):
    chips = index(["31UDQ", "31UEQ"])
    (tmp_path / "s.csv").write_text("tile,split\n31UDQ,train\n31UEQ,test\n")
    with pytest.raises(LeakError, match=r"31U[DE]Q-.* \((train|test)\) and 31U.* share ground"):
        assign(chips, f"file:{tmp_path / 's.csv'}")
    split = assign(chips, f"file:{tmp_path / 's.csv'},drop")
    assert {"train", "test", ""} == set(chosen(split))
    assert_no_leak(split)


def test_a_file_draws_areas(tmp_path, four):
    chips, names = four
    west, east = shapely.segmentize([shapely.box(1, 47, 2, 51), shapely.box(2, 47, 4, 51)], 0.02)
    areas = gpd.GeoDataFrame({"split": ["west", "east"]}, geometry=[west, east], crs="EPSG:4326")
    for ending in ("gpkg", "fgb"):
        areas.to_crs("EPSG:32631").to_file(tmp_path / f"s.{ending}")
        split = by_chip(assign(chips, f"file:{tmp_path}/s.{ending}"))
        assert {split[name] for name in names} == {"west"}
        assert set(split.values()) == {"west", "east"}
    areas.loc[2] = {"split": "test", "geometry": shapely.box(1, 48, 2, 49.7)}
    areas.to_file(tmp_path / "t.gpkg")
    with pytest.raises(QueryError, match="areas of two splits"):
        assign(chips, f"file:{tmp_path}/t.gpkg")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "chipid,fold\nx,1\n"),
        ("b.csv", "name,split\nx,1\n"),
        ("c.csv", "tile,split\n99XXX,train\n"),  # says nothing of these chips
        ("d.csv", "tile,split\n31UDQ,train\n31UDQ,test\n"),
        ("e.txt", "tile,split\n31UDQ,train\n"),
        ("f.gpkg", "no such thing"),
        ("g.parquet", "no such thing"),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(QueryError, match=name):
        assign(index(["31UDQ"]), f"file:{tmp_path / name}")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("block:100km,buffer=2km", splits.Blocks(buffer=2000.0)),
        ("block:2.5km", splits.Blocks(size=2500.0)),
        ("block", splits.Blocks()),
        ("hash", splits.Each()),
        ("hash:buffer=500m", splits.Each(buffer=500.0)),
        ("time:2022-01-01", splits.Times(cuts=("2022-01-01",), names=("train", "test"))),
        (
            "file:a,b.csv,buffer=2km,drop",
            splits.FromFile(path="a,b.csv", drops=True, buffer=2000.0),
        ),
    ],
)
def test_a_rule_is_told_by_a_text(text, rule):
    assert parse(text) == rule


def test_shares_and_seed_are_told_too():
    rule = parse("hash", shares="train=0.5,test=0.5", seed=7)
    assert rule == splits.Each(shares={"train": 0.5, "test": 0.5}, seed=7)


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("blocks:100km", ""),
        ("block:30km", ""),  # does not divide a square of MGRS
        ("block:200km", ""),
        ("block:ten", ""),
        ("block:10km,bufer=2km", ""),
        ("hash:5", ""),
        ("time:2023-01-01/2022-01-01", ""),
        ("time:2022-01-01,names=a", ""),
        ("file:", ""),
        ("hash", "train=0.8,val=0.1"),
        ("hash", "train=1.5,val=-0.5"),
        ("hash", "train"),
    ],
)
def test_what_is_no_rule_is_refused(text, shares):
    with pytest.raises(QueryError):
        parse(text, shares=shares)


# The proof by itself.


def halves(chips, test):
    split = np.where(test, "test", "train")
    return chips.set_column(chips.column_names.index("split"), "split", pa.array(split))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("31UDQ", S2, 1024), ("31UEQ", S2, 1024)),  # one zone
        (("31UGQ", S2, 1024), ("32ULV", S2, 1024)),  # two
        (("31UDQ", S2, 1024), ("31UDQ", L8, 512)),  # two sensors
        (("31UGQ", S2, 1024), ("h18v04", MODIS, 64)),  # two grids
        ((DATELINE[0], S2, 1024), (DATELINE[-1], S2, 1024)),
    ],
)
def test_the_proof_sees_shared_ground(one, other):
    ours, theirs = (index([tile], sensor, size) for tile, sensor, size in (one, other))
    chips = pa.concat_tables([ours, theirs])
    with pytest.raises(LeakError, match="share ground"):
        assert_no_leak(halves(chips, np.arange(len(chips)) < len(ours)))


@pytest.mark.parametrize("tile", ["31UDQ", DATELINE[0], "h18v04", "h10v02", "h17v00"])
def test_neighbours_of_one_grid_touch_and_that_is_no_leak(tile):
    chips = index([tile], MODIS, 256) if tile.startswith("h") else index([tile])
    board = (np.array(chips["chip_index_x"]) + np.array(chips["chip_index_y"])) % 2 == 0
    assert_no_leak(halves(chips, board))
    with pytest.raises(LeakError, match=r"lie|share"):
        assert_no_leak(halves(chips, board), 1.0)


@pytest.mark.parametrize("tile", ["31UDQ", "60KYD", "33XWM"])
def test_the_proof_measures_metres(tile):
    chips = index([tile])
    column = np.array(chips["chip_index_x"])
    apart = chips.filter(pa.array((column < 3) | (column > 4)))  # two chips of 10,240 m between
    split = halves(apart, np.array(apart["chip_index_x"]) > 4)
    assert_no_leak(split, 20_380)  # UTM is true to a thousandth
    with pytest.raises(LeakError, match=r"lie 20\d\d\d m apart"):
        assert_no_leak(split, 20_560)


def test_frames_are_split_like_tables():
    table = index(["31UDQ"])
    outlines = shapely.from_wkb(np.array(table["geometry"].to_pylist(), object))
    frame = gpd.GeoDataFrame(
        table.drop_columns("geometry").to_pandas(), geometry=outlines, crs="OGC:CRS84"
    )
    split = assign(frame, "block:10km,buffer=1km")
    assert isinstance(split, gpd.GeoDataFrame)
    assert split["split"].tolist() == chosen(assign(table, "block:10km,buffer=1km")).tolist()
    with pytest.raises(MismatchError, match="lon"):
        assert_no_leak(split.to_crs("EPSG:32631"))
    with pytest.raises(MismatchError, match="chip_size"):
        assign(table.drop_columns("chip_size"), "hash")


# Weights.


def some(**columns):
    count = len(next(iter(columns.values())))
    return pa.table({"chipid": [f"c{k}" for k in range(count)], **columns})


def test_groups_weigh_alike():
    chips = some(sensor=["a"] * 6 + ["b"] * 2, platform=["x", "y"] * 4)
    found = splits.weights(chips, "sensor")
    np.testing.assert_allclose(found, [1 / 12] * 6 + [1 / 4] * 2)
    both = splits.weights(chips, ["sensor", "platform"])
    assert both.sum() == pytest.approx(1)
    np.testing.assert_allclose(both, found)
    np.testing.assert_allclose(splits.weights(chips), 1 / 8)


def test_rare_classes_weigh_more():
    chips = some(
        class_tree=pa.array([1, 1, 1, 0.5, None], pa.float32()),
        class_moss=pa.array([0, 0, 0, 0.5, None], pa.float32()),
    )
    by_part = splits.weights(chips, "classes")  # trees, moss, and what is not known: a third each
    np.testing.assert_allclose(by_part, [2 / 21, 2 / 21, 2 / 21, 1 / 21 + 1 / 3, 1 / 3], rtol=1e-6)
    by_most = splits.weights(chips, "land_cover")  # a tie is the first class
    np.testing.assert_allclose(by_most, [1 / 8] * 4 + [1 / 2])


@given(
    st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=9)
)
def test_weights_are_a_distribution(parts):
    rows = [np.array(row, "float32") / max(sum(row), 1) for row in parts]
    columns = {f"class_{k}": [row[k] for row in rows] for k in range(3)}
    found = splits.weights(some(**columns), ["classes", "land_cover"])
    assert found.sum() == pytest.approx(1)
    assert (found > 0).all()


@settings(deadline=None)
@given(groups=st.lists(st.sampled_from("abc"), min_size=1, max_size=30), seed=st.integers(0, 5))
def test_repeats_make_groups_as_large_as_the_largest(groups, seed):
    chips = some(sensor=groups)
    found = splits.repeats(chips, seed=seed)
    sizes = [groups.count(group) for group in sorted(set(groups))]
    for group in set(groups):
        mine = found[np.array(groups) == group]
        assert mine.sum() == max(sizes)
        assert mine.max() - mine.min() <= 1
    order = np.random.default_rng(seed).permutation(len(groups))
    np.testing.assert_array_equal(splits.repeats(chips.take(order), seed=seed), found[order])


def test_another_epoch_repeats_others():
    chips = some(sensor=["a"] * 30 + ["b"] * 20)
    epochs = [splits.repeats(chips, epoch=epoch)[30:].tolist() for epoch in range(3)]
    assert len(set(map(tuple, epochs))) == 3


@pytest.mark.parametrize("balance", ["platform", "classes", "land_cover"])
def test_what_is_not_there_cannot_be_balanced(balance):
    with pytest.raises(MismatchError):
        splits.weights(some(sensor=["a"]), balance)
    with pytest.raises(MismatchError, match="No chips"):
        splits.repeats(some(sensor=pa.array([], pa.string())))
