"""The verbs that use embeddings, as a user runs them."""

import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import xarray as xr

import cubestore
from cubestore import embeddings
from cubestore.embeddings import Embedding
from tests.cubestore.patch_sets import NAME, patch_set

L8 = "landsat-c2-l2"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Files are written where the program runs."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A cube of two dates, whose vectors differ in one row of chips alone."""
    store = cubestore.create_store(tmp_path_factory.mktemp("cli") / "store")
    cube = store.create_cube("31UDQ", L8)
    known = {"platform": "landsat-8", "shards": ((0, 0),)}
    with cube.write() as writer:
        days = ("2023-06-12", "2024-06-12")
        writer.append([cubestore.Slot(time=d, item_id=d, **known) for d in days], [])
    embedding = Embedding(model="rcf", preprocessing="none", pooling="mean", dimensions=16)
    values = np.random.default_rng(0).normal(size=(15, 15, 16)).astype("float32")
    values[0] = np.nan
    for slot in range(2):
        with embeddings.write(cube, embedding) as writer:
            writer.fill(slot, values, commit=1)
        values[7] *= -1
    return store


def test_index_then_nearest(program, store):
    told = json.loads(program("index", store.path, "--model", "rcf", "--json").out)
    assert [(one["state"], one["vectors"]) for one in told["files"]] == [("written", 2 * 14 * 15)]
    assert "unchanged" in program("index", store.path, "--model", "rcf").out
    asked = ["--at", "2.4", "49", "--time", "2023", "--datetime", "2024", "--k", "3"]
    shown = program("nearest", store.path, *asked).out.splitlines()
    assert shown[0].split() == ["chipid", "distance", "time", "lon", "lat"]
    found = json.loads(program("nearest", store.path, *asked, "--json").out)["chips"]
    ours = cubestore.nearest(store, at=(2.4, 49), time="2023", datetime="2024", k=3)
    assert [one["chipid"] for one in found] == ours.chipid.tolist()
    np.testing.assert_allclose([one["distance"] for one in found], ours["distance"])
    west, south, east, north = found[0]["bbox"]
    assert west < found[0]["center"][0] < east
    assert south < found[0]["center"][1] < north
    by_name = ["--chip", found[1]["chipid"], "--datetime", "2024", "--k", "1", "--json"]
    named = json.loads(program("nearest", store.path, *by_name).out)["chips"]
    assert [one["chipid"] for one in named] == [found[1]["chipid"]]


def test_export_embeddings(program, store, tmp_path):
    done = program("export", "embeddings", store.path, tmp_path, "--schema", "v0.1", "--json").out
    (file,) = json.loads(done)["files"]
    assert file["path"].endswith("31UDQ_20230612_20240612_v001.gpq")
    assert len(gpd.read_parquet(file["path"])) == file["rows"] == 2 * 14 * 15
    assert "Example: cubestore export embeddings" in program("export", "embeddings", "--help").out


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # a picture
def test_change_is_a_variable_a_geotiff_and_a_picture(program, store, tmp_path):
    dates = ["--tile", "31UDQ", "--from", "2023", "--to", "2024-06"]
    done = program("change", store.path, *dates, "-o", tmp_path / "out", "--json").out
    told = json.loads(done)
    assert (told["since"], told["until"]) == ("2023-06-12T00:00:00Z", "2024-06-12T00:00:00Z")
    assert (told["chips"], told["most"]) == (14 * 15, pytest.approx(2))
    kept = xr.open_zarr(store.cube("31UDQ", L8).path, chunks=None)[told["variable"]][1]
    with rasterio.open(told["geotiff"]) as file:
        assert (file.crs.to_epsg(), file.res, file.dtypes) == (32631, (7680, 7680), ("float32",))
        assert np.isnan(file.nodata)
        assert file.bounds[:4:3] == cubestore.tile("31UDQ").geobox(30, margin=15).boundingbox[:4:3]
        assert file.tags()["since"] == told["since"]
        values = file.read(1)
    np.testing.assert_array_equal(values, kept.values)
    np.testing.assert_allclose(values[7], 2, rtol=1e-6)  # turned round
    assert np.isnan(values[0]).all()  # never embedded
    assert np.abs(values[[1, 2, 14]]).max() < 1e-6  # the same
    with rasterio.open(told["picture"]) as file:
        red, opacity = file.read([1, 4])
    assert red.shape >= (800, 800)
    step = red.shape[0] // 15
    assert red[7 * step + 1, 1] == 252 > red[2 * step + 1, 1] == 0
    assert (opacity[:step] == 0).all()
    assert (opacity[step:] == 255).all()
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".tif", ".png"}
    assert "geotiff" in program("change", store.path, *dates, "-o", tmp_path, "--no-keep").out


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["nearest", "nowhere", "--at", "2", "49"], 1, "nowhere is not a store"),
        (["nearest", "{store}"], 1, "with none"),
        (["nearest", "{store}", "--at", "49", "2"], 1, "longitude before latitude"),
        (["nearest", "{store}", "--at", "2.4", "49", "--model", "clay"], 1, "those of rcf"),
        (["nearest", "{store}", "--at", "2.4", "49", "--chip-size", "64"], 1, "256, of which rcf"),
        (["nearest", "{store}", "--at", "2.4", "49", "--max-cloud", "0.1"], 1, "no chip index"),
        (["nearest", "{store}", "--at", "2.4", "49", "--metric", "dot"], 2, "dot"),
        (["nearest", "{store}", "--at", "2.4", "49", "--engine", "annoy"], 2, "annoy"),
        (["change", "{store}", "--tile", "31UDQ", "--from", "2022", "--to", "2024"], 1, "2023-06"),
        (["change", "{store}", "--tile", "31UEQ", "--from", "2023", "--to", "2024"], 1, "no embed"),
        (["change", "{store}", "--tile", "31UDQ", "--from", "2023"], 2, "--to"),
        (["export", "embeddings", "{store}"], 2, "DIRECTORY"),
        (["export", "embeddings", "{store}", "out", "--model", "clay"], 1, "those of rcf"),
        (["index", "{store}", "--model", "clay"], 1, "those of rcf"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(program, store, arguments, status, problem):
    done = program(*(a.format(store=store.path) for a in arguments), check=status)
    assert problem in done.err
    assert done.out == ""
    assert status != 1 or done.err.count("\n") == 1


def test_patches_are_found_by_their_ids(program, tmp_path):
    store = cubestore.create_store(tmp_path / "patches")
    patch_set(store, 4)
    program("embed", store.path, "--patches", NAME)
    asked = ["--patches", NAME, "--chip", "patch-0001-0", "--k", "3"]
    shown = program("nearest", store.path, *asked).out.splitlines()
    assert shown[0].split() == ["patches", "chipid", "distance", "time", "lon", "lat"]
    assert shown[1].split()[:2] == [NAME, "patch-0001-0"]
    found = json.loads(program("nearest", store.path, *asked, "--json").out)["chips"]
    assert found[0]["center"] == [3.001, 49.999]
    assert found[0]["time"] == "2020-01-02T00:00:00Z"
    said = program("nearest", store.path, *asked, "--exact", check=1).err
    assert "Patches by exact" in said
    export = ["export", "embeddings", store.path, tmp_path / "out", "--patches", NAME]
    shown = program(*export).out.split()
    assert shown[:7] == ["patches", "sensor", "rows", "path", NAME, "sentinel-2-l2a", "8"]
    (file,) = json.loads(program(*export, "--split", "val", "--json").out)["files"]
    assert (file["patches"], file["rows"]) == (NAME, len(gpd.read_parquet(file["path"])))
    said = program(*export, "--tile", "31UDQ", check=1).err
    assert "Patches by tile" in said
