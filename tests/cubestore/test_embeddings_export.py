"""Embeddings in other software's files: columns, types, order, footer, and what comes back."""

import json
from dataclasses import replace

import duckdb
import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

import cubestore
from cubestore import embeddings
from cubestore.embeddings import Embedding
from cubestore.embeddings.export import content as module
from cubestore.embeddings.export import export_embeddings
from cubestore.errors import MismatchError, QueryError

CLAY = Embedding(
    model="clay-v1.5",
    creator="Clay",
    weights_sha256="ab" * 32,
    preprocessing="z-scores",
    pooling="cls",
    dimensions=8,
    loss_metric="mse",
)
URL = "https://example.org/scene.tif"
DAYS = ("2024-03-09T10:50:31Z", "2024-01-10T10:50:31Z")  # they arrive against the order of time
SCHEMAS = ["v0.1", "v1", "vectors"]


@pytest.fixture
def made(store):
    """A Landsat cube of two slots, and the vectors and losses of each; two rows lack theirs."""
    cube = store.create_cube("31UDQ", "landsat-c2-l2")
    known = {"platform": "landsat-8", "shards": ((0, 0),)}
    slots = [cubestore.Slot(time=t, item_id=f"i{k}", **known) for k, t in enumerate(DAYS)]
    with cube.write() as writer:
        writer.append([replace(slots[0], source_url=URL), slots[1]], [])
    values = np.random.default_rng(0).normal(size=(2, 15, 15, 8)).astype("float32")
    values[:, :2] = np.nan
    for slot in range(2):
        with embeddings.write(cube, CLAY, created="2024-06-01T12:00:00Z") as writer:
            writer.fill(slot, values[slot], commit=1, loss=values[slot][..., 0])
    return store, values


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_come_back_with_geopandas_and_plain_pyarrow(made, tmp_path, schema):
    store, values = made
    (done,) = export_embeddings(store, tmp_path / "out", schema=schema)
    table, frame = pq.read_table(done.path), gpd.read_parquet(done.path)
    assert (done.rows, len(table), len(frame)) == (2 * 13 * 15,) * 3
    assert frame.crs == "OGC:CRS84"
    column = frame["vector" if schema == "vectors" else "embeddings"]
    expected = sorted(values[:, 2:].reshape(-1, 8).tolist())
    assert sorted(np.stack(column).tolist()) == expected
    chips = cubestore.nearest(store, vector=np.ones(8), k=1000)
    assert set(frame.geometry.to_wkb()) == set(chips.geometry.to_wkb())
    footer = pq.read_metadata(done.path)
    assert footer.row_group(0).column(0).compression == "ZSTD"
    emb = json.loads(footer.metadata[b"emb"])
    assert (emb["source_model"], emb["dimensions"], emb["gsd"]) == ("clay-v1.5", 8, 30)
    geo = json.loads(footer.metadata[b"geo"])
    assert geo["version"] == ("1.0.0" if schema == "v0.1" else "1.1.0")
    np.testing.assert_allclose(geo["columns"]["geometry"]["bbox"], frame.total_bounds, atol=1e-12)


def test_clays_first_schema_is_that_of_the_published_file(made, tmp_path, shared_data):
    store, _ = made
    (done,) = export_embeddings(store, tmp_path, schema="v0.1", version=2)
    assert done.path.endswith("/31UDQ_20240110_20240309_v002.gpq")
    (published,) = (shared_data / "embeddings" / "clay_v0").glob("*.gpq")
    ours, theirs = (pq.read_schema(p).remove_metadata() for p in (done.path, published))
    assert ours == theirs
    assert pq.ParquetFile(done.path).schema.equals(pq.ParquetFile(published).schema)
    mine, geo = (json.loads(pq.read_metadata(p).metadata[b"geo"]) for p in (done.path, published))
    column, known = (told["columns"]["geometry"] for told in (mine, geo))
    assert mine["version"] == geo["version"]
    for name in ("encoding", "geometry_types"):
        assert column[name] == known[name]
    assert column["crs"]["id"] == known["crs"]["id"]


def test_clays_first_schema_tells_of_the_picture(made, tmp_path):
    store, _ = made
    (done,) = export_embeddings(store, tmp_path, schema="v0.1")
    table = pq.read_table(done.path)
    assert table["index"].to_pylist() == list(range(390))
    days = np.array(table["date"].to_pylist(), "M8[D]")
    assert days[:2].astype(str).tolist() == ["2024-01-10", "2024-03-09"]  # in time at each place
    urls = np.array(table["source_url"].to_pylist(), object)
    assert set(urls[days == np.datetime64("2024-03-09")]) == {URL}
    assert set(urls[days != np.datetime64("2024-03-09")]) == {None}  # nobody knows


def test_clays_proposed_schema_tells_of_the_model(made, tmp_path):
    store, _ = made
    (done,) = export_embeddings(store, tmp_path, schema="v1")
    table = pq.read_table(done.path)
    assert [(f.name, str(f.type)) for f in table.schema][:7] == [
        ("universal_class_identifier", "string"),
        ("source_url", "string"),
        ("date", "date32[day]"),
        ("source_model", "string"),
        ("loss", "float"),
        ("loss_metric", "string"),
        ("source_creator", "string"),
    ]
    assert table.schema.names[7:] == ["embeddings", "geometry", "bbox"]
    row = table.to_pylist()[0]
    assert row["universal_class_identifier"].startswith("31UDQ-landsat-c2-l2-landsat-8-20240110T")
    assert row["universal_class_identifier"].endswith("-clay-v1.5")
    assert str(row["date"]) == "2024-06-01"  # when the embedding was made
    assert (row["source_model"], row["loss_metric"], row["source_creator"]) == (
        "clay-v1.5",
        "mse",
        "Clay",
    )
    for one in table.to_pylist():
        assert one["loss"] == one["embeddings"][0]


def test_a_model_without_a_loss_has_none(made, tmp_path):
    store, values = made
    cube = store.cube("31UDQ", "landsat-c2-l2")
    with embeddings.write(cube, replace(CLAY, model="rcf", loss_metric="", creator="")) as writer:
        writer.fill(0, values[0], commit=1)
    (done,) = export_embeddings(store, tmp_path, schema="v1", model="rcf")
    table = pq.read_table(done.path)
    for name in ("loss", "loss_metric", "source_creator"):
        assert table[name].null_count == len(table) == 195


def test_databases_of_vectors_get_vectors_of_fixed_length(made, tmp_path):
    store, values = made
    (done,) = export_embeddings(store, tmp_path, schema="vectors")
    assert pq.read_schema(done.path).field("vector").type == pa.list_(pa.float32(), 8)
    asked = values[0, 5, 6].tolist()
    near = "array_distance(vector::float[8], $asked::float[8])"
    query = f"select id, bbox.xmin from read_parquet($path) order by {near} limit 3"  # noqa: S608 - ours
    found = duckdb.sql(query, params={"path": done.path, "asked": asked}).fetchall()
    ours = cubestore.nearest(store, vector=asked, metric="l2", k=3)
    assert [one for one, _ in found] == ours.chipid.tolist()
    np.testing.assert_allclose([west for _, west in found], ours.bounds.minx)


def test_rows_lie_along_a_hilbert_curve(made, tmp_path):
    store, _ = made
    (done,) = export_embeddings(store, tmp_path, schema="v1", datetime="2024-03")
    centres = gpd.read_parquet(done.path).to_crs(32631).centroid
    steps = np.hypot(np.diff(centres.x), np.diff(centres.y)) / (256 * 30)
    assert np.median(steps) == pytest.approx(1, abs=0.01)
    assert len(steps) == 194


def test_groups_of_rows_are_bounded(made, tmp_path, monkeypatch):
    store, _ = made
    monkeypatch.setattr(module, "GROUP", 100 * 8 * 4)
    (done,) = export_embeddings(store, tmp_path, schema="v0.1")
    assert pq.read_metadata(done.path).num_row_groups == 4
    assert pq.read_table(done.path)["index"].to_pylist() == list(range(390))
    assert pq.read_table(done.path).schema.metadata.keys() >= {b"geo", b"emb"}


def test_filters_choose_what_is_written(made, tmp_path):
    store, _ = made
    box = (2.0, 49.0, 2.2, 49.2)
    (done,) = export_embeddings(store, tmp_path, bbox=box, datetime="2024-01")
    frame = gpd.read_parquet(done.path)
    assert len(frame) > 0
    assert frame.envelope.intersects(shapely.box(*box)).all()
    assert export_embeddings(store, tmp_path, datetime="2025") == []
    assert export_embeddings(store, tmp_path, bbox=(100, 0, 101, 1)) == []


@pytest.mark.parametrize(
    ("words", "error", "problem"),
    [
        ({"schema": "v2"}, QueryError, "Schema v2"),
        ({"version": 1000}, QueryError, "version 1000"),
        ({"model": "other"}, MismatchError, "no embeddings of other"),
        ({"tile": "31UEQ"}, MismatchError, "no embeddings"),
        ({"bbox": (1, 2)}, QueryError, "A bbox"),
        ({"cloudy": 1}, QueryError, "cloudy"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is(made, tmp_path, words, error, problem):
    store, _ = made
    with pytest.raises(error, match=problem):
        export_embeddings(store, tmp_path / "out", **words)
    assert not list(tmp_path.glob("out/*"))


def test_sensors_that_would_get_the_same_name_are_refused(made, tmp_path):
    store, _ = made
    cube = store.create_cube("31UDQ", "sentinel-2-l2a")
    with embeddings.write(cube, CLAY):
        pass
    with pytest.raises(QueryError, match="landsat-c2-l2, sentinel-2-l2a"):
        export_embeddings(store, tmp_path, schema="v0.1")
    assert len(export_embeddings(store, tmp_path, schema="v0.1", sensor="landsat-c2-l2")) == 1
