"""Pairs: acquisitions of one sensor beside those of another, and thresholds before a build."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import shapely

import cubestore
from cubestore import Slot, grids
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.errors import PlanError
from cubestore_pipelines.plan import plan
from tests.pipelines.real import stac_item

TILE = "31UDQ"
OPTICAL, RADAR = "sentinel-2-l2a", "sentinel-1-rtc"
WEST, SOUTH, EAST, NORTH = 2.4, 48.6, 2.6, 48.75
PLACE = shapely.box(WEST, SOUTH, EAST, NORTH)
WHOLE = shapely.box(1, 48, 4, 50)
WEST_HALF = shapely.box(1, 48, 2.5, 50)
EAST_HALF = shapely.box(2.5, 48, 4, 50)
CORNER = shapely.box(1, 48, 2.44, 48.68)


def feature(item_id, collection, day, footprint, assets, **properties):
    files = {name: f"./{name}.tif" for name in assets}
    return stac_item(item_id, collection, f"2023-06-{day}Z", footprint, files, **properties)


def optical(day, cloud=10.0, **more):
    told = {"s2:mgrs_tile": TILE, "s2:processing_baseline": "05.09", "eo:cloud_cover": cloud}
    told |= {"platform": "sentinel-2a", "sat:relative_orbit": int(day[:2])}
    return feature(f"S2-{day[:2]}", OPTICAL, day, WHOLE, ["B02", "SCL"], **told | more)


def radar(day, footprint=WHOLE, state="ascending", orbit=30, **more):
    told = {"platform": "sentinel-1a", "sat:orbit_state": state, "sat:relative_orbit": orbit}
    name = f"S1-{day[:2]}{state[0]}{orbit}_rtc"
    return feature(name, RADAR, day, footprint, ["vv", "vh"], **told | more)


NOON = "T12:00:00"


@pytest.fixture
def planned(tmp_path):
    def planned(*features, select, **choices):
        catalog = tmp_path / "items.json"
        catalog.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        told = {"sensors": (OPTICAL, RADAR), "tiles": (TILE,), "area": PLACE, "bands": ("B02",)}
        told |= {"catalog": str(catalog), "select": tuple(select)} | choices
        return plan(tmp_path / "store", Choices(**told))

    return planned


def chosen(made):
    return {one.sensor: [a.item_id for a in one.acquisitions] for one in made.cubes}


NEAR = f"{RADAR}=near:{OPTICAL}:3d"


@pytest.mark.parametrize(
    ("radars", "expected"),
    [
        # The nearest of those that cover the place, not the first.
        ([radar("10" + NOON), radar("13" + NOON), radar("14" + NOON)], ["S1-13a30_rtc"]),
        # Too far away in time: none.
        ([radar("08" + NOON), radar("16" + NOON)], None),
        # A nearer one that covers half is passed over for one that covers all.
        ([radar("12" + NOON, WEST_HALF), radar("14" + NOON)], ["S1-14a30_rtc"]),
        # Halves of one orbit are added up …
        (
            [radar("11" + NOON, WEST_HALF), radar("13" + NOON, EAST_HALF)],
            ["S1-11a30_rtc", "S1-13a30_rtc"],
        ),
        # … those of another orbit are not: what covers most says which.
        (
            [radar("11" + NOON, WEST_HALF), radar("13" + NOON, EAST_HALF, "descending")],
            None,
        ),
        # Once the place is covered nothing is added.
        (
            [radar("12" + NOON), radar("13" + NOON, WEST_HALF)],
            ["S1-12a30_rtc"],
        ),
        # Two frames of a pass are one acquisition, though neither covers the place.
        (
            [
                radar("12" + NOON, WEST_HALF),
                radar("12T12:00:25", EAST_HALF) | {"id": "S1-second_rtc"},
            ],
            ["S1-12a30_rtc S1-second_rtc"],
        ),
        ([radar("12" + NOON, CORNER)], None),  # a corner is no partner
    ],
)
def test_what_is_near_a_scene(planned, radars, expected):
    made = planned(optical("12" + NOON), *radars, select=["all", NEAR])
    wanted = {OPTICAL: ["S2-12"], RADAR: expected} if expected else {}
    assert chosen(made) == wanted
    if not expected:
        (refusal,) = made.refused
        assert f"1 of what was to be chosen of {OPTICAL} on {TILE} has no {RADAR}" in refusal.found
        assert "--max-nodata" in refusal.remedy


def test_the_next_least_cloudy_is_taken_where_the_least_cloudy_has_no_partner(planned):
    scenes = [optical("02" + NOON, 1), optical("12" + NOON, 20), optical("22" + NOON, 5)]
    made = planned(*scenes, radar("21" + NOON), radar("13" + NOON), select=["least-cloudy", NEAR])
    assert chosen(made) == {OPTICAL: ["S2-22"], RADAR: ["S1-21a30_rtc"]}


def test_gaps_are_allowed_by_the_threshold_of_nodata(planned):
    half = [optical("12" + NOON), radar("12" + NOON, WEST_HALF)]
    assert chosen(planned(*half, select=["all", NEAR])) == {}
    made = planned(*half, select=["all", NEAR], max_nodata=60.0)
    assert chosen(made) == {OPTICAL: ["S2-12"], RADAR: ["S1-12a30_rtc"]}


def test_the_threshold_of_nodata_is_no_hindrance_to_adding_up_halves(planned):
    halves = [radar("11" + NOON, WEST_HALF), radar("13" + NOON, EAST_HALF)]
    made = planned(optical("12" + NOON), *halves, select=["all", NEAR], max_nodata=20.0)
    assert len(chosen(made)[RADAR]) == 2


def test_what_has_no_partner_is_counted(planned):
    scenes = [optical("02" + NOON), optical("12" + NOON), optical("22" + NOON)]
    made = planned(*scenes, radar("13" + NOON), select=["all", NEAR])
    assert chosen(made) == {OPTICAL: ["S2-12"], RADAR: ["S1-13a30_rtc"]}
    (refusal,) = made.refused
    assert refusal.found.startswith("2 of what was to be chosen")


def test_partners_of_a_cube_that_is_there_are_found_by_its_slots(planned, tmp_path):
    radars = [radar("04" + NOON), radar("13" + NOON)]
    alone = {"sensors": (RADAR,), "bands": (), "select": [f"near:{OPTICAL}:36h"]}
    with pytest.raises(PlanError, match="There is no cube 31UDQ sentinel-2-l2a"):
        planned(*radars, **alone)
    cube = cubestore.create_store(tmp_path / "store").create_cube(TILE, OPTICAL, bands=["B02"])
    with cube.write() as writer:
        writer.append([Slot(time="2023-06-12T12:00:00Z", item_id="S2-12")], [])
    assert chosen(planned(*radars, **alone)) == {RADAR: ["S1-13a30_rtc"]}


@pytest.mark.parametrize(
    ("select", "sensors"),
    [
        ([f"near:{RADAR}:3d"], (RADAR,)),  # of itself
        ([f"{OPTICAL}=near:{RADAR}:3d", NEAR], (OPTICAL, RADAR)),  # of each other
        (["near:modis-09a1:3d"], (RADAR,)),  # on another grid
        (["all", "latest"], (OPTICAL,)),  # two rules for all
        ([NEAR, NEAR], (OPTICAL, RADAR)),
    ],
)
def test_rules_that_lean_on_one_another_are_refused(planned, select, sensors):
    with pytest.raises(PlanError, match=r"near|rules of selection"):
        planned(optical("12" + NOON), radar("12" + NOON), select=select, sensors=sensors, bands=())


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, ["S2-02", "S2-12", "S2-22"]),
        ({"max_cloud": 20.0}, ["S2-02", "S2-12"]),
        ({"max_nodata": 20.0}, ["S2-12", "S2-22"]),  # as the provider tells of the tile
        ({"max_cloud": 20.0, "max_nodata": 20.0}, ["S2-12"]),
    ],
)
def test_thresholds_before_anything_is_read(planned, limits, kept):
    nodata = "s2:nodata_pixel_percentage"
    scenes = [
        optical("02" + NOON, 1, **{nodata: 50}),
        optical("12" + NOON, 20, **{nodata: 20}),
        optical("22" + NOON, 30, **{nodata: 0}),
    ]
    made = planned(*scenes, select=["all"], sensors=(OPTICAL,), **limits)
    assert chosen(made).get(OPTICAL, []) == kept


def test_where_no_provider_tells_the_footprints_do(planned):
    scenes = [radar("02" + NOON), radar("12" + NOON, WEST_HALF), radar("22" + NOON, CORNER)]
    told = {"sensors": (RADAR,), "bands": (), "select": ["all"]}
    assert len(chosen(planned(*scenes, **told))[RADAR]) == 3
    assert chosen(planned(*scenes, max_nodata=60.0, **told))[RADAR] == [
        "S1-02a30_rtc",
        "S1-12a30_rtc",
    ]
    assert chosen(planned(*scenes, max_nodata=0.1, **told))[RADAR] == ["S1-02a30_rtc"]


def test_frames_of_a_pass_are_one_slot_wherever_the_place_lies(planned):
    """The slot of a small area is that of the tile: a second area meets it there."""
    north = radar("12" + NOON, shapely.box(1, 48.9, 4, 50))
    south = radar("12T12:00:25", shapely.box(1, 47, 4, 48.9)) | {"id": "S1-south_rtc"}
    told = {"sensors": (RADAR,), "bands": (), "select": ["all"]}
    for place in (PLACE, shapely.box(2.4, 49.0, 2.6, 49.1)):
        made = planned(north, south, area=place, **told)
        assert chosen(made) == {RADAR: ["S1-12a30_rtc S1-south_rtc"]}
    elsewhere = planned(south, north, area=shapely.box(2.4, 49.0, 2.6, 49.1), **told)
    assert chosen(elsewhere) == {RADAR: ["S1-12a30_rtc S1-south_rtc"]}
    with pytest.raises(LookupError, match="has no item"):
        planned(south, area=shapely.box(2.4, 49.0, 2.6, 49.1), **told)


def test_what_is_of_another_platform_is_no_failure_unless_there_is_nothing_else(planned):
    sr = {"collection": "landsat-c2-l2"}
    bands = ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22", "qa_pixel"]
    eight, seven = (
        feature(
            f"L{name}_L2SP_199026_2023061{n}_02_T1", "landsat-c2-l2", f"1{n}{NOON}", WHOLE, bands
        )
        | sr
        for n, name in enumerate(("C08", "E07"))
    )
    told = {"sensors": ("landsat-c2-l2",), "bands": (), "select": ["all"]}
    made = planned(eight, seven, **told)
    assert (len(made.cubes[0].acquisitions), made.refused) == (1, ())
    with pytest.raises(LookupError, match=r"1 are something else: Item LE07.*is Landsat 7 ETM\+"):
        planned(seven, **told)


def test_maps_are_of_no_day_and_no_rule_for_scenes_concerns_them(planned):
    sheet = feature(
        "Copernicus_DSM_COG_10_N48_00_E002_00_DEM", "cop-dem-glo-30", "10" + NOON, WHOLE, ["data"]
    )
    sheet["properties"]["datetime"] = "2021-04-22T00:00:00Z"
    made = planned(
        optical("12" + NOON),
        sheet,
        sensors=(OPTICAL, "cop-dem-glo-30"),
        select=["seasonal"],
        datetime="2023",
    )
    assert "cop-dem-glo-30" in chosen(made)


def test_the_time_beside_the_searched_time_is_searched_for_partners(planned):
    late = datetime(2023, 6, 30, 23, tzinfo=UTC) + timedelta(hours=20)
    partner = radar("30" + NOON)
    partner["properties"]["datetime"] = late.isoformat()
    made = planned(optical("30T22:00:00"), partner, select=["all", NEAR], datetime="2023-06")
    assert chosen(made)[RADAR] == [partner["id"]]


def test_a_tile_that_is_named_is_of_the_grid_of_its_sensor(planned):
    assert grids.tile(TILE).grid == cubestore.sensor(RADAR).grid
    with pytest.raises(PlanError, match="Tiles h18v04 for sentinel-1-rtc"):
        planned(radar("12" + NOON), select=["all"], sensors=(RADAR,), bands=(), tiles=("h18v04",))
