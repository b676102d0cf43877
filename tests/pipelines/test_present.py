"""What is left to do for an acquisition, in a cube that holds something already."""

from datetime import UTC, datetime, timedelta

import pytest

from cubestore import grids
from cubestore_pipelines.acquisitions import Acquisition, part, sighting
from cubestore_pipelines.present import Counts, Held, left_to_do
from cubestore_pipelines.scene import Scene

TILE = grids.tile("31UDQ")
NOON = datetime(2023, 6, 12, 10, 50, 31, tzinfo=UTC)
NORTH, SOUTH = "20230612T105402", "20230612T105733"
"""When two datastrips of one datatake begin."""

OLD, NEW = (5, 0), (5, 10)
GENERATED = "20230612164502"


def scene(item_id, *, strip=NORTH, baseline=OLD, generated=GENERATED, **more):
    fields = {
        "collection": "c",
        "url": "",
        "sensor": "sentinel-2-l2a",
        "time": NOON,
        "time_end": NOON,
        "tile": TILE.id,
        "platform": "sentinel-2a",
        "relative_orbit": 51,
        "datatake": "20230612T105031",
        "sensing_start": strip,
        "generated": generated,
        "processing_baseline": f"{baseline[0]:02}.{baseline[1]:02}" if baseline else "",
    }
    return Scene(item_id=item_id, **(fields | more))


def taken(*scenes):
    return Acquisition(scenes)


def held(*scenes, slot=0, asked=((0, 0), (0, 1)), superseded=False):
    """Return the slot that a build of these scenes has left."""
    first = scenes[0]
    ranks = {
        part(s): (tuple(map(int, s.processing_baseline.split("."))), s.generated) for s in scenes
    }
    return Held(
        slot=slot,
        item_id=" ".join(s.item_id for s in scenes),
        sighting=sighting(first.platform, first.relative_orbit, first.time, TILE),
        asked=frozenset(asked),
        parts=ranks,
        counts=Counts(total=8, valid=6, known=4, clear=1),
        superseded=superseded,
    )


ASKED = [(0, 0), (0, 1)]
A, B = scene("a"), scene("b", strip=SOUTH)
A_NEW = scene("a-new", baseline=NEW)
A_AGAIN = scene("a-again")
"""The same product, as another catalogue spells it."""

A_LATER = scene("a-later", generated="20240101000000")


@pytest.mark.parametrize(
    ("wanted", "there", "shards", "fills", "supersedes"),
    [
        (taken(A), [], ASKED, None, ""),  # an empty cube
        (taken(A), [held(A)], [], None, ""),  # a no-op
        (taken(A), [held(A, asked=[(0, 0)])], [(0, 1)], 0, ""),  # a second area
        (taken(A), [held(A, asked=[])], ASKED, 0, ""),
        (taken(A), [held(A, asked=[*ASKED, (5, 5)])], [], None, ""),
        # A newer processing replaces all of the old one, wherever that was asked for.
        (taken(A_NEW), [held(A)], ASKED, None, "a"),
        (taken(A_NEW), [held(A, asked=[(0, 1), (5, 5)])], [*ASKED, (5, 5)], None, "a"),
        (taken(A_LATER), [held(A)], ASKED, None, "a"),  # same baseline, later generation
        # What is older than the cube's is left alone, even where the cube has nothing.
        (taken(A), [held(A_NEW)], [], None, ""),
        (taken(A), [held(A_NEW, asked=[(0, 0)])], [], None, ""),
        (taken(A), [held(A_LATER)], [], None, ""),
        # A datastrip that arrived late: a slot of both.
        (taken(A, B), [held(A)], ASKED, None, "a"),
        (taken(A, B), [held(B, asked=[(3, 3)])], [*ASKED, (3, 3)], None, "b"),
        # Another spelling of the same product is the same product.
        (taken(A_AGAIN), [held(A)], [], None, ""),
        (taken(A_AGAIN), [held(A, asked=[(0, 0)])], [(0, 1)], 0, ""),
        (taken(A_AGAIN, B), [held(A, B)], [], None, ""),
        # A part of what is there already.
        (taken(A), [held(A, B)], [], None, ""),
        (taken(B), [held(A, B)], [], None, ""),
        # A slot that was superseded is neither filled nor built again.
        (taken(A), [held(A, superseded=True), held(A_NEW, slot=1)], [], None, ""),
        (taken(A), [held(A, superseded=True, asked=[])], [], None, ""),
        (taken(A_LATER), [held(A, superseded=True), held(A_NEW, slot=1)], [], None, ""),
        # The newest of several counts.
        (taken(A_NEW), [held(A), held(A_LATER, slot=1)], ASKED, None, "a-later"),
    ],
)
def test_what_is_left_to_do(wanted, there, shards, fills, supersedes):
    job = left_to_do(wanted, ASKED, there, TILE)
    assert sorted(job.shards) == sorted(shards)
    assert (job.fills, job.supersedes) == (fills, supersedes)
    assert bool(job.reason) == (not shards)
    assert job.acquisition is wanted


ELSEWHERE = [
    {"platform": "sentinel-2b"},
    {"relative_orbit": 94},
    {"time": NOON + timedelta(days=5), "datatake": "20230617T105031"},
]


@pytest.mark.parametrize("other", ELSEWHERE, ids=" ".join)
def test_another_acquisition_has_nothing_to_do_with_it(other):
    seen = scene("other", **({"datatake": "x", "sensing_start": "x"} | other))
    job = left_to_do(taken(A_NEW), ASKED, [held(seen)], TILE)
    assert (list(job.shards), job.fills, job.supersedes) == (ASKED, None, "")


def test_without_datatakes_the_item_id_decides():
    first, second = (scene(name, datatake="", strip="") for name in ("a", "b"))
    job = left_to_do(taken(second), ASKED, [held(first)], TILE)
    assert (list(job.shards), job.supersedes) == (ASKED, "")
    assert left_to_do(taken(first), ASKED, [held(first)], TILE).shards == ()


def test_a_part_fills_the_shards_that_its_slot_lacks():
    """A second area of interest may meet one datastrip of two only."""
    job = left_to_do(taken(A), ASKED, [held(A, B, asked=[(0, 0)])], TILE)
    assert (job.shards, job.fills, job.supersedes) == (((0, 1),), 0, "")


def test_what_a_slot_counted_is_known_when_it_gets_more():
    job = left_to_do(taken(A), ASKED, [held(A, asked=[(0, 0)])], TILE)
    assert job.before == Counts(total=8, valid=6, known=4, clear=1)
    both = job.before + Counts(total=2, valid=0, known=4, clear=3)
    assert (both.valid_fraction, both.clear_fraction) == (0.6, 0.5)


@pytest.mark.parametrize("field", ["valid_fraction", "clear_fraction"])
def test_a_fraction_of_nothing_is_unknown(field):
    assert getattr(Counts(), field) != getattr(Counts(), field)


def test_a_slot_that_nobody_can_identify_is_left_alone():
    """A slot whose commit record tells no parts, such as one written by other software."""
    stranger = Held(
        slot=0,
        item_id="stranger",
        sighting=sighting("sentinel-2a", 51, NOON, TILE),
        asked=frozenset(),
        parts={},
        counts=Counts(),
        superseded=False,
    )
    job = left_to_do(taken(A), ASKED, [stranger], TILE)
    assert (list(job.shards), job.supersedes) == (ASKED, "")
