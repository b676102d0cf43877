"""What stacchip's users get: its folders, its columns, its rows, its training files."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

import cubestore
from cubestore.errors import MismatchError, NoIndexError, QueryError
from cubestore.index.stacchip import SOURCE_NODATA, export_chips, item_name

S2 = "S2A_MSIL2A_20230612T105031_N0509_R051_T31UDQ"
DATE = np.datetime64("2023-06-12")


@pytest.fixture(scope="module")
def store(tmp_path_factory, scene):
    """A cube of each kind, whole chips in all, indexed as stacchip counts."""
    store = cubestore.create_store(tmp_path_factory.mktemp("stacchip") / "store")
    for tile, sensor, item in [
        ("31UDQ", "sentinel-2-l2a", S2),
        ("31UDQ", "sentinel-1-rtc", "S1A_IW_1 S1A_IW_2"),
        ("h18v04", "modis-09a1", "MOD09A1.A2023161.h18v04"),
        ("31UDQ", "cop-dem-glo-30", "DEM"),
    ]:
        cube = store.create_cube(tile, sensor)
        pixels, origin = scene(cube, (0, 0))
        empty = {layer.name: layer.nodata for layer in (cube.sensor.pixels, *cube.sensor.layers)}
        for name, values in pixels.items():
            shape = (*values.shape[:-2], 600, 600)
            values[..., :600, :600] = np.random.default_rng(5).integers(1, 12, shape)
            values[..., :20, :20] = empty.get(name, 0)
        ends = {"time_end": "2023-06-18"} if cube.sensor.composite else {}
        time = "2023-06-10" if ends else "2023-06-12T10:50:31Z"
        slot = cubestore.Slot(time=time, item_id=item, platform="platform", **ends)
        cube.append(slot, pixels, origin=origin)
    cubestore.index_store(store, compat="stacchip")
    return store


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    directory = tmp_path_factory.mktemp("exported")
    return directory, export_chips(store, directory, pixels=True)


def index(directory, platform, item):
    return directory / "index" / platform / item / f"index_{item}.parquet"


def test_an_index_lies_where_stacchip_puts_it_with_its_columns_and_types(exported):
    directory, _ = exported
    table = pq.read_table(index(directory, "sentinel-2-l2a", S2))
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("chipid", "string"),
        ("date", "date32[day]"),
        ("chip_index_x", "uint16"),
        ("chip_index_y", "uint16"),
        ("cloud_cover_percentage", "float"),
        ("nodata_percentage", "float"),
        ("geometry", "binary"),
    ]
    assert gpd.read_parquet(index(directory, "sentinel-2-l2a", S2)).crs.to_string() == "OGC:CRS84"


def test_rows_run_along_x_then_y_and_are_named_by_both(exported):
    directory, _ = exported
    rows = pq.read_table(index(directory, "sentinel-2-l2a", S2)).to_pylist()
    places = [(row["chip_index_y"], row["chip_index_x"]) for row in rows]
    assert places == sorted(places)
    assert places[:5] == [(0, 0), (0, 1), (1, 0), (1, 1), (7, 0)]  # between: too much nodata
    for row in rows:
        assert row["chipid"] == f"{S2}-{row['chip_index_x']}-{row['chip_index_y']}"
        assert row["date"].isoformat() == "2023-06-12"
        assert row["nodata_percentage"] <= 0.5


def test_fractions_and_boxes_are_those_of_stacchips_indexer(store, exported):
    directory, _ = exported
    cube = store.cube("31UDQ", "sentinel-2-l2a")
    scl = cube.open(mask_and_scale=False).quality.isel(time=0, y=slice(2048), x=slice(2048)).values
    transform = pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform
    for row in pq.read_table(index(directory, "sentinel-2-l2a", S2)).to_pylist():
        x, y = row["chip_index_x"], row["chip_index_y"]
        part = scl[y * 256 : y * 256 + 256, x * 256 : x * 256 + 256]
        assert row["cloud_cover_percentage"] == np.isin(part, [1, 3, 8, 9, 10]).mean()
        assert row["nodata_percentage"] == (part == 0).mean()
        left, top = cube.tile.bounds.left + 2560 * x, cube.tile.bounds.top - 2560 * y
        box = shapely.transform(
            shapely.box(left, top - 2560, left + 2560, top),
            lambda xy: np.column_stack(transform(*xy.T)),
        )
        assert shapely.from_wkb(row["geometry"]).equals_exact(box, 1e-9, normalize=True)


def test_chips_at_the_edge_are_left_out_whichever_index_it_is(tmp_path, append):
    store = cubestore.create_store(tmp_path / "store")
    append(store.create_cube("31UDQ", "sentinel-2-l2a"), "2023-06-12", "one")
    cubestore.index_store(store)
    export_chips(store, tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        pq.read_table(index(tmp_path / "out", "sentinel-2-l2a", "one"))


def test_an_item_tells_where_its_pixels_lie(store, exported):
    directory, _ = exported
    item = json.loads((directory / "sentinel-2-l2a" / S2 / "stac_item.json").read_text())
    assert item["id"] == S2
    assert item["properties"]["datetime"] == "2023-06-12T10:50:31.000000Z"
    assert item["properties"]["proj:shape"] == [10980, 10980]
    assert item["properties"]["proj:transform"] == [10, 0, 399960, 0, -10, 5500020]
    assert item["properties"]["proj:code"] == "EPSG:32631"
    assert shapely.geometry.shape(item["geometry"]).is_valid
    assert item["assets"]["cube"]["href"] == store.cube("31UDQ", "sentinel-2-l2a").path
    composite = directory / "modis" / "MOD09A1.A2023161.h18v04" / "stac_item.json"
    times = json.loads(composite.read_text())["properties"]
    assert times["datetime"] == times["end_datetime"] == "2023-06-18T00:00:00.000000Z"


def test_a_composites_date_is_its_last_day(exported):
    directory, _ = exported
    table = pq.read_table(index(directory, "modis", "MOD09A1.A2023161.h18v04"))
    assert {date.isoformat() for date in table["date"].to_pylist()} == {"2023-06-18"}


def test_a_slot_of_several_items_is_one_item_of_its_tile(exported):
    directory, told = exported
    assert index(directory, "sentinel-1-rtc", "S1A_IW_1_S1A_IW_2_31UDQ").exists()
    assert told.items == {"modis": 1, "sentinel-1-rtc": 1, "sentinel-2-l2a": 1}
    assert not list(directory.rglob("*dem*"))


@pytest.mark.parametrize(
    ("items", "sensor", "name"),
    [
        (S2, "sentinel-2-l2a", S2),
        ("a b", "sentinel-2-l2a", "a_b"),
        ("LC09", "landsat-c2-l2", "LC09_31UDQ"),  # a scene lies on several tiles
        ("../../etc/passwd", "sentinel-2-l2a", "_.._etc_passwd"),
        ("..", "sentinel-2-l2a", "_"),
    ],
)
def test_names_of_items(items, sensor, name):
    assert item_name(items, sensor, "31UDQ") == name


def test_a_slot_of_many_items_has_a_name_that_fits():
    sheets = [f"sheet{k:04}" for k in range(99)]
    found = item_name(" ".join(sheets), "linz", "60GUV")
    assert found.startswith("sheet0000_and_98_more_")
    assert found.endswith("_60GUV")
    assert found != item_name(" ".join([*sheets[:-1], "other"]), "linz", "60GUV")


# Training files.


def chips(directory, platform):
    files = sorted(
        directory.glob(f"mode_v1_chipper_v2/{platform}/cube_*.npz"),
        key=lambda path: int(path.stem.partition("_")[2]),
    )
    loaded = [dict(np.load(path)) for path in files]
    return files, {name: np.concatenate([one[name] for one in loaded]) for name in loaded[0]}


def test_training_files_hold_each_chip_once(exported):
    directory, told = exported
    files, arrays = chips(directory, "sentinel-2-l2a")
    assert [path.name for path in files] == ["cube_0.npz"]
    assert set(arrays) == {"pixels", "lon_norm", "lat_norm", "week_norm", "hour_norm"}
    rows = pq.read_table(index(directory, "sentinel-2-l2a", S2)).to_pylist()
    few = [row for row in rows if row["nodata_percentage"] <= np.float32(0.05)]
    assert told.pixels["sentinel-2-l2a"] == len(few) == len(arrays["pixels"]) == 4
    assert arrays["pixels"].shape[1:] == (10, 256, 256)
    assert {array.dtype.name for array in arrays.values()} == {"float32"}
    assert len({chip.tobytes() for chip in arrays["lat_norm"]}) > 1


def test_pixels_are_the_products_with_its_nodata_and_places_belong_to_them(store, exported):
    directory, _ = exported
    _, arrays = chips(directory, "sentinel-2-l2a")
    cube = store.cube("31UDQ", "sentinel-2-l2a")
    stored = cube.open(mask_and_scale=False).reflectance.isel(time=0)
    rows = pq.read_table(index(directory, "sentinel-2-l2a", S2)).to_pylist()
    boxes = shapely.bounds([shapely.from_wkb(row["geometry"]) for row in rows])
    middles = np.sin(np.radians((boxes[:, :2] + boxes[:, 2:]) / 2))
    for chip in range(len(arrays["pixels"])):
        place = arrays["lon_norm"][chip, 0], arrays["lat_norm"][chip, 0]
        row = rows[int(np.argmin(np.abs(middles - place).sum(axis=1)))]
        x, y = row["chip_index_x"], row["chip_index_y"]
        expected = stored[:, y * 256 : y * 256 + 256, x * 256 : x * 256 + 256].values
        expected = np.where(expected == -32768, SOURCE_NODATA["sentinel-2-l2a"], expected)
        np.testing.assert_array_equal(arrays["pixels"][chip], expected)


def test_every_chip_is_drawn_once_into_files_of_128(tmp_path, scene):
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube("h18v04", "modis-09a1")
    pixels, origin = scene(cube, (0, 0))
    places = np.arange(600 * 600).reshape(600, 600)
    pixels["reflectance"][:, :600, :600] = places % 16000
    pixels["reflectance"][0, :600, :600] = places // 16000
    cube.append(
        cubestore.Slot(time="2023-06-10", time_end="2023-06-18", item_id="one"),
        pixels,
        origin=origin,
    )
    cubestore.index_store(store, chip_size=32)
    export_chips(store, tmp_path, pixels=True, where="chip_index_x < 18 and chip_index_y < 18")
    files, arrays = chips(tmp_path, "modis")
    assert [len(np.load(path)["hour_norm"]) for path in files] == [128, 128, 68]
    assert len({chip.tobytes() for chip in arrays["pixels"]}) == 18 * 18


def test_times_are_week_and_noon_on_a_circle(exported):
    directory, _ = exported
    _, arrays = chips(directory, "sentinel-2-l2a")
    week = DATE.item().isocalendar().week * 2 * np.pi / 52
    np.testing.assert_allclose(arrays["week_norm"][0], [np.sin(week), np.cos(week)], rtol=1e-6)
    np.testing.assert_allclose(arrays["hour_norm"][0], [0, -1], atol=1e-6)


def test_radars_nodata_is_the_products(exported):
    directory, _ = exported
    _, arrays = chips(directory, "sentinel-1-rtc")
    assert not np.isnan(arrays["pixels"]).any()
    assert (arrays["pixels"] == -32768).any()


def test_compat_swaps_longitude_and_latitude_as_published(store, exported, tmp_path):
    directory, _ = exported
    export_chips(store, tmp_path, pixels=True, compat="stacchip", sensor="sentinel-2-l2a")
    (_, right), (_, swapped) = chips(directory, "sentinel-2-l2a"), chips(tmp_path, "sentinel-2-l2a")
    np.testing.assert_array_equal(swapped["lon_norm"], right["lat_norm"])
    np.testing.assert_array_equal(swapped["lat_norm"], right["lon_norm"])
    np.testing.assert_array_equal(swapped["pixels"], right["pixels"])


# Questions and refusals.


def test_only_what_is_asked_for_is_written(store, tmp_path):
    told = export_chips(store, tmp_path, sensor="sentinel-2-l2a", where="chip_index_x = 0")
    table = pq.read_table(index(tmp_path, "sentinel-2-l2a", S2))
    assert set(table["chip_index_x"].to_pylist()) == {0}
    assert told.chips == {"sentinel-2-l2a": len(table)}
    assert export_chips(store, tmp_path / "none", datetime="2001").items == {}


def test_other_bands_make_no_training_files(tmp_path, append):
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube("h18v04", "modis-09a1", bands=["sur_refl_b01", "sur_refl_b02"])
    append(cube, "2023-06-12", "one", shard=(0, 0))
    cubestore.index_store(store, chip_size=64)
    with pytest.raises(MismatchError, match="sur_refl_b07"):
        export_chips(store, tmp_path / "out", pixels=True)


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ({"compat": "clay"}, QueryError),
        ({"sensor": "cop-dem-glo-30"}, NoIndexError),
        ({"sensor": "naip"}, NoIndexError),
        ({"max_cloud": 20}, QueryError),
    ],
)
def test_what_cannot_be_exported_is_refused(store, tmp_path, question, error):
    with pytest.raises(error):
        export_chips(store, tmp_path / "out", **question)
    assert not Path(tmp_path / "out").exists()
