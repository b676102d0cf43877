"""Real scenes, from their files to a stranger who finds them by HTTP: pixel by pixel the same."""

import shutil

import numpy as np
import pystac
import pytest
import xarray as xr
from pystac_client import Client

import cubestore as library
from tests.catalog.clients import program
from tests.catalog.published import validator
from tests.pipelines.real import Source, cubestore

SENSOR, NODATA = "sentinel-2-l2a", -32768
BANDS = {"B02": 2, "B04": 4}
PROFILE = """
collections:
  boadella-sentinel-2-l2a:
    sensor: sentinel-2-l2a
    bands: {B02: {asset: data, index: 2}, B04: {asset: data, index: 4}}
    dn_offset: 0
"""
BOADELLA = (2.79, 42.33, 2.84, 42.365)
THAILAND = (103.72, 17.89, 103.79, 17.95)
SCENES = "sentinel2/boadella_l2a_timeseries"
DAYS = ("2020-01-18", "2020-01-28")


@pytest.fixture(scope="module")
def store(shared_data, new_store, tmp_path_factory):
    """Two dates of a reservoir in Spain and one in Thailand, catalogued."""
    profile = tmp_path_factory.mktemp("profile") / "boadella.yaml"
    profile.write_text(PROFILE)
    made, items = new_store(), shared_data / "stac_local"
    choices = ["--bbox", *BOADELLA, "--datetime", "/".join(DAYS), "--bands", *BANDS]
    spain = items / "boadella-sentinel-2-l2a"
    made.build(spain, SENSOR, "31TDG", "--profile", profile, *choices)
    choices = ["--bbox", *THAILAND, "--bands", *BANDS, "--dn-offset", 0]
    made.build(items / "sentinel-2-l2a", SENSOR, "48QUE", *choices)
    cubestore("catalog", made.path)
    return made


@pytest.fixture(scope="module")
def client(store):
    with program(store.path) as address:
        yield Client.open(address)


@pytest.fixture(scope="module")
def found(client):
    """The one item that lies where it is searched for, at that time."""
    (item,) = client.search(bbox=BOADELLA, datetime="2020-01-28", collections=[SENSOR]).items()
    return item


def opened(item, how):
    """Return a cube's numbers as they are stored, by what its item says."""
    if how == "open_item":
        return library.open_item(item, mask_and_scale=False)
    asset = item.assets["data"]
    if how == "open_zarr":
        return xr.open_zarr(asset.href, mask_and_scale=False, chunks=None)
    return xr.open_dataset(
        asset.href, **asset.extra_fields["xarray:open_kwargs"], mask_and_scale=False
    )


@pytest.mark.parametrize("how", ["open_item", "open_zarr", "xarray:open_kwargs"])
def test_what_is_found_is_what_the_scenes_files_hold(shared_data, found, how):
    cube = opened(found, how)
    assert [str(time)[:10] for time in cube.time.values] == list(DAYS)
    for slot, day in enumerate(DAYS):
        source = Source(shared_data / f"{SCENES}/Boadella_{day}.tif", cube, 20)
        for band, index in BANDS.items():
            numbers = source.under(index).astype("i4")
            expected = np.where(numbers == 0, NODATA, numbers).astype("i2")
            source.check(cube.reflectance.isel(time=slot).sel(band=band), index, expected, day)
            assert (expected != NODATA).mean() > 0.5


def test_what_is_saved_of_a_search_is_valid_and_leads_back(client, shared_data, tmp_path):
    client.search(collections=[SENSOR]).item_collection().save_object(tmp_path / "found.json")
    saved = {item.id: item for item in pystac.ItemCollection.from_file(tmp_path / "found.json")}
    assert set(saved) == {"31TDG-sentinel-2-l2a", "48QUE-sentinel-2-l2a"}
    judge = validator(shared_data)
    for item in saved.values():
        assert len(item.validate(validator=judge)) == 1 + len(item.stac_extensions)
    assert opened(saved["48QUE-sentinel-2-l2a"], "open_zarr").sizes["time"] == 1


def test_the_static_catalogue_is_valid_wherever_it_is_copied_to(store, shared_data, tmp_path):
    shutil.copytree(store.path, tmp_path / "copy")
    catalog = pystac.Catalog.from_file(tmp_path / "copy/catalog/catalog.json")
    judge = validator(shared_data)
    for record in (catalog, *catalog.get_children(), *catalog.get_items(recursive=True)):
        record.validate(validator=judge)
        for asset in record.assets.values() if isinstance(record, pystac.Item) else ():
            assert asset.get_absolute_href().startswith(str(tmp_path))
    copied = opened(next(catalog.get_items("31TDG-sentinel-2-l2a", recursive=True)), "open_item")
    built, scene = store.open("31TDG", SENSOR), f"{SCENES}/Boadella_{DAYS[0]}.tif"
    window = Source(shared_data / scene, built, 20).window
    xr.testing.assert_identical(copied.reflectance.isel(window), built.reflectance.isel(window))
