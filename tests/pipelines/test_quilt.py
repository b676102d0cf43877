"""Sheets of one map, sewn together before they are interpolated."""

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from cubestore_pipelines.quilt import quilts

STEP = 1 / 3600
"""Of Copernicus DEM; its sheets begin half a pixel west and north of the degree."""


def sheet(west, north, *, columns=3600):
    across = 1 / columns
    affine = Affine(across, 0, west - across / 2, 0, -STEP, north + STEP / 2)
    return GeoBox((3600, columns), affine, "EPSG:4326")


@pytest.mark.parametrize(
    ("grids", "longitude", "sewn"),
    [
        ([sheet(6, 1)], 6.5, [[0]]),
        ([sheet(6, 1), sheet(7, 1), sheet(6, 2)], 6.5, [[0, 1, 2]]),
        ([sheet(6, 50), sheet(6, 51, columns=2400)], 6.5, [[0], [1]]),  # another belt of latitude
        ([sheet(179, 1), sheet(-180, 1)], 179.9, [[0, 1]]),  # over the antimeridian
        ([sheet(179, 1), sheet(-180, 1)], -179.9, [[0, 1]]),
        ([], 6.5, []),
    ],
)
def test_sheets_are_sewn_as_far_as_they_line_up(grids, longitude, sewn):
    found = quilts(grids, longitude)
    assert [[number for number, *_ in quilt.places] for quilt in found] == sewn
    for quilt in found:
        west, _, east, _ = quilt.grid.boundingbox.bbox
        assert east - west < 3
        assert abs((west + east) / 2 - longitude) < 2


def test_the_parts_of_a_window_come_from_the_right_sheets():
    (quilt,) = quilts([sheet(7, 1), sheet(6, 1), sheet(6, 2)], 6.5)
    rows, columns = slice(3500, 3700), slice(3590, 3650)
    window = np.full((200, 60), -1)
    for number, (down, along), place in quilt.parts(rows, columns):
        whole = np.broadcast_to(number, (3600, 3600))
        window[place] = whole[down, along]
    # North-west is sheet 2; north-east is none; south-west 1, south-east 0.
    assert set(window[:100, :10].flat) == {2}
    assert set(window[:100, 10:].flat) == {-1}
    assert set(window[100:, :10].flat) == {1}
    assert set(window[100:, 10:].flat) == {0}


def test_a_sheets_own_pixels_are_found_again():
    grids = [sheet(6, 1), sheet(7, 1)]
    (quilt,) = quilts(grids, 6.5)
    for number, own, place in quilt.parts(slice(100, 102), slice(3599, 3601)):
        (row, column) = own[0].start, own[1].start
        x, y = grids[number].affine * (column + 0.5, row + 0.5)
        there = quilt.grid.affine * (3599 + place[1].start + 0.5, 100 + place[0].start + 0.5)
        assert (x, y) == pytest.approx(there, abs=1e-9)
