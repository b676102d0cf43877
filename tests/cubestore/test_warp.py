"""Pixels on another grid: held against PROJ pixel by pixel, against GDAL, and arithmetic."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from cubestore.errors import MismatchError
from cubestore.grids import tile
from cubestore.warp import coordinates, operation, source_window, warp

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # odc's

SIN = tile("h18v04").crs
METHODS = ["nearest", "bilinear", "cubic"]
SIDE = 300
TIE = 1e-5
"""Pixels from an edge at which rounding may choose."""

slow = settings(deadline=None, max_examples=30, derandomize=True)


def box(crs, pixel, place=(0.0, 0.0), side=SIDE, *, via="EPSG:4326", turn=0.0, up=-1):
    """A square of pixels around a place in ``via``."""
    x, y = Transformer.from_crs(
        via, crs if isinstance(crs, str) else crs.proj, always_xy=True
    ).transform(*place)
    centred = Affine.translation(round(x / pixel) * pixel, round(y / pixel) * pixel)
    corner = (
        Affine.rotation(turn)
        @ Affine.scale(pixel, up * pixel)
        @ Affine.translation(-side / 2, -side / 2)
    )
    return GeoBox((side, side), centred @ corner, crs)


def noise(shape, dtype="uint16", seed=0, empty=0.0, nodata=0):
    rng = np.random.default_rng(seed)
    most = 250 if np.dtype(dtype).itemsize == 1 else 9000
    pixels = rng.integers(1, most, shape).astype(dtype)
    pixels[rng.random(shape) < empty] = nodata
    return pixels


def smooth(shape, dtype):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (120 + 50 * np.sin(x / 9) * np.cos(y / 7) + 30 * np.sin(x * y / 5000)).astype(dtype)


def by_proj(pixels, source, target, fill=0):
    """Take the nearest pixels at coordinates that PROJ gives for each; and tell ties."""
    x, y = coordinates(source, target)
    there = (x >= 0) & (y >= 0) & (x < source.shape[1]) & (y < source.shape[0])
    out = np.full(target.shape, fill, pixels.dtype)
    out[there] = pixels[np.floor(y[there]).astype(int), np.floor(x[there]).astype(int)]
    ties = (np.abs(x - np.rint(x)) < TIE) | (np.abs(y - np.rint(y)) < TIE)
    return out, ties, there


def by_gdal(pixels, source, target, resampling, nodata=None):
    height, width = pixels.shape
    profile = {
        "driver": "GTiff",
        "count": 1,
        "dtype": pixels.dtype,
        "height": height,
        "width": width,
    }
    with MemoryFile() as memory:
        with memory.open(**profile, crs=source.crs.wkt, transform=source.affine) as file:
            file.write(pixels, 1)
        with (
            memory.open() as file,
            WarpedVRT(
                file,
                crs=target.crs.wkt,
                transform=target.affine,
                height=target.shape[0],
                width=target.shape[1],
                resampling=Resampling[resampling],
                src_nodata=nodata,
                nodata=nodata,
                tolerance=1e-5,
                XSCALE=1,
                YSCALE=1,
            ) as warped,
        ):
            return warped.read(1)


UTM32, UTM33 = "EPSG:32632", "EPSG:32633"

PLACES = [
    (UTM32, 10, UTM33, 10, (11.98, 50.1)),
    (UTM33, 10, UTM32, 10, (12.02, 70.0)),
    ("EPSG:4326", 1e-4, UTM32, 10, (9.0, 48.0)),
    ("EPSG:2193", 10, "EPSG:32760", 10, (174.0, -41.0)),
    ("EPSG:2193", 10, "EPSG:32701", 10, (179.99, -38.0)),
    (SIN, 463.3127165, UTM32, 500, (10.0, 45.0)),
    (SIN, 463.3127165, UTM32, 500, (7.0, 70.0)),
    (SIN, 463.3127165, "EPSG:32601", 500, (-179.9, 66.0)),  # both ends of the world
    (UTM32, 30, SIN, 463.3127165, (10.0, 45.0)),
    ("EPSG:32601", 500, SIN, 463.3127165, (-179.9, 66.0)),  # beyond the outline there is nothing
    ("EPSG:32733", 10, "EPSG:32633", 10, (15.0, -0.01)),
    ("EPSG:26918", 30, "EPSG:32618", 30, (-75.0, 40.0)),
    ("EPSG:3031", 100, "EPSG:32701", 100, (-177.0, -79.0)),
    ("EPSG:4326", 0.01, "EPSG:3413", 1000, (-45.0, 89.9)),  # the pole
    (SIN, 463.3127165, "EPSG:3413", 500, (-45.0, 89.9)),
]


@pytest.mark.parametrize(("from_crs", "from_pixel", "crs", "pixel", "place"), PLACES)
def test_nearest_is_what_proj_says_of_every_pixel(from_crs, from_pixel, crs, pixel, place):
    source, target = box(from_crs, from_pixel, place, 2 * SIDE), box(crs, pixel, place)
    pixels = noise(source.shape)
    expected, ties, there = by_proj(pixels, source, target)
    differ = warp(pixels, source, target) != expected
    assert there.any()
    assert not differ[~ties].any()
    assert differ.mean() <= 1e-4


def test_the_ends_of_the_sinusoidal_world_meet_at_180_degrees():
    world = GeoBox((360, 720), Affine(55597.5, 0, -20015109.354, 0, -55597.5, 10007554.677), SIN)
    target = box("EPSG:32660", 20000, (180.0, 10.0), 40)
    pixels = noise(world.shape)
    expected, ties, _ = by_proj(pixels, world, target)
    found = warp(pixels, world, target)
    assert (found > 0).all()
    assert not (found != expected)[~ties].any()


def test_outside_the_sinusoidal_world_there_is_nothing():
    earth = GeoBox((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    target = tile("h00v08").geobox(SIDE_OF_SIN)
    found = warp(np.ones(earth.shape, "uint8"), earth, target)
    x = target.affine.c + (np.arange(target.shape[1]) + 0.5) * target.affine.a
    y = target.affine.f + (np.arange(target.shape[0]) + 0.5) * target.affine.e
    radius = 6371007.181
    earthly = np.abs(x)[None, :] <= np.pi * radius * np.cos(y / radius)[:, None]
    assert 0 < earthly.mean() < 1
    assert (found == earthly).all()


SIDE_OF_SIN = tile("h18v04").bounds.span_x / 240


@pytest.mark.parametrize("west", [-180.0, 0.0, -180.25])
def test_longitudes_may_count_from_anywhere(west):
    source = GeoBox((40, 720), Affine(0.5, 0, west, 0, -0.5, 10), "EPSG:4326")
    lon = west + 0.25 + 0.5 * np.arange(720)
    pixels = np.broadcast_to((lon % 360).astype("float32"), source.shape)
    target = box("EPSG:32601", 5000, (-179.5, 0.0), 60)
    found = warp(pixels, source, target, nodata=-1)
    assert (found >= 0).all()
    assert set(np.round(found % 1, 2).ravel()) <= {0.0, 0.25, 0.5, 0.75}


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_interpolated_pixels_are_those_of_gdal(dtype, resampling):
    source, target = box(UTM32, 10, (11.98, 50.1)), box(UTM33, 10, (11.98, 50.1), 250)
    pixels = smooth(source.shape, dtype)
    ours = warp(pixels, source, target, resampling=resampling).astype(float)
    theirs = by_gdal(pixels, source, target, resampling)
    x, y = coordinates(source, target)
    inner = (x > 3) & (y > 3) & (x < SIDE - 3) & (y < SIDE - 3)
    assert inner.mean() > 0.9
    assert np.abs(ours - theirs)[inner].max() <= (1 if dtype != "float32" else 1e-2)


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
def test_with_holes_too_they_are_those_of_gdal(resampling):
    source, target = box(UTM32, 10, (11.98, 50.1)), box(UTM33, 10, (11.98, 50.1), 250)
    pixels = smooth(source.shape, "uint16")
    pixels[noise(source.shape, empty=0.02) == 0] = 0
    ours = warp(pixels, source, target, resampling=resampling, nodata=0).astype(int)
    theirs = by_gdal(pixels, source, target, resampling, nodata=0)
    both = (ours > 0) & (theirs > 0)
    assert both.mean() > 0.9
    assert (np.abs(ours - theirs)[both] <= 1).mean() > 0.9999


@slow
@given(st.integers(0, 2**32), st.floats(0, 0.9), st.floats(-180, 180), st.sampled_from(METHODS))
def test_nodata_never_bleeds_and_covers_the_same_whatever_the_method(seed, empty, turn, resampling):
    source = box(UTM32, 10, (9.0, 48.0), 40)
    target = box(UTM33, 12, (9.0, 48.0), 50, turn=turn)
    pixels = noise(source.shape, "int16", seed, empty, -9999)
    pixels[pixels != -9999] = pixels[pixels != -9999] % 100 + 1000
    found = warp(pixels, source, target, resampling=resampling, nodata=-9999)
    nearest = warp(pixels, source, target, nodata=-9999)
    assert ((found == -9999) == (nearest == -9999)).all()
    data = found[found != -9999]
    most = 0 if resampling != "cubic" else 60  # it overshoots
    assert data.size == 0 or (data.min() >= 1000 - most and data.max() <= 1099 + most)


@slow
@given(st.integers(0, 2**32), st.floats(0, 0.9), st.sampled_from(METHODS))
def test_nan_is_no_data_in_floats(seed, empty, resampling):
    source, target = box(UTM32, 10, (9.0, 48.0), 40), box(UTM33, 10, (9.0, 48.0), 50)
    pixels = noise(source.shape, "float32", seed, empty, np.nan)
    found = warp(pixels, source, target, resampling=resampling, nodata=np.nan)
    marked = np.where(np.isnan(pixels), np.float32(-9999), pixels)
    expected = warp(marked, source, target, resampling=resampling, nodata=-9999)
    mixed = warp(pixels, source, target, resampling=resampling, nodata=-9999)
    assert (np.isnan(found) == (expected == -9999)).all()
    there = ~np.isnan(found)
    assert (found[there] == expected[there]).all()
    assert np.nan_to_num(mixed, nan=-9999).tolist() == expected.tolist()


@slow
@given(st.integers(0, 255), st.floats(0, 0.9), st.sampled_from(METHODS), st.floats(3, 50))
def test_what_is_constant_stays_so(value, empty, resampling, pixel):
    source, target = box(UTM32, 10, (9.0, 48.0), 40), box(UTM33, pixel, (9.0, 48.0), 40)
    holes = noise(source.shape, "uint8", 1, empty, 0) == 0
    pixels = np.where(holes, 0, max(value, 1)).astype("uint8")
    found = warp(pixels, source, target, resampling=resampling, nodata=0)
    assert set(np.unique(found)) <= {0, max(value, 1)}


@slow
@given(st.floats(-180, 180), st.sampled_from([-1, 1]), st.floats(4, 15))
def test_a_ramp_stays_one(turn, up, pixel):
    source = box(UTM32, 10, (9.0, 48.0), 80, turn=turn, up=up)
    target = box(UTM33, pixel, (9.0, 48.0), 60)
    y, x = np.mgrid[:80, :80] + 0.5
    at_x, at_y = coordinates(source, target)
    found = warp(3 * x - 2 * y, source, target, resampling="bilinear", nodata=-9999)
    inner = (at_x > 1) & (at_y > 1) & (at_x < 79) & (at_y < 79)
    assert np.abs(found - (3 * at_x - 2 * at_y))[inner].max() < 2e-5


@pytest.mark.parametrize("resampling", METHODS)
@pytest.mark.parametrize("dtype", ["uint16", "float32", ">i2"])
def test_on_its_own_grid_a_raster_stays_what_it_is(dtype, resampling):
    grid = box(UTM32, 10, (9.0, 48.0), turn=20)
    pixels = noise(grid.shape, dtype, empty=0.1)
    found = warp(pixels, grid, grid, resampling=resampling, nodata=0)
    assert found.dtype == pixels.dtype.newbyteorder("=")
    assert (found == pixels).all()


@pytest.mark.parametrize("resampling", METHODS)
def test_bands_together_are_bands_apart(resampling):
    source, target = box(UTM32, 10, (9.0, 48.0), 60), box(UTM33, 25, (9.0, 48.0), 60)
    pixels = noise((3, 2, *source.shape), empty=0.1)
    together = warp(pixels, source, target, resampling=resampling, nodata=0)
    assert together.shape == (3, 2, 60, 60)
    for index in np.ndindex(3, 2):
        apart = warp(pixels[index], source, target, resampling=resampling, nodata=0)
        assert (together[index] == apart).all()


def test_a_coarser_grid_is_averaged():
    source = box(UTM32, 10, (9.0, 48.0), 60)
    target = source.zoom_out(3)
    pixels = noise(source.shape, "float32", empty=0.2, nodata=-1)
    found = warp(pixels, source, target, resampling="bilinear", nodata=-1)
    blocks = np.where(pixels < 0, np.nan, pixels).reshape(20, 3, 20, 3)
    there = warp(pixels, source, target, nodata=-1) >= 0
    assert ((found >= 0) == there).all()
    assert np.allclose(found[there], np.nanmean(blocks, axis=(1, 3))[there], rtol=1e-6)


def test_an_average_that_would_be_nodata_is_data():
    source = box(UTM32, 10, (9.0, 48.0), 4)
    pixels = np.tile(np.array([[-1, 1], [1, -1]], "int16"), (2, 2))
    assert (warp(pixels, source, source.zoom_out(2), resampling="bilinear", nodata=0) == 1).all()


@pytest.mark.parametrize(("dtype", "nodata", "instead"), [
    ("uint8", 3, 4),
    ("uint8", 255, 254),  # the type's last
    ("float32", 3.0, np.nextafter(np.float32(3), np.float32(4))),
])  # fmt: skip
def test_what_is_interpolated_is_never_nodata(dtype, nodata, instead):
    low, high = nodata - 2, nodata + 2
    pixels = np.array([[low, high]] if nodata < 255 else [[254, 254]], dtype)
    source = GeoBox((1, 2), Affine.identity(), UTM32)
    target = GeoBox((1, 1), Affine.translation(0.5, 0), UTM32)
    found = warp(pixels, source, target, resampling="bilinear", nodata=nodata)
    assert found.item() == instead


@pytest.mark.parametrize(("values", "expected"), [([1, 2], 2), ([-1, -2], -2), ([-1, 2], 1)])
def test_integers_are_rounded_half_away_from_zero(values, expected):
    source = GeoBox((1, 2), Affine.identity(), UTM32)
    target = GeoBox((1, 1), Affine.translation(0.5, 0), UTM32)
    assert warp(np.array([values], "int16"), source, target, resampling="bilinear") == expected


def test_cubic_is_held_in_the_range_of_the_type():
    source, target = box(UTM32, 10, (9.0, 48.0), 40), box(UTM32, 4, (9.0, 48.0), 80)
    pixels = np.where(np.arange(40) % 8 < 4, 0, 255).astype("uint8") * np.ones((40, 1), "uint8")
    found = warp(pixels, source, target, resampling="cubic").astype(float)
    smooth_ = warp(pixels.astype("float64"), source, target, resampling="cubic")
    assert smooth_.min() < -5
    assert np.abs(found - smooth_.clip(0, 255)).max() <= 0.5


@slow
@given(
    st.sampled_from(PLACES),
    st.sampled_from(METHODS),
    st.tuples(st.integers(-400, 400), st.integers(-400, 400)),
    st.sampled_from([1, 3.4]),
)
def test_a_window_yields_what_the_whole_would(place, resampling, shift, coarser):
    from_crs, from_pixel, crs, pixel, at = place
    source = box(from_crs, from_pixel, at)
    target = box(crs, pixel, at, 60)
    target = GeoBox(
        (60, 60), target.affine @ Affine.translation(*shift) @ Affine.scale(coarser), crs
    )
    pixels = noise(source.shape, empty=0.1)
    whole = warp(pixels, source, target, resampling=resampling, nodata=0)
    window = source_window(source, target, resampling=resampling)
    if window is None:
        assert not whole.any()
    else:
        part = warp(pixels[window], source[window], target, resampling=resampling, nodata=0)
        assert (part == whole).all()


def test_a_window_is_small():
    source, target = box(UTM32, 10, (11.98, 50.1), 4000), box(UTM33, 10, (11.98, 50.1), 512)
    rows, columns = source_window(source, target, resampling="cubic")
    assert rows.stop - rows.start < 600
    assert columns.stop - columns.start < 600


def test_many_may_warp_at_once():
    source, target = box(UTM32, 10, (11.98, 50.1)), box(UTM33, 10, (11.98, 50.1))
    pixels = noise(source.shape)
    expected = warp(pixels, source, target, resampling="bilinear", nodata=0)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(
            lambda _: warp(pixels, source, target, resampling="bilinear", nodata=0), range(16)
        )
        assert all((one == expected).all() for one in found)


GRID = box(UTM32, 10, (9.0, 48.0), 4)
WRONG = [
    ({"pixels": np.zeros((4, 5), "uint8")}, r"of shape \(4, 5\)"),
    ({"pixels": np.zeros((4, 4), "complex64")}, "of type complex64"),
    ({"pixels": np.zeros((4, 4), "float16")}, "of type float16"),
    ({"resampling": "lanczos"}, "no resampling 'lanczos'"),
    ({"nodata": -9999}, "Nodata is -9999"),
    ({"nodata": np.nan}, "Nodata is nan"),
    ({"target": GeoBox((4, 4), GRID.affine, None)}, "no CRS"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_what_does_not_go_together_is_refused(wrong, message):
    given_ = SimpleNamespace(pixels=np.zeros((4, 4), "uint8"), source=GRID, target=GRID)
    given_ = {**vars(given_), **wrong}
    with pytest.raises(MismatchError, match=message):
        warp(**given_)


@pytest.mark.parametrize(("source", "target", "named"), [
    (UTM32, UTM33, "Inverse of UTM zone 33N + UTM zone 32N"),
    ("EPSG:26918", "EPSG:32618", "NAD83 to WGS 84 (1)"),
    ("EPSG:27700", "EPSG:32630", "OSGB36 to WGS 84 (6)"),  # of several, that of the place
    (UTM32, UTM32, "none"),
])  # fmt: skip
def test_the_operation_has_a_name(source, target, named):
    line = operation(source, target)
    assert named in line
    assert "\n" not in line
