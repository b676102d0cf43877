"""What a cube knows of an acquisition, and the rules by which acquisitions come in."""

import math
import pickle
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
import xarray as xr
import zarr

from cubestore import Array, Slot
from cubestore.errors import MismatchError, SlotError
from cubestore.slot import microseconds

pd = pytest.importorskip("pandas")  # xarray's own

NEW_YEAR = 1_704_067_200_000_000
HOUR = 3_600_000_000


@pytest.fixture
def cube(store):
    return store.create_cube("h18v04", "modis-09a1")


def slot(number, **known):
    """A slot without shards."""
    time = np.datetime64("2015-01-01") + np.timedelta64(number, "h")
    return Slot(**{"time": time, "item_id": f"item-{number}", **known})


def plain(cube, **options):
    return xr.open_zarr(cube.path, chunks=None, **options)


# Times.


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2024-01-01T00:00:00Z", NEW_YEAR),
        ("2024-01-01T00:00:00", NEW_YEAR),  # without a zone: UTC
        ("2024-01-01", NEW_YEAR),
        ("2024-01-01T05:30:00+05:30", NEW_YEAR),
        ("2023-12-31T16:00:00-08:00", NEW_YEAR),
        ("2024-01-01T00:00:00.000001Z", NEW_YEAR + 1),
        ("2024-01-01T00:00:00.123456789Z", NEW_YEAR + 123_456),  # Landsat writes nanoseconds
        ("20240101T010000Z", NEW_YEAR + HOUR),
        (date(2024, 1, 1), NEW_YEAR),
        (datetime(2024, 1, 1), NEW_YEAR),  # noqa: DTZ001 - that is the point
        (datetime(2024, 1, 1, 1, tzinfo=UTC), NEW_YEAR + HOUR),
        (datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), NEW_YEAR),
        (pd.Timestamp("2024-01-01T09:00", tz="Asia/Tokyo"), NEW_YEAR),
        (np.datetime64("2024-01-01"), NEW_YEAR),
        (np.datetime64("2024-01-01T00:00:00.000001999", "ns"), NEW_YEAR + 1),
        ("1969-12-31T23:59:59.999999Z", -1),  # Landsat 1 came soon after
    ],
)
def test_any_time_becomes_microseconds_of_utc(time, expected):
    assert microseconds(time) == expected
    assert Slot(time=time, item_id="a").coordinates()["time"] == expected


@pytest.mark.parametrize(
    "time",
    [
        np.datetime64("NaT"),
        pd.NaT,
        None,
        "",
        "NaT",
        "yesterday",
        1_704_067_200,  # seconds? milliseconds? days?
        "9999-12-31T00:00:00Z",  # what some catalogues write for "open"
        np.datetime64("0001-01-01"),
    ],
)
def test_what_is_no_time_is_refused(time):
    with pytest.raises(SlotError, match="time is"):
        Slot(time=time, item_id="a")


def test_a_slot_keeps_its_time_to_the_microsecond(cube):
    with cube.write() as writer:
        writer.append([slot(0, time="2024-05-06T07:08:09.123456+02:00")], [])
    expected = np.datetime64("2024-05-06T05:08:09.123456")
    assert cube.open().time.values[0] == expected
    assert plain(cube).time.values[0] == expected
    stored = zarr.open_group(cube.path)["time"][:]
    assert stored.dtype == "int64"
    assert stored[0] == expected.astype("M8[us]").astype("int64")


def test_a_composite_ends_when_its_items_say_so(cube):
    with cube.write() as writer:
        writer.append([slot(0, time_end="2015-01-08"), slot(1)], [])
    ends = cube.open().time_end.values.astype("M8[us]")
    assert ends[0] == np.datetime64("2015-01-08")
    assert ends[1] == cube.open().time.values[1]  # not told: where it began


# What is told of a slot.


KNOWN = {
    "source_url": "https://host/a.tif s3://bucket/b.tif",
    "platform": "sentinel-2a",
    "processing_baseline": "05.10",
    "processor_version": "2.1",
    "dn_offset": -1000,
    "dn_offset_source": "baseline 05.10",
    "orbit_state": "descending",
    "relative_orbit": 94,
    "sun_azimuth": 161.5,
    "sun_elevation": 23.25,
    "view_azimuth": 104.5,
    "view_zenith": 3.5,
    "cloud_cover": 12.5,
    "clear_fraction": 0.5,
    "valid_fraction": 0.75,
}
UNKNOWN = {
    **dict.fromkeys(["source_url", "platform", "processing_baseline", "processor_version"], ""),
    **dict.fromkeys(["dn_offset_source", "orbit_state", "supersedes"], ""),
    "relative_orbit": -1,
    **dict.fromkeys(["sun_azimuth", "sun_elevation", "view_azimuth", "view_zenith"], math.nan),
    **dict.fromkeys(["cloud_cover", "clear_fraction", "valid_fraction"], math.nan),
}


def test_what_is_known_is_on_disk(cube):
    with cube.write() as writer:
        writer.append([slot(0, **KNOWN)], [])
    ds = plain(cube)
    assert {name: ds[name].values[0] for name in KNOWN} == KNOWN


def test_what_is_unknown_says_so_on_disk(cube):
    with cube.write() as writer:
        writer.append([slot(0)], [])
    ds = plain(cube)
    for name, unknown in UNKNOWN.items():
        np.testing.assert_equal(ds[name].values[0], unknown)


def test_text_of_any_language_survives(cube):
    text = "Île-de-France 東京 🛰 \x00 \n"
    with cube.write() as writer:
        writer.append([slot(0, platform=text), slot(1), slot(2, platform="x" * 5000)], [])
    assert cube.open().platform.values.tolist() == [text, "", "x" * 5000]
    assert plain(cube).platform.values.tolist() == [text, "", "x" * 5000]


@pytest.mark.parametrize(
    ("known", "problem"),
    [
        ({"item_id": ""}, "item_id is ''"),
        ({"item_id": " a"}, "item_id is ' a'"),
        ({"item_id": None}, "item_id is None"),
        ({"supersedes": "a"}, "supersedes itself"),
        ({"source_url": "https://host/a.tif?sig=SECRET"}, "a query"),
        ({"source_url": "https://host/a.tif s3://b/c?X-Amz-Signature=SECRET"}, "a query"),
        ({"source_url": "https://me:SECRET@host/a.tif"}, "who asks"),
        ({"source_url": "https://SECRET@host/a.tif"}, "who asks"),
        ({"source_url": "ftp://me:SECRET@host/a.tif"}, "who asks"),
        ({"platform": None}, "platform is None"),
        ({"platform": b"landsat-8"}, "platform is b'landsat-8'"),
        ({"relative_orbit": "94"}, "relative_orbit is '94'"),
        ({"relative_orbit": 94.5}, "relative_orbit is 94.5"),
        ({"cloud_cover": None}, "cloud_cover is None"),
        ({"cloud_cover": "12 %"}, "cloud_cover is '12 %'"),
    ],
)
def test_a_slot_checks_what_it_is_told(known, problem):
    with pytest.raises(SlotError, match=problem) as caught:
        Slot(**{"time": "2024-01-01", "item_id": "a", **known})
    assert "SECRET" not in str(caught.value)


def test_addresses_without_secrets_pass():
    url = "abfs://container@account.dfs.core.windows.net/a.tif https://host:8080/b/c.tif"
    assert Slot(time="2024-01-01", item_id="a", source_url=url).source_url == url


def test_a_slot_crosses_process_borders():
    one = slot(0, shards=((0, 0),), items=({"href": "a.tif"},), **KNOWN)
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own


# Order, duplicates, replacements.


def test_slots_lie_in_order_of_arrival_and_open_sorts_them(cube):
    for number in (3, 1, 2):
        with cube.write() as writer:
            writer.append([slot(number)], [])
    assert plain(cube).item_id.values.tolist() == ["item-3", "item-1", "item-2"]
    assert cube.open().item_id.values.tolist() == ["item-1", "item-2", "item-3"]


def test_slots_of_one_time_keep_the_order_in_which_they_came(cube):
    with cube.write() as writer:
        writer.append([slot(1, item_id=name, time="2024-01-01") for name in "cab"], [])
    assert cube.open().item_id.values.tolist() == ["c", "a", "b"]


def test_of_a_chain_of_replacements_the_last_is_seen(cube):
    with cube.write() as writer:
        writer.append([slot(0, item_id="v1"), slot(1, item_id="other")], [])
        writer.append([slot(0, item_id="v2", supersedes="v1")], [])
        writer.append([slot(0, item_id="v3", supersedes="v2")], [])
    assert cube.open().item_id.values.tolist() == ["v3", "other"]
    assert cube.open(superseded=True).sizes["time"] == 4
    assert cube.info()["superseded"] == 2


@pytest.mark.parametrize(
    ("slots", "problem"),
    [
        ([slot(0)], "already has item-0"),
        ([slot(7), slot(7)], "already has item-7"),
        ([slot(7, supersedes="item-9")], "item-9, which is not in the cube"),
        ([slot(7, supersedes="item-0")], "item-0, which is superseded"),
        ([slot(7, supersedes="item-2"), slot(8, supersedes="item-2")], "which is superseded"),
    ],
)
def test_duplicates_and_loose_ends_are_refused(cube, slots, problem):
    with cube.write() as writer:
        writer.append([slot(0), slot(1, supersedes="item-0"), slot(2)], [])
        with pytest.raises(SlotError, match=problem):
            writer.append(slots, [])
        assert writer.slots == 3
    assert cube.root().number == 1


def test_a_slot_may_replace_one_of_the_same_commit(cube):
    with cube.write() as writer:
        writer.append([slot(0), slot(1, supersedes="item-0")], [])
    assert cube.open().item_id.values.tolist() == ["item-1"]


def test_an_append_of_nothing_is_no_commit(cube):
    with cube.write() as writer:
        writer.append([], [])
    assert cube.root().number == 0


def test_many_slots_with_their_shards_come_in_one_commit(cube, scene):
    pixels, _ = scene(cube)
    shard = (1, 1)
    with cube.write() as writer:
        blocks = [
            writer.staging.write(name, (k, *[0] * (values.ndim - 2), *shard), values[None])
            for k in range(3)
            for name, values in pixels.items()
        ]
        writer.append([slot(k, shards=(shard,)) for k in range(3)], blocks)
    assert cube.root().number == 1
    read = cube.open(mask_and_scale=False)
    for name, values in pixels.items():
        for k in range(3):
            np.testing.assert_array_equal(read[name][k, ..., -352:, -352:].values, values)


def test_coordinates_run_on_past_the_end_of_a_chunk(cube):
    with cube.write() as writer:
        writer.append([slot(k) for k in range(4090)], [])
        writer.append([slot(k, platform=f"p{k}") for k in range(4090, 4100)], [])
        writer.append([slot(k, supersedes="item-5") for k in range(4100, 4101)], [])
        writer.append([slot(k) for k in range(4101, 9000)], [])  # two borders at once
    for ds in (plain(cube), cube.open(superseded=True)):
        assert ds.item_id.values.tolist() == [f"item-{k}" for k in range(9000)]
        assert ds.platform.values[4089:4101].tolist() == [
            "",
            *(f"p{k}" for k in range(4090, 4100)),
            "",
        ]
        assert (np.diff(ds.time.values) == np.timedelta64(1, "h")).all()
    assert cube.open().sizes["time"] == 8999
    assert not cube.verify().findings


# Filling shards.


def test_a_second_area_fills_the_shards_that_a_slot_lacks(cube, scene):
    first, origin = scene(cube, (1, 1), seed=1)
    cube.append(slot(0), first, origin=origin)
    second, _ = scene(cube, (0, 1), seed=2)
    with cube.write() as writer:
        assert writer.asked(0) == {(1, 1)}
        blocks = [
            writer.staging.write(name, (0, *[0] * (values.ndim - 2), 0, 1), values[None])
            for name, values in second.items()
        ]
        writer.fill(0, [(0, 1)], blocks, valid_fraction=0.5, clear_fraction=0.25)
        assert writer.asked(0) == {(1, 1), (0, 1)}
    ds = cube.open(mask_and_scale=False)
    assert ds.sizes["time"] == 1
    for name in first:
        np.testing.assert_array_equal(ds[name][0, ..., 2048:, 2048:].values, first[name])
        np.testing.assert_array_equal(ds[name][0, ..., :2048, 2048:].values, second[name])
    assert (ds.valid_fraction.values[0], ds.clear_fraction.values[0]) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("index", "shards", "problem"),
    [
        (0, [(1, 1)], "was asked for shard"),
        (0, [(0, 0), (1, 1)], "was asked for shard"),
        (0, [(1, 0)], "was asked for shard"),  # it was empty, and is not asked for again
        (0, [(2, 0)], "Shards"),
        (0, [(0, -1)], "Shards"),
        (1, [(0, 0)], "Slot 1"),
        (-1, [(0, 0)], "Slot -1"),
    ],
)
def test_a_shard_is_asked_for_once_and_lies_in_the_cube(cube, scene, index, shards, problem):
    pixels, origin = scene(cube, (1, 1))
    cube.append(slot(0), pixels, origin=origin)
    with cube.write() as writer:
        writer.fill(0, [(1, 0)], [])
        with pytest.raises(SlotError, match=problem):
            writer.fill(index, shards, [])
    assert cube.root().number == 2


def test_blocks_of_shards_that_were_not_asked_for_are_refused(cube, scene):
    pixels, _ = scene(cube, (1, 1))
    with cube.write() as writer:
        block = writer.staging.write("state", (0, 1, 1), pixels["state"][None])
        with pytest.raises(SlotError, match="state/c/0/1/1"):
            writer.append([slot(0, shards=((0, 0),))], [block])
        with pytest.raises(SlotError, match="state/c/0/1/1"):
            writer.append([slot(0)], [block])


def test_shards_may_be_counted_in_any_integers(cube):
    with cube.write() as writer:
        writer.append([slot(0, shards=((np.int64(1), np.int64(0)),))], [])
        writer.fill(np.int64(0), [(np.int32(0), np.int32(0))], [])
        assert writer.asked(0) == {(1, 0), (0, 0)}


def test_empty_shards_are_remembered_and_cost_nothing(cube):
    nothing = {
        name: np.full((*array.shape[1:-2], 2400, 2400), array.fill, array.dtype)
        for name, array in pixel_arrays(cube).items()
    }
    cube.append(slot(0), nothing)
    with cube.write() as writer:
        assert writer.asked(0) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert not (cube.control.group / "reflectance/c").exists()
    ds = cube.open()
    assert ds.valid_fraction.values[0] == 0
    assert np.isnan(ds.clear_fraction.values[0])


def pixel_arrays(cube):
    with cube.write() as writer:
        return {name: array for name, array in writer.arrays.items() if array.shards}


def test_fractions_count_what_is_valid_and_what_is_clear(cube, scene):
    pixels, origin = scene(cube)
    pixels["reflectance"][:] = -28672
    pixels["reflectance"][0, :88] = 5  # a quarter has data in one band
    pixels["cloud_class"][:] = 255
    pixels["cloud_class"][:100] = 0
    pixels["cloud_class"][100:300] = 1  # two thirds of what is known are cloud
    cube.append(slot(0), pixels, origin=origin)
    ds = plain(cube)
    assert ds.valid_fraction.values[0] == pytest.approx(0.25)
    assert ds.clear_fraction.values[0] == pytest.approx(1 / 3)


# Variables that are added and filled slot by slot.


def embedding(name="embedding_rcf", dtype="float32", fill=np.nan, **attributes):
    return Array(
        name=name,
        dims=("time", "y_256", "x_256", "feature_rcf"),
        shape=(0, 10, 10, 4),
        dtype=dtype,
        fill=fill,
        chunks=(1, 10, 10, 4),
        attributes=attributes,
    )


CENTRES = {"y_256": np.arange(10.0), "x_256": np.arange(10.0)}


def vectors(seed=0):
    return np.random.default_rng(seed).normal(size=(1, 10, 10, 4)).astype("float32")


@pytest.fixture
def embedded(cube):
    """A cube of three slots with a variable of which slot 1 is filled."""
    with cube.write() as writer:
        writer.append([slot(k) for k in range(3)], [])
        writer.add_variable(embedding(source_model="rcf"), CENTRES)
        block = writer.staging.write("embedding_rcf", (1, 0, 0, 0), vectors())
        writer.fill_variable("embedding_rcf", {1: 1}, [block])
    return cube


def test_a_variable_is_added_and_filled_by_slot(embedded):
    for ds in (plain(embedded), embedded.open()):
        variable = ds.embedding_rcf
        assert variable.dims == ("time", "y_256", "x_256", "feature_rcf")
        assert variable.dtype == "float32"
        assert variable.attrs["source_model"] == "rcf"
        np.testing.assert_array_equal(variable[1].values, vectors()[0])
        assert np.isnan(variable[0].values).all()
        np.testing.assert_array_equal(ds.y_256.values, CENTRES["y_256"])
    assert embedded.info()["computed"] == {"embedding_rcf": 1}


def test_a_variable_grows_with_the_cube(embedded):
    with embedded.write() as writer:
        writer.append([slot(9)], [])
        block = writer.staging.write("embedding_rcf", (3, 0, 0, 0), vectors(3))
        writer.fill_variable("embedding_rcf", {3: 4}, [block])
    np.testing.assert_array_equal(embedded.open().embedding_rcf[3].values, vectors(3)[0])
    assert computed(embedded) == [[1, 2, 1], [3, 4, 4]]


def computed(cube, name="embedding_rcf"):
    return cube.root().attributes["cubestore:computed"][name]


def test_slots_that_are_not_complete_are_hidden(embedded):
    """A commit under way has left its blocks; the root does not name them."""
    group = embedded.control.group
    (group / "embedding_rcf/c/2/0/0").mkdir(parents=True)
    done = group / "embedding_rcf/c/1/0/0/0"
    (group / "embedding_rcf/c/2/0/0/0").write_bytes(done.read_bytes())
    assert np.isnan(embedded.open().embedding_rcf[2].values).all()
    assert not np.isnan(plain(embedded).embedding_rcf[2].values).any()  # early, but not wrong


def test_runs_of_slots_are_merged(cube):
    with cube.write() as writer:
        writer.append([slot(k) for k in range(6)], [])
        writer.add_variable(embedding(), CENTRES)
        for slots in ({0: 1, 1: 1}, {3: 1}, {2: 1}, {4: 2}, {5: 2}):
            writer.fill_variable("embedding_rcf", slots, [])
        assert computed(cube) == [[0, 4, 1], [4, 6, 2]]
        writer.fill_variable("embedding_rcf", {np.int64(1): np.int64(7)}, [])
    assert computed(cube) == [[0, 1, 1], [1, 2, 7], [2, 4, 1], [4, 6, 2]]


def test_integers_may_be_packed(cube):
    quantised = embedding("embedding_q", "int8", -128, scale_factor=0.5)
    with cube.write() as writer:
        writer.append([slot(0)], [])
        writer.add_variable(quantised, CENTRES)
        values = np.arange(400).reshape(1, 10, 10, 4).astype("int8")
        block = writer.staging.write("embedding_q", (0, 0, 0, 0), values)
        writer.fill_variable("embedding_q", {0: 1}, [block])
    ours = cube.open().embedding_q
    assert ours.dtype == "float32"
    np.testing.assert_array_equal(ours.values, values * 0.5)
    np.testing.assert_array_equal(plain(cube, mask_and_scale=False).embedding_q.values, values)


def test_a_second_variable_shares_the_chips_of_the_first(embedded):
    with embedded.write() as writer:
        writer.add_variable(embedding("loss_rcf"), {"feature_rcf": ["a", "b", "c", "d"]})
    ds = embedded.open()
    assert ds.loss_rcf.sizes["y_256"] == 10
    assert ds.feature_rcf.values.tolist() == ["a", "b", "c", "d"]
    assert plain(embedded).feature_rcf.values.tolist() == ["a", "b", "c", "d"]


def test_variables_of_two_dims_are_hidden_too(cube):
    variable = Array(
        name="share",
        dims=("time", "class"),
        shape=(0, 3),
        dtype="float32",
        fill=np.nan,
        chunks=(1, 3),
    )
    with cube.write() as writer:
        writer.append([slot(0), slot(1)], [])
        writer.add_variable(variable, {"class": np.arange(3, dtype="uint8")})
        block = writer.staging.write("share", (1, 0), np.ones((1, 3), "float32"))
        writer.fill_variable("share", {1: 1}, [block])
    ds = cube.open()
    assert "share" in ds.data_vars
    np.testing.assert_array_equal(ds.share.values, [[np.nan] * 3, [1.0] * 3])


@pytest.mark.parametrize(
    ("changes", "coordinates", "problem"),
    [
        ({"name": "reflectance"}, {}, "called 'reflectance'"),
        ({"name": "../x"}, {}, "called '../x'"),
        ({"name": "c"}, {"c": np.arange(4.0)}, "called 'c'"),  # variable and axis at once
        ({}, {"../../x": np.arange(4.0)}, "called"),
        ({}, {"y": np.arange(2400.0)}, "called 'y'"),
        ({"dims": ("time", "y", "x_256", "f")}, {}, "y has 10"),
        ({}, {"y_256": np.arange(9.0)}, "y_256 has 10"),
        ({"dims": ("y_256", "time", "x_256", "f")}, {}, "on"),
        ({"chunks": (2, 10, 10, 4)}, {}, "in blocks of"),
        ({"dims": ("a", "y_256", "x_256", "f")}, {}, "on"),
        ({}, {"x_256": np.array(["2024"], "M8[us]")}, "datetime64"),
        ({}, {"x_256": np.ones((10, 1))}, "shape"),
    ],
)
def test_a_variable_that_does_not_fit_is_refused(cube, changes, coordinates, problem):
    known = {"name": "v", "dims": ("time", "y_256", "x_256", "f"), "shape": (0, 10, 10, 4)}
    known |= {"dtype": "float32", "fill": np.nan, "chunks": (1, 10, 10, 4)}
    with cube.write() as writer, pytest.raises(MismatchError, match=problem):
        writer.add_variable(Array(**{**known, **changes}), coordinates)
    assert cube.root().number == 0
    plain(cube)


@pytest.mark.parametrize(
    ("slots", "index", "error", "problem"),
    [
        ({5: 1}, (0, 0, 0, 0), SlotError, "Slot 5"),
        ({0: 1}, (2, 0, 0, 0), SlotError, "A block of"),
        ({0: 1}, (0, 0, 0), MismatchError, "a block at"),
        ({0: 1}, (0, 0, 1, 0), MismatchError, "a block at"),
        ({0: 1}, (0, -1, 0, 0), MismatchError, "a block at"),
    ],
)
def test_values_of_other_slots_or_places_are_refused(embedded, slots, index, error, problem):
    number = embedded.root().number
    with embedded.write() as writer, pytest.raises(error, match=problem):
        fill(writer, slots, index)
    assert embedded.root().number == number


def fill(writer, slots, index):
    block = writer.staging.write("embedding_rcf", index, vectors())
    writer.fill_variable("embedding_rcf", slots, [block])


def test_only_added_variables_are_filled(embedded):
    with embedded.write() as writer, pytest.raises(MismatchError, match="called 'reflectance'"):
        writer.fill_variable("reflectance", {0: 1}, [])
