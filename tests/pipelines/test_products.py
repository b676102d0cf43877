"""What the products of each sensor say of themselves, and what belongs into one slot."""

import json
import math

import pytest

import cubestore
from cubestore import grids
from cubestore_pipelines.acquisitions import acquisitions
from cubestore_pipelines.errors import ItemError, OtherProductError
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.items import parse
from cubestore_pipelines.products import product
from cubestore_pipelines.scene import Scene

S1 = "S1A_IW_GRDH_1SDV_20250311T044231_20250311T044249_058252_073302"
L8 = "LC08_L2SP_047027_20201204_20210313_02_T1"


def item(item_id, *, collection="c", when="2021-06-12T10:50:31Z", **properties):
    told = {"datetime": when} | properties
    return parse(
        {"type": "Feature", "id": item_id, "collection": collection, "properties": told}
        | {"assets": {"a": {"href": "https://example.com/a.tif"}}}
    )


def scene(sensor_id, made):
    sensor = cubestore.sensor(sensor_id)
    assert product(sensor).refuse_other(made, sensor) is None
    facts = {"item_id": made.id} | product(sensor).facts(made)
    return Scene(
        collection=made.collection,
        url="",
        sensor=sensor_id,
        time=made.time,
        time_end=made.time_end,
        **facts,
    )


@pytest.mark.parametrize(
    ("sensor", "made", "told"),
    [
        (
            "sentinel-1-rtc",
            item(f"{S1}_rtc", platform="SENTINEL-1A", **{"sat:orbit_state": "descending"}),
            {"platform": "sentinel-1a", "orbit_state": "descending", "datatake": "073302"},
        ),
        ("sentinel-1-rtc", item(f"{S1}_rtc"), {"platform": "sentinel-1a"}),  # from the name
        (
            "sentinel-1-rtc",
            item("OPERA_L2_RTC-S1_T137", platform="Sentinel-1B", **{"sat:relative_orbit": 137}),
            {"platform": "sentinel-1b", "relative_orbit": 137, "datatake": ""},
        ),
        (
            "landsat-c2-l2",
            item(L8, **{"landsat:wrs_path": "047", "view:sun_elevation": 18.8}),
            {"platform": "landsat-8", "track": 47, "relative_orbit": 47027, "sun_elevation": 18.8},
        ),
        (
            "landsat-c2-l2",  # STAC 0.7 spells them otherwise
            item(L8, **{"eo:platform": "LANDSAT_8", "eo:sun_azimuth": 164.9, "eo:off_nadir": 0}),
            {"platform": "landsat-8", "sun_azimuth": 164.9, "view_zenith": 0},
        ),
        (
            "landsat-c2-l2",
            item("LC09_L2SP_084069_20250722_02_T2"),  # the Planetary Computer leaves out a date
            {"platform": "landsat-9", "relative_orbit": 84069, "track": 84},
        ),
        (
            "modis-09a1",
            item("MYD09A1.A2025057.h35v10.061.2025066034638", platform=""),
            {"platform": "aqua", "tile": "h35v10", "occasion": "2025057"},
        ),
        (
            "modis-09a1",
            item("MOD09A1.A2017193.h18v04.006"),
            {"platform": "terra", "processor_version": "006"},
        ),
        (
            "naip",
            item("mt_m_4911664_se_11_060_20231117_20240103", **{"naip:state": "mt"}),
            {"occasion": "mt 20231117", "platform": ""},
        ),
        ("naip", item("m_4709963_se_14_1_20180716"), {"occasion": "20180716"}),
        (
            "linz",  # its sheets are called alike in every survey
            item("BC40_2000_2421", collection="01GHD4"),
            {"occasion": "01GHD4", "item_id": "01GHD4/BC40_2000_2421"},
        ),
        (
            "esa-worldcover",
            item("ESA_WorldCover_10m_2021_v200_S60W030"),
            {"occasion": "2.0.0", "processor_version": "2.0.0"},
        ),
        ("cop-dem-glo-30", item("Copernicus_DSM_COG_10_S90_00_W180_00_DEM"), {"occasion": "1"}),
    ],
)
def test_what_a_product_tells(sensor, made, told):
    found = scene(sensor, made)
    assert {name: getattr(found, name) for name in told} == told


@pytest.mark.parametrize(
    ("sensor", "item_id", "found"),
    [
        ("landsat-c2-l1", "LM05_L1GS_039039_20130107_02_T2", "Landsat 5 MSS Level-1"),
        ("landsat-c2-l2", "LE07_L2SP_021030_20100109_20200911_02_T1", "Landsat 7 ETM+ Level-2"),
        ("landsat-c2-l2", "LT05_L2SP_010067_19860424_20200918_02_T2", "Landsat 5 TM Level-2"),
        ("landsat-c2-l1", L8, "Landsat 8 OLI Level-2"),
        ("landsat-c2-l1", "LC08_L1TP_013032_20180131_20180207_01_T1", "of Collection 1"),
        ("sentinel-1-rtc", S1, "is a GRDH product"),
        ("modis-09a1", "MCD43A4.A2017006.h21v11.006", "is of MCD43A4"),
        ("modis-09a1", "MOD09Q1.A2022033.h10v10.061", "is of MOD09Q1"),
        ("linz", "m_4709963_se_14_1_20180716", "is a quad of NAIP"),
        ("cop-dem-glo-30", "Copernicus_DSM_COG_30_S90_00_W180_00_DEM", "is no sheet of"),
    ],
)
def test_another_product_is_refused(sensor, item_id, found):
    known = cubestore.sensor(sensor)
    with pytest.raises(OtherProductError, match=found.replace("+", r"\+")) as refusal:
        product(known).refuse_other(item(item_id), known)
    assert refusal.value.expected
    assert refusal.value.remedy


def test_olis_level_1_is_told_to_be_usgs_alone():
    known = cubestore.sensor("landsat-c2-l1")
    with pytest.raises(OtherProductError) as refusal:
        product(known).refuse_other(item("LM05_L1GS_039039_20130107_02_T2"), known)
    assert "--catalog usgs" in refusal.value.remedy


def frame(start, orbit="058252", take="073302", platform="S1A", **more):
    name = f"{platform}_IW_GRDH_1SDV_20250311T{start}_20250311T{start}_{orbit}_{take}_rtc"
    when = f"2025-03-11T{start[:2]}:{start[2:4]}:{start[4:]}Z"
    return item(name, when=when, **{"sat:relative_orbit": 80} | more)


def quad(name, when="2023-11-17T16:00:00Z", state="mt"):
    return item(f"{state}_m_{name}_20231117", when=when, **{"naip:state": state})


@pytest.mark.parametrize(
    ("sensor", "items", "slots"),
    [
        # Frames of one pass are one slot; the other satellite's, half a day later, is another.
        (
            "sentinel-1-rtc",
            [frame("044231"), frame("044256"), frame("170101", platform="S1C", take="0A0A0A")],
            2,
        ),
        # The same frame, processed twice: one scene.
        (
            "sentinel-1-rtc",
            [frame("044231"), item(f"{S1}_ABCD_rtc", when="2025-03-11T04:42:31Z")],
            1,
        ),
        # Two rows of a path are one slot, though their relative orbits are written apart …
        (
            "landsat-c2-l2",
            [item("LC08_L2SP_197025_20210612_02_T1"), item("LC08_L2SP_197026_20210612_02_T1")],
            1,
        ),
        # … and so they are around midnight in UTC; the path beside is another day.
        (
            "landsat-c2-l2",
            [
                item("LC08_L2SP_090069_20250721_02_T1", when="2025-07-21T23:59:50Z"),
                item("LC08_L2SP_090070_20250722_02_T1", when="2025-07-22T00:00:14Z"),
                item("LC08_L2SP_091069_20250723_02_T1", when="2025-07-23T00:05:14Z"),
            ],
            2,
        ),
        ("landsat-c2-l2", [item(L8), item(L8.replace("LC08", "LC09"))], 2),
        # Terra and Aqua apart; the last composite of a year is one with its name.
        (
            "modis-09a1",
            [
                item("MOD09A1.A2021361.h18v04.061.1", when="2021-12-27T00:00:00Z"),
                item("MYD09A1.A2021361.h18v04.061.2", when="2021-12-27T00:00:00Z"),
                item("MOD09A1.A2022001.h18v04.061.3", when="2022-01-01T00:00:00Z"),
            ],
            3,
        ),
        # Quads of a state and a day are one slot, at whatever hour; another state is another.
        (
            "naip",
            [quad("4911664_se_11_060"), quad("4911664_sw_11_060", "2023-11-17T00:00:00Z")],
            1,
        ),
        ("naip", [quad("4911664_se_11_060"), quad("4911664_sw_11_060", state="id")], 2),
        # Two dates on one day in UTC: the name of the quad says when it was flown.
        (
            "naip",
            [
                item("ks_m_3809901_ne_14_1_20210701", when="2021-07-02T00:00:00Z"),
                item("ks_m_3809901_nw_14_1_20210702", when="2021-07-02T00:00:00Z"),
            ],
            2,
        ),
        # A survey is one slot, however long it flew; the next is another.
        (
            "linz",
            [
                item("BC40_1", collection="A", when="2021-12-01T00:00:00Z"),
                item("BC40_2", collection="A", when="2022-03-01T00:00:00Z"),
                item("BC40_1", collection="B", when="2022-03-01T00:00:00Z"),
            ],
            2,
        ),
        # Sheets of one version are one slot.
        (
            "esa-worldcover",
            [
                item("ESA_WorldCover_10m_2020_v100_N48E006"),
                item("ESA_WorldCover_10m_2021_v200_N48E006"),
                item("ESA_WorldCover_10m_2021_v200_N48E009"),
            ],
            2,
        ),
        (
            "cop-dem-glo-30",
            [item(f"Copernicus_DSM_COG_10_N49_00_E00{n}_00_DEM") for n in (6, 7, 8)],
            1,
        ),
    ],
)
def test_what_becomes_one_slot(sensor, items, slots):
    tile = grids.tile("h18v04" if sensor == "modis-09a1" else "32ULV")
    found = acquisitions([scene(sensor, one) for one in items], tile)
    assert len(found) == slots
    assert found == acquisitions([scene(sensor, one) for one in reversed(items)], tile)


@pytest.mark.parametrize(
    ("name", "clouds"),
    [("eo:cloud_cover", 12.5), ("landsat:cloud_cover_land", math.nan)],
)
def test_the_cloud_cover_of_a_landsat_scene_is_that_of_the_whole(name, clouds):
    found = scene("landsat-c2-l2", item(L8, **{name: 12.5}))
    assert found.cloud_cover == pytest.approx(clouds, nan_ok=True)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("LC08_L2SP_197025_20230714_20230715_02_RT", "LC08_L2SP_197025_20230714_20230729_02_T1"),
        # The Planetary Computer leaves out when it was made.
        ("LC08_L2SP_197025_20230714_20230715_02_RT", "LC08_L2SP_197025_20230714_02_T1"),
        ("LC08_L2SP_197025_20230714_20230715_02_T1", "LC08_L2SP_197025_20230714_20240101_02_T1"),
    ],
)
def test_of_a_landsat_scene_what_was_made_in_real_time_gives_way(older, newer):
    when = "2023-07-14T10:10:00Z"
    scenes = [scene("landsat-c2-l2", item(name, when=when)) for name in (newer, older)]
    (found,) = acquisitions(scenes, grids.tile("32ULV"))
    assert found.item_id == newer


def test_the_real_items_of_usgs_tell_path_row_and_sun(shared_data):
    path = shared_data / "stac_items/usgs_landsatlook" / f"{L8}.json"
    found = scene("landsat-c2-l2", parse(json.loads(path.read_text())))
    assert (found.platform, found.track, found.relative_orbit) == ("landsat-8", 47, 47027)
    assert found.sun_elevation == pytest.approx(18.807, abs=1e-3)
    assert found.cloud_cover == pytest.approx(1.55)


@pytest.mark.parametrize(
    ("sensor", "item_id", "band", "refused"),
    [
        ("landsat-c2-l2", L8, {"scale": 2.75e-5, "offset": -0.2}, None),
        ("landsat-c2-l2", L8, {"raster:scale": 0.0000275, "raster:offset": -0.2}, None),
        ("landsat-c2-l2", L8, {}, None),  # nothing is declared
        ("landsat-c2-l2", L8, {"scale": 1e-4}, "declares for B4 the scale 0.0001"),  # ESPA's
        ("landsat-c2-l2", L8, {"scale": 2.75e-5, "offset": 0}, "declares for B4 the offset 0"),
        ("modis-09a1", "MOD09A1.A2021361.h18v04.061", {"scale": 1e-4}, None),
        ("modis-09a1", "MOD09A1.A2021361.h18v04.061", {"scale": 1.0}, "the scale 1"),
        ("sentinel-1-rtc", f"{S1}_rtc", {"scale": 1.0}, None),
        ("sentinel-1-rtc", f"{S1}_rtc", {"scale": 0.01}, "the scale 0.01"),  # decibels, say
        ("naip", "m_4709963_se_14_1_20180716", {"scale": 0.5}, "the scale 0.5"),
    ],
)
def test_numbers_that_mean_something_else_are_refused(sensor, item_id, band, refused):
    """A cube has one scale for all of its slots."""
    known = cubestore.sensor(sensor)
    names = [b.name for b in known.bands]
    made = parse(
        {"type": "Feature", "id": item_id, "collection": sensor}
        | {"properties": {"datetime": "2021-06-12T10:50:31Z"}}
        | {"assets": {n: {"href": f"./{n}.tif", "raster:bands": [band]} for n in names}}
    )
    if refused is None:
        assert set(harmonise(made, known, names).bands) == set(names)
        return
    with pytest.raises(ItemError, match=refused):
        harmonise(made, known, names)
