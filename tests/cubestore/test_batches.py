"""Batches beside plain xarray: the same pixels, whatever the windows, and each chip once."""

import pickle
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cubestore
from cubestore import chunks
from cubestore.chips import ChipGrid
from cubestore.encoding import Array, crc32c
from cubestore.errors import DamagedError, MismatchError, NoIndexError, UnknownCubeError

OPTICAL, RADAR, MODIS = "sentinel-2-l2a", "sentinel-1-rtc", "modis-09a1"
TILE, NEIGHBOUR, SIN = "31UDQ", "31UEQ", "h18v04"
LAST = {OPTICAL: 5 * 2048, RADAR: 5 * 2048, MODIS: 2048}
"""Where the only shard begins that is stored, down and across."""

REACH = 320
"""Pixels before it that a chip may begin at."""

BANDS = ["sur_refl_b02", "sur_refl_b05"]
few = settings(max_examples=8, deadline=None)


@pytest.fixture(scope="module")
def small(tmp_path_factory, append):
    """Two tiles and a sinusoidal one, three sensors, the smallest shard, a slot superseded."""
    store = cubestore.create_store(tmp_path_factory.mktemp("batches") / "store")
    for tile, seed in ((TILE, 0), (NEIGHBOUR, 10)):
        cube, told = store.create_cube(tile, OPTICAL), {"platform": "sentinel-2a"}
        for k in range(3):
            time = f"2024-07-0{1 + k}T10:50"
            append(cube, time, f"{tile}-{k}", seed=seed + k, **told)
        append(
            cube, "2024-07-02T10:50", f"{tile}-1b", seed=seed + 5, **told, supersedes=f"{tile}-1"
        )
    radar = store.create_cube(TILE, RADAR)
    append(radar, "2024-07-01T06:00", "r-0", seed=20)
    append(radar, "2024-07-20T06:00", "r-1", seed=21)
    append(store.create_cube(SIN, MODIS), "2024-07-03", "m-0", seed=30)
    return store


@pytest.fixture(scope="module")
def truth(small):
    """What plain xarray reads of each cube, from a little before the shard that is stored."""
    found = {}
    for tile, sensor in small.cubes():
        cube = small.cube(tile, sensor)
        data = xr.open_zarr(cube.path, chunks=None, mask_and_scale=False)
        first = LAST[sensor] - REACH
        pixels = data[cube.sensor.pixels.name][..., first:, first:].values
        width = [(0, 0)] * 2 + [(0, REACH)] * 2
        found[tile, sensor] = np.pad(pixels, width, constant_values=cube.sensor.pixels.nodata)
    return found


def place(chipid):
    """Return tile, slot, row and column of a chip's name."""
    tile, *_, slot, _, column, row = chipid.split("-")
    return tile, int(slot), int(row), int(column)


def expected(truth, store, sensor, chipid, size, overlap=0):
    """Return a chip's pixels, all bands."""
    tile, slot, row, column = place(chipid)
    shape = _shape(store.cube(tile, sensor))
    window = ChipGrid(shape=shape, size=size, overlap=overlap).window(row, column)
    y, x = (side.start - LAST[sensor] + REACH for side in window)
    return truth[tile, sensor][slot][:, y : y + size, x : x + size]


def there(pixels):
    """Return where any band has data: noise begins at 1, and nodata is NaN or negative."""
    return (pixels > 0).any(axis=0)


def _shape(cube):
    document = cube.root().arrays[cube.sensor.pixels.name]
    return Array.from_document("", document).shape[-2:]


@few
@given(
    sensor=st.sampled_from([OPTICAL, RADAR, MODIS]),
    size=st.integers(90, 300),
    overlap=st.integers(0, 20),
    batch_size=st.integers(1, 9),
    data=st.data(),
)
def test_pixels_are_those_of_xarray(small, truth, sensor, size, overlap, batch_size, data):
    known = [band.name for band in cubestore.sensor(sensor).bands]
    bands = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
    picked = [known.index(band) for band in bands]
    options = {"chip_size": size, "overlap": overlap, "bands": bands, "batch_size": batch_size}
    seen = []
    for batch in cubestore.batches(small, sensor=sensor, **options):
        for number, chipid in enumerate(batch["chipid"]):
            seen.append(place(chipid))
            if min(place(chipid)[2:]) * (size - overlap) < LAST[sensor] - REACH:
                assert not batch["valid"][number].any()
                continue
            pixels = expected(truth, small, sensor, chipid, size, overlap)[picked]
            np.testing.assert_array_equal(batch["pixels"][number], pixels)
            np.testing.assert_array_equal(batch["valid"][number], there(pixels))
    assert len(set(seen)) == len(seen)
    assert set(_touching(small, sensor, size, overlap)) <= set(seen)


def _touching(store, sensor, size, overlap):
    """Yield every window, at a slot that nothing supersedes, that reaches into the shard."""
    for tile, name in store.cubes():
        if name == sensor:
            shape, edge = _shape(store.cube(tile, sensor)), LAST[sensor]
            grid = ChipGrid(shape=shape, size=size, overlap=overlap)
            rows = [k for k, y in enumerate(grid.rows) if y + size > edge]
            slots = {OPTICAL: (0, 2, 3), RADAR: (0, 1), MODIS: (0,)}[sensor]
            yield from product([tile], slots, rows, rows)


def test_a_batch_tells_what_a_model_needs(small):
    batch = next(iter(cubestore.batches(small, sensor=OPTICAL, chip_size=256, batch_size=5)))
    assert batch["pixels"].shape == (5, 10, 256, 256)
    assert batch["pixels"].dtype == "int16"
    assert batch["valid"].shape == (5, 256, 256)
    assert batch["time"].shape == batch["latlon"].shape == (5, 4)
    assert batch["gsd"] == 10
    assert batch["bands"][:2] == ("B02", "B03")
    np.testing.assert_allclose(batch["wavelengths"][:2], [0.493, 0.560], atol=0.002)
    assert batch["platform"] == ["sentinel-2a"] * 5
    assert len(set(batch["chipid"])) == 5


def test_time_and_place_are_encoded_as_clay_was_trained(small):
    for batch in cubestore.batches(small, sensor=OPTICAL, batch_size=8):
        for chipid, time, latlon in zip(
            batch["chipid"], batch["time"], batch["latlon"], strict=True
        ):
            tile, slot, row, column = place(chipid)
            moment = [1, 2, 3, 2][slot]
            week = np.datetime64(f"2024-07-0{moment}").item().isocalendar().week
            angles = np.array([week / 52, 10 / 24]) * 2 * np.pi
            wave = [turn(angle) for angle in angles for turn in (np.sin, np.cos)]
            np.testing.assert_allclose(time, wave, atol=1e-6)
            box = cubestore.tile(tile).geobox(10)
            centre = box[row * 256 : row * 256 + 256, column * 256 : column * 256 + 256]
            lon, lat = centre.geographic_extent.centroid.coords[0]
            wave = [turn(np.radians(a)) for a in (lat, lon) for turn in (np.sin, np.cos)]
            np.testing.assert_allclose(latlon, wave, atol=2e-6)


def test_an_epoch_is_replayed_and_the_next_one_differs(small):
    def names(batches):
        return [name for batch in batches for name in batch["chipid"]]

    one, other = (cubestore.batches(small, sensor=OPTICAL, seed=4) for _ in range(2))
    first, second = names(one), names(one)
    assert sorted(first) == sorted(second)
    assert first != second
    assert names(other) == first
    other.set_epoch(1)
    assert names(other) == second
    assert names(cubestore.batches(small, sensor=OPTICAL, seed=5)) != first
    straight = names(cubestore.batches(small, sensor=OPTICAL, shuffle=False))
    assert straight == sorted(straight, key=lambda name: (place(name)[0], place(name)[1:]))


def test_what_was_interrupted_goes_on_where_it_stopped(small):
    options = {"sensor": OPTICAL, "batch_size": 3, "seed": 9, "crop": 100, "jitter": True}
    whole = cubestore.batches(small, **options)
    wanted = [(batch["chipid"], batch["pixels"].copy()) for batch in whole]
    begun = cubestore.batches(small, **options)
    for _ in zip(range(4), begun, strict=False):
        state = begun.state_dict()
    later = pickle.loads(pickle.dumps(cubestore.batches(small, **options)))  # noqa: S301 - our own
    later.load_state_dict(state)
    rest = [(batch["chipid"], batch["pixels"].copy()) for batch in later]
    assert [names for names, _ in rest] == [names for names, _ in wanted[4:]]
    for (_, pixels), (_, same) in zip(rest, wanted[4:], strict=True):
        np.testing.assert_array_equal(pixels, same)
    with pytest.raises(MismatchError, match="saved position is of other chips"):
        cubestore.batches(small, **{**options, "batch_size": 4}).load_state_dict(state)


def test_ranks_share_an_epoch_and_with_drop_last_have_as_many_batches(small):
    def names(rank, ranks, **options):
        share = cubestore.batches(
            small, sensor=OPTICAL, batch_size=4, rank=rank, ranks=ranks, **options
        )
        found = [batch["chipid"] for batch in share]
        assert len(found) == len(share)
        return found

    alone = [name for batch in names(0, 1) for name in batch]
    shared = [name for rank in range(3) for batch in names(rank, 3) for name in batch]
    assert sorted(shared) == sorted(alone)
    lengths = {len(names(rank, 3, drop_last=True)) for rank in range(3)}
    assert len(lengths) == 1


def test_each_batch_is_of_one_sensor_and_the_smaller_comes_as_often_on_request(small):
    def counts(**options):
        batches = cubestore.batches(
            small, sensor=[OPTICAL, RADAR], batch_size=2, drop_last=True, **options
        )
        sensors = [batch["sensor"] for batch in batches]
        return {name: sensors.count(name) for name in sensors}

    plain, balanced = counts(), counts(balance="sensor")
    assert plain[RADAR] < plain[OPTICAL]
    assert balanced[RADAR] == balanced[OPTICAL] == plain[OPTICAL]


def test_a_store_may_grow_while_it_is_read(tmp_path, append):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS)
    append(cube, "2024-01-01", "a")
    batches = cubestore.batches(tmp_path / "s", sensor=MODIS, batch_size=1)
    seen = []
    for number, batch in enumerate(batches):
        seen += batch["chipid"]
        append(cube, f"2024-01-0{2 + number}", f"b-{number}", seed=number)
    assert len(seen) == len(set(seen)) == 4
    again = [name for batch in batches for name in batch["chipid"]]
    assert sorted(again) == sorted(seen)  # as it was when it was opened
    assert len(cubestore.batches(tmp_path / "s", sensor=MODIS, batch_size=1)) == 4 * 5


def test_masks_come_with_the_pixels(small):
    for batch in cubestore.batches(small, sensor=OPTICAL, variables=["cloud_class", "quality"]):
        assert batch["cloud_class"].shape == batch["valid"].shape
        assert batch["quality"].dtype == "uint8"
        assert (batch["cloud_class"][~batch["valid"]] == 255).all()
    with pytest.raises(MismatchError, match="no clouds on y and x"):
        next(iter(cubestore.batches(small, sensor=OPTICAL, variables=["clouds"])))


def test_crops_lie_in_their_chip_and_differ(small, truth):
    options = {"chip_size": 256, "crop": 60, "crops": 4, "batch_size": 8}
    corners = set()
    for batch in cubestore.batches(small, sensor=OPTICAL, **options):
        assert batch["pixels"].shape[-2:] == batch["valid"].shape[-2:] == (60, 60)
        full = batch["valid"].all(axis=(1, 2))  # elsewhere a crop is like many others
        for chipid, pixels in zip(
            np.array(batch["chipid"])[full], batch["pixels"][full], strict=True
        ):
            chip = expected(truth, small, OPTICAL, chipid, 256)
            rows = np.lib.stride_tricks.sliding_window_view(chip[0], 60, axis=1)
            first = np.argwhere((rows[:197] == pixels[0, 0]).all(axis=-1))
            fits = [(y, x) for y, x in first if (chip[:, y : y + 60, x : x + 60] == pixels).all()]
            assert fits
            corners.add(fits[0])
    assert len(corners) > 10


def test_a_place_is_seen_on_several_dates_in_order(small, truth):
    batches = cubestore.batches(small, sensor=OPTICAL, dates=3, batch_size=4, seed=2)
    for batch in batches:
        assert batch["pixels"].shape[1:] == (3, 10, 256, 256)
        assert batch["time"].shape[1:] == (3, 4)
        assert (np.diff(batch["datetime"], axis=1) > np.timedelta64(0)).all()
        for number, chipid in enumerate(batch["chipid"]):
            tile, _, row, column = place(chipid)
            for date, slot in enumerate(batch["slot"][number]):
                name = f"{tile}-x-{slot}-256-{column}-{row}"
                pixels = expected(truth, small, OPTICAL, name, 256)
                np.testing.assert_array_equal(batch["pixels"][number, date], pixels)
    with pytest.raises(UnknownCubeError, match="no chips"):
        cubestore.batches(small, sensor=OPTICAL, dates=4)


@pytest.mark.parametrize(
    ("size", "bands"),
    [
        (2500, {"B03": 1, "B08": 6}),
        (3000, {"B03": 1, "B08": 6}),
        (5490, {"B03": 1, "B08": 6}),
        (11000, {"B08": 6}),  # larger than the tile: 242 MB a band
    ],
)
def test_chips_larger_than_a_shard_lose_nothing(small, truth, size, bands):
    options = {"chip_size": size, "bands": list(bands), "batch_size": 1}
    seen = sum(int(b["valid"].sum()) for b in cubestore.batches(small, sensor=OPTICAL, **options))
    known = [
        there(truth[tile, OPTICAL][k][list(bands.values())])
        for tile in (TILE, NEIGHBOUR)
        for k in (0, 2, 3)
    ]
    assert seen == sum(int(valid.sum()) for valid in known)


def test_a_position_is_not_taken_over_by_other_ranks(small):
    batches = cubestore.batches(small, sensor=OPTICAL, batch_size=1)
    for _ in zip(range(3), batches, strict=False):
        state = batches.state_dict()
    with pytest.raises(MismatchError, match="other ranks"):
        cubestore.batches(small, sensor=OPTICAL, batch_size=1, ranks=2).load_state_dict(state)


def test_jitter_takes_other_slots_of_the_same_place(small, truth):
    slots = set()
    for batch in cubestore.batches(small, sensor=OPTICAL, jitter=True, batch_size=4):
        for chipid, slot, pixels in zip(
            batch["chipid"], batch["slot"], batch["pixels"], strict=True
        ):
            assert place(chipid)[1] == slot
            np.testing.assert_array_equal(pixels, expected(truth, small, OPTICAL, chipid, 256))
            slots.add(int(slot))
    assert slots == {0, 2, 3}  # 1 is superseded


def test_turns_take_masks_with_them_and_all_eight_come_up(small):
    options = {"variables": ["cloud_class"], "batch_size": 6, "shuffle": False}
    plain = cubestore.batches(small, sensor=OPTICAL, **options)
    turned = cubestore.batches(small, sensor=OPTICAL, flips=True, rotations=True, **options)
    ways = []
    for one, other in zip(plain, turned, strict=True):
        assert one["chipid"] == other["chipid"]
        for k in range(len(one["chipid"])):
            if not one["valid"][k].any():
                continue
            found = [
                (swap, number)
                for swap, number in product([False, True], range(4))
                if all(
                    np.array_equal(_way(one[name][k], swap, number), other[name][k])
                    for name in ("pixels", "valid", "cloud_class")
                )
            ]
            ways += found[:1]
            assert found
    assert len(set(ways)) == 8


def _way(array, swap, number):
    array = np.swapaxes(array, -1, -2) if swap else array
    return np.rot90(array, number, axes=(-2, -1))


@pytest.mark.parametrize("size", [0, 2, 4, 19])
def test_a_chunk_too_short_to_be_one_is_an_error(tmp_path, append, size):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS)
    append(cube, "2024-01-01", "a")
    shard = _shards(cube)[0]
    data = shard.read_bytes()
    at = next(n for n in range(len(data)) if crc32c(data[:n]).to_bytes(4, "little") == data[n:][:4])
    index = np.frombuffer(data, "<u8", count=at // 8).copy()
    index[1::2][index[1::2] < len(data)] = size
    table = index.tobytes()
    shard.write_bytes(table + crc32c(table).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(DamagedError, match="does not match its checksum"):
        list(cubestore.batches(tmp_path / "s", sensor=MODIS, chip_size=128))


@pytest.mark.parametrize("verify", ["always", "first"])
def test_a_damaged_chunk_is_an_error_or_left_out_and_never_zeros(tmp_path, append, verify):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS)
    append(cube, "2024-01-01", "a")
    shard = next(path for path in _shards(cube))
    data = bytearray(shard.read_bytes())
    data[200] ^= 1
    shard.write_bytes(data)
    options = {"sensor": MODIS, "batch_size": 4, "chip_size": 128, "verify": verify}
    with pytest.raises(DamagedError, match="does not match its checksum"):
        list(cubestore.batches(tmp_path / "s", **options))
    batches = cubestore.batches(tmp_path / "s", on_error="skip", **options)
    seen = [name for batch in batches for name in batch["chipid"]]
    assert len(seen) == 8
    assert len(batches.failures) == 1
    assert "checksum" in batches.failures[0][1]


def _shards(cube):
    return sorted(
        p for p in Path(cube.path, cube.sensor.pixels.name, "c").rglob("*") if p.is_file()
    )


def test_garbage_is_named_even_where_nothing_is_verified(tmp_path, append):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS)
    append(cube, "2024-01-01", "a")
    shard = _shards(cube)[0]
    data = bytearray(shard.read_bytes())
    data[:40] = bytes(40)
    shard.write_bytes(data)
    with pytest.raises(DamagedError, match="is no chunk"):
        list(cubestore.batches(tmp_path / "s", sensor=MODIS, chip_size=128, verify="never"))


def test_chunks_decoded_step_by_step_are_those_in_one_go(small, monkeypatch):
    assert chunks.IN_ONE_GO  # or the libraries here no longer export what it calls

    def pixels():
        batches = cubestore.batches(small.path, sensor=MODIS, chip_size=200, batch_size=4)
        return [batch["pixels"].copy() for batch in batches]

    at_once = pixels()
    monkeypatch.setattr("cubestore.shards.IN_ONE_GO", False)
    for one, other in zip(at_once, pixels(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_more_shards_than_a_process_may_open_files_are_read_all_the_same(tmp_path, append):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS, bands=BANDS)
    for k in range(30):
        append(cube, np.datetime64("2024-01-01") + k, f"m-{k}", seed=k)
    code = (
        "import resource, sys, cubestore; from cubestore import shards\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (70, 70)); shards.OPEN = 20\n"
        "options = {'variables': ['quality', 'state', 'cloud_class'], 'batch_size': 8}\n"
        "print(sum(len(b['chipid']) for b in cubestore.batches(sys.argv[1], sensor='modis-09a1',"
        " **options)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "s"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == 30 * 4


LOOPING = """
import sys, threading
import psutil
import cubestore

me = psutil.Process()
batches = cubestore.batches(sys.argv[1], sensor="sentinel-2-l2a", batch_size=8)
for epochs in (15, 30):  # in the first ones the allocator takes an arena for each of its threads
    for _ in range(epochs):
        list(zip(batches, range(3)))  # left early
        chips = sum(len(batch["pixels"]) for batch in batches)
    held = me.memory_full_info().uss >> 20, me.num_fds(), threading.active_count()
    print(chips, *held)
"""


def test_looping_keeps_neither_memory_nor_files_nor_threads(small):
    done = subprocess.run(
        [sys.executable, "-c", LOOPING, small.path], capture_output=True, text=True, check=True
    )
    before, after = (list(map(int, line.split())) for line in done.stdout.splitlines())
    assert before[0] == after[0] > 0
    assert after[1] < before[1] + 30  # MB; one epoch's buffers are 28
    assert after[2:] <= before[2:]


def test_damage_afar_is_an_error_of_the_same_kind(tmp_path, append):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS)
    append(cube, "2024-01-01", "a")
    shard = _shards(cube)[0]
    data = bytearray(shard.read_bytes())
    data[200] ^= 1
    shard.write_bytes(data)
    options = {"sensor": MODIS, "batch_size": 4, "chip_size": 600}
    with pytest.raises(DamagedError, match="cannot be read"):
        list(cubestore.batches(f"file://{tmp_path}/s", **options))
    batches = cubestore.batches(f"file://{tmp_path}/s", on_error="skip", **options)
    assert sum(len(batch["chipid"]) for batch in batches) == 15
    assert len(batches.failures) == 1


@pytest.mark.parametrize("harm", ["cut", "emptied", "deleted", "index"])
def test_a_damaged_file_is_named(tmp_path, append, harm):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS)
    append(cube, "2024-01-01", "a")
    shard = next(path for path in _shards(cube))
    data = shard.read_bytes()
    if harm == "deleted":
        shard.unlink()
    else:
        broken = bytearray(data)
        broken[-9] ^= 1
        shard.write_bytes({"cut": data[:-100], "emptied": b"", "index": bytes(broken)}[harm])
    with pytest.raises(DamagedError, match=str(shard.relative_to(cube.path))):
        list(cubestore.batches(tmp_path / "s", sensor=MODIS))


def test_a_store_that_lies_elsewhere_reads_the_same_through_zarr(small, caplog):
    here = cubestore.batches(small, sensor=MODIS, chip_size=250, bands=BANDS)
    afar = cubestore.batches(f"file://{small.path}", sensor=MODIS, chip_size=250, bands=BANDS)
    pixels = {
        name: p for b in here for name, p in zip(b["chipid"], b["pixels"].copy(), strict=True)
    }
    seen = []
    for batch in afar:
        for name, one in zip(batch["chipid"], batch["pixels"], strict=True):
            np.testing.assert_array_equal(one, pixels[name])
            seen.append(name)
    assert sorted(seen) == sorted(pixels)
    assert "is read through zarr" in caplog.text


@pytest.mark.parametrize("chip_size", [176, 256])
def test_a_shard_that_is_lost_afar_is_named(tmp_path, append, chip_size):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS)
    append(cube, "2024-01-01", "a")
    append(cube, "2024-01-02", "b", seed=1)
    lost = _shards(cube)[0]
    lost.unlink()
    options = {"sensor": MODIS, "chip_size": chip_size, "batch_size": 1}
    address = f"file://{tmp_path}/s"
    with pytest.raises(DamagedError, match=f"{lost.relative_to(cube.path)} is missing"):
        list(cubestore.batches(address, **options))
    batches = cubestore.batches(address, on_error="skip", **options)
    assert {int(b["slot"][0]) for b in batches if b["valid"].any()} == {1}
    assert {name.split("-")[-4] for name, _ in batches.failures} == {"0"}


def test_a_copy_without_its_records_says_what_it_cannot_tell(tmp_path, append, caplog):
    cube = cubestore.create_store(tmp_path / "s").create_cube(SIN, MODIS)
    append(cube, "2024-01-01", "a")

    def valid(address):
        batches = cubestore.batches(address, sensor=MODIS, chip_size=600)
        return sum(batch["valid"].sum() for batch in batches)

    whole = valid(tmp_path / "s")
    shutil.rmtree(tmp_path / "s" / "sin" / SIN / ".control")
    assert valid(f"file://{tmp_path}/s") == whole > 0
    assert "a lost shard reads as nodata" in caplog.text


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"crop": 300}, "crops of 300 pixels from chips of 256"),
        ({"crop": 60, "crops": 3}, "batches of 32 with 3 crops"),
        ({"batch_size": 0}, "below 1"),
        ({"bands": ["B99"]}, r"Bands \['B99'\]"),
        ({"on_error": "ignore"}, "on_error 'ignore'"),
        ({"threads": -1}, "threads of -1"),
        ({"chip_size": 256.0}, "chip_size of 256.0"),
        ({"within": float("inf")}, "within inf days"),
        ({"shufle": True}, "There is no shufle"),
        ({"overlap": 32, "split": "test"}, "overlap by 32"),
        ({"drop_last": True, "ranks": 9}, "9 ranks have no batch"),
        ({"variables": ["embedding_x"]}, "no embedding_x"),
    ],
)
def test_what_cannot_be_is_refused(small, options, problem):
    with pytest.raises(MismatchError, match=problem):
        cubestore.batches(small, sensor=OPTICAL, **options)


def test_a_question_needs_an_index(small):
    with pytest.raises(NoIndexError, match="cubestore index"):
        cubestore.batches(small, sensor=OPTICAL, max_cloud=0.1)
    with pytest.raises(UnknownCubeError, match="no chips of naip"):
        cubestore.batches(small, sensor="naip")


@pytest.mark.parametrize(("tails", "chips"), [(True, 10 * 10), (False, 9 * 9)])
def test_xbatcher_itself_has_the_same_chips(small, tails, chips):
    cube = small.cube(SIN, MODIS)
    generator = cubestore.xbatcher_generator(cube, tails=tails, mask_and_scale=False)
    assert len(generator) == chips
    number = 8 * (10 if tails else 9) + 8  # the chip in whose middle the stored shard begins
    theirs = generator[number]
    assert dict(theirs.sizes) == {"time": 1, "band": 7, "y": 256, "x": 256}
    for batch in cubestore.batches(small, sensor=MODIS, variables=[], batch_size=1):
        if place(batch["chipid"][0])[2:] == (8, 8):
            np.testing.assert_array_equal(theirs.values[0], batch["pixels"][0])
            return
    pytest.fail("the chip did not come")
