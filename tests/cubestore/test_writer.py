"""What a writer refuses because a reader would be misled: hidden areas, changed values, secrets."""

import numpy as np
import pytest
import xarray as xr

from cubestore import Array, Slot, open_store
from cubestore.errors import DamagedError, SlotError


@pytest.fixture
def cube(store):
    return store.create_cube("h18v04", "modis-09a1")


def slot(item_id, shards=((1, 1),), **known):
    return Slot(time="2024-01-01", item_id=item_id, shards=shards, **known)


def embedding():
    return Array(
        name="embedding_x",
        dims=("time", "y_n", "x_n", "feature_x"),
        shape=(0, 2, 2, 3),
        dtype="float32",
        fill=np.nan,
        chunks=(1, 2, 2, 3),
    )


def test_a_newer_slot_may_not_hide_an_area_that_it_lacks(cube):
    with cube.write() as writer:
        writer.append([slot("old", ((0, 0), (1, 1)))], [])
        with pytest.raises(SlotError, match=r"without its shard \(0, 0\)"):
            writer.append([slot("new", ((1, 1),), supersedes="old")], [])
        writer.append([slot("new", ((0, 0), (0, 1), (1, 1)), supersedes="old")], [])
    assert cube.open().item_id.values.tolist() == ["new"]


def test_a_newer_slot_must_cover_what_was_filled_later_too(cube):
    with cube.write() as writer:
        writer.append([slot("old")], [])
        writer.fill(0, [(0, 1)], [])
        with pytest.raises(SlotError, match=r"without its shard \(0, 1\)"):
            writer.append([slot("new", supersedes="old")], [])


def test_values_that_readers_have_seen_do_not_change(cube):
    values = np.full((1, 2, 2, 3), np.nan, "float32")
    values[0, 0] = 1
    with cube.write() as writer:
        writer.append([slot("a")], [])
        writer.add_variable(embedding(), {"y_n": [0.0, 1.0], "x_n": [0.0, 1.0]})
        for step in ("first", "the same", "more of them"):
            if step == "more of them":
                values[0, 1] = 2
            staged = writer.staging.write("embedding_x", (0, 0, 0, 0), values)
            writer.fill_variable("embedding_x", {0: 1}, [staged])
        staged = writer.staging.write("embedding_x", (0, 0, 0, 0), values + 1)
        with pytest.raises(SlotError, match="would change values"):
            writer.fill_variable("embedding_x", {0: 1}, [staged])
    np.testing.assert_array_equal(cube.open().embedding_x.values, values)
    assert not cube.verify().findings


def test_an_added_variable_is_no_part_of_an_append(cube, scene):
    pixels, origin = scene(cube)
    mask = Array(
        name="mask_x",
        dims=("time", "y", "x"),
        shape=(0, 2400, 2400),
        dtype="uint8",
        fill=0,
        chunks=(1, 128, 128),
        shards=(1, 2048, 2048),
    )
    with cube.write() as writer:
        writer.add_variable(mask, {})
    cube.append(slot("a"), pixels, origin=origin)
    with cube.write() as writer:
        staged = writer.staging.write("mask_x", (0, 1, 1), np.ones((1, 352, 352), "uint8"))
        writer.fill_variable("mask_x", {0: 2}, [staged])
    assert cube.open().mask_x.values.sum() == 352 * 352


@pytest.mark.parametrize(
    "items",
    [
        ({"href": "https://a.blob/b.tif?se=2024&sig=SECRET"},),
        ({"assets": {"B02": {"href": "https://user:SECRET@host/b.tif"}}},),
        ({"note": "see https://a/b?token=SECRET for more"},),
        ({"size": float("nan")},),
    ],
)
def test_provenance_holds_no_secret_and_is_json(cube, items):
    with pytest.raises(SlotError) as caught:
        slot("a", items=items)
    assert "SECRET" not in str(caught.value)
    with cube.write() as writer:
        writer.append([slot("a")], [])
        with pytest.raises(SlotError):
            writer.fill(0, [(0, 0)], [], items=items)


@pytest.mark.parametrize("name", ["time", "item_id", "supersedes", "band"])
def test_a_lost_coordinate_is_never_read_as_a_value(cube, append, name):
    append(cube, "2024-01-01", "a")
    (lost,) = (path for path in cube.control.group.glob(f"{name}/c/*"))
    lost.unlink()
    with pytest.raises(DamagedError, match=f"{name}/c/0"):
        cube.open()
    assert [finding.key for finding in cube.verify().findings] == [f"{name}/c/0"]
    if name != "band":
        with pytest.raises(DamagedError), cube.write() as writer:
            writer.append([slot("b")], [])


def test_every_nan_of_radar_stays_one(store):
    cube = store.create_cube("31UDQ", "sentinel-1-rtc")
    odd = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0x7FC00000], "uint32").view("float32")
    pixels = np.full((2, 740, 740), 0.5, "float32")
    pixels[0, 0, :4] = odd
    cube.append(slot("a"), {"backscatter": pixels}, origin=(10240, 10240))
    read = xr.open_zarr(cube.path, chunks=None).backscatter[0, 0, 10240, 10240:].values
    assert np.isnan(read[:4]).all()
    assert not np.isnan(read[4:]).any()


def test_what_systems_leave_behind_stops_nobody(store, cube, append):
    append(cube, "2024-01-01", "a")
    for name in (".nfs0000001", ".DS_Store", "time/.nfs0000002"):
        (cube.control.group / name).write_bytes(b"x")
    append(cube, "2024-01-02", "b")
    assert not cube.verify().findings
    (cube.control.group.parents[1] / "h18v04.bak" / "modis-09a1").mkdir(parents=True)
    (cube.control.group.parents[1] / "h18v04.bak" / "modis-09a1" / "zarr.json").write_text("{}")
    assert store.cubes() == [("h18v04", "modis-09a1")]


def test_a_store_that_was_opened_by_a_relative_path_stays_where_it_is(cube, append, monkeypatch):
    monkeypatch.chdir(cube.control.group.parents[3])
    opened = open_store("store").cube("h18v04", "modis-09a1")
    monkeypatch.chdir("/")
    append(opened, "2024-01-01", "a")
    assert cube.open().sizes["time"] == 1


def test_verify_names_what_cannot_be_read(cube, append, monkeypatch):
    append(cube, "2024-01-01", "a")
    whole = type(cube.control.group).read_bytes

    def broken(path):
        if path.match("reflectance/c/*/*/*/*"):
            raise OSError(5, "Input/output error")
        return whole(path)

    monkeypatch.setattr(type(cube.control.group), "read_bytes", broken)
    (finding,) = cube.verify().findings
    assert (finding.state, finding.key) == ("damaged", "reflectance/c/0/0/1/1")
