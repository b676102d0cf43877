"""Clay's tables: the published rule on the published tiles, and on as many as the Earth has."""

import json
from itertools import pairwise

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.place import tiles
from cubestore_pipelines.sampling import clay_v01, clay_v1, split_highest, vector
from cubestore_pipelines.sampling.clay import SCRIPT_V1, V01, V1, shares
from cubestore_pipelines.sampling.worldcover import CLASSES

NAMES = list(CLASSES.values())
COLUMNS = ["count", *NAMES]

PUBLISHED = {
    "v1": [
        ("count", 400, 2000),
        ("Built-up", 300, 300),
        ("Built-up", 1000, 1500),
        ("Herbaceous wetland", 50, 500),
        ("Mangroves", 50, 500),
        ("Moss and lichen", 50, 500),
        ("Cropland", 800, 3600),
        ("Tree cover", 150, 750),
        ("Shrubland", 100, 500),
        ("Grassland", 200, 500),
        ("Bare / sparse vegetation", 50, 500),
        ("Snow and Ice", 25, 500),
        ("Permanent water bodies", 50, 1000),
    ],
    "v0.1": [
        ("count", 500, 3000),
        ("Built-up", 400, 400),
        ("Herbaceous wetland", 50, 500),
        ("Mangroves", 50, 500),
        ("Moss and lichen", 50, 500),
        ("Cropland", 100, 500),
        ("Tree cover", 100, 500),
        ("Shrubland", 50, 500),
        ("Grassland", 50, 500),
        ("Bare / sparse vegetation", 50, 500),
        ("Snow and Ice", 50, 500),
        ("Permanent water bodies", 100, 1000),
    ],
}
"""Class, number of tiles, from highest: Clay's release-notes/data_sampling.md."""


def earth(seed=0, count=20_000):
    """Return as many tiles as have land: each class is on some of them, and most have several."""
    rng = np.random.default_rng(seed)
    there = rng.random((count, len(NAMES))) < rng.uniform(0.1, 0.9, len(NAMES))
    there[:, 0] |= ~there.any(axis=1)
    pixels = np.ceil(rng.dirichlet(np.full(len(NAMES), 0.3), count) * 560_000).astype(int) * there
    pixels[:, 0] += pixels.sum(axis=1) == 0
    table = {"name": [f"{n:05}" for n in rng.permutation(count)], "count": (pixels > 0).sum(axis=1)}
    square = shapely.MultiPolygon([shapely.box(0, 0, 1, 1)])
    table |= dict(zip(NAMES, pixels.T, strict=True)) | {"geometry": [square] * count}
    return geopandas.GeoDataFrame(table, crs="EPSG:4326")


@pytest.fixture(scope="module")
def every():
    return earth()


@pytest.fixture(scope="module")
def published(shared_data):
    return geopandas.read_file(shared_data / "grids" / "clay_mgrs_sample.gpkg")


def by_the_rule(data, col, size, pool, seed=42):
    """Sort by the share of a class, take the highest, draw: the rule of the documentation."""
    return data.sort_values(col, ascending=False)[:pool].sample(size, random_state=seed)


@pytest.mark.parametrize("col", COLUMNS)
@pytest.mark.parametrize(("size", "pool"), [(50, 500), (100, 200), (7, 7)])
def test_the_rule_draws_the_same_of_the_published_tiles(published, col, size, pool):
    """Of equal values the rule leaves the order open, so each is there once here."""
    distinct = published.drop_duplicates(col)
    size, pool = min(size, len(distinct)), min(pool, len(distinct))
    ours = split_highest(distinct, col, size, pool)
    assert list(ours["name"]) == list(by_the_rule(distinct, col, size, pool)["name"])


@pytest.mark.parametrize(("col", "size", "pool"), PUBLISHED["v1"][1:])
def test_the_rule_draws_the_same_of_as_many_tiles_as_the_earth_has(every, col, size, pool):
    distinct = shares(every).drop_duplicates(col)
    ours = split_highest(distinct, col, size, pool)
    assert list(ours["name"]) == list(by_the_rule(distinct, col, size, pool)["name"])


@pytest.mark.parametrize(("rows", "table"), [(V1, "v1"), (V01, "v0.1")])
def test_the_tables_are_the_published_ones(rows, table):
    assert [(row.column, row.size, row.pool) for row in rows] == PUBLISHED[table]


def by_the_script(data, rows, seed):
    """Draw as scripts/landcover.py does: every row sorts the table that the last one sorted."""
    numbers = data[NAMES]
    data = data.assign(**numbers.div(numbers.sum(axis=1), axis=0))
    drawn = []
    for row in rows:
        data = data.sort_values(row.column, ascending=False)
        some = data[: row.pool].sample(min(row.size, len(data[: row.pool])), random_state=seed)
        drawn += [] if row.lost else [some]
    return list(pd.concat(drawn).drop_duplicates(subset=["name"])["name"])


@pytest.mark.parametrize("table", ["published", "every"])
@pytest.mark.parametrize(("draw", "rows", "seed"), [(clay_v1, SCRIPT_V1, 23), (clay_v01, V01, 42)])
def test_compat_draws_what_the_script_draws(request, table, draw, rows, seed):
    table = request.getfixturevalue(table)
    assert list(draw(table, compat="clay").tiles["name"]) == by_the_script(table, rows, seed)


def test_the_script_loses_a_row_and_draws_snow_from_fewer(every):
    told = [(row.column, row.wanted, row.pool) for row in clay_v1(every, compat="clay").rows]
    assert told == [
        *PUBLISHED["v1"][:1],
        *PUBLISHED["v1"][2:11],
        ("Snow and Ice", 25, 250),
        told[-1],
    ]


@pytest.mark.parametrize(
    ("draw", "rows"), [(clay_v1, PUBLISHED["v1"]), (clay_v01, PUBLISHED["v0.1"])]
)
def test_each_row_draws_its_number_from_the_highest_and_a_tile_counts_once(every, draw, rows):
    sample, table = draw(every), shares(every).set_index("name")
    names = list(sample.tiles["name"])
    assert len(names) == len(set(names)) == sum(row.new for row in sample.rows)
    assert [(r.column, r.drawn, r.pool) for r in sample.rows] == [(c, n, p) for c, n, p in rows]
    starts = np.cumsum([0, *(row.new for row in sample.rows)])
    for row, (start, stop) in zip(sample.rows, pairwise(starts), strict=True):
        least = table[row.column].sort_values(ascending=False).iloc[row.pool - 1]
        assert (table.loc[names[start:stop], row.column] >= least).all()
    highest = set(table["Built-up"].nlargest(300).index)
    assert highest <= set(names)


def test_drawn_tiles_keep_their_pixels_and_outlines(every):
    drawn = clay_v1(every).tiles.set_index("name")
    expected = every.set_index("name").loc[drawn.index]
    assert drawn.equals(expected)


@settings(max_examples=8, deadline=None)
@given(order=st.integers(0, 2**31), scale=st.sampled_from([1, 3, 2.0**-19]))
def test_neither_the_order_of_rows_nor_the_unit_of_shares_changes_a_sample(order, scale):
    table = earth(1, 900)
    shuffled = table.sample(frac=1, random_state=order)
    shuffled[NAMES] = shuffled[NAMES] * scale
    assert list(clay_v01(shuffled).tiles["name"]) == list(clay_v01(table).tiles["name"])


def test_a_seed_draws_the_same_again_and_another_does_not(every):
    samples = [set(clay_v1(every, seed=seed).tiles["name"]) for seed in (42, 42, 7)]
    assert samples[0] == samples[1] == set(clay_v1(every).tiles["name"])
    assert samples[0] != samples[2]


@pytest.mark.parametrize("ending", [".fgb", ".parquet"])
def test_a_sample_is_a_file_of_tiles_to_build(tmp_path, published, capsys, ending):
    statistics, output = tmp_path / f"statistics{ending}", tmp_path / f"tiles{ending}"
    vector.write(published, statistics)
    named = ["sample", "clay-v0.1", str(statistics), "--output", str(output)]
    assert main([*named, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(tiles(output)) == set(clay_v01(published).tiles["name"])
    assert told["tiles"] == len(tiles(output)) == sum(row["new"] for row in told["rows"])


def test_a_small_table_gives_what_it_has_and_the_program_says_so(tmp_path, published, capsys):
    vector.write(published, tmp_path / "statistics.fgb")
    output = str(tmp_path / "tiles.fgb")
    assert main(["sample", "clay-v1", str(tmp_path / "statistics.fgb"), "-o", output]) == 0
    assert "Built-up: 1000 tiles wanted, of which there are 936" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="Mangroves"), "has no column 'Mangroves'"),
        (lambda t: t.rename(columns={"name": "tile"}), "has no column 'name'"),
        (lambda t: t[:0], "has no tiles"),
        (lambda t: pd.concat([t, t[3:4]]), "row 10: tile .* is there twice"),
        (lambda t: t.assign(**dict.fromkeys(NAMES, 0)), "row 0: tile .* has no land cover"),
        (lambda t: t.assign(Cropland=[np.nan, *t["Cropland"][1:]]), "row 0: .* no land cover"),
        (lambda t: t.assign(Cropland=[1, -1, *t["Cropland"][2:]]), "row 1: .* no land cover"),
    ],
)
def test_what_is_no_table_of_statistics_is_refused_by_file_and_row(tmp_path, change, message):
    path = tmp_path / "statistics.parquet"
    change(earth(2, 10)).to_parquet(path)
    with pytest.raises(DatasetError, match=message) as refused:
        clay_v1(path)
    assert "statistics.parquet" in str(refused.value)


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "statistics.fgb").write_bytes(b"fgb")
    assert main(["sample", "clay-v1", str(tmp_path / "statistics.fgb")]) == 1
    said = capsys.readouterr().err
    assert "cannot be read" in said
    assert said.count("\n") == 1
