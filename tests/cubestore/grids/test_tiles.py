"""What a tile makes of pixel sizes, bounds and other tiles."""

import pickle

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from cubestore.errors import GridMismatchError
from cubestore.grids import tile, window


@pytest.mark.parametrize(("tile_id", "arguments", "pixels", "pixel", "corner"), [
    ("31UDQ", {}, 10980, 10, (399960, 5500020)),
    ("31UDQ", {"gsd": 60}, 1830, 60, (399960, 5500020)),
    ("31UDQ", {"gsd": 1}, 109_800, 1, (399960, 5500020)),
    ("31UDQ", {"gsd": 0.3}, 366_000, 0.3, (399960, 5500020)),
    ("31UDQ", {"gsd": 30, "margin": 15}, 3661, 30, (399945, 5500035)),  # Landsat
    ("h18v04", {}, 2400, 1111950.5197665233 / 2400, (0, 5559752.598832617)),
    ("h18v04", {"gsd": 463.3127}, 2400, 1111950.5197665233 / 2400, (0, 5559752.598832617)),
    ("h18v04", {"gsd": 926.625}, 1200, 1111950.5197665233 / 1200, (0, 5559752.598832617)),
    ("h18v04", {"gsd": 231.66}, 4800, 1111950.5197665233 / 4800, (0, 5559752.598832617)),
])  # fmt: skip
def test_the_pixels_of_a_tile(tile_id, arguments, pixels, pixel, corner):
    geobox = tile(tile_id).geobox(**arguments)
    assert isinstance(geobox, GeoBox)
    assert geobox.shape == (pixels, pixels)
    assert geobox.crs == tile(tile_id).crs
    assert tuple(geobox.affine)[:6] == (pixel, 0, corner[0], 0, -pixel, corner[1])


@pytest.mark.parametrize(("tile_id", "arguments"), [
    ("31UDQ", {"gsd": 7}),
    ("31UDQ", {"gsd": 10.0001}),
    ("31UDQ", {"gsd": 30, "margin": 10}),
    ("31UDQ", {"gsd": 0}),
    ("31UDQ", {"gsd": -10}),
    ("31UDQ", {"gsd": float("nan")}),
    ("31UDQ", {"margin": float("inf")}),
    ("31UDQ", {"margin": -60_000}),
    ("31UDQ", {"gsd": 219_600}),
    ("h18v04", {"gsd": 500}),  # the nominal one
    ("h18v04", {"gsd": 100}),  # 1e-5 away from a whole number of pixels, and half a pixel
    ("h18v04", {"gsd": 463}),
])  # fmt: skip
def test_a_pixel_that_does_not_fit_is_refused(tile_id, arguments):
    with pytest.raises(GridMismatchError, match="whole number of pixels"):
        tile(tile_id).geobox(**arguments)


@pytest.mark.parametrize(("bounds", "y", "x"), [
    ((399960, 5390220, 509760, 5500020), (0, 10980), (0, 10980)),
    ((399960, 5500010, 399970, 5500020), (0, 1), (0, 1)),
    ((400960, 5499000, 401960, 5499020), (100, 102), (100, 200)),
    ((400960.001, 5499000, 401959.999, 5499020), (100, 102), (100, 200)),  # rounded to millimetres
])  # fmt: skip
def test_bounds_on_pixel_edges_are_a_window(bounds, y, x):
    assert window(tile("31UDQ").geobox(), bounds) == (slice(*y), slice(*x))


@pytest.mark.parametrize(("bounds", "found"), [
    ((399965, 5500000, 399975, 5500020), "columns 0.5 to 1.5"),
    ((399960, 5500000, 399960, 5500020), "columns 0 to 0"),
    ((399970, 5500000, 399960, 5500020), "columns 1 to 0"),
    ((399950, 5500000, 399960, 5500020), "columns -1 to 0"),
    ((399960, 5500020, 399970, 5500030), "rows -1 to 0"),
    ((509750, 5390210, 509770, 5390220), "columns 10979 to 10981"),
    ((float("nan"), 5500010, 399970, 5500020), "nan"),
])  # fmt: skip
def test_other_bounds_are_refused(bounds, found):
    with pytest.raises(GridMismatchError) as caught:
        window(tile("31UDQ").geobox(), bounds)
    assert found in caught.value.found


@pytest.mark.parametrize(("one", "other", "bounds"), [
    ("31UDQ", "31UEQ", (499980, 5390220, 509760, 5500020)),
    ("31UDQ", "31UDQ", (399960, 5390220, 509760, 5500020)),
    ("31NBA", "31MBV", (199980, -9780, 309780, 0)),  # across the equator: 10,000,000 m apart
    ("31MBV", "31NBA", (199980, 9990220, 309780, 10000000)),
])  # fmt: skip
def test_the_overlap_in_one_zone_is_exact(one, other, bounds):
    assert tile(one).overlap(tile(other)).bounds == bounds


@pytest.mark.parametrize(("one", "other"), [
    ("31UDQ", "31UFQ"),  # apart, in one zone
    ("31UDQ", "55KFA"),  # on the other side of the Earth
    ("h18v04", "h19v04"),  # they only touch
    ("h00v08", "h35v08"),
])  # fmt: skip
def test_tiles_apart_have_an_empty_overlap(one, other):
    assert tile(one).overlap(tile(other)).is_empty


def test_the_overlap_across_the_antimeridian_is_in_one_piece():
    overlap = tile("01CCV").overlap(tile("60CWE"))
    assert overlap.geom_type == "Polygon"
    assert overlap.within(tile("01CCV").bounds.polygon.geom.buffer(5))


def test_grids_overlap_too():
    inside = tile("31UDQ").overlap(tile("h18v04"))
    assert inside.area == pytest.approx(tile("31UDQ").bounds.polygon.geom.area, rel=1e-4)
    assert tile("h18v04").overlap(tile("31UDQ")).centroid.within(tile("h18v04").bounds.polygon.geom)


@pytest.mark.parametrize(("tile_id", "zones"), [
    ("31UDQ", {"31"}),
    ("31UGQ", {"31", "32"}),  # across a zone's edge
    ("01CCV", {"01", "60", "59"}),  # across the antimeridian
    ("31MBV", {"30", "31"}),
    ("32VKM", {"31", "32"}),  # Norway
])  # fmt: skip
def test_neighbours_lie_in_other_zones_too(tile_id, zones):
    assert {one.id[:2] for one in tile(tile_id).neighbours()} | {tile_id[:2]} == zones


def test_neighbours_lie_across_the_equator():
    assert {one.crs.epsg for one in tile("31NDA").neighbours()} == {32631, 32731}


@pytest.mark.parametrize("tile_id", ["31UDQ", "h18v04"])
def test_a_tile_is_its_id(tile_id):
    one = tile(tile_id)
    assert one == tile(one.id) == pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
    assert {one, tile(tile_id)} == {one}
    assert repr(one).endswith(f"(id='{tile_id}')")
    assert len(pickle.dumps(one)) < 300
    with pytest.raises(AttributeError):
        one.id = "32UDQ"


def test_bounds_are_those_of_the_geobox():
    for tile_id in ("31UDQ", "01CCV", "h18v04", "h14v00"):
        one = tile(tile_id)
        np.testing.assert_allclose(one.geobox().boundingbox.bbox, one.bounds.bbox, rtol=1e-12)
