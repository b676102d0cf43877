"""Vectors of patch sets in other software's files: which patch a row is of, and where that lies."""

import json

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
import xarray as xr

import cubestore
from cubestore.embeddings import Embedding, patch_sets
from cubestore.embeddings.export import export_embeddings
from cubestore.embeddings.patch_sets import PatchEmbedding
from cubestore.errors import MismatchError, QueryError, UnknownPatchSetError
from cubestore.patches import Embedded, PatchDescription
from cubestore.patches.adding import adding
from tests.cubestore.patch_sets import NAME, patch_set

COUNT, SIDE = 6, 20
S2, S1 = "sentinel-2-l2a", "sentinel-1-rtc"
MADE = "2024-06-01T12:00:00Z"
OF = Embedding(
    model="rcf",
    creator="someone",
    preprocessing="none",
    pooling="mean",
    dimensions=4,
    chip_size=SIDE,
    loss_metric="mse",
)
SEASONS = (("season", 2),)


def filled(patches, embedding=OF, sensor=S2, seasons=SEASONS, gsd=10, **declared):
    """Give a set vectors, of which the third patch has none; return them."""
    wanted = PatchEmbedding(
        embedding=embedding, sensor=sensor, gsd=gsd, count=COUNT, seasons=seasons
    )
    shape = (COUNT, *(n for _, n in seasons), embedding.dimensions)
    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    values[2] = np.nan
    loss = {"loss": values[..., 0]} if embedding.loss_metric else {}
    with patch_sets.write(patches, wanted, created=MADE, **declared) as writer:
        writer.fill(range(COUNT), values, **loss)
    return values


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = cubestore.create_store(tmp_path_factory.mktemp("sets") / "store")
    return store, filled(patch_set(store, COUNT, size=SIDE))


@pytest.mark.parametrize("schema", ["v0.1", "v1", "vectors"])
def test_files_come_back_with_geopandas_and_plain_pyarrow(made, tmp_path, schema):
    store, values = made
    (done,) = export_embeddings(store, tmp_path / "out", patches=NAME, schema=schema)
    assert (done.patches, done.tile, done.sensor, done.rows) == (NAME, "", S2, 10)
    frame = gpd.read_parquet(done.path)
    column = frame["vector" if schema == "vectors" else "embeddings"]
    there = np.delete(values, 2, axis=0).reshape(-1, 4)
    assert sorted(np.stack(column).tolist()) == sorted(there.tolist())
    assert frame.crs == "OGC:CRS84"
    footer = pq.read_metadata(done.path)
    assert footer.row_group(0).column(0).compression == "ZSTD"
    emb = json.loads(footer.metadata[b"emb"])
    assert (emb["source_model"], emb["dimensions"], emb["gsd"]) == ("rcf", 4, 10)
    assert emb["chip_layout"] == {"layout_type": "irregular", "chip_size": [SIDE, SIDE]}
    geo = json.loads(footer.metadata[b"geo"])
    assert geo["version"] == ("1.0.0" if schema == "v0.1" else "1.1.0")
    np.testing.assert_allclose(geo["columns"]["geometry"]["bbox"], frame.total_bounds, atol=1e-12)


def test_columns_and_types_are_those_of_cubes_but_for_the_place(made, tmp_path, cube_files):
    store, _ = made
    for schema, place in (("v0.1", []), ("v1", []), ("vectors", ["patches", "patch_id", "split"])):
        (done,) = export_embeddings(store, tmp_path, patches="all", schema=schema)
        ours, cubes = (pq.read_schema(path) for path in (done.path, cube_files[schema]))
        kept = [field for field in ours if field.name not in place]
        assert kept == [field for field in cubes if field.name != "tile"]


@pytest.fixture(scope="module")
def cube_files(tmp_path_factory):
    """A file of each schema with the vectors of a cube."""
    folder = tmp_path_factory.mktemp("cube")
    store = cubestore.create_store(folder / "store")
    cube = store.create_cube("31UDQ", "landsat-c2-l2")
    slot = cubestore.Slot(time=MADE, item_id="a", shards=((0, 0),))
    with cube.write() as writer:
        writer.append([slot], [])
    embedding = Embedding(model="rcf", preprocessing="none", pooling="mean", dimensions=4)
    with cubestore.embeddings.write(cube, embedding) as writer:
        writer.fill(0, np.ones((15, 15, 4), "float32"), commit=1)
    schemas = ("v0.1", "v1", "vectors")
    return {s: export_embeddings(store, folder, schema=s)[0].path for s in schemas}


def test_every_row_names_its_patch_and_tells_of_its_acquisition(made, tmp_path):
    store, values = made
    data = xr.open_zarr(store.patches(NAME).path, chunks=None)
    (done,) = export_embeddings(store, tmp_path, patches=NAME, schema="vectors")
    assert done.path == str(tmp_path / "noise-train-embedding_rcf-vectors.parquet")
    for row in pq.read_table(done.path).to_pylist():
        season, number = "ab".index(row["item_id"][0]), int(row["item_id"][2:])
        assert row["id"] == f"{NAME}/patch-{number:04d}-{season}"
        assert (row["patches"], row["patch_id"]) == (NAME, f"patch-{number:04d}")
        assert row["split"] == data.split.values[number]
        assert row["sensor"] == S2
        assert np.datetime64(row["time"].replace(tzinfo=None)) == data.time.values[number, season]
        assert row["vector"] == values[number, season].tolist()
        assert (row["longitude"], row["latitude"]) == (
            data.longitude.values[number],
            data.latitude.values[number],
        )


def test_clays_schemas_tell_the_patch_in_their_own_columns(made, tmp_path):
    store, values = made
    (first,) = export_embeddings(store, tmp_path, patches=NAME, schema="v0.1", version=3)
    assert first.path == str(tmp_path / "noise-train_20200101_20200704_v003.gpq")
    for row in pq.read_table(first.path).to_pylist():
        number, season = divmod(row["index"], 2)  # acquisitions of the set, patch by patch
        assert row["embeddings"] == values[number, season].tolist()
        day = np.datetime64("2020-01-01") + number + 180 * season
        assert row["date"] == day.astype(object)
    (second,) = export_embeddings(store, tmp_path, patches=NAME, schema="v1")
    rows = pq.read_table(second.path).to_pylist()
    by_vector = {tuple(values[n, s].tolist()): (n, s) for n in range(COUNT) for s in range(2)}
    for row in rows:
        number, season = by_vector[tuple(row["embeddings"])]
        name = f"{NAME}/patch-{number:04d}-{season}-rcf"
        assert row["universal_class_identifier"] == name
        assert str(row["date"]) == "2024-06-01"  # when the embedding was made
        assert row["loss"] == row["embeddings"][0]
        assert (row["loss_metric"], row["source_creator"]) == ("mse", "someone")


def outline(number, first, end):
    """The outline of a patch's pixels, by pyproj alone."""
    there = pyproj.Transformer.from_crs(f"EPSG:{32631 + number % 2}", "OGC:CRS84", always_xy=True)
    left, top = 500_000 + number, 5_000_000
    box = shapely.box(left + 10 * first, top - 10 * end, left + 10 * end, top - 10 * first)
    return shapely.transform(box, there.transform, interleaved=False)


@pytest.fixture(scope="module")
def placed(tmp_path_factory):
    """A set without vectors yet."""
    store = cubestore.create_store(tmp_path_factory.mktemp("placed") / "store")
    return patch_set(store, COUNT, size=SIDE)


@pytest.mark.parametrize(
    ("sensor", "size", "seasons", "first", "end"),
    [
        (S2, SIDE, SEASONS, 0, 20),  # the whole patch
        (S2, 8, SEASONS, 6, 14),  # its middle
        (S2, 32, SEASONS, 0, 20),  # the patch, with nodata around
        (S1, SIDE // 2, (), 0, 20),  # ten of its pixels, of 20 m, are the patch too
        (S1, 4, (), 6, 14),
    ],
)
def test_a_row_lies_where_its_pixels_do(placed, tmp_path, sensor, size, seasons, first, end):
    model = f"m-{sensor}-{size}"
    embedding = Embedding(
        model=model, preprocessing="none", pooling="mean", dimensions=4, chip_size=size
    )
    filled(placed, embedding, sensor=sensor, seasons=seasons)
    which = {"model": model, "patches": NAME}
    (done,) = export_embeddings(placed.store, tmp_path, schema="vectors", **which)
    rows = pq.read_table(done.path).to_pylist()
    assert len(rows) == 5 * (2 if seasons else 1)
    for row in rows:
        expected = outline(int(row["patch_id"][-4:]), first, end)
        found = shapely.from_wkb(row["geometry"])
        assert shapely.hausdorff_distance(found, expected) < 1e-9
        assert found.exterior.is_ccw
        assert tuple(row["bbox"].values()) == found.bounds
        assert row["platform"] is None  # the set says nothing of it


def alone(store, name="noise/vectors", **columns):
    """A set of vectors alone, as somebody publishes it."""
    embedding = Embedding(
        model="m", preprocessing="none", pooling="cls", dimensions=3, chip_size=100
    )
    count = len(columns["longitude"])
    told = Embedded(embedding=embedding, sensor="sentinel-2-l2a dem", gsd=10.0)
    description = PatchDescription(
        name=name, title="V", embeddings=(told,), attribution="nobody", license="CC0-1.0"
    )
    values = np.arange(3 * count, dtype="float32").reshape(count, 3)
    with store.create_patches(description) as writer:
        writer.append(
            {"embedding_m": values}, {"patch_id": [f"p{n}" for n in range(count)], **columns}
        )
    return store.patches(name)


def test_a_patch_whose_grid_nobody_knows_is_a_square_around_its_middle(store, tmp_path):
    alone(store, longitude=[3.0, 179.999], latitude=[50.0, -17.0])
    (done,) = export_embeddings(store, tmp_path, patches="all", schema="v0.1")
    assert done.path.endswith("/noise-vectors_v001.gpq")  # nor its day
    table, frame = pq.read_table(done.path), gpd.read_parquet(done.path)
    assert table["date"].null_count == table["source_url"].null_count == 2
    of = dict(zip(frame["index"], frame.geometry, strict=True))
    for at, square in ((3.0, of[0]), (179.999, of[1])):
        parts = shapely.get_parts(square)
        geod = pyproj.Geod(ellps="WGS84")
        area = sum(geod.geometry_area_perimeter(part)[0] for part in parts)
        assert area == pytest.approx(1000**2, rel=1e-3)  # 100 pixels of 10 m, counter-clockwise
        assert len(parts) == (2 if at > 100 else 1)  # cut at the antimeridian
    metadata = json.loads(pq.read_metadata(done.path).metadata[b"geo"])
    column = metadata["columns"]["geometry"]
    assert set(column["geometry_types"]) == {"Polygon", "MultiPolygon"}
    west, _, east, _ = column["bbox"]
    assert 2.9 < west < 3
    assert -180 < east < -179.9
    (done,) = export_embeddings(store, tmp_path, patches="all", schema="v1")
    assert pq.read_table(done.path)["date"].null_count == 2  # they came with the set


@pytest.mark.parametrize(
    ("step", "corner"),
    [
        (-1e-4, (3.01, 49.99)),
        (1e-4, (3.01, 50.01)),  # rows count from the south
    ],
)
def test_a_grid_may_be_of_degrees_and_upside_down(store, tmp_path, step, corner):
    grid = {"crs": ["EPSG:4326"], "transform": [[1e-4, 0, 3.0, 0, step, 50.0]]}
    alone(store, longitude=[3.005], latitude=[50.0], **grid)
    (done,) = export_embeddings(store, tmp_path, patches="all")
    (outline,) = gpd.read_parquet(done.path).geometry
    assert outline.exterior.is_ccw
    expected = shapely.box(*shapely.MultiPoint([(3.0, 50.0), corner]).bounds)
    assert shapely.hausdorff_distance(outline, expected) < 1e-9


def test_a_file_of_patches_on_both_meridians_reaches_all_round(store, tmp_path):
    alone(store, longitude=[179.999, 0.0, -50.0], latitude=[-17.0, 50.0, 10.0])
    (done,) = export_embeddings(store, tmp_path, patches="all")
    column = json.loads(pq.read_metadata(done.path).metadata[b"geo"])["columns"]["geometry"]
    assert column["bbox"][::2] == [-180, 180]


def test_rows_lie_along_a_hilbert_curve_whatever_their_order_in_the_set(store, tmp_path):
    side, step = 8, 360 / 2**15
    places = np.random.default_rng(1).permutation(side**2)
    lon = -180 + (16000 + places % side + 0.5) * step  # a square of the curve's own
    lat = 90 - (4000 + places // side + 0.5) * step
    alone(store, longitude=lon, latitude=lat)
    (done,) = export_embeddings(store, tmp_path, patches="all", schema="vectors")
    table = pq.read_table(done.path)
    steps = np.abs(np.diff(table["longitude"])) + np.abs(np.diff(table["latitude"]))
    np.testing.assert_allclose(steps, step)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ({"datetime": "2020-05/2021"}, {f"patch-{n:04d}-1" for n in (0, 1, 3, 4, 5)}),
        (
            {"bbox": (3.0, 49.0, 3.0015, 51.0)},
            {f"patch-000{n}-{s}" for n in (0, 1) for s in (0, 1)},
        ),
        ({"split": "val"}, {f"patch-000{n}-{s}" for n in (0, 4) for s in (0, 1)}),
        ({"split": "test"}, set()),  # no file either
    ],
)
def test_filters_choose_what_is_written(made, tmp_path, words, kept):
    store, _ = made
    done = export_embeddings(store, tmp_path, patches=NAME, schema="vectors", **words)
    ids = [name for one in done for name in pq.read_table(one.path)["id"].to_pylist()]
    assert sorted(ids) == sorted(f"{NAME}/{name}" for name in kept)


def dense_only(store):
    """A set with vectors of parts of patches, and none of whole ones."""
    embedding = Embedding(
        model="rcf", preprocessing="none", pooling="mean", dimensions=4, chip_size=20, patch_size=4
    )
    wanted = PatchEmbedding(embedding=embedding, sensor=S2, gsd=10, count=COUNT, seasons=SEASONS)
    with adding(patch_set(store, COUNT, name="noise/dense")) as adder:
        adder.declare(wanted.variables[:1], dict([embedding.features()]))


@pytest.mark.parametrize(
    ("words", "error", "problem"),
    [
        ({"patches": "noise/none"}, UnknownPatchSetError, "no patch set noise/none"),
        ({"patches": NAME, "model": "clay"}, MismatchError, "without embeddings of clay.*_rcf"),
        ({"patches": [NAME, "noise/bare"]}, MismatchError, "^noise/bare without embeddings"),
        ({"patches": "noise/dense"}, MismatchError, "of parts of patches: embedding_rcf_dense"),
        ({"patches": NAME, "model": "embedding_rcf_dense"}, MismatchError, "without embeddings of"),
        ({"patches": NAME, "tile": "31UDQ"}, QueryError, "Patches by tile.*bbox, datetime, split"),
        ({"patches": NAME, "schema": "v2"}, QueryError, "Schema v2"),
        ({"patches": NAME, "bbox": (1, 2)}, QueryError, "A bbox"),
        ({"patches": NAME, "datetime": "then"}, QueryError, "The datetime 'then'"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is(several, tmp_path, words, error, problem):
    with pytest.raises(error, match=problem):
        export_embeddings(several, tmp_path / "out", **words)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A set with vectors, one without any, and one with those of parts alone."""
    store = cubestore.create_store(tmp_path_factory.mktemp("several") / "store")
    filled(patch_set(store, COUNT, size=SIDE))
    patch_set(store, COUNT, name="noise/bare")
    dense_only(store)
    return store


def test_every_set_that_has_vectors_gets_a_file_and_models_are_told_apart(store, tmp_path):
    for name in (NAME, "noise/test"):
        filled(patch_set(store, COUNT, name=name))
    done = export_embeddings(store, tmp_path, patches="all")
    assert [one.patches for one in done] == ["noise/test", NAME]
    other = Embedding(model="m", preprocessing="none", pooling="cls", dimensions=2, chip_size=20)
    filled(store.patches(NAME), other)
    with pytest.raises(QueryError, match="embedding_m, embedding_rcf"):
        export_embeddings(store, tmp_path, patches=NAME)
    assert len(export_embeddings(store, tmp_path, patches="all", model="m")) == 1


def test_sets_whose_files_would_be_called_the_same_are_refused(store, tmp_path):
    for name in ("a-b/c", "a/b-c"):
        alone(store, name, longitude=[3.0], latitude=[50.0])
    with pytest.raises(QueryError, match="would be called a-b-c"):
        export_embeddings(store, tmp_path / "out", patches="all")
    assert not (tmp_path / "out").exists()
    assert len(export_embeddings(store, tmp_path / "out", patches="a/b-c")) == 1


def test_integers_are_written_as_the_numbers_they_stand_for(store, tmp_path):
    embedding = Embedding(
        model="rcf",
        preprocessing="none",
        pooling="mean",
        dimensions=4,
        chip_size=SIDE,
        dtype="int8",
        scale=0.5,
    )
    values = filled(patch_set(store, COUNT, size=SIDE), embedding)
    (done,) = export_embeddings(store, tmp_path, patches=NAME, schema="v0.1")
    for row in pq.read_table(done.path).to_pylist():
        stored = np.rint(values[divmod(row["index"], 2)] / 0.5) * 0.5
        assert row["embeddings"] == stored.tolist()
