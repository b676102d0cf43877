"""Chips of floods as they are published -> patch sets: what is stored, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

import cubestore
from cubestore.errors import CubeExistsError
from cubestore_pipelines.benchmarks.floods import import_floods, rasters
from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.simulate import floods

SIDE = 512
C2SMS, SEN1FLOODS11 = "c2sms/chips", "sen1floods11/hand"


@pytest.fixture(scope="module")
def events():
    """Three chips, with and without the offset of newer baselines."""
    return floods.events()[:2]


@pytest.fixture(scope="module")
def published(events, tmp_path_factory):
    """The folder of C2S-MS' events, as published."""
    return floods.write_chips(tmp_path_factory.mktemp("published"), events)


@pytest.fixture(scope="module")
def imported(published, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "store"
    (made,) = import_floods(published, path)
    return made, cubestore.open_store(path)


@pytest.fixture
def copy(published, events, tmp_path):
    """One event of it, to break, and the two folders of its first chip: s2, s1."""
    event = events[0]
    chips = tmp_path / "chips"
    shutil.copytree(published / event.name, chips / event.name)
    return chips, event.folders(chips, event.corners[0])


@pytest.fixture
def store(tmp_path):
    return cubestore.create_store(tmp_path / "store")


def of_event(events, data):
    """Return the patches with the events and the grids that they were cut from."""
    known = {event.name: event for event in events}
    for number, name in enumerate(map(str, data.patch_id.values)):
        event = known[name.partition("/")[0]]
        corner = next(c for c in event.corners if name.endswith(floods.position_of(c)))
        yield data.isel(patch=number), event, event.grid(corner)


def test_chips_are_stored_as_they_were_published(imported, events):
    made, store = imported
    assert (made.name, made.patches, made.left_out) == (C2SMS, 3, ())
    data = store.patches(C2SMS).open(mask_and_scale=False)
    for patch, event, grid in list(of_event(events, data))[1:]:
        numbers = floods.optical(event, grid).astype("int32")
        expected = np.where(numbers == 0, -32768, numbers - event.granule.offset)
        np.testing.assert_array_equal(patch.reflectance, expected)
        np.testing.assert_array_equal(patch.backscatter_s1, floods.radar(event, grid))
        labels = floods.water(event, grid)
        np.testing.assert_array_equal(patch.water_s1, labels["s1"])
        np.testing.assert_array_equal(patch.water_s2, labels["s2"])
        assert patch.transform.values.tolist() == list(grid.affine)[:6]
    assert {1, 255} <= set(np.unique(data.water_s2)), "the ground has water, and clouds above it"


def test_a_patch_tells_its_event_its_products_and_when_they_were_taken(imported, events):
    data = imported[1].patches(C2SMS).open()
    for patch, event, grid in of_event(events, data):
        told = {name: patch[name].item() for name in ("event", "item_id", "item_id_s1", "platform")}
        assert told["event"] == event.name
        assert told["item_id"] == event.granule.product.replace("L2A", "L1C")
        assert told["item_id_s1"] == event.frame.product
        assert told["platform"] == "sentinel-2a"
        second = np.timedelta64(1, "s")
        for moment, known in (("time", event.granule.time), ("time_s1", event.frame.start)):
            assert abs(patch[moment] - np.datetime64(known.replace(tzinfo=None))) < second
        assert patch.crs.item() == str(grid.crs)
        assert patch.dn_offset.item() == -event.granule.offset
        hidden = np.isnan(floods.radar(event, grid)).all(axis=0).mean()
        assert patch.valid_fraction_s1.item() == pytest.approx(1 - hidden, abs=1e-6)
    assert data.backscatter_s1.attrs["units"] == "dB"
    assert data.water_s1.attrs["flag_meanings"] == "not_water water"
    assert "_FillValue" not in data.water_s1.attrs


def test_batches_bring_both_sensors_and_both_labels(imported):
    _, store = imported
    data = store.patches(C2SMS).open(mask_and_scale=False)
    place = {str(name): number for number, name in enumerate(data.patch_id.values)}
    others = ["backscatter_s1", "water_s1", "water_s2"]
    seen = []
    for batch in cubestore.batches(
        store, patches=C2SMS, sensor="reflectance", chip_size=SIDE, batch_size=2, variables=others
    ):
        for k, name in enumerate(batch["chipid"]):
            seen.append(name)
            patch = data.isel(patch=place[name])
            np.testing.assert_array_equal(batch["pixels"][k], patch.reflectance)
            for variable in others:
                np.testing.assert_array_equal(batch[variable][k], patch[variable])
    assert sorted(seen) == sorted(place)


def test_a_second_import_finds_the_set_and_other_files_are_refused(imported, published, tmp_path):
    made, store = imported
    assert import_floods(published, store.path) == [made]
    other = tmp_path / "chips"
    shutil.copytree(published, other)
    next(other.glob("*/s1/*/LabelWater.tif")).touch()
    with pytest.raises(CubeExistsError, match="made from other files or with other options"):
        import_floods(other, store.path)
    assert store.patches(C2SMS).verify().findings == ()


def rewritten(path, values=None, grid=None, **profile):
    """Write a file again with something about it that is another."""
    with rasterio.open(path) as file:
        found, known = file.read(), file.profile
    values = found if values is None else values
    known |= {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
    known |= {"dtype": values.dtype, "driver": "GTiff", "tiled": False, **profile}
    for name in ("blockxsize", "blockysize"):
        known.pop(name, None)
    if grid is not None:
        known |= {"transform": grid}
    path.unlink()
    with rasterio.open(path, "w", **known) as file:
        file.write(values)


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def read(path):
    with rasterio.open(path) as file:
        return file.read()


def shifted(path):
    with rasterio.open(path) as file:
        grid = file.transform * Affine.translation(1, 0)
    rewritten(path, grid=grid)


def with_class(path, code):
    values = read(path).astype("int16")
    values[0, 3, 4] = code
    rewritten(path, values)


def twin(folder):
    product, _, position = folder.name.rpartition("_")
    shutil.copytree(folder, folder.with_name(f"{product.replace('1S', '1T')}_{position}"))


BROKEN = [
    # A download that was cut off.
    (lambda s2, _: halved(s2 / "B4.tif"), r"B4.tif of patch .*/\d+-\d+ cannot be read"),
    (lambda s2, _: (s2 / "B4.tif").write_bytes(b""), r"B4.tif of patch .* is empty"),
    # An error page under a file's name.
    (lambda s2, _: (s2 / "B4.tif").write_text("<Error/>"), r"B4.tif of patch .* markup"),
    (lambda s2, _: (s2 / "B8A.tif").unlink(), r"B8A.tif of patch .* is not there"),
    (lambda _, s1: (s1 / "VH.tif").unlink(), r"VH.tif of patch .* is not there"),
    (lambda _, s1: (s1 / "LabelWater.tif").unlink(), r"LabelWater.tif of patch .* is not there"),
    (
        lambda s2, _: rewritten(s2 / "B2.tif", read(s2 / "B2.tif")[:, :256, :256]),
        r"B2.tif of patch .* has 1 bands of 256 x 256 pixels. Expected: 1 of 512 x 512",
    ),
    (
        lambda _, s1: rewritten(s1 / "VV.tif", read(s1 / "VV.tif").repeat(2, axis=0)),
        r"VV.tif of patch .* has 2 bands",
    ),
    (
        lambda _, s1: with_class(s1 / "LabelWater.tif", 7),
        r"s1/.*LabelWater.tif of patch .* has the class 7 in row 3, column 4. Expected: one of 0",
    ),
    # Reflectance where digital numbers are expected, power where decibels are.
    (
        lambda s2, _: rewritten(s2 / "B2.tif", read(s2 / "B2.tif") / np.float32(10_000)),
        r"B2.tif of patch .* holds numbers from 0.\d+ to .* Expected: digital numbers",
    ),
    (
        lambda _, s1: [
            rewritten(s1 / f"{name}.tif", 10 ** (read(s1 / f"{name}.tif") / 10))
            for name in ("VV", "VH")
        ],
        r"VV.tif of patch .* is mostly above zero, as linear power is",
    ),
    # A band of the neighbouring chip.
    (lambda s2, _: shifted(s2 / "B11.tif"), r"B11.tif of patch .* lies on EPSG:32631 .* Expected"),
    (lambda _, s1: rewritten(s1 / "VV.tif", crs=None), r"VV.tif of patch .* is on no map"),
    (
        lambda s2, _: shutil.rmtree(s2),
        r"s1/S1B_.* of patch .* has no partner in .*s2. Expected: a chip of s1 and one of s2",
    ),
    (lambda _, s1: shutil.rmtree(s1), r"s2/S2A_.* of patch .* has no partner in .*s1"),
    (lambda _, s1: twin(s1), r"shows the position \d+-\d+ again, as S1B_"),
    (
        lambda s2, _: s2.rename(s2.with_name(f"summer_{s2.name.rpartition('_')[2]}")),
        r"s2/summer_\d+-\d+ has no name of a chip. Expected: S2x_MSIL1C",
    ),
    (
        lambda s2, _: s2.rename(s2.with_name(s2.name.replace("L1C", "L2A"))),
        r"s2/S2A_MSIL2A_\S+ has no name of a chip",
    ),
    (
        lambda _, s1: s1.rename(s1.with_name(s1.name.replace("GRDH", "SLC_"))),
        r"s1/S1B_IW_SLC_\S+ has no name of a chip. Expected: S1x_IW_GRDH",
    ),
]


def files(store):
    """Return what readers of a store see, but not what its writers keep of themselves."""
    paths = Path(store.path).rglob("*")
    return {p: p.stat().st_mtime_ns for p in paths if p.is_file() and p.name != "lock"}


@pytest.mark.parametrize(("broken", "message"), BROKEN)
def test_what_is_not_as_it_was_published_is_named_and_nothing_is_stored(
    copy, store, broken, message
):
    chips, folders = copy
    broken(*folders)
    before = files(store)
    with pytest.raises(DatasetError, match=message):
        import_floods(chips, store.path)
    assert files(store) == before


def test_of_an_incomplete_source_the_rest_is_listed(copy, store, capsys):
    chips, (_, s1) = copy
    shutil.rmtree(s1)
    command = ["import", "floods", str(chips), store.path]
    assert main(command) == 1
    assert "has no partner in" in capsys.readouterr().err
    assert main([*command, "--incomplete", "--json"]) == 3
    (told,) = json.loads(capsys.readouterr().out)["sets"]
    assert (told["name"], told["patches"], len(told["left_out"])) == (C2SMS, 1, 1)


def test_other_marks_of_what_nobody_could_tell_become_one(copy, store):
    chips, (s2, s1) = copy
    with_class(s2 / "LabelWater.tif", -1)
    rewritten(s1 / "VV.tif", np.where(np.arange(SIDE) < 9, np.float32(-99), read(s1 / "VV.tif")))
    rewritten(s1 / "VV.tif", nodata=-99)
    import_floods(chips, store.path)
    data = store.patches(C2SMS).open(mask_and_scale=False).isel(patch=0)
    assert data.water_s2[3, 4] == 255
    assert np.isnan(data.backscatter_s1[0, :, :9]).all()


@given(st.integers(0, 65535), st.sampled_from([0, -1000]))
def test_digital_numbers_lose_nothing_but_their_offset(number, dn_offset):
    grid = GeoBox((1, 1), Affine(10, 0, 0, 0, -10, 0), "EPSG:32631")
    file = rasters.Raster("B2.tif", np.full((1, 1, 1), number, "uint16"), grid, None)
    (stored,) = rasters.reflectance(file, dn_offset).ravel()
    assert stored == (min(number + dn_offset, 32767) if number else -32768)


# Sen1Floods11


ROW = {"location": "Spain", "s1_date": "2019/09/17", "s2_date": "2019/09/18"}
ROW |= {"orbit": "DESCENDING", "rel_orbit_num": 110.0}
GRID = Affine(8.983152841195184e-05, 0, -0.78, 0, -8.983152841195184e-05, 38.12)


def hand(folder, *names, rows=(ROW,), splits=None):
    """Write chips as they are published, of noise."""
    rng = np.random.default_rng(0)
    place = {"driver": "GTiff", "crs": "EPSG:4326", "transform": GRID, "compress": "deflate"}
    for name in names:
        for kind, values in (
            ("S1Hand", rng.normal(-15, 3, (2, SIDE, SIDE)).astype("float32")),
            ("S2Hand", rng.integers(1, 5000, (13, 1, SIDE)).repeat(SIDE, 1).astype("int16")),
            ("LabelHand", rng.integers(-1, 2, (1, SIDE, SIDE)).astype("int16")),
        ):
            path = folder / "data" / "flood_events" / "HandLabeled" / kind / f"{name}_{kind}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            shape = {"count": len(values), "height": SIDE, "width": SIDE, "dtype": values.dtype}
            with rasterio.open(path, "w", **place, **shape) as file:
                file.write(values)
    features = [{"properties": row} for row in rows]
    (folder / "Sen1Floods11_Metadata.geojson").write_text(json.dumps({"features": features}))
    for name, lines in (splits or {}).items():
        path = folder / "splits" / "flood_handlabeled" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return folder


def pair(name):
    return f"{name}_S1Hand.tif,{name}_LabelHand.tif"


def test_splits_and_events_are_found_beside_the_chips(tmp_path):
    mekong = ROW | {"location": "Cambodia", "orbit": "ASCENDING"}
    splits = {"flood_train_data.csv": [pair("Spain_1")], "flood_test_data.csv": [pair("Mekong_2")]}
    source = hand(tmp_path / "v1.1", "Spain_1", "Mekong_2", rows=(ROW, mekong), splits=splits)
    chips = source / "data" / "flood_events" / "HandLabeled"
    for given_path in (chips, source):
        (made,) = import_floods(given_path, tmp_path / f"store-{given_path.name}")
        assert (made.patches, made.left_out) == (2, ())
    data = cubestore.open_store(tmp_path / "store-v1.1").patches(SEN1FLOODS11).open()
    told = {str(data.patch_id[k].item()): data.isel(patch=k) for k in range(2)}
    assert told["Spain_1"].split.item() == "train"
    assert told["Mekong_2"].split.item() == "test"
    assert told["Mekong_2"].event.item() == "Mekong"
    assert told["Mekong_2"].orbit_state_s1.item() == "ascending"
    assert str(told["Spain_1"].time.values)[:10] == "2019-09-18"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            {"splits": {"flood_valid_data.csv": [pair("Spain_1"), pair("Spain_9")]}},
            r"flood_valid_data.csv, row 2 names the chip Spain_9, of which there is none",
        ),
        (
            {"splits": {"flood_test_data.csv": ["Spain_1"]}},
            r"flood_test_data.csv, row 1 is 'Spain_1'. Expected: NAME_S1Hand.tif,NAME_LabelHand",
        ),
        (
            {"rows": (ROW | {"location": "Ghana"},)},
            r"Spain_1_LabelHand.tif of patch Spain_1 is of the event 'Spain'. Expected: .* Ghana",
        ),
        (
            {"rows": (ROW, ROW | {"s1_date": "in autumn"})},
            r"Sen1Floods11_Metadata.geojson, row 2, cannot be understood: ValueError",
        ),
        (
            {"rows": ({"location": "Spain"},)},
            r"Metadata.geojson, row 1, cannot be understood: KeyError: 's2_date'",
        ),
    ],
)
def test_rows_without_a_chip_and_chips_without_a_row_are_named(tmp_path, store, spoil, message):
    source = hand(tmp_path / "v1.1", "Spain_1", **spoil)
    before = files(store)
    with pytest.raises(DatasetError, match=message):
        import_floods(source, store.path)
    assert files(store) == before


@pytest.mark.parametrize(
    ("source", "layout", "message"),
    [
        ("nowhere", "", "holds no chips of floods"),
        (".", "", "holds no chips of floods"),
        ("v1.1", "c2sms", "holds the chips of sen1floods11"),
        ("v1.1", "floods", "The layout 'floods'"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path, store, source, layout, message):
    (tmp_path / "v1.1" / "LabelHand").mkdir(parents=True)
    place = tmp_path / "empty" if source == "." else tmp_path / source
    with pytest.raises(DatasetError, match=message):
        import_floods(place, store.path, layout=layout)


def test_clays_way_needs_the_granules_names(tmp_path, store):
    source = hand(tmp_path / "v1.1", "Spain_1")
    with pytest.raises(DatasetError, match="does not tell from which granules"):
        import_floods(source, store.path, catalog="planetary-computer")


# Real chips


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("real") / "store"
    (made,) = import_floods(shared_data / "sen1floods11", path, incomplete=True)
    return shared_data / "sen1floods11", made, cubestore.open_store(path)


def test_real_chips_are_stored_as_rasterio_reads_them(real):
    source, made, store = real
    assert made.patches == 4
    data = store.patches(SEN1FLOODS11).open(mask_and_scale=False)
    for number, name in enumerate(map(str, data.patch_id.values)):
        patch = data.isel(patch=number)
        radar = read(source / "S1Hand" / f"{name}_S1Hand.tif")
        np.testing.assert_array_equal(patch.backscatter_s1, radar)
        label = read(source / "LabelHand" / f"{name}_LabelHand.tif")[0]
        np.testing.assert_array_equal(patch.water, np.where(label == -1, 255, label))
    (spain,) = np.flatnonzero(data.patch_id.values == "Spain_7370579")
    optical = read(source / "S2Hand" / "Spain_7370579_S2Hand.tif")
    np.testing.assert_array_equal(data.reflectance[spain], optical)
    assert data.crs[spain] == "EPSG:4326"
    assert data.relative_orbit_s1[spain] == 110


def test_a_real_chip_without_a_valid_pixel_is_marked_so(real):
    _, _, store = real
    data = store.patches(SEN1FLOODS11).open()
    valid = dict(zip(map(str, data.patch_id.values), data.valid_fraction_s1.values, strict=True))
    assert valid["Paraguay_34417"] == 0
    assert valid["Nigeria_812045"] == pytest.approx(1 - 0.0022087, abs=1e-6)
    assert valid["Spain_7370579"] == valid["Pakistan_849790"] == 1
    options = {"patches": SEN1FLOODS11, "sensor": "backscatter_s1", "chip_size": SIDE}
    for batch in cubestore.batches(store, **options, variables=["water"]):
        empty = batch["chipid"].index("Paraguay_34417")
        assert not batch["valid"][empty].any()
        assert np.isnan(batch["pixels"][empty]).all()
        assert (batch["water"][empty] == 1).any()


def test_a_real_source_without_all_of_sentinel_2_says_so(real, tmp_path):
    source, made, _ = real
    assert len(made.left_out) == 3
    with pytest.raises(DatasetError, match=r"Nigeria_812045 has no partner .*S2Hand.*, and 2 more"):
        import_floods(source, tmp_path / "store")
