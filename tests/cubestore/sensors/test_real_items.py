"""A sensor exists only when real items of the providers that carry it have all its bands.

``ARCHIVES`` says under which assets each provider publishes which band; every catalogue record
of the sample data is claimed by one of them or is named below with the reason why not. One
sensor rests on other evidence: no Level-1 item of Landsat 8 or 9 is among the sample data, but
the metadata of a Level-2 scene list the files of the Level-1 product that it was made from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from xml.etree import ElementTree as ET

import pytest

from cubestore.sensors import SENSORS, sensor

S2_COMMON = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B10": "cirrus",
    "B11": "swir16",
    "B12": "swir22",
}
OLI_COMMON = ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"]
OLI_NAMES = ["B1", "B2", "B3", "B4", "B5", "B6", "B7"]


def alike(names, pattern="{}"):
    return {name: (pattern.format(name), 1) for name in names}


def paired(names, assets):
    return {name: (asset, 1) for name, asset in zip(names, assets, strict=True)}


def many(asset, names):
    """Bands of one file, counted from 1."""
    return {name: (asset, index) for index, name in enumerate(names, 1)}


S2_L2A = [name for name in S2_COMMON if name != "B10"]
S2_AS_NAMED = alike(S2_L2A)
S2_AS_COMMON = paired(S2_COMMON, S2_COMMON.values())
S2_L2A_AS_COMMON = {name: S2_AS_COMMON[name] for name in S2_L2A}
S2_CDSE = {
    **alike(["B02", "B03", "B04", "B08"], "{}_10m"),
    **alike(["B05", "B06", "B07", "B8A", "B11", "B12"], "{}_20m"),
    **alike(["B01", "B09"], "{}_60m"),
}
MODIS_AS_NAMED = alike(f"sur_refl_b0{n}" for n in range(1, 8))
MODIS_MASKS = {
    "quality": "sur_refl_qc_500m",
    "state": "sur_refl_state_500m",
    "day_of_year": "sur_refl_day_of_year",
}


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Where a provider's items have a sensor's bands and layers."""

    sensor: str
    items: tuple[str, ...]
    bands: Mapping[str, tuple[str, int]]
    layers: Mapping[str, str]


ARCHIVES = {
    "earth_search, Sentinel-2 L2A": Archive(
        sensor="sentinel-2-l2a",
        items=(
            "stac_items/earth_search/sentinel-2-c1-l2a/S2*",
            "stac_items/earth_search/sentinel-2-l2a/S2*",
            "stac_items/stacchip/S2A_T20HNJ*",
            "stac_items/rio_tiler_pds/S2A_29RKH*",
            "stac_local/sentinel-s2-l2a-cogs/S2A_29RKH*",
        ),
        bands=S2_L2A_AS_COMMON,
        layers={"quality": "scl"},
    ),
    "earth_search, Sentinel-2 L2A, first collection": Archive(
        sensor="sentinel-2-l2a",
        items=(
            "stac_items/earth_search/sentinel-s2-l2a-cogs/S2*",
            "stac_items/rio_tiler_pds/S2A_31NBJ*",
        ),
        bands=S2_AS_NAMED,
        layers={"quality": "SCL"},
    ),
    "planetary_computer, Sentinel-2 L2A": Archive(
        sensor="sentinel-2-l2a",
        items=(
            "stac_items/planetary_computer/sentinel-2-l2a/S2*",
            "stac_items/odc_stac_tests/S2B_MSIL2A*",
            "stac_items/extension_examples/S2A_MSIL2A_20231107*",
        ),
        bands=S2_AS_NAMED,
        layers={"quality": "SCL"},
    ),
    "cdse, Sentinel-2 L2A": Archive(
        sensor="sentinel-2-l2a",
        items=("stac_items/cdse/sentinel-2-l2a/S2*", "stac_items/cdse_geopyspark/None.json"),
        bands=S2_CDSE,
        layers={"quality": "SCL_20m"},
    ),
    "stactools, Sentinel-2 L2A": Archive(
        sensor="sentinel-2-l2a",
        items=(
            "stac_items/stactools_sentinel2/*_L2A.json",
            "stac_items/stactools_sentinel2/*_MSI_L2A_*",
            "stac_items/extension_examples/S2A_MSIL2A_20190212*",
        ),
        bands=S2_L2A_AS_COMMON,
        layers={"quality": "scl"},
    ),
    "local copies, Sentinel-2 L2A, file by file": Archive(
        sensor="sentinel-2-l2a",
        items=("stac_local/sentinel-2-l2a/S2B*",),
        bands=S2_AS_NAMED,
        layers={},
    ),
    "local copies, Sentinel-2 L2A, one file": Archive(
        sensor="sentinel-2-l2a",
        items=("stac_local/boadella-sentinel-2-l2a/*",),
        bands=many("data", S2_L2A),
        layers={},
    ),
    "earth_search, Sentinel-2 L1C": Archive(
        sensor="sentinel-2-l1c",
        items=("stac_items/earth_search/sentinel-2-l1c/S2*",),
        bands=S2_AS_COMMON,
        layers={},
    ),
    "stactools, Sentinel-2 L1C": Archive(
        sensor="sentinel-2-l1c",
        items=("stac_items/stactools_sentinel2/*_MSI_L1C_*",),
        bands=S2_AS_COMMON,
        layers={},
    ),
    "stactools, Landsat C2 L2: also Planetary Computer, Earth Search": Archive(
        sensor="landsat-c2-l2",
        items=(
            "stac_items/planetary_computer/landsat-c2-l2/LC0*",
            "stac_items/earth_search/landsat-c2-l2/LC08_L2SP*",
            "stac_items/stactools_landsat/LC09_L2SP*",
            "stac_items/extension_examples/LC09_L2SR*",
        ),
        bands=paired(OLI_NAMES, OLI_COMMON),
        layers={"quality": "qa_pixel", "surface_temperature": "lwir11"},
    ),
    "planetary_computer, Landsat 8 C2 L2, withdrawn": Archive(
        sensor="landsat-c2-l2",
        items=("stac_items/planetary_computer/landsat-8-c2-l2/LC08*",),
        bands=alike(OLI_NAMES, "SR_{}"),
        layers={"quality": "QA_PIXEL", "surface_temperature": "ST_B10"},
    ),
    "usgs_landsatlook, Landsat C2 L2 surface reflectance": Archive(
        sensor="landsat-c2-l2",
        items=(
            "stac_items/usgs_landsatlook/LC08_L2S?_047027_20201204_20210313_02_T1.json",
            "stac_items/usgs_landsatlook/LC08_L2S?_005009*__07c462.json",
            "stac_items/usgs_landsatlook/LC08_L2S?_008059_20191201_20200825_02_T1.json",
            "stac_items/usgs_landsatlook/LC08_L2SR_084024*",
            "stac_items/odc_stac_tests/LC08_L2SR*",
            "stac_local/landsat-c2-l2/*_sr.json",
        ),
        bands=alike(OLI_NAMES, "SR_{}.TIF"),
        layers={"quality": "QA_PIXEL.TIF"},
    ),
    # Keys as USGS publishes them, seen in LC08_L1GT_089074_20220506_20220512_02_T2.
    "usgs_landsatlook, Landsat C2 L1": Archive(
        sensor="landsat-c2-l1",
        items=("stac_items/usgs_landsatlook/LC0[89]_L1*",),
        bands=paired(OLI_NAMES[1:], OLI_COMMON[1:]),
        layers={"quality": "qa_pixel"},
    ),
    "planetary_computer, Sentinel-1 RTC": Archive(
        sensor="sentinel-1-rtc",
        items=("stac_items/planetary_computer/sentinel-1-rtc/S1*",),
        bands=alike(["vv", "vh"]),
        layers={},
    ),
    "local copies, OPERA RTC": Archive(
        sensor="sentinel-1-rtc",
        items=("stac_local/opera-rtc-s1/OPERA*",),
        bands=alike(["vv", "vh"]),
        layers={},
    ),
    "planetary_computer, NAIP": Archive(
        sensor="naip",
        items=(
            "stac_items/planetary_computer/naip/*_m_*",
            "stac_items/planetary_computer_tasks/fl_m_*",
            "stac_local/naip/m_*",
        ),
        bands=many("image", ["red", "green", "blue", "nir"]),
        layers={},
    ),
    "clay, NAIP": Archive(
        sensor="naip",
        items=("stac_items/stacchip/m_*",),
        bands=many("asset", ["red", "green", "blue", "nir"]),
        layers={},
    ),
    "linz": Archive(  # the item names no bands: the file of another survey does, see below
        sensor="linz",
        items=("stac_items/linz/BC40_2000_2421.json",),
        bands=many("visual", ["red", "green", "blue"]),
        layers={},
    ),
    "planetary_computer, MODIS 09A1": Archive(
        sensor="modis-09a1",
        items=("stac_items/planetary_computer/modis-09A1-061/MYD09A1*",),
        bands=MODIS_AS_NAMED,
        layers=MODIS_MASKS,
    ),
    "stactools, MODIS 09A1": Archive(
        sensor="modis-09a1",
        items=(
            "stac_items/stactools_modis/MOD09A1.A2022033.h19v10.061.json",
            "stac_local/modis-09A1/MOD09A1*",
        ),
        bands=MODIS_AS_NAMED,
        layers=MODIS_MASKS,
    ),
    "Copernicus DEM": Archive(
        sensor="cop-dem-glo-30",
        items=(
            "stac_items/planetary_computer/cop-dem-glo-30/Copernicus*",
            "stac_items/earth_search/cop-dem-glo-30/Copernicus*",
            "stac_local/cop-dem-glo-30/Copernicus*",
        ),
        bands={"elevation": ("data", 1)},
        layers={},
    ),
    "WorldCover": Archive(
        sensor="esa-worldcover",
        items=(
            "stac_items/planetary_computer/esa-worldcover/ESA*",
            "stac_items/esa_worldcover/ESA*",
            "stac_local/esa-worldcover/ESA*",
        ),
        bands={"map": ("map", 1)},
        layers={},
    ),
}

NO_ITEM = {"landsat-c2-l1"}
"""Sensors that rest on other evidence than an item."""

SILENT = {
    *("planetary_computer, Sentinel-1 RTC", "clay, NAIP", "linz"),
    *("Copernicus DEM", "WorldCover"),
}
"""Archives with items that do not say which bands an asset has."""

NOT_OURS = {
    # products that no sensor stands for
    "stac_items/planetary_computer/alos-*": "ALOS",
    "stac_items/planetary_computer/aster-*": "ASTER",
    "stac_items/planetary_computer/io-lulc*": "Esri land cover",
    "stac_items/planetary_computer/jrc-gsw/*": "surface water",
    "stac_items/planetary_computer/nasadem/*": "NASADEM",
    "stac_items/planetary_computer/cop-dem-glo-90/*": "the 90 m model",
    "stac_items/cop_dem/Copernicus_DSM_COG_30*": "the 90 m model",
    "stac_items/planetary_computer/modis-[!0]*": "other MODIS products",
    "stac_items/planetary_computer/modis-09Q1*": "two bands at 250 m",
    "stac_items/stactools_modis/*09Q1*": "two bands at 250 m",
    "stac_items/stactools_modis/M*1[13]?1*": "other MODIS products",
    "stac_items/stactools_modis/MCD43A4*": "other MODIS products",
    "stac_local/modis-43A4/*": "other MODIS products",
    "stac_items/hls/*": "harmonised Landsat and Sentinel-2",
    "stac_items/odc_stac_tests/*-*-*-*": "Geoscience Australia's derived products",
    "stac_items/odc_stac_tests/lidar_id.json": "made up",
    "stac_items/extension_examples/2020*": "made up",
    "stac_items/extension_examples/item*": "made up",
    "stac_items/cdse_geopyspark/None__f8f193.json": "quarterly mosaics",
    # another level or instrument under a name like ours
    "stac_items/*/sentinel-1-grd/S1*": "GRD: not terrain corrected, no affine transform",
    "stac_items/planetary_computer_tasks/S1A*": "GRD",
    "stac_items/stactools_sentinel1/S1A*": "GRD and SLC",
    "stac_items/stactools_sentinel1/S1B*": "Indigo's RTC of 20 m, its own assets and terms",
    "stac_items/planetary_computer/landsat-c2-l1/LM*": "MSS",
    "stac_items/stactools_landsat/L[MT]*": "MSS, TM",
    "stac_items/usgs_landsatlook/L[EMT]*": "MSS, TM, ETM+",
    "stac_items/odc_stac_tests/LE07*": "ETM+",
    "stac_items/earth_search/landsat-c2-l2/LC08_L1TP*": "Collection 1; fixtures of pystac-client",
    "stac_local/landsat-8-c1-l1-ny18/*": "Collection 1: another scaling of the quality bits",
    "stac_items/usgs_landsatlook/LC08*__82001c.json": "surface temperature in an item of its own",
    "stac_items/usgs_landsatlook/LC08*__9e36e3.json": "surface temperature",
    "stac_items/usgs_landsatlook/LC08_L2SP_005009_20150710_20200908_02_T2.json": "temperature",
    "stac_local/landsat-c2-l2/*_st.json": "surface temperature",
    # not all bands
    "stac_items/stactools_modis/MOD09A1*__6e2c97.json": "one HDF file, no band assets",
    "stac_local/exeter-sentinel-2-l2a/*": "four bands and SCL in one file",
    "stac_items/linz/72360*": "photographs of 1952, one grey band",
    "stac_items/linz/215354.json": "photographs of 1949, one grey band",
    "stac_items/linz/item.json": "made up",
}


def read(path):
    record = json.loads(path.read_text())
    return record["features"][0] if record.get("type") == "FeatureCollection" else record


def claims(relative):
    return [
        name
        for name, archive in ARCHIVES.items()
        if any(fnmatch(relative, pattern) for pattern in archive.items)
    ]


@pytest.fixture(scope="module")
def records(shared_data):
    """Path below the sample data -> the item, of all that are items."""
    paths = [
        p for tree in ("stac_items", "stac_local") for p in (shared_data / tree).rglob("*.json")
    ]
    found = {path.relative_to(shared_data).as_posix(): read(path) for path in sorted(paths)}
    return {path: record for path, record in found.items() if record.get("type") == "Feature"}


def items_of(name, records):
    return {path: record for path, record in records.items() if name in claims(path)}


def test_every_record_has_been_looked_at(records):
    for path in records:
        reasons = [why for pattern, why in NOT_OURS.items() if fnmatch(path, pattern)]
        assert len(claims(path)) + len(reasons[:1]) == 1, (path, claims(path), reasons)


def test_every_exclusion_is_needed(records):
    assert [p for p in NOT_OURS if not any(fnmatch(path, p) for path in records)] == []


@pytest.mark.parametrize("name", ARCHIVES)
def test_items_have_an_asset_for_every_band(name, records):
    archive, items = ARCHIVES[name], items_of(name, records)
    if archive.sensor not in NO_ITEM:
        assert items
    known = sensor(archive.sensor)
    standard = {band.name for band in known.bands}
    on_request = {band.name for band in known.optional_bands}
    assert standard <= set(archive.bands) <= standard | on_request
    for path, item in items.items():
        missing = {asset for asset, _ in archive.bands.values()} - set(item["assets"])
        assert not missing, path


@pytest.mark.parametrize("name", ARCHIVES)
def test_items_have_an_asset_for_every_layer(name, records):
    archive = ARCHIVES[name]
    known = sensor(archive.sensor)
    assert set(archive.layers) <= {x.name for x in (*known.layers, *known.optional_layers)}
    for path, item in items_of(name, records).items():
        for layer, asset in archive.layers.items():
            # Scenes without thermal data are L2SR: they have no temperature.
            without = layer == "surface_temperature" and "_L2SR_" in item["id"]
            assert (asset in item["assets"]) != without, (path, asset)


def described(item, asset):
    """What the item says of an asset's bands: as 1.1 says it, as 1.0 did, as 0.7 did."""
    record = item["assets"][asset]
    bands = record.get("bands", record.get("eo:bands", []))
    return [item["properties"]["eo:bands"][b] if isinstance(b, int) else b for b in bands]


@pytest.mark.parametrize("name", ARCHIVES)
def test_what_items_say_of_an_assets_bands_agrees(name, records):
    archive = ARCHIVES[name]
    for path, item in items_of(name, records).items():
        for band, (asset, index) in archive.bands.items():
            said = described(item, asset)
            if said:
                known = sensor(archive.sensor).band(band)
                assert said[index - 1]["name"] in spellings(known, index), (path, band)
            else:
                assert name in SILENT, path


def spellings(band, index):
    """How publishers write a band's name."""
    return {
        *(band.name, f"SR_{band.name}", f"OLI_{band.name}"),
        S2_COMMON.get(band.name),
        *(band.name.capitalize(), band.name.upper(), f"b{index}"),  # Red, NIR, b1
    }


def test_every_sensor_has_a_real_item_or_says_why_not(records):
    real = {
        ARCHIVES[name].sensor
        for path in records
        if path.startswith("stac_items/")
        for name in claims(path)
    }
    assert set(SENSORS) - real == NO_ITEM


def test_the_metadata_of_a_level_2_scene_name_the_files_of_its_level_1_product(shared_data):
    folder = "landsat/c2l2_LC08_L2SP_008059_20191201_20200825_02_T1"
    (path,) = (shared_data / folder).glob("*_MTL.xml")
    level_1 = ET.parse(path).getroot().find("LEVEL1_PROCESSING_RECORD")  # noqa: S314
    product = level_1.findtext("LANDSAT_PRODUCT_ID")
    assert product.startswith("LC08_L1TP_")
    for band in sensor("landsat-c2-l1").bands:
        file = level_1.findtext(f"FILE_NAME_BAND_{band.name.removeprefix('B')}")
        assert file == f"{product}_{band.name}.TIF"
    assert level_1.findtext("FILE_NAME_QUALITY_L1_PIXEL") == f"{product}_QA_PIXEL.TIF"


def test_a_file_of_linz_has_red_green_and_blue_in_that_order(shared_data):
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(shared_data / "linz/input_aerial.tif") as file:
        assert [c.name for c in file.colorinterp] == [b.name for b in sensor("linz").bands]
        assert set(file.dtypes) == {sensor("linz").pixels.dtype.name}


def test_the_fourth_band_of_naip_is_near_infrared_whatever_its_header_says(shared_data):
    rasterio = pytest.importorskip("rasterio")
    said = set()
    for path in (shared_data / "naip/stactools").glob("*.tif"):
        with rasterio.open(path) as file:
            assert file.count == len(sensor("naip").bands)
            assert [c.name for c in file.colorinterp[:3]] == ["red", "green", "blue"]
            said.add(file.colorinterp[3].name)
    assert said == {"alpha", "undefined"}
