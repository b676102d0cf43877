"""SSL4EO-S12 that is not as it was published: an error names file and row, the store stays."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from zarr.storage import ZipStore

import cubestore
from cubestore_pipelines.benchmarks.ssl4eo import Choices, import_ssl4eo
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.simulate.ssl4eo import write_v1, write_v11, zipped


@pytest.fixture(scope="module")
def v1(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v1")
    write_v1(folder, (2, 9), modalities=("s1", "s2c"))
    return folder


@pytest.fixture(scope="module")
def v11(tmp_path_factory):
    folder = tmp_path_factory.mktemp("v11")
    write_v11(folder, (("train", 1),), modalities=("S1GRD",))
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    write_v11(folder, (("train", 1),), modalities=("S1GRD", "S2L1C"))
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory, v1):
    """A store that holds another set already."""
    made = cubestore.create_store(tmp_path_factory.mktemp("store") / "store")
    import_ssl4eo(v1, made.path, choices=Choices(modality=("s1",), name="ssl4eo-s12/before"))
    return made


def files(store):
    """Every file of a store but its locks, which tell who wrote last."""
    paths = [p for p in Path(store.path).rglob("*") if p.is_file() and p.name != "lock"]
    return {path: path.read_bytes() for path in paths}


def refused(source, store, problem, **choices):
    before = files(store)
    with pytest.raises(DatasetError, match=problem):
        import_ssl4eo(source, store.path, choices=Choices(**choices))
    assert files(store) == before


def last(folder):
    """The last acquisition of the last patch: what is wrong there is found late."""
    return max((folder / "s1" / "0000009").iterdir())


def truncate(folder):
    path = last(folder) / "VH.tif"
    path.write_bytes(path.read_bytes()[:100_000])


def empty(folder):
    (last(folder) / "VH.tif").write_bytes(b"")


def page(folder):
    (last(folder) / "VH.tif").write_bytes(b"<html>404</html>")


def remove_band(folder):
    (last(folder) / "VH.tif").unlink()


def remove_bands_of_s2(folder):
    next((folder / "s2c" / "0000009").iterdir()).joinpath("B10.tif").unlink()


def rewrite(folder, name="VH.tif", **changes):
    path = last(folder) / name
    with rasterio.open(path) as file:
        profile, pixels = {**file.profile, **changes}, file.read()
    pixels = np.resize(pixels, (1, profile["height"], profile["width"]))
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels.astype(profile["dtype"]))


def smaller(folder):
    rewrite(folder, height=263)


def integers(folder):
    rewrite(folder, dtype="uint16")


def in_metres(folder):
    rewrite(folder, crs="EPSG:32631")


def elsewhere(folder):
    rewrite(folder, "VV.tif", transform=rasterio.Affine(1e-4, 0, 3, 0, -1e-4, 50))


def swap(folder):
    other = min((folder / "s1" / "0000009").iterdir())
    shutil.copy(other / "metadata.json", last(folder) / "metadata.json")


def no_metadata(folder):
    (last(folder) / "metadata.json").unlink()


def broken_metadata(folder):
    (last(folder) / "metadata.json").write_text('{"system:index": ')


def listed_metadata(folder):
    (last(folder) / "metadata.json").write_text("[]")


def without_time(folder):
    path = last(folder) / "metadata.json"
    told = json.loads(path.read_text())
    del told["system:time_start"]
    path.write_text(json.dumps(told))


def three_seasons(folder):
    shutil.rmtree(last(folder))


def no_patch(folder):
    shutil.rmtree(folder / "s1" / "0000009")


def two_names(folder):
    shutil.copytree(folder / "s1" / "0000009", folder / "s1" / "9")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (two_names, r"Folders 0000009 and 9 in s2c, s1"),
        (truncate, r"Patch 0000009, s1: .*VH\.tif cannot be read"),
        (empty, r"Patch 0000009, s1: .*VH\.tif is empty"),
        (page, r"Patch 0000009, s1: .*VH\.tif is a page"),
        (remove_band, r"Patch 0000009, s1: .*VH\.tif is not there"),
        (remove_bands_of_s2, r"Patch 0000009, s2c: .*B10\.tif is not there"),
        (smaller, r"Patch 0000009, s1: .*VH\.tif holds \(1, 263, 264, 'float32'\)"),
        (integers, r"Patch 0000009, s1: .*VH\.tif holds \(1, 264, 264, 'uint16'\)"),
        (in_metres, r"VH\.tif holds .*EPSG:32631.*Expected: .*in degrees"),
        (elsewhere, r"Patch 0000009, s1: .* lies in several places"),
        (swap, r"Patch 0000009, s1: .*metadata\.json is of the acquisition 'S1A_"),
        (no_metadata, r"Patch 0000009, s1: .*metadata\.json is not there"),
        (broken_metadata, r"Patch 0000009, s1: .*metadata\.json cannot be read"),
        (listed_metadata, r"Patch 0000009, s1: .*metadata\.json is no JSON object"),
        (without_time, r"metadata\.json lacks a property.*system:time_start"),
        (three_seasons, r"Patch 0000009, s1 has 3 acquisitions"),
        (no_patch, r"s1 lacks 1 patches that another sensor has: 0000009"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_v1_that_is_not_as_published_is_refused(v1, store, tmp_path, damage, problem):
    folder = tmp_path / "v1"
    shutil.copytree(v1, folder)
    damage(folder)
    refused(folder, store, problem)


@pytest.mark.parametrize(
    ("text", "option", "problem"),
    [
        ("2\nx7\n", "ids", "ids.csv, line 2: 'x7'"),
        ("2\n\n77\n", "ids", "ids.csv, line 3: there is no patch 77"),
        ("2.5\n", "void_ids", "ids.csv, line 1: '2.5'"),
        ("2\n9\n", "void_ids", "No patch in s2c, s1"),
    ],
)
def test_a_file_of_ids_that_is_none_is_refused(v1, store, tmp_path, text, option, problem):
    (tmp_path / "ids.csv").write_text(text)
    refused(v1, store, problem, **{option: tmp_path / "ids.csv"})


def test_patches_that_lack_seasons_are_taken_when_that_is_asked_for(v1, store, tmp_path):
    folder = tmp_path / "v1"
    shutil.copytree(v1, folder)
    (first, second, *_) = sorted((folder / "s2c" / "0000009").iterdir())
    shutil.rmtree(second)
    shutil.rmtree(folder / "s1" / "0000002")
    choices = Choices(incomplete=True, name="ssl4eo-s12/part")
    import_ssl4eo(folder, store.path, choices=choices)
    data = store.patches("ssl4eo-s12/part").open(mask_and_scale=False)
    assert np.isnat(data.time.values[1]).tolist() == [False, True, False, False]  # as s1 tells
    assert data.item_id.values[1, 0] == first.name
    assert (data.s2c[1, 1] == 0).all()
    assert np.isnat(data.time_s1.values[0]).all()
    assert np.isnan(data.s1[0]).all()


def changed(change, modality="S1GRD", **encoding):
    """Write a file of v1.1 anew, its dataset changed."""

    def damage(folder):
        (path,) = (folder / "train" / modality).iterdir()
        with ZipStore(path, mode="r") as old:
            data = xr.open_zarr(old, zarr_format=2, mask_and_scale=False, chunks=None).load()
        data = change(data)
        for name in data.variables:
            data[name].encoding = encoding.get(name, {})
        zipped(data, path)

    return damage


def in_zip(change):
    """Write a zip anew, what is in it changed: name -> bytes."""

    def damage(folder):
        (path,) = (folder / "train" / "S1GRD").iterdir()
        with zipfile.ZipFile(path) as archive:
            held = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in change(held).items():
                archive.writestr(name, data)

    return damage


def without(name):
    return in_zip(lambda held: {n: d for n, d in held.items() if not n.startswith(name)})


def edited(name, **fields):
    def change(held):
        told = {**json.loads(held[name]), **fields}
        return {**held, name: json.dumps(told).encode()}

    return in_zip(change)


def cut(folder):
    (path,) = (folder / "train" / "S1GRD").iterdir()
    path.write_bytes(path.read_bytes()[:50_000])


def flipped(folder):
    """Turn a byte in the middle of a chunk, behind the back of the zip's checksum."""
    (path,) = (folder / "train" / "S1GRD").iterdir()
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("bands/0.3.0.0.0").header_offset + 50_000
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def another_order(data):
    return data.isel(sample=[1, 0])


def stranger(data):
    return data.assign(sample_id=data.sample_id.str.replace("_1", "_7"))


def no_time(data):
    times = data.time_.values.copy()
    times[1, 2] = np.datetime64("NaT")
    return data.assign(time_=(("sample", "time"), times))


def backwards(data):
    return data.assign(time_=(("sample", "time"), data.time_.values[:, ::-1]))


def upside_down(data):
    return data.assign(y_=(("sample", "y"), data.y_.values[:, ::-1]))


PICKLE = [{"id": "pickle", "protocol": 5}]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (cut, r"data_000001\.zarr\.zip cannot be read: File is not a zip file"),
        (flipped, r"data_000001\.zarr\.zip cannot be read: Bad CRC-32"),
        (without("bands/0.3.0.0.0"), r"lacks 1 chunks of bands, bands/0\.3\.0\.0\.0"),
        (without("bands/"), r"data_000001\.zarr\.zip has no bands"),
        (without("time_/"), r"data_000001\.zarr\.zip has no time_"),
        (without(".zgroup"), r"data_000001\.zarr\.zip cannot be read"),
        (edited("file_id/.zarray", filters=PICKLE), r"file_id is of .*pickle.*may run code"),
        (edited("file_id/.zarray", dtype="|O"), r"file_id is of \|O"),
        (edited("bands/.zarray", compressor={"id": "evil"}), r"bands is of .*compressor evil"),
        (edited("bands/.zarray", chunks=[2**20, 4, 2, 264, 264]), r"bands has chunks of \d+ bytes"),
        (in_zip(lambda held: {**held, "x_/.zarray": b"{"}), r"zarr\.zip cannot be read"),
        (changed(lambda data: data.isel(band=[0])), r"holds .*\(4, 1, 264, 264\)"),
        (changed(lambda data: data.isel(band=[1, 0])), r"holds .*\('vh', 'vv'\)"),
        (changed(lambda data: data.isel(y=slice(1))), r"holds .*\(4, 2, 1, 264\)"),
        (changed(lambda data: data.isel(time=slice(3))), r"holds .*\(3, 2, 264, 264\)"),
        (changed(lambda d: d.assign(bands=d.bands.astype("f4"))), r"holds .*'float32'"),
        (changed(stranger), r"sample 0: 0000100 has sample_id .*'0000100_7'"),
        (changed(no_time), r"sample 1: 0000101 has times"),
        (changed(backwards), r"sample 0: 0000100 has times"),
        (changed(lambda d: d.assign(crs=d.crs * 1.5)), r"holds .*'crs': 'float64'"),
        (
            changed(lambda d: d.drop_vars("x_").rename(y_="x_")),
            r"has x_ on \('sample', 'y'\)|no y_",
        ),
        (without("time_/0.0"), r"lacks 1 chunks of time_"),
        (changed(upside_down), r"sample 0: x_ from .*Expected: x to the east"),
    ],
)
def test_v1_1_that_is_not_as_published_is_refused(v11, store, tmp_path, damage, problem):
    folder = tmp_path / "v11"
    shutil.copytree(v11, folder)
    damage(folder)
    refused(folder, store, problem)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (changed(another_order), r"other patches, or another order"),
        (changed(lambda data: data.isel(sample=[0])), r"the sensors have \[1, 2\] patches"),
        (changed(lambda d: d.drop_vars("cloud_mask"), "S2L1C"), r"S2L1C.*has no cloud_mask"),
        (
            changed(lambda d: d.assign(cloud_mask=d.cloud_mask.astype("i2")), "S2L1C"),
            r"S2L1C.*'cloud_mask': 'int16'",
        ),
    ],
)
def test_sensors_that_do_not_go_together_are_refused(both, store, tmp_path, damage, problem):
    folder = tmp_path / "both"
    shutil.copytree(both, folder)
    damage(folder)
    refused(folder, store, problem)


def test_a_sensor_that_lacks_a_file_is_named(both, store, tmp_path):
    folder = tmp_path / "both"
    shutil.copytree(both, folder)
    write_v11(folder, (("train", 2),), modalities=("S1GRD",), samples=1)
    refused(folder, store, r"train/\*/.*data_000002\.zarr\.zip is not there for every sensor")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"modality": ("s2a",)}, "has S2L1C, S1GRD"),
        ({"incomplete": True}, "--incomplete of v1.1"),
    ],
)
def test_what_the_source_does_not_have_is_refused(both, store, options, problem):
    refused(both, store, problem, **options)


def test_what_is_not_imported_is_told(both, store, tmp_path):
    folder = tmp_path / "both"
    shutil.copytree(both, folder)
    (folder / "train" / "S2RGB").mkdir()
    choices = Choices(modality=("S1GRD",), name="ssl4eo-s12/radar")
    (made,) = import_ssl4eo(folder, store.path, choices=choices)
    assert made.notes == ("S2L1C: not imported", "S2RGB: not imported")
