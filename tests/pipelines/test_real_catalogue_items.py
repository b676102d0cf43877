"""Real items of many catalogues: what each is, as its own record tells a person who reads it."""

import json

import pytest

import cubestore
from cubestore.errors import CubestoreError
from cubestore_pipelines.errors import ItemError, OffsetError
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.items import parse
from cubestore_pipelines.providers import providers

L2A, L1C = "sentinel-2-l2a", "sentinel-2-l1c"
A, B, C = "sentinel-2a", "sentinel-2b", "sentinel-2c"
BASELINE, BOA = "processing baseline", "earthsearch:boa_offset_applied"


def read(shared_data, name):
    path = shared_data / f"{name}.json"
    document = json.loads(path.read_text())
    return parse(document.get("features", [document])[0], base=str(path))


def harmonised(shared_data, name, sensor_id, **more):
    sensor = cubestore.sensor(sensor_id)
    names = [band.name for band in sensor.bands]
    return harmonise(read(shared_data, name), sensor, names, **more)


CDSE = "stac_items/cdse/sentinel-2-l2a"
EARTH = "stac_items/earth_search"
PC = "stac_items/planetary_computer/sentinel-2-l2a"
S1 = "stac_items/planetary_computer/sentinel-1"
STACTOOLS = "stac_items/stactools_sentinel2"
EXAMPLES = "stac_items/extension_examples"

SENTINEL_2 = [
    # CDSE: Collection 1, with ESA's offset in its pixels; the baseline in `processing:version`.
    (f"{CDSE}/S2A_MSIL2A_20200301T090901_N0500_R050_T35UPU_20230630T033416",
     L2A, "35UPU", A, "05.00", 50, -1000, BASELINE),
    (f"{CDSE}/S2A_MSIL2A_20200703T103031_N0500_R108_T32TNT_20230613T212700",
     L2A, "32TNT", A, "05.00", 108, -1000, BASELINE),
    (f"{CDSE}/S2B_MSIL2A_20200705T101559_N0500_R065_T32TMT_20230530T175912",
     L2A, "32TMT", B, "05.00", 65, -1000, BASELINE),
    ("stac_items/cdse_geopyspark/None", L2A, "55WFR", C, "05.12", 17, -1000, BASELINE),
    # Earth Search, Collection 1: as ESA has it, and its bands declare the offset.
    (f"{EARTH}/sentinel-2-c1-l2a/S2B_T24MUA_20250731T130245_L2A",
     L2A, "24MUA", B, "05.11", 95, -1000, BASELINE),
    (f"{EARTH}/sentinel-2-c1-l2a/S2B_T24MWV_20250731T130245_L2A",
     L2A, "24MWV", B, "05.11", 95, -1000, BASELINE),
    (f"{EARTH}/sentinel-2-c1-l2a/S2B_T24MXV_20250731T130245_L2A",
     L2A, "24MXV", B, "05.11", 95, -1000, BASELINE),
    ("stac_items/stacchip/S2A_T20HNJ_20240311T140636_L2A",
     L2A, "20HNJ", A, "05.10", 67, -1000, BASELINE),
    # Level-1C: JPEG 2000 of a bucket that its reader pays for.
    (f"{EARTH}/sentinel-2-l1c/S2B_20EPT_20250731_0_L1C",
     L1C, "20EPT", B, "05.11", 95, -1000, BASELINE),
    (f"{EARTH}/sentinel-2-l1c/S2B_24MUV_20250731_0_L1C",
     L1C, "24MUV", B, "05.11", 95, -1000, BASELINE),
    (f"{EARTH}/sentinel-2-l1c/S2B_24MVV_20250731_0_L1C",
     L1C, "24MVV", B, "05.11", 95, -1000, BASELINE),
    # Earth Search: two generations of a scene; of the later one it took the offset out.
    (f"{EARTH}/sentinel-2-l2a/S2A_32TMT_20200302_0_L2A",
     L2A, "32TMT", A, "02.14", 65, 0, BASELINE),
    (f"{EARTH}/sentinel-2-l2a/S2A_32TMT_20200302_1_L2A", L2A, "32TMT", A, "05.00", 65, 0, BOA),
    (f"{EARTH}/sentinel-2-l2a/S2A_32TMT_20200305_0_L2A",
     L2A, "32TMT", A, "02.14", 108, 0, BASELINE),
    (f"{EARTH}/sentinel-2-l2a/S2A_32TMT_20200305_1_L2A", L2A, "32TMT", A, "05.00", 108, 0, BOA),
    (f"{EARTH}/sentinel-2-l2a/S2A_32UNU_20200302_0_L2A",
     L2A, "32UNU", A, "02.14", 65, 0, BASELINE),
    (f"{EARTH}/sentinel-2-l2a/S2A_32UNU_20200302_1_L2A", L2A, "32UNU", A, "05.00", 65, 0, BOA),
    (f"{EARTH}/sentinel-2-l2a/S2A_32UNU_20200305_0_L2A",
     L2A, "32UNU", A, "02.14", 108, 0, BASELINE),
    (f"{EARTH}/sentinel-2-l2a/S2A_32UNU_20200305_1_L2A", L2A, "32UNU", A, "05.00", 108, 0, BOA),
    (f"{EARTH}/sentinel-2-l2a/S2B_24MVV_20250731_0_L2A", L2A, "24MVV", B, "05.11", 95, 0, BOA),
    ("stac_items/rio_tiler_pds/S2A_29RKH_20200219_0_L2A",
     L2A, "29RKH", A, "02.14", 37, 0, BASELINE),
    ("stac_local/sentinel-s2-l2a-cogs/S2A_29RKH_20200219_0_L2A",
     L2A, "29RKH", A, "02.14", 37, 0, BASELINE),
    # Earth Search, version 0: other names of the fields, or only the product's.
    (f"{EARTH}/sentinel-s2-l2a-cogs/S2B_20EPT_20250731_0_L2A",
     L2A, "20EPT", B, "05.11", 95, 0, "sentinel:boa_offset_applied"),
    ("stac_items/rio_tiler_pds/S2A_31NBJ_20190524_0_L2A",
     L2A, "31NBJ", A, "02.12", 22, 0, BASELINE),
    # The Planetary Computer: never harmonised.
    (f"{PC}/S2A_MSIL2A_20190101T000001_R116_T58UFE_20201007T214651",
     L2A, "58UFE", A, "02.12", 116, 0, BASELINE),
    (f"{PC}/S2A_MSIL2A_20190101T000001_R116_T58UGE_20201007T214656",
     L2A, "58UGE", A, "02.12", 116, 0, BASELINE),
    (f"{PC}/S2A_MSIL2A_20190101T000001_R116_T59UMU_20201007T214652",
     L2A, "59UMU", A, "02.12", 116, 0, BASELINE),
    (f"{PC}/S2A_MSIL2A_20190101T000001_R116_T59VMC_20201007T214703",
     L2A, "59VMC", A, "02.12", 116, 0, BASELINE),
    (f"{PC}/S2A_MSIL2A_20190101T000001_R116_T60VUK_20201007T214652",
     L2A, "60VUK", A, "02.12", 116, 0, BASELINE),
    ("stac_items/odc_stac_tests/S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531",
     L2A, "06VVN", B, "02.12", 43, 0, BASELINE),
    (f"{EXAMPLES}/S2A_MSIL2A_20231107T144731_R139_T20QRF_20231107T182159",
     L2A, "20QRF", A, "05.09", 139, -1000, BASELINE),  # the tile stands in names only
    (f"{EXAMPLES}/S2A_MSIL2A_20190212T192651_R013_T07HFE_20201007T160857",
     L2A, "07HFE", A, "02.12", 13, 0, BASELINE),  # grid:code is MGRS-7HFE, without its zero
    # stactools: of products, and of tiles in a bucket, which tell no relative orbit.
    (f"{STACTOOLS}/S2A_OPER_MSI_L1C_TL_SGS__20181231T203637_A018414_T10SDG",
     L1C, "10SDG", A, "02.07", -1, 0, BASELINE),
    (f"{STACTOOLS}/S2A_OPER_MSI_L2A_TL_2APS_20240109T203651_A044654_T60CWS",
     L2A, "60CWS", A, "05.10", -1, -1000, BASELINE),
    (f"{STACTOOLS}/S2A_OPER_MSI_L2A_TL_VGS1_20220401T110010_A035382_T34LBP",
     L2A, "34LBP", A, "04.00", -1, -1000, BASELINE),
    (f"{STACTOOLS}/S2A_T01KAB_20230821T221944_L2A", L2A, "01KAB", A, "05.09", 29, -1000, BASELINE),
    (f"{STACTOOLS}/S2A_T01WCP_20230625T234624_L2A", L2A, "01WCP", A, "05.09", 73, -1000, BASELINE),
    (f"{STACTOOLS}/S2A_T01WCS_20230625T234624_L2A", L2A, "01WCS", A, "05.09", 73, -1000, BASELINE),
    (f"{STACTOOLS}/S2B_OPER_MSI_L2A_TL_S2RP_20230315T224658_A018417_T01VCG",
     L2A, "01VCG", B, "05.00", -1, -1000, BASELINE),  # sensed in 2020, reprocessed
    (f"{STACTOOLS}/S2B_T01CCV_20191228T210521_L2A", L2A, "01CCV", B, "02.12", 71, 0, BASELINE),
    (f"{STACTOOLS}/S2B_T22HBD_20210122T133224_L2A", L2A, "22HBD", B, "02.14", 81, 0, BASELINE),
    (f"{STACTOOLS}/S2B_T33XWJ_20220413T150756_L2A", L2A, "33XWJ", B, "04.00", 25, -1000, BASELINE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sensor", "tile", "platform", "baseline", "orbit", "dn_offset", "rule"),
    SENTINEL_2,
    ids=[row[0].partition("/")[2] for row in SENTINEL_2],
)
def test_a_real_sentinel_2_item(  # noqa: PLR0913, PLR0917 - the columns of the table
    shared_data, name, sensor, tile, platform, baseline, orbit, dn_offset, rule
):
    scene = harmonised(shared_data, name, sensor)
    assert (scene.tile, scene.platform, scene.relative_orbit) == (tile, platform, orbit)
    assert (scene.processing_baseline, scene.dn_offset) == (baseline, dn_offset)
    assert scene.dn_offset_source == (f"{BASELINE} {baseline}" if rule == BASELINE else rule)
    assert set(scene.layers) == ({"quality"} if sensor == L2A else set())
    assert len({raster.href for raster in scene.bands.values()}) == len(scene.bands)


NATIVE = {"B02": 10, "B03": 10, "B04": 10, "B08": 10}
"""Metres; the others have 20, but B01, B09 and B10."""


@pytest.mark.parametrize(
    ("name", "sensor"),
    [row[:2] for row in SENTINEL_2 if "29RKH" not in row[0] or "stac_items" in row[0]],
    ids=[r[0].partition("/")[2] for r in SENTINEL_2 if "29RKH" not in r[0] or "stac_items" in r[0]],
)
def test_each_band_is_the_asset_of_that_name_at_its_native_resolution(shared_data, name, sensor):
    """ESA's file names hold the band; what an item calls the asset is the provider's taste."""
    scene = harmonised(shared_data, name, sensor)
    for band, raster in scene.bands.items():
        assert band in raster.href.rpartition("/")[2]
        if raster.transform:
            coarse = 60 if band in {"B01", "B09", "B10"} else 20
            assert raster.transform[0] == NATIVE.get(band, coarse)
    for mask in scene.layers.values():
        assert "SCL" in mask.href.rpartition("/")[2]


BOADELLA = ["2020-01-13", "2020-01-18", "2020-01-28", "2020-02-02", "2020-06-21"]
BOADELLA += ["2021-06-26", "2022-06-01"]
MAJOR_TOM = "stac_local/sentinel-2-l2a/S2B_MSIL2A_20200223T032739_R018_T48QUE_20230924T183543"
EXETER = [
    "exe_2024-06-02_12-21-19_EPSG27700",
    "exe_2024-06-17_12-21-21_UTM",
    "exe_2024-08-01_12-21-19",
    "exe_2024-08-16_12-21-11",
    "exe_2024-08-26_12-21-11",
]
UNDECIDED = "does not tell whether its pixels carry the offset: its processing baseline is "

REFUSED = [
    *((f"stac_local/boadella-sentinel-2-l2a/Boadella_{day}", OffsetError, UNDECIDED + "not given")
      for day in BOADELLA),
    (MAJOR_TOM, OffsetError, UNDECIDED + "99.99"),
    # 10 m bands and a mask in one file: no B05.
    *((f"stac_local/exeter-sentinel-2-l2a/{name}", ItemError, "has no asset for B05")
      for name in EXETER),
    # A mosaic of a quarter has four bands, whatever its tile.
    ("stac_items/cdse_geopyspark/None__f8f193", ItemError, "has no asset for B05"),
    (f"{EARTH}/sentinel-2-l1c/S2B_20EPT_20250731_0_L1C", ItemError, "is a Level-1C product"),
    (f"{EARTH}/sentinel-2-l1c/S2B_24MUV_20250731_0_L1C", ItemError, "is a Level-1C product"),
    (f"{EARTH}/sentinel-2-l1c/S2B_24MVV_20250731_0_L1C", ItemError, "is a Level-1C product"),
    (f"{STACTOOLS}/S2A_OPER_MSI_L1C_TL_SGS__20181231T203637_A018414_T10SDG",
     ItemError, "is a Level-1C product"),
    # Other instruments, and one that was fitted to another: HLS is on Landsat's grid.
    ("stac_items/hls/HLS.S30.T19LDD.2022166T144741.v2.0", ItemError, "HLS.S30.T19LDD"),
    (f"{EARTH}/landsat-c2-l2/LC08_L2SP_033032_20231008_02_T1", ItemError, "has no asset for B0"),
    ("stac_items/stactools_modis/MOD09A1.A2022033.h19v10.061", ItemError, "has no asset for B02"),
    ("stac_local/esa-worldcover/ESA_WorldCover_10m_2020_v100_N00E006",
     ItemError, "has no asset for B02"),
    ("stac_local/landsat-8-c1-l1-ny18/LC08_L1TP_013032_20180131_20180207_01_T1",
     ItemError, "has no asset for B8A"),  # its B2 … B7 are others
    ("stac_local/naip/m_3008501_ne_16_1_20110815", ItemError, "has no asset for B02"),
    ("stac_items/linz/BC40_2000_2421", ItemError, "has no asset for B02"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "error", "reason"), REFUSED, ids=[row[0].partition("/")[2] for row in REFUSED]
)
def test_a_real_item_that_is_refused_as_sentinel_2(shared_data, name, error, reason):
    with pytest.raises(error) as refusal:
        harmonised(shared_data, name, L2A)
    assert reason in refusal.value.found
    assert refusal.value.expected
    assert refusal.value.remedy


def test_no_sentinel_2_item_is_missing_in_these_tables(shared_data):
    known = {row[0] for row in (*SENTINEL_2, *REFUSED)}
    for path in sorted(shared_data.glob("stac_*/**/*.json")):
        document = json.loads(path.read_text())
        platform = str(document.get("properties", {}).get("platform", "")).lower()
        if document.get("type") == "Feature" and platform.startswith("sentinel-2"):
            assert str(path.relative_to(shared_data).with_suffix("")) in known


@pytest.mark.parametrize(
    "name", [MAJOR_TOM, "stac_local/boadella-sentinel-2-l2a/Boadella_2020-01-13"]
)
@pytest.mark.parametrize("word", [0, -1000])
def test_the_users_word_decides_what_the_item_does_not(shared_data, name, word):
    scene = harmonised(shared_data, name, L2A, dn_offset=word)
    assert (scene.dn_offset, scene.dn_offset_source) == (word, "the user's word")


def test_a_level_2a_item_is_no_level_1c(shared_data):
    name = f"{EARTH}/sentinel-2-l2a/S2B_24MVV_20250731_0_L2A"
    with pytest.raises(ItemError, match="is a Level-2A product") as refusal:
        harmonised(shared_data, name, L1C)
    assert "sentinel-2-l2a" in refusal.value.remedy


def test_bands_of_one_file_are_found_by_their_names(shared_data):
    scene = harmonised(
        shared_data, "stac_local/boadella-sentinel-2-l2a/Boadella_2020-01-13", L2A, dn_offset=0
    )
    assert {band: raster.index for band, raster in scene.bands.items()} == {
        "B02": 2, "B03": 3, "B04": 4, "B05": 5, "B06": 6, "B07": 7, "B08": 8, "B8A": 9,
        "B11": 11, "B12": 12,
    }  # fmt: skip
    assert {raster.asset for raster in scene.bands.values()} == {"data"}


def test_the_parts_of_names_say_what_belongs_together(shared_data):
    """Of one scene in two generations, all that does not depend on the processing is the same."""
    old, new = (
        harmonised(shared_data, f"{EARTH}/sentinel-2-l2a/S2A_32TMT_20200302_{n}_L2A", L2A)
        for n in (0, 1)
    )
    assert (old.datatake, old.sensing_start) == ("20200302T102021", "20200302T102554")
    assert (new.datatake, new.sensing_start) == (old.datatake, old.sensing_start)
    assert old.generated < new.generated


# Other sensors.

RED_BLUE = {"B4": "red", "B2": "blue"}
OF_USGS = {"B4": "SR_B4.TIF", "B2": "SR_B2.TIF"}
IMAGE = {"red": ("image", 1), "nir": ("image", 4)}

OTHERS = [
    (f"{EARTH}/landsat-c2-l2/LC08_L2SP_033032_20231008_02_T1",
     "landsat-c2-l2", "landsat-8", RED_BLUE, {"quality"}),
    ("stac_items/planetary_computer/landsat-c2-l2/LC09_L2SP_084068_20250722_02_T2",
     "landsat-c2-l2", "landsat-9", RED_BLUE, {"quality"}),
    ("stac_items/stactools_landsat/LC09_L2SP_010065_20220129_02_T1",
     "landsat-c2-l2", "landsat-9", RED_BLUE, {"quality"}),
    ("stac_local/landsat-c2-l2/LC08_L2SP_008059_20191201_20200825_02_T1_sr",
     "landsat-c2-l2", None, OF_USGS, {"quality"}),
    ("stac_items/usgs_landsatlook/LC08_L2SP_047027_20201204_20210313_02_T1",
     "landsat-c2-l2", None, OF_USGS, {"quality"}),
    (f"{S1}-rtc/S1A_IW_GRDH_1SDV_20250311T044231_20250311T044249_058252_073302_rtc",
     "sentinel-1-rtc", "sentinel-1a", {"vv": "vv", "vh": "vh"}, set()),
    ("stac_items/planetary_computer/naip/vt_m_4407331_nw_18_h_20160804",
     "naip", None, IMAGE, set()),
    ("stac_local/naip/m_4709963_se_14_1_20100629", "naip", None, IMAGE, set()),
    ("stac_items/planetary_computer/modis-09A1-061/MYD09A1.A2025057.h35v10.061.2025066034638",
     "modis-09a1", None, {"sur_refl_b01": "sur_refl_b01"}, {"quality", "state", "day_of_year"}),
    ("stac_items/stactools_modis/MOD09A1.A2022033.h19v10.061",
     "modis-09a1", "terra", {"sur_refl_b07": "sur_refl_b07"}, {"quality", "state", "day_of_year"}),
    ("stac_local/modis-09A1/MOD09A1.A2017193.h18v04.006",
     "modis-09a1", None, {"sur_refl_b02": "sur_refl_b02"}, {"quality", "state", "day_of_year"}),
    ("stac_items/planetary_computer/cop-dem-glo-30/Copernicus_DSM_COG_10_S90_00_W180_00_DEM",
     "cop-dem-glo-30", "tandem-x", {"elevation": "data"}, set()),
    ("stac_local/cop-dem-glo-30/Copernicus_DSM_COG_10_N00_00_E006_00_DEM",
     "cop-dem-glo-30", None, {"elevation": "data"}, set()),
    ("stac_local/esa-worldcover/ESA_WorldCover_10m_2020_v100_N00E006",
     "esa-worldcover", None, {"map": "map"}, set()),
    ("stac_items/linz/BC40_2000_2421",
     "linz", None, {"red": ("visual", 1), "blue": ("visual", 3)}, set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sensor", "platform", "bands", "layers"),
    OTHERS,
    ids=[row[0].rpartition("/")[2] for row in OTHERS],
)
def test_a_real_item_of_another_sensor(shared_data, name, sensor, platform, bands, layers):
    profile = providers()["linz"] if sensor == "linz" else None  # its collections have no names
    scene = harmonised(shared_data, name, sensor, profile=profile)
    for band, told in bands.items():
        asset, index = told if isinstance(told, tuple) else (told, 1)
        assert (scene.bands[band].asset, scene.bands[band].index) == (asset, index)
    assert set(scene.layers) == layers
    assert scene.time <= scene.time_end
    assert platform is None or scene.platform == platform
    assert (scene.dn_offset, scene.dn_offset_source) == (0, "")


@pytest.mark.parametrize(
    ("name", "sensor"),
    [
        # Level 2 numbers, scaled otherwise, are no Level 1.
        (f"{EARTH}/landsat-c2-l2/LC08_L2SP_033032_20231008_02_T1", "landsat-c2-l1"),
        # Collection 1, Level 1: another scale again.
        (
            "stac_local/landsat-8-c1-l1-ny18/LC08_L1TP_013032_20180131_20180207_01_T1",
            "landsat-c2-l2",
        ),
        ("stac_items/planetary_computer/io-lulc/60W-2020", "cop-dem-glo-30"),  # classes as metres
        (
            "stac_items/planetary_computer/cop-dem-glo-90/Copernicus_DSM_COG_30_S90_00_W180_00_DEM",
            "cop-dem-glo-30",
        ),
        (  # neither terrain corrected nor gamma0
            f"{S1}-grd/S1A_IW_GRDH_1SDV_20250312T052236_20250312T052301_058267_073394",
            "sentinel-1-rtc",
        ),
        (f"{EARTH}/sentinel-2-l2a/S2A_32TMT_20200302_0_L2A", "naip"),
    ],
    ids=["L2 as L1", "C1 as C2", "land cover as DEM", "90 m as 30 m", "GRD as RTC", "S2 as NAIP"],
)
def test_an_item_of_another_product_is_refused(shared_data, name, sensor):
    with pytest.raises(ItemError):
        harmonised(shared_data, name, sensor)


def test_every_real_item_is_read_or_refused(shared_data):
    """Of all versions, 0.7.0 to 1.1.0; only the template of LINZ, of CRS EPSG:123, is refused."""
    versions, refused = set(), []
    for path in sorted(shared_data.glob("stac_*/**/*.json")):
        document = json.loads(path.read_text())
        if document.get("type") == "Feature" and "assets" in document:
            versions.add(document["stac_version"])
            try:
                item = parse(document, base=str(path))
            except CubestoreError as error:
                refused.append(error.found)
            else:
                assert item.time <= item.time_end
                assert len(item.assets) == len(document["assets"])
    assert {"0.7.0", "1.0.0-beta.2", "1.0.0", "1.1.0"} <= versions
    assert refused == ["Item item declares the CRS 'EPSG:123'"]
