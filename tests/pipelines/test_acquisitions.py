"""What becomes one slot: one platform, one relative orbit, one solar day, one processing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubestore import grids
from cubestore_pipelines.acquisitions import acquisitions, baseline, newest
from cubestore_pipelines.scene import Scene

TILE = grids.tile("31UDQ")
NOON = datetime(2023, 6, 12, 10, 50, 31, tzinfo=UTC)


def scene(item_id="one", **more):
    """Return a scene of 31UDQ, but for what is told."""
    time = more.get("time", NOON)
    start = f"{time:%Y%m%dT%H%M%S}"
    fields = {
        "collection": "c",
        "url": "",
        "sensor": "sentinel-2-l2a",
        "time": time,
        "time_end": time,
        "tile": "31UDQ",
        "platform": "sentinel-2a",
        "relative_orbit": 51,
        "datatake": start,
        "sensing_start": start,
        "generated": "20230612164502",
        "processing_baseline": "05.09",
        "dn_offset": -1000,
    }
    return Scene(item_id=item_id, **(fields | more))


def slots(*scenes, tile=TILE):
    """Return the items of each slot, whatever the order in which they were found."""
    found = {
        tuple(tuple(s.item_id for s in one.scenes) for one in acquisitions(order, tile))
        for order in permutations(scenes)
    }
    assert len(found) == 1
    return list(*found)


STRIP = "20230612T105402"
"""When another datastrip of the datatake begins."""


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        # The same part of the same datatake: the highest baseline counts …
        ({"processing_baseline": "05.00"}, {"processing_baseline": "02.14"}, "first"),
        ({"processing_baseline": "05.10"}, {"processing_baseline": "05.09"}, "first"),
        # … before a later generation of a lower one …
        (
            {"processing_baseline": "05.10", "generated": "20230612000000"},
            {"processing_baseline": "05.09", "generated": "20250101000000"},
            "first",
        ),
        ({"processing_baseline": "10.00"}, {"processing_baseline": "9.00"}, "first"),  # as numbers
        ({"processing_baseline": "02.14"}, {"processing_baseline": ""}, "first"),
        # … then the latest generation; all else equal, the ids decide.
        ({"generated": "20230613000000"}, {"generated": "20230612235959"}, "first"),
        ({}, {}, "second"),
    ],
)
def test_of_duplicates_the_newest_processing_counts(first, second, kept):
    assert slots(scene("first", **first), scene("second", **second)) == [(kept,)]


@pytest.mark.parametrize(
    ("other", "together_in_one"),
    [
        ({"sensing_start": STRIP}, True),  # another datastrip: mosaicked
        ({"sensing_start": STRIP, "generated": "20230612171106"}, True),
        ({"datatake": "20230612T122500", "sensing_start": "20230612T122500"}, True),
        ({"sensing_start": STRIP, "processing_baseline": "05.10"}, False),  # other processing
        ({"sensing_start": STRIP, "dn_offset": 0}, False),  # other numbers
        ({"platform": "sentinel-2b"}, False),
        ({"datatake": "later", "relative_orbit": 8}, False),
        ({"time": NOON + timedelta(days=1)}, False),
        ({"time": NOON - timedelta(days=365)}, False),
    ],
)
def test_what_belongs_into_one_slot(other, together_in_one):
    found = slots(scene("a"), scene("b", **other))
    assert len(found) == (1 if together_in_one else 2)
    assert sorted(sum(found, ())) == ["a", "b"]


def test_two_spellings_of_one_product_are_one_scene():
    esa = "S2A_MSIL2A_20230612T105031_N0509_R051_T31UDQ_20230612T164502"
    ((kept,),) = slots(scene(esa), scene("S2A_31UDQ_20230612_0_L2A"))
    assert kept in {esa, "S2A_31UDQ_20230612_0_L2A"}


def test_the_same_datastrip_in_three_processings_beside_another_part():
    other = scene("south", sensing_start=STRIP)
    old, middle = scene("old", processing_baseline="02.14"), scene("m", generated="2022")
    assert slots(old, middle, scene("north"), other) == [("north", "south")]


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"datatake": "", "sensing_start": ""}, ["a", "b"]),  # nothing is told: the id decides
        # The datatake alone does not tell two datastrips of it apart.
        ({"sensing_start": ""}, ["a", "b"]),
    ],
)
def test_where_the_part_is_not_told_the_id_decides(fields, kept):
    assert sorted(sum(slots(scene("a", **fields), scene("b", **fields)), ())) == kept


def test_scenes_of_other_tiles_are_left_out():
    found = [scene("here"), scene("there", tile="31UDP"), scene("any", tile="", datatake="")]
    assert sorted(sum(slots(*found), ())) == ["any", "here"]


@pytest.mark.parametrize(
    ("tile", "first", "second", "one"),
    [
        ("01KAB", "2023-08-21T22:19:41", "2023-08-21T22:19:59", True),
        # UTC's midnight is local noon at the antimeridian, on either side of it.
        ("01KAB", "2023-08-21T23:59:50", "2023-08-22T00:00:10", True),
        ("60CWS", "2024-01-09T23:59:50", "2024-01-10T00:00:10", True),
        ("58UFE", "2018-12-31T23:59:57", "2019-01-01T00:00:01", True),  # a real datatake's
        # … and noon in UTC is the midnight there.
        ("01KAB", "2023-08-21T11:00:00", "2023-08-21T13:00:00", False),
        ("60CWS", "2024-01-09T11:00:00", "2024-01-09T13:00:00", False),
        ("31UDQ", "2023-08-21T23:00:00", "2023-08-22T01:00:00", False),
        ("31UDQ", "2023-08-21T01:00:00", "2023-08-21T23:00:00", True),
    ],
)
def test_the_day_is_the_tiles_solar_day(tile, first, second, one):
    pair = [
        scene(name, tile=tile, time=datetime.fromisoformat(f"{time}+00:00"))
        for name, time in (("a", first), ("b", second))
    ]
    assert len(slots(*pair, tile=grids.tile(tile))) == (1 if one else 2)


def test_slots_are_in_the_order_of_time_and_scenes_in_theirs():
    times = {"c": 5, "a": 9, "b": 0}
    scenes = [
        scene(name, time=NOON + timedelta(minutes=m), relative_orbit=m % 2)
        for name, m in times.items()
    ]
    (first, second) = acquisitions(scenes, TILE)
    assert (first.item_id, second.item_id) == ("b", "c a")
    assert (first.time, second.time) == (NOON, NOON + timedelta(minutes=5))


@pytest.mark.parametrize(
    ("scenes", "cloud", "covered"),
    [
        ([(10, 0)], 10, 100),
        ([(10, 0), (30, 0)], 20, 100),
        ([(10, 50), (40, 75)], 20, 75),  # weighted by what they cover
        ([(10, 0), (None, 0)], 10, 100),  # what does not tell does not count
        ([(None, 30)], None, 70),
        ([(10, 100)], None, 0),  # nothing is covered
        ([(10, None)], 10, 100),
    ],
)
def test_the_cloud_of_a_mosaic_is_that_of_what_its_scenes_cover(scenes, cloud, covered):
    nan = float("nan")
    made = [
        scene(
            f"{n}",
            sensing_start=f"{n}",
            cloud_cover=nan if c is None else c,
            nodata_cover=nan if v is None else v,
        )
        for n, (c, v) in enumerate(scenes)
    ]
    (one,) = acquisitions(made, TILE)
    assert one.cloud_cover == pytest.approx(nan if cloud is None else cloud, nan_ok=True)
    assert one.covered == covered


@pytest.mark.parametrize(
    ("text", "numbers"), [("05.09", (5, 9)), ("", ()), ("5", (5,)), ("05.x", ()), (".", ())]
)
def test_a_baseline_compares_as_numbers(text, numbers):
    assert baseline(text) == numbers


SCENES = st.builds(
    scene,
    platform=st.sampled_from(["sentinel-2a", "sentinel-2b"]),
    relative_orbit=st.sampled_from([-1, 51, 94]),
    time=st.sampled_from([NOON, NOON + timedelta(seconds=20), NOON + timedelta(days=3)]),
    tile=st.sampled_from(["31UDQ", "", "31UDP"]),
    datatake=st.sampled_from(["", "t1", "t2"]),
    sensing_start=st.sampled_from(["", "s1", "s2"]),
    generated=st.sampled_from(["", "2022", "2023"]),
    processing_baseline=st.sampled_from(["", "02.14", "05.09", "05.10"]),
    dn_offset=st.sampled_from([0, -1000]),
)


@given(st.lists(SCENES, max_size=8).flatmap(lambda s: st.tuples(st.just(s), st.permutations(s))))
def test_the_order_in_which_items_are_found_changes_nothing(both):
    names = {id(one): f"i{n}" for n, one in enumerate(both[0])}
    first, second = ([replace(s, item_id=names[id(s)]) for s in found] for found in both)
    slots_of_both = [[one.item_id for one in acquisitions(s, TILE)] for s in (first, second)]
    assert slots_of_both[0] == slots_of_both[1]


@given(st.lists(SCENES, max_size=8))
def test_each_slot_is_of_one_platform_orbit_day_and_processing(found):
    named = [replace(one, item_id=f"i{n}") for n, one in enumerate(found)]
    made = acquisitions(named, TILE)
    kinds = [
        {
            (s.platform, s.relative_orbit, s.time.date(), s.processing_baseline, s.dn_offset)
            for s in one.scenes
        }
        for one in made
    ]
    assert all(len(kind) == 1 for kind in kinds)
    assert len(set().union(*kinds)) == len(kinds)
    kept = [s.item_id for one in made for s in one.scenes]
    here = [s for s in named if s.tile in {"", TILE.id}]
    assert sorted(kept) == sorted(s.item_id for s in newest(here))
