"""The image's place in its canvas is found, whatever is around it, or asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cubestore_pipelines.benchmarks.cloudsen12.padding import (
    AROUND,
    LEFT_BOTTOM,
    NONE,
    Padding,
    find,
    parse,
)
from cubestore_pipelines.errors import DatasetError
from tests.pipelines.benchmarks.memmaps import canvases

DTYPES = {"int16": [0, 255, -99], "int8": [0, -1], "uint8": [0, 255], "float32": [0, 255, np.nan]}

places = st.builds(Padding, st.integers(0, 3), st.integers(0, 3))


@st.composite
def padded(draw):
    """A place, what is around the image, and noise in it."""
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    around = draw(st.sampled_from(DTYPES[dtype]))
    images = np.random.default_rng(draw(st.integers(0, 99))).integers(1, 100, (1, 509, 509))
    return draw(places), np.asarray(around, dtype), images.astype(dtype)


@settings(max_examples=20, deadline=None)
@given(padded())
def test_any_place_is_found_and_cutting_undoes_pasting(made):
    place, around, images = made
    pasted = place.paste(images, around)
    assert find([("L1C_B4.dat", pasted)]) == place
    np.testing.assert_array_equal(place.cut(pasted), images)
    np.testing.assert_array_equal(place.fill(pasted), around)
    assert place.odd(pasted, place.fill(pasted)) is None


@settings(max_examples=15, deadline=None)
@given(places, st.integers(0, 511), st.integers(0, 511))
def test_one_other_pixel_outside_of_the_image_is_noticed(place, y, x):
    made = canvases(3, origin=(place.top, place.left), around=0)
    made[2, y, x] = 9
    outside = np.ones((512, 512), bool)
    place.cut(outside[None])[:] = False
    assert place.odd(made, np.int16(0)) == (2 if outside[y, x] else None)


def test_a_blank_border_is_ambiguous_until_another_file_tells():
    clear = canvases(2, high=1, around=0)  # a label of nothing but clear, and zeros around it
    with pytest.raises(
        DatasetError, match=r"as blank as the padding: it may be .*around.*--padding"
    ):
        find([("LABEL_manual_hq.dat", clear)])
    assert find([("LABEL_manual_hq.dat", clear), ("L1C_B4.dat", canvases(2, around=0))]) == AROUND


def test_files_that_are_padded_otherwise_are_named():
    other = np.zeros((2, 512, 512), "int16")
    other[:, :, 100] = 5  # no row is blank
    with pytest.raises(DatasetError, match=r"a\.dat: no image of 509 pixels"):
        find([("a.dat", other), ("b.dat", canvases(2))])
    narrow = np.zeros((2, 512, 512), "int16")
    narrow[:, 1:510, 2:510] = 5  # a column to its left or right may be the image's
    with pytest.raises(DatasetError, match=r"b\.dat: .*where the files before have it"):
        find([("a.dat", narrow), ("b.dat", canvases(2, origin=(0, 0), around=0))])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("find", None),
        ("around", AROUND),
        ("left-bottom", LEFT_BOTTOM),
        ("none", NONE),
        ("0,0", Padding(0, 0)),  # right and below
        ("1,1", AROUND),
    ],
)
def test_a_user_can_state_it(text, place):
    assert parse(text) == place


def test_the_documents_places_are_where_they_say():
    corners = np.zeros((1, 512, 512), "int16")
    corners[0, 1, 1] = corners[0, 509, 509] = 1  # "from pixel (1,1) to (509,509)"
    cut = AROUND.cut(corners)[0]
    assert (cut[0, 0], cut[-1, -1]) == (1, 1)
    below = np.zeros((1, 512, 512), "int16")
    below[0, 0, 3] = below[0, 508, 511] = 1  # zeros "in the left and bottom sides"
    cut = LEFT_BOTTOM.cut(below)[0]
    assert (cut[0, 0], cut[-1, -1]) == (1, 1)
