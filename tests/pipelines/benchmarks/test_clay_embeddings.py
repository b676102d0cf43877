"""Clay's embeddings: the published file, files made in its shape, and files that are not."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cubestore
from cubestore import embeddings, grids
from cubestore.embeddings.export import export_embeddings
from cubestore.errors import CubeExistsError, MismatchError
from cubestore_pipelines.benchmarks.clay_embeddings import import_clay_embeddings
from cubestore_pipelines.benchmarks.clay_embeddings.squares import squares
from cubestore_pipelines.errors import DatasetError

PROGRAM = Path(sys.executable).with_name("cubestore")
NAME = "31UDQ_20230601_20230630_v001.gpq"
CRS84 = json.loads(pyproj.CRS("OGC:CRS84").to_json())
URL = "s3://clay-tiles-02/02/31UDQ/2023-06-10/claytile_31UDQ_20230610_v02_0001.tif"
SLOT_URL = "https://archive.example/S2B_31UDQ_20230610.json"
TILE = cubestore.tile("31UDQ")


def square(column, row, *, size=512, off=-5.0, tile=TILE):
    """Return a chip's outline in degrees; Clay's lie 5 m off the tile's grid, to the north-west."""
    left, top = tile.bounds.left + off + column * size * 10, tile.bounds.top - off - row * size * 10
    box = shapely.box(left, top - size * 10, left + size * 10, top)
    there = pyproj.Transformer.from_crs(str(tile.crs), "OGC:CRS84", always_xy=True)
    return shapely.transform(box, there.transform, interleaved=False)


def table(count=4, **columns):
    """Return rows as they were published; some columns may be others, or None: left out."""
    numbers = np.arange(count)
    vectors = np.random.default_rng(0).normal(size=(count, 768)).astype("float32")
    held = {
        "index": pa.array(numbers),
        "source_url": pa.array([URL] * count),
        "date": pa.array([date(2023, 6, 10)] * count),
        "embeddings": pa.array(list(vectors), pa.list_(pa.float32())),
        "geometry": pa.array([shapely.to_wkb(square(n, 1)) for n in numbers]),
    }
    return pa.table({n: v for n, v in {**held, **columns}.items() if v is not None})


def written(folder, rows, *, name=NAME, crs=CRS84, geo=True):
    """Write a file."""
    told = {"version": "1.0.0", "primary_column": "geometry"}
    told["columns"] = {"geometry": {"encoding": "WKB", "crs": crs, "geometry_types": ["Polygon"]}}
    made = rows.replace_schema_metadata({"geo": json.dumps(told)} if geo else {})
    folder.mkdir(exist_ok=True)
    pq.write_table(made, folder / name, compression="zstd")
    return folder / name


def vectors_of(rows):
    return np.stack(rows.column("embeddings").to_pylist()).astype("float32")


def test_the_published_file_becomes_a_patch_set(shared_data, tmp_path):
    source = shared_data / "embeddings/clay_v0"
    (file,) = source.glob("*.gpq")
    command = [PROGRAM, "import", "clay-embeddings", source, tmp_path / "store", "--json"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    (told,) = json.loads(done.stdout)["sets"]
    assert (told["name"], told["patches"]) == ("clay-embeddings/clay_v0", 250)
    published = pq.read_table(file)
    made = cubestore.open_store(tmp_path / "store").patches(told["name"])
    opened = xr.open_zarr(made.path, chunks=None)
    stored = opened.embedding_clay_v0_1
    np.testing.assert_array_equal(stored.values, vectors_of(published))
    assert opened.source_url.values.tolist() == published.column("source_url").to_pylist()
    assert opened.chip_index.values.tolist() == published.column("index").to_pylist()
    days = [str(day) for day in published.column("date").to_pylist()]
    assert np.datetime_as_string(opened.time.values.astype("M8[D]")).tolist() == days
    assert (stored.source_model, stored.pooling, stored.chip_size) == ("clay-v0.1", "mean", 512)
    assert set(opened.crs.values.tolist()) == {"EPSG:32603"}
    assert not made.verify().findings
    outlines = shapely.from_wkb(published.column("geometry").to_pylist())
    there = pyproj.Transformer.from_crs("EPSG:32603", "OGC:CRS84", always_xy=True)
    for outline, (a, _, left, _, e, top) in zip(outlines, opened.transform.values, strict=True):
        box = shapely.box(left, top + 512 * e, left + 512 * a, top)
        back = shapely.transform(box, there.transform, interleaved=False)
        assert shapely.hausdorff_distance(back, outline) < 1e-9
    middles = shapely.get_coordinates(shapely.centroid(outlines))
    np.testing.assert_allclose(middles, np.stack([opened.longitude, opened.latitude], 1), atol=2e-3)
    offset = (opened.transform.values[:, 2] - cubestore.tile("03WVN").bounds.left) % 5120
    assert set(offset) == {5115.0}  # half a pixel off the tile's grid
    given_back(tmp_path, published)


def given_back(folder, published):
    """Export the set in the schema in which it was published: its rows are the same."""
    name = "clay-embeddings/clay_v0"
    (file,) = export_embeddings(folder / "store", folder / "out", patches=name, schema="v0.1")
    assert file.path.endswith("/clay-embeddings-clay_v0_20220610_20220610_v001.gpq")
    ours = pq.read_table(file.path)
    assert ours.schema.remove_metadata() == published.schema.remove_metadata()
    ours = ours.sort_by("index")
    for name in ("index", "source_url", "date", "embeddings"):
        assert ours[name].to_pylist() == published[name].to_pylist()
    outlines = [shapely.from_wkb(table["geometry"].to_pylist()) for table in (ours, published)]
    assert shapely.hausdorff_distance(*outlines).max() < 1e-9


def test_a_folder_becomes_one_set_and_a_second_import_changes_nothing(tmp_path):
    rows = table()
    folder = tmp_path / "of June"
    written(folder, rows)
    second = table(index=pa.array([7, 3, 5, 4], pa.int64()))
    written(folder, second, name="31UDQ_20230610_20230610_v001_part-2.gpq")
    (folder / "readme.txt").write_text("of no account")
    store = tmp_path / "store"
    (made,) = import_clay_embeddings(folder, store)
    assert (made.name, made.patches) == ("clay-embeddings/of-June", 8)
    held = cubestore.open_store(store).patches(made.name)
    before = held.root()
    assert import_clay_embeddings(folder, store) == [made]
    assert held.root() == before
    ids = held.open().patch_id.values.tolist()
    assert ids[0] == "31UDQ_20230601_20230630_v001-0"
    assert ids[-1] == "31UDQ_20230610_20230610_v001_part-2-4"
    written(folder, second.slice(0, 2), name="31UDQ_20230610_20230610_v001_part-2.gpq")
    with pytest.raises(CubeExistsError, match="made from other files or with other options"):
        import_clay_embeddings(folder, store)
    assert import_clay_embeddings(folder, store, name="clay/again")[0].patches == 6


def without(name):
    return lambda: table(**{name: None})


def with_row(name, row, value):
    """Return a table of which one row has another value."""

    def make():
        values = table().column(name).to_pylist()
        values[row] = value
        return table(**{name: pa.array(values, table().schema.field(name).type)})

    return make


HALF = shapely.to_wkb(shapely.box(2.0, 48.0, 2.1, 48.1))
LINE = shapely.to_wkb(shapely.LineString([(2, 48), (3, 49)]))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (without("embeddings"), "no column embeddings among index, source_url, date, geometry"),
        (without("source_url"), "no column source_url"),
        (without("date"), "no column date"),
        (without("geometry"), "no column geometry"),
        (with_row("embeddings", 2, [0.5] * 767), "row 2: a vector of 767 numbers. Expected: 768"),
        (with_row("embeddings", 1, [0.5] * 16 * 16), "row 1: a vector of 256 numbers"),
        (with_row("embeddings", 3, [np.nan] * 768), "row 3: a vector that is not finite"),
        (with_row("embeddings", 0, None), "row 0: no embeddings"),
        (with_row("date", 1, date(2023, 7, 1)), "row 1: its date 2023-07-01. Expected: a day from"),
        (with_row("source_url", 2, None), "row 2: no source_url"),
        (with_row("source_url", 2, URL + "?sig=abc"), "index 2: a source_url with a query"),
        (with_row("index", 3, 1), "row 3: its index stands there before"),
        (with_row("geometry", 1, HALF), "row 1: its geometry. Expected: a square of whole pixels"),
        (with_row("geometry", 1, LINE), "row 1: its geometry"),
        (with_row("geometry", 2, b"\x01\x02"), "row 2: its geometry"),
        (
            with_row("geometry", 2, shapely.to_wkb(square(9, 9, size=256))),
            "index 2: a chip that is not 512 pixels wide",
        ),
        (lambda: table(date=pa.array(["2023-06-10"] * 4)), "date of string. Expected: days"),
        (
            lambda: table(embeddings=pa.array([[1.0] * 768] * 4)),
            "embeddings of list<element: double>. Expected: lists of float32",
        ),
        (lambda: table().slice(0, 0), "no rows"),
    ],
)
def test_rows_that_are_not_as_published_are_refused_with_file_and_row(tmp_path, rows, problem):
    written(tmp_path / "in", table())
    second = written(tmp_path / "in", rows(), name="31UDQ_20230601_20230630_v001_b.gpq")
    with pytest.raises(DatasetError) as caught:
        import_clay_embeddings(tmp_path / "in", tmp_path / "store")
    assert problem in str(caught.value)
    assert str(second) in str(caught.value)
    assert not (tmp_path / "store").exists()


UTM = json.loads(pyproj.CRS("EPSG:32631").to_json())


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"crs": None}, "geometry of no CRS. Expected: OGC:CRS84"),
        ({"crs": UTM}, "geometry of WGS 84 / UTM zone 31N"),
        ({"crs": {"type": "nonsense"}}, "geometry that nothing is told of"),
        ({"geo": False}, "geometry that nothing is told of"),
    ],
)
def test_geometry_must_say_that_it_is_in_degrees(tmp_path, how, problem):
    file = written(tmp_path / "in", table(), **how)
    with pytest.raises(DatasetError) as caught:
        import_clay_embeddings(file, tmp_path / "store")
    assert problem in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_degrees_in_the_other_order_of_axes_are_the_same(tmp_path):
    """GeoParquet holds longitude before latitude, whatever its CRS says."""
    file = written(tmp_path / "in", table(), crs=json.loads(pyproj.CRS("EPSG:4326").to_json()))
    assert import_clay_embeddings(file, tmp_path / "store")[0].patches == 4


@pytest.mark.parametrize(
    "name",
    [
        "embeddings.gpq",
        "31UDQ_20230601_v001.gpq",
        "31UDQ_20230601_20230630_v1.gpq",
        "31UDQ_20231301_20231330_v001.gpq",  # no such month
        "61UDQ_20230601_20230630_v001.gpq",  # no such zone
        "31UDQ_20230601_20230630_v001.parquet",
    ],
)
def test_a_file_of_another_name_is_refused(tmp_path, name):
    file = written(tmp_path / "in", table(), name=name)
    with pytest.raises(DatasetError, match=r"its name. Expected: {MGRS:5}_{MINDATE:8}"):
        import_clay_embeddings(file, tmp_path / "store")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<html>not found</html>", "it cannot be read"),
        (b"", "it cannot be read"),
        (None, "it cannot be read"),  # cut short
    ],
)
def test_what_is_no_parquet_is_refused(tmp_path, content, problem):
    file = written(tmp_path / "in", table())
    file.write_bytes(file.read_bytes()[:5000] if content is None else content)
    with pytest.raises(DatasetError) as caught:
        import_clay_embeddings(file, tmp_path / "store")
    assert problem in str(caught.value)
    assert str(file) in str(caught.value)


def test_pages_that_are_damaged_are_refused(tmp_path):
    file = written(tmp_path / "in", table(64))
    data = bytearray(file.read_bytes())
    data[2000:90_000] = bytes(88_000)
    file.write_bytes(data)
    with pytest.raises(DatasetError, match="it cannot be read"):
        import_clay_embeddings(file, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_an_empty_folder_and_a_wrong_path_say_so(tmp_path):
    for source in (tmp_path, tmp_path / "nowhere.gpq"):
        with pytest.raises(DatasetError, match=r"holds no \.gpq file"):
            import_clay_embeddings(source, tmp_path / "store")


@pytest.fixture
def cube(tmp_path):
    """A cube with a slot of the day and the address, and one of another day."""
    made = cubestore.create_store(tmp_path / "store").create_cube("31UDQ", "sentinel-2-l2a")
    with made.write() as writer:
        other = cubestore.Slot(time="2023-06-20T10:50:31Z", item_id="other", source_url=URL)
        mine = cubestore.Slot(
            time="2023-06-10T10:50:31Z", item_id="mine", source_url=f"https://a/b {SLOT_URL}"
        )
        writer.append([other, mine], [])
    return made


def on_grid(*places, **how):
    """Return rows of chips of 256 pixels on the cube's own chip grid."""
    outlines = [shapely.to_wkb(square(c, r, size=256, **{"off": 0, **how})) for c, r in places]
    urls = pa.array([SLOT_URL] * len(places))
    return table(len(places), geometry=pa.array(outlines), source_url=urls)


def test_chips_on_the_grid_of_a_cube_that_has_their_scene_become_its_embedding(tmp_path, cube):
    rows = on_grid((0, 0), (5, 2), (42, 42))
    file = written(tmp_path / "in", rows)
    (made,) = import_clay_embeddings(file, tmp_path / "store")
    assert (made.name, made.patches) == ("31UDQ/sentinel-2-l2a/embedding_clay_v0_1", 3)
    held = embeddings.read(cube, "clay-v0.1")
    assert held.shape == (1, 43, 43, 768)
    assert held.slot.values.tolist() == [1]
    np.testing.assert_array_equal(held.values[0, [0, 2, 42], [0, 5, 42]], vectors_of(rows))
    assert (~np.isnan(held.values[..., 0])).sum() == 3
    assert cubestore.open_store(tmp_path / "store").patch_sets() == []
    commit = cube.root().number
    assert import_clay_embeddings(file, tmp_path / "store") == [made]
    assert cube.root().number == commit
    assert not cube.verify().findings
    plain = xr.open_zarr(cube.path, chunks=None).embedding_clay_v0_1
    np.testing.assert_array_equal(plain.isel(time=1).values, held.values[0])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (lambda: on_grid((0, 0), (5, 2), off=-5.0), "half a pixel off the grid"),
        (lambda: table(2), "of no slot, and of another size"),
        (
            lambda: on_grid((0, 0), (5, 2)).set_column(1, "source_url", pa.array([URL, URL])),
            "that address is of the other day",
        ),
        (lambda: on_grid((43, 0), (-1, 0)), "beyond the tile"),
    ],
)
def test_chips_that_no_cube_shows_become_a_patch_set(tmp_path, cube, rows, reason):
    file = written(tmp_path / "in", rows())
    (made,) = import_clay_embeddings(file, tmp_path / "store")
    assert (made.name, made.patches) == (f"clay-embeddings/{file.stem}", 2), reason
    assert embeddings.listed(cube) == []


def test_a_file_may_be_of_both_and_other_vectors_are_refused(tmp_path, cube):
    rows = on_grid((3, 4), (5, 2))
    urls = pa.array([SLOT_URL, "s3://elsewhere/chip.tif"])
    mixed = written(tmp_path / "in", rows.set_column(1, "source_url", urls))
    made = import_clay_embeddings(mixed, tmp_path / "store")
    assert [one.patches for one in made] == [1, 1]
    before = cube.root().number
    others = written(tmp_path / "other", on_grid((5, 2), (3, 4)))
    with pytest.raises(MismatchError, match=r"other vectors of clay-v0\.1 in slot 1"):
        import_clay_embeddings(others, tmp_path / "store")
    assert cube.root().number == before
    (again,) = import_clay_embeddings(others, tmp_path / "store", model="clay-v0.2")
    assert again.name.endswith("embedding_clay_v0_2")


def test_a_chip_that_stands_there_twice_is_refused(tmp_path, cube):
    file = written(tmp_path / "in", on_grid((5, 2), (5, 2)))
    with pytest.raises(DatasetError, match="index 1: a chip that stands there before"):
        import_clay_embeddings(file, tmp_path / "store")
    assert embeddings.listed(cube) == []


PLACES = st.sampled_from(["31UDQ", "60GUV", "01KAB", "33XVG", "03WVN", "18FXM"])


@settings(deadline=None)
@given(PLACES, st.integers(0, 20), st.integers(0, 20), st.sampled_from([224, 256, 512]))
def test_squares_come_back_from_degrees_to_a_hundredth_of_a_metre(name, column, row, size):
    tile = grids.tile(name)
    found = squares(np.array([square(column, row, size=size, tile=tile)]), tile)
    assert found.sound.all()
    assert found.side.tolist() == [size * 10]
    assert found.left[0] == pytest.approx(tile.bounds.left - 5 + column * size * 10, abs=0.011)
    assert found.top[0] == pytest.approx(tile.bounds.top + 5 - row * size * 10, abs=0.011)


@settings(deadline=None)
@given(st.floats(0.02, 4.9), st.sampled_from([(1, 0), (0, 1), (1, -1), (1, 1)]))
def test_what_is_no_square_of_whole_pixels_is_not_sound(by, corner):
    """A corner is moved, or an edge."""
    box = shapely.box(450_000, 5_400_000, 455_120, 5_405_120)
    points = shapely.get_coordinates(box)
    points[2] += np.array(corner) * by
    there = pyproj.Transformer.from_crs("EPSG:32631", "OGC:CRS84", always_xy=True)
    moved = shapely.transform(shapely.Polygon(points), there.transform, interleaved=False)
    assert not squares(np.array([moved]), TILE).sound.any()
