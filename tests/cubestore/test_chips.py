import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubestore.chips import ChipGrid
from cubestore.errors import MismatchError


@given(shape=st.tuples(st.integers(1, 90), st.integers(1, 90)), size=st.integers(2, 100))
def test_every_pixel_is_in_exactly_one_chip(shape, size):
    grid = ChipGrid(shape=shape, size=size)
    seen = np.zeros(shape, int)
    for row in range(len(grid.rows)):
        for column in range(len(grid.columns)):
            seen[grid.window(row, column)] += 1
    assert (seen == 1).all()


@given(length=st.integers(1, 2000), size=st.integers(2, 300), data=st.data())
def test_overlapping_chips_leave_no_pixel_out_and_none_is_needless(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    starts = ChipGrid(shape=(length, 1), size=size, overlap=overlap).rows
    assert starts[0] == 0
    assert starts[-1] + size >= length
    assert len(starts) == 1 or starts[-2] + size < length
    assert (np.diff(starts) == size - overlap).all()


@pytest.mark.parametrize(
    ("pixels", "chips", "whole"),
    [
        (10980, 43, 42),  # Sentinel-2: stacchip has 42 x 42 and leaves 228 pixels out
        (3661, 15, 14),  # Landsat
        (2400, 10, 9),  # MODIS
        (256, 1, 1),
        (255, 1, 0),
    ],
)
def test_chips_of_known_grids(pixels, chips, whole):
    assert len(ChipGrid(shape=(pixels, pixels)).rows) == chips
    assert len(ChipGrid(shape=(pixels, pixels), whole=True).rows) == whole


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (256, 256), (256, -1)])
def test_windows_that_cannot_be_are_refused(size, overlap):
    with pytest.raises(MismatchError, match="Chips of"):
        ChipGrid(shape=(100, 100), size=size, overlap=overlap)
