"""What is counted, against a plain recount of the same pixels by xarray and numpy."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cubestore
from cubestore.chips import ChipGrid, chip_id
from cubestore.errors import MismatchError, QueryError, UnknownCubeError
from cubestore.index.landcover import CLASSES
from cubestore.index.query import scan

SENSORS = {
    "sentinel-2-l2a": "31UDQ",
    "landsat-c2-l2": "31UDQ",
    "modis-09a1": "h18v04",
    "sentinel-1-rtc": "31UDQ",
    "naip": "14SNH",
    "cop-dem-glo-30": "31UDQ",
}


@pytest.fixture(scope="session")
def holey(scene):
    """Make a scene with holes in some bands, clouds, and product masks of every code."""

    def make(cube, seed=0, shard=(-1, -1)):
        pixels, origin = scene(cube, shard, seed)
        rng = np.random.default_rng(seed)
        layer = cube.sensor.pixels
        values = pixels[layer.name]
        values[rng.random(values.shape) < 0.4] = layer.nodata
        for name in {"cloud_class", "quality"} & pixels.keys():
            codes = {"cloud_class": [0, 1, 2, 3, 255], "quality": range(32)}[name]
            shape = pixels[name].shape
            pixels[name] = rng.choice(np.array(codes, pixels[name].dtype), shape)
        return pixels, origin

    return make


@pytest.fixture(scope="module")
def stores(tmp_path_factory, holey):
    """A store with a cube of each family, one slot on the last shard."""
    store = cubestore.create_store(tmp_path_factory.mktemp("index") / "store")
    for seed, (sensor, tile) in enumerate(SENSORS.items()):
        cube = store.create_cube(tile, sensor)
        pixels, origin = holey(cube, seed)
        slot = cubestore.Slot(time="2023-06-12T10:50:31.5Z", item_id="one", platform="platform")
        cube.append(slot, pixels, origin=origin)
    return store


def recount(cube, size, slot=0, *, whole=False):
    """Return chips' fractions with plain xarray, from the last shard on: (y, x) -> fractions."""
    opened = xr.open_zarr(cube.path, chunks=None, mask_and_scale=False).isel(time=slot)
    layer = cube.sensor.pixels
    length = opened.sizes["y"]
    first = (length - 1) // 2048 * 2048 // size
    window = slice(first * size, None)
    values = opened[layer.name].isel(y=window, x=window).values
    there = ~np.isnan(values) if values.dtype.kind == "f" else values != layer.nodata
    cloudy = np.zeros(there.shape[1:], bool)
    if "cloud_class" in opened:
        cloudy = np.isin(opened.cloud_class.isel(y=window, x=window).values, [1, 2, 3])
    chips = {}
    count = length // size if whole else -(-length // size)
    for y in range(first, count):
        for x in range(first, count):
            rows, columns = (slice((k - first) * size, (k - first + 1) * size) for k in (y, x))
            part = there[:, rows, columns]
            if part.any():
                chips[y, x] = (
                    np.float32(cloudy[rows, columns].sum() / size**2),
                    np.float32(1 - part.any(axis=0).sum() / size**2),
                    (part.sum(axis=(1, 2)) / size**2).astype("float32"),
                )
    return chips


def listed(table):
    rows = table.to_pylist()
    return {
        (row["chip_index_y"], row["chip_index_x"]): (
            np.float32(row["cloud_cover_percentage"]),
            np.float32(row["nodata_percentage"]),
        )
        for row in rows
    }


@pytest.mark.parametrize("sensor", SENSORS)
def test_fractions_are_those_of_a_recount(stores, sensor):
    cubestore.index_store(stores, sensors=sensor)
    table = scan(stores, sensor=sensor, chip_size=256)
    expected = recount(stores.cube(SENSORS[sensor], sensor), 256)
    assert listed(table) == {place: fractions[:2] for place, fractions in expected.items()}
    told = dict(zip(listed(table), table["band_valid"].to_pylist(), strict=True))
    if sensor in {"naip", "sentinel-1-rtc"}:
        for place, (*_, bands) in expected.items():
            np.testing.assert_array_equal(np.float32(told[place]), bands)
    else:
        assert set(told.values()) == {None}


@settings(max_examples=6, deadline=None)
@given(size=st.integers(30, 3000))
def test_chips_of_any_size_are_counted_across_shards_and_edges(stores, size):
    cubestore.index_store(stores, sensors="sentinel-2-l2a", chip_size=size)
    table = scan(stores, sensor="sentinel-2-l2a", chip_size=size)
    expected = recount(stores.cube("31UDQ", "sentinel-2-l2a"), size)
    assert listed(table) == {place: fractions[:2] for place, fractions in expected.items()}


def test_a_chip_that_lies_in_four_shards_is_counted_as_one(tmp_path, holey):
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube("h18v04", "modis-09a1")
    four = [holey(cube, seed, shard) for seed, shard in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)])]
    pixels = {
        name: np.concatenate(
            [np.concatenate([four[k][0][name] for k in row], axis=-1) for row in [(0, 1), (2, 3)]],
            axis=-2,
        )
        for name in four[0][0]
    }
    cube.append(cubestore.Slot(time="2023-06-12", item_id="one"), pixels)
    cubestore.index_store(store, chip_size=1500)
    found = listed(scan(store))
    there = (pixels["reflectance"] != -28672).any(axis=0)
    assert found[1, 1][1] == np.float32(1 - there[1500:, 1500:].sum() / 1500**2)
    assert found[0, 1][1] == np.float32(1 - there[:1500, 1500:].sum() / 1500**2)
    assert set(found) == {(0, 1), (1, 0), (1, 1)}  # the scenes hold their data in their last parts


def test_a_row_tells_whose_chip_it_is(stores):
    cubestore.index_store(stores, sensors="sentinel-2-l2a")
    cube = stores.cube("31UDQ", "sentinel-2-l2a")
    for row in scan(stores, sensor="sentinel-2-l2a", chip_size=256).to_pylist():
        assert row["chipid"] == chip_id(
            tile="31UDQ",
            sensor=cube.sensor,
            platform="platform",
            time=np.datetime64("2023-06-12T10:50:31.5"),
            slot=0,
            size=256,
            x=row["chip_index_x"],
            y=row["chip_index_y"],
        )
        assert row["time"].isoformat() == "2023-06-12T10:50:31.500000+00:00"
        assert (row["date"].isoformat(), row["slot"], row["split"]) == ("2023-06-12", 0, "")
        assert (row["tile"], row["sensor"], row["item_id"]) == ("31UDQ", "sentinel-2-l2a", "one")
        assert row["store_commit"] == cube.slot_commits()[0]


def test_nothing_is_listed_of_a_slot_without_data(store, scene):
    cube = store.create_cube("31UDQ", "sentinel-1-rtc")
    pixels, origin = scene(cube)
    empty = {name: np.full_like(values, np.nan) for name, values in pixels.items()}
    cube.append(cubestore.Slot(time="2023-06-12", item_id="empty"), empty, origin=origin)
    (done,) = cubestore.index_store(store)
    assert done.chips == len(scan(store)) == 0


# Land cover.


@pytest.fixture(scope="module")
def covered(tmp_path_factory, holey):
    """Cubes of three pixel sizes on a tile, and the land cover of its last shard, with holes."""
    store = cubestore.create_store(tmp_path_factory.mktemp("covered") / "store")
    for sensor in ("sentinel-2-l2a", "landsat-c2-l2", "naip"):
        cube = store.create_cube("14SNH", sensor)
        pixels, origin = holey(cube)
        cube.append(cubestore.Slot(time="2023-06-12", item_id="one"), pixels, origin=origin)
    cover = store.create_cube("14SNH", "esa-worldcover")
    classes = np.random.default_rng(1).choice([0, *CLASSES.values()], (1, 740, 740)).astype("u1")
    classes[:, -60:, -40:] = 0
    for year in (2020, 2021):  # of two versions the newer counts
        slot = cubestore.Slot(time=f"{year}-01-01", item_id=f"v{year}")
        given = {"land_cover": classes if year == 2021 else np.full_like(classes, 80)}
        cover.append(slot, given, origin=(10240, 10240))
    cubestore.index_store(store)
    return store, classes[0]


@pytest.mark.parametrize(
    ("sensor", "side", "edge"),
    [("sentinel-2-l2a", 2560, 0), ("landsat-c2-l2", 7680, -15), ("naip", 256, 0)],
)
def test_classes_are_parts_of_the_chips_area_at_any_pixel_size(covered, sensor, side, edge):
    store, classes = covered
    fine = 1 if side == 256 else 5  # metres: a pixel that divides all edges
    west = 102_400
    area = np.repeat(np.repeat(classes, 10 // fine, 0), 10 // fine, 1)
    rows = scan(store, sensor=sensor).to_pylist()
    unknown = {row["class_tree"] is None for row in rows}
    assert unknown == ({False} if sensor == "sentinel-2-l2a" else {True, False})
    for row in rows:
        window = []
        for axis in "yx":
            start = edge + row[f"chip_index_{axis}"] * side - west
            window.append(slice(max(0, start) // fine, max(0, start + side) // fine))
        part = area[tuple(window)]
        for name, code in CLASSES.items():
            expected = (part == code).sum() * fine**2 / side**2
            assert row[name] == (pytest.approx(expected, rel=1e-6) if part.any() else None)


def test_without_land_cover_the_classes_are_null(stores):
    cubestore.index_store(stores, sensors=["modis-09a1", "sentinel-2-l2a"])
    for sensor in ("modis-09a1", "sentinel-2-l2a"):
        table = scan(stores, sensor=sensor, chip_size=256)
        assert all(table[name].null_count == len(table) for name in CLASSES)


# As stacchip counted.


@pytest.mark.parametrize(
    ("sensor", "cloud", "nodata"),
    [
        ("sentinel-2-l2a", lambda q: np.isin(q, [1, 3, 8, 9, 10]), lambda q: q == 0),
        ("landsat-c2-l2", lambda q: q & 0b11010 != 0, lambda q: q & 1 == 1),
        ("modis-09a1", lambda q: q & 3 == 1, lambda q: q & 3 == 3),  # 01 is no cloud: as published
    ],
)
def test_compat_counts_codes_as_stacchip_did(tmp_path, holey, sensor, cloud, nodata):
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube(SENSORS[sensor], sensor)
    pixels, origin = holey(cube)
    quality = pixels["quality"]
    quality[:300, :200] = cube.sensor.layers[0].nodata
    cube.append(cubestore.Slot(time="2023-06-12", item_id="one"), pixels, origin=origin)
    cubestore.index_store(store, chip_size=64, compat="stacchip")
    found = listed(scan(store))
    count = len(ChipGrid(shape=(origin[0] + len(quality),) * 2, size=64, whole=True).rows)
    expected = {}
    for y in range(origin[0] // 64, count):
        for x in range(origin[1] // 64, count):
            rows, columns = (slice(k * 64 - origin[0], (k + 1) * 64 - origin[0]) for k in (y, x))
            part = quality[rows, columns]
            if nodata(part).mean() <= 0.5:
                expected[y, x] = np.float32(cloud(part).mean()), np.float32(nodata(part).mean())
    assert found == expected


def test_compat_tells_of_photographs_that_nothing_is_missing(stores):
    cubestore.index_store(stores, sensors="naip", chip_size=200, compat="stacchip")
    table = scan(stores, sensor="naip", chip_size=200)
    expected = recount(stores.cube("14SNH", "naip"), 200, whole=True)
    assert listed(table) == dict.fromkeys(expected, (np.float32(0), np.float32(0)))


def test_compat_takes_radars_nodata_from_its_pixels(stores):
    cubestore.index_store(stores, sensors="sentinel-1-rtc", chip_size=200, compat="stacchip")
    table = scan(stores, sensor="sentinel-1-rtc", chip_size=200)
    expected = recount(stores.cube("31UDQ", "sentinel-1-rtc"), 200, whole=True)
    assert listed(table) == {p: f[:2] for p, f in expected.items() if f[1] <= 0.5}


# What is refused.


@pytest.mark.parametrize(
    ("options", "error", "found"),
    [
        ({"sensors": "linz"}, UnknownCubeError, "has no cube of linz"),
        ({"tiles": "32ULC"}, UnknownCubeError, "has no cube of 32ULC"),
        ({"compat": "clay"}, QueryError, "'clay'"),
        ({"sensors": "cop-dem-glo-30", "compat": "stacchip"}, QueryError, "stacchip knows no"),
        ({"sensors": "naip", "chip_size": 1}, MismatchError, "Chips of 1 pixels"),
        ({"sensors": "naip", "chip_size": 0}, MismatchError, "Chips of 0 pixels"),
    ],
)
def test_what_cannot_be_indexed_is_refused(stores, options, error, found):
    with pytest.raises(error, match=found) as refused:
        cubestore.index_store(stores, **options)
    assert refused.value.remedy


def test_a_file_is_sorted_by_place_and_packed(stores):
    (done,) = cubestore.index_store(stores, sensors="landsat-c2-l2")
    file = pq.ParquetFile(done.path)
    assert {file.metadata.row_group(0).column(k).compression for k in range(5)} == {"ZSTD"}
    table = file.read(["chip_index_x", "chip_index_y"])
    steps = np.abs(np.diff(table["chip_index_x"].to_numpy().astype(int)))
    steps += np.abs(np.diff(table["chip_index_y"].to_numpy().astype(int)))
    assert np.median(steps) == 1
