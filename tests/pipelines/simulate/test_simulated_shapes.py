"""Items of all missions, held against those that are published."""

import json
import re

import pystac
import pytest

from cubestore_pipelines.simulate.archive import tiny_everything_plan
from cubestore_pipelines.simulate.sentinel2 import GranuleScene

SCENES = [one for one in tiny_everything_plan() if hasattr(one, "collection")]

PC = "planetary_computer"
PUBLISHED = {
    "S1": f"{PC}/sentinel-1-rtc/S1A_IW_GRDH_*.json",
    "LC09_L2SP": f"{PC}/landsat-c2-l2/LC09_L2SP_084068_*.json",
    "LC08_L2SP": f"{PC}/landsat-c2-l2/LC09_L2SP_084068_*.json",
    "LC08_L2SR": f"{PC}/landsat-c2-l2/LC09_L2SR_084072_*.json",
    "LM05": f"{PC}/landsat-c2-l1/LM05_*.json",
    "M": f"{PC}/modis-09A1-061/MYD09A1*.json",
    "ks_m_3809818_nw_14_1": f"{PC}/naip/vt_m_4407363_*.json",
    "ks_m_3809818_ne_14_1": f"{PC}/naip/vt_m_4407363_*.json",
    "ks_m_3809818_nw_14_060_2021": f"{PC}/naip/vt_m_4407331_*.json",
    "ks_m_3809818_nw_14_060_2023": f"{PC}/naip/me_m_4406944_*.json",
    "Copernicus": f"{PC}/cop-dem-glo-30/Copernicus_*.json",
    "ESA": f"{PC}/esa-worldcover/ESA_*.json",
    "BQ31": "linz/BC40_2000_2421.json",
}
"""The published item for each beginning of an id."""

OWN = {"href", "created", "file:size", "file:checksum", "proj:transform", "proj:shape", "title"}
"""Of assets: what differs from item to item."""


def published(shared_data, pattern):
    paths = list((shared_data / "stac_items").glob(pattern))
    if not paths:
        pytest.skip(f"needs {pattern}")
    return json.loads(paths[0].read_text())


def item_of(everything, scene):
    folder = everything.directory / "items"
    path = folder / f"{scene.item_id}.json"
    nested = folder / scene.collection / f"{scene.item_id}.json"
    return json.loads((path if path.exists() else nested).read_text())


@pytest.mark.parametrize(
    "scene",
    [one for one in SCENES if one.collection != "landsat-c2l1"],
    ids=lambda one: f"{one.collection}/{one.item_id}",
)
def test_items_have_the_published_shape(everything, shared_data, scene):
    pattern = next(p for start, p in PUBLISHED.items() if scene.item_id.startswith(start))
    real, item = published(shared_data, pattern), item_of(everything, scene)
    assert set(item) == set(real)
    assert set(item["properties"]) == set(real["properties"])
    for key, value in real["properties"].items():
        assert type(item["properties"][key]) in like(value), key
    assert list(map(set, item["links"])) == list(map(set, real["links"]))
    assert item["stac_extensions"] == real["stac_extensions"]
    assert set(item["assets"]) == set(real["assets"])
    for key, asset in real["assets"].items():
        own = item["assets"][key]
        assert set(own) == set(asset), key
        assert {k: own[k] for k in set(own) - OWN} == {k: asset[k] for k in set(asset) - OWN}, key
        assert own["href"].count("/") == asset["href"].count("/"), key
        assert (
            own["href"].rpartition(".")[2] == asset["href"].rpartition(".")[2] or "?" in own["href"]
        )
    assert len(item["bbox"]) == 4
    assert "{" not in json.dumps(item).replace('{"', "")


def like(value):
    return (int, float) if type(value) in (int, float) else (type(value),)


def test_level_1_has_the_frame_of_usgs_and_the_names_of_its_profile(everything, shared_data):
    real = published(shared_data, "usgs_landsatlook/LM05_L1GS_001001_*.json")
    scene = next(one for one in SCENES if one.collection == "landsat-c2l1")
    item = item_of(everything, scene)
    assert set(item) == set(real)
    assert set(item["properties"]) == set(real["properties"])
    assert item["collection"] == real["collection"] == "landsat-c2l1"
    for key in set(real["assets"]) & set(item["assets"]):
        assert set(item["assets"][key]) == set(real["assets"][key]), key
    for key, number in {"red": 4, "nir08": 5, "swir16": 6, "qa_pixel": "QA_PIXEL"}.items():
        name = f"_B{number}" if isinstance(number, int) else f"_{number}"
        assert item["assets"][key]["href"].endswith(f"{scene.item_id}{name}.TIF")
    assert 0 < item["properties"]["view:sun_elevation"] < 90


def test_the_scanner_of_landsat_5_says_what_it_is(everything):
    [item] = [one for one in everything.items if one["id"].startswith("LM05")]
    assert item["collection"] == "landsat-c2-l1"
    assert item["properties"]["instruments"] == ["mss"]
    assert item["assets"]["red"]["raster:bands"][0]["data_type"] == "uint8"


def test_landsat_counts_from_the_north_in_the_south_too(everything):
    [item] = [one for one in everything.items if "_072089_" in one["id"]]
    assert item["properties"]["proj:epsg"] == 32660
    assert item["properties"]["proj:transform"][5] < 0
    assert item["bbox"][3] < 0


def test_a_composite_has_no_time_but_two(everything):
    item = next(one for one in everything.items if one["id"].startswith("MOD09A1.A2022361"))
    properties = item["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2022-12-27T00:00:00Z"
    assert properties["end_datetime"] == "2023-01-03T23:59:59Z"
    assert properties["platform"] == ""  # as published: the name alone tells Terra from Aqua


@pytest.mark.parametrize(
    ("collection", "pattern"),
    [
        (one, f"{PC}/{one}/collection.json")
        for one in (
            "sentinel-1-rtc",
            "landsat-c2-l2",
            "landsat-c2-l1",
            "modis-09A1-061",
            "naip",
            "cop-dem-glo-30",
            "esa-worldcover",
        )
    ],
)
def test_collections_have_what_is_published(everything, shared_data, collection, pattern):
    real = published(shared_data, pattern)
    [own] = [one for one in everything.collections if one["id"] == collection]
    assert own["extent"]["spatial"]["bbox"]
    for key in ("item_assets", "license", "msft:container", "msft:storage_account", "title"):
        assert own[key] == real[key], key


def test_linz_is_a_static_catalogue_that_pystac_can_walk(everything, shared_data):
    catalog = pystac.Catalog.from_file(str(everything.linz_catalog))
    items = list(catalog.get_items(recursive=True))
    assert sorted(item.id for item in items) == sorted(
        one.item_id for one in SCENES if one.sensor == "linz"
    )
    assert len({item.id for item in items}) == len(items) - 1  # one name is in two surveys
    for item in items:
        path = item.assets["visual"].get_absolute_href()
        assert path.startswith(str(everything.linz_catalog.parent))
        assert pystac.StacIO.default().read_text(item.get_self_href())
    real = published(shared_data, "linz/collection_wellington_porirua*.json")
    for survey in catalog.get_children():
        assert set(survey.to_dict(include_self_link=True)) == set(real)


def test_checksums_are_those_of_the_files(everything):
    import hashlib  # noqa: PLC0415 - for this test alone

    for path in everything.linz_catalog.parent.rglob("BQ31*.json"):
        item = json.loads(path.read_text())
        name = item["assets"]["visual"]["href"].removeprefix("./")
        digest = hashlib.sha256((path.parent / name).read_bytes()).hexdigest()
        assert item["assets"]["visual"]["file:checksum"] == f"1220{digest}"
        links = json.loads((path.parent / "collection.json").read_text())["links"]
        [link] = [one for one in links if one["href"] == f"./{path.name}"]
        assert link["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_sensor_of_the_project_is_there(everything):
    sensors = {scene.sensor for scene in everything.scenes}
    assert sensors - {""} == {
        "sentinel-2-l2a",
        "sentinel-1-rtc",
        "landsat-c2-l2",
        "landsat-c2-l1",
        "modis-09a1",
        "naip",
        "linz",
        "cop-dem-glo-30",
        "esa-worldcover",
    }
    assert any(isinstance(scene, GranuleScene) for scene in everything.scenes)


def test_ids_are_spelt_as_the_catalogues_do():
    spellings = {
        "sentinel-1-rtc": r"S1[AB]_IW_GRDH_1SDV_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_rtc",
        "landsat-c2-l2": r"LC0[89]_L2S[PR]_\d{6}_\d{8}_02_T[12]",
        "landsat-c2l1": r"LC09_L1TP_\d{6}_\d{8}_\d{8}_02_T1",
        "landsat-c2-l1": r"LM05_L1GS_\d{6}_\d{8}_02_T2",
        "modis-09A1-061": r"M[OY]D09A1\.A\d{7}\.h\d\dv\d\d\.061\.\d{13}",
        "naip": r"ks_m_\d{7}_n[ew]_14_(1|060)_\d{8}(_\d{8})?",
        "cop-dem-glo-30": r"Copernicus_DSM_COG_10_[NS]\d\d_00_[EW]\d{3}_00_DEM",
        "esa-worldcover": r"ESA_WorldCover_10m_202[01]_v[12]00_[NS]\d\d[EW]\d{3}",
    }
    for scene in SCENES:
        spelling = spellings.get(scene.collection, r"BQ31_500_\d{6}")
        assert re.fullmatch(spelling, scene.item_id), scene.item_id
