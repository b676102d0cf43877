"""What is read is what rasterio reads: exact on the grid, exact coordinates off it."""

import socket
import threading
import time

import numpy as np
import pyproj
import pytest
import rasterio
import uvicorn
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from cubestore_pipelines.addresses import Policy
from cubestore_pipelines.errors import AssetError, HeaderError
from cubestore_pipelines.read import Access, read
from cubestore_pipelines.scene import Raster

CRS = "EPSG:32631"
LEFT, TOP = 500_000, 5_400_000
HERE = Access(policy=Policy(local=True))
SIZE = 120
"""Pixels of 10 m along the side of the ground that files show."""


def grid_of(row=0, column=0, rows=SIZE, columns=SIZE, pixel=10, crs=CRS, left=LEFT, top=TOP):
    """Return pixels that begin so many rows and columns from the corner."""
    affine = Affine(pixel, 0, left + column * pixel, 0, -pixel, top - row * pixel)
    return GeoBox((rows, columns), affine, crs)


def numbers(shape, dtype="uint16", seed=0):
    """Return numbers of which none is nodata."""
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(1, info.max, shape, dtype)


def write(path, pixels, grid, *, nodata=0, **options):
    bands = pixels if pixels.ndim == 3 else pixels[None]
    profile = {
        "driver": "GTiff",
        "count": len(bands),
        "dtype": bands.dtype,
        "height": bands.shape[1],
        "width": bands.shape[2],
        "crs": str(grid.crs),
        "transform": grid.affine,
        "nodata": nodata,
    }
    with rasterio.open(path, "w", **(profile | options)) as file:
        file.write(bands)
    return path


def found(path, grid, *, access=HERE, index=1, resampling="nearest", nodata=None):
    raster = Raster(asset="B02", href=str(path), index=index)
    got = read([raster], grid, access, name="Item one", nodata=nodata, resampling=resampling)
    return None if got is None else got.pixels[0]


def exact(path, grid, *, index=1, fill=0):
    """Return what lies under the centre of each pixel, and where that is in doubt.

    Coordinates are pyproj's, for every pixel. In doubt is a centre within a ten-thousandth of a
    pixel of an edge.
    """
    with rasterio.open(path) as file:
        pixels, affine, crs = file.read(index), file.transform, file.crs.to_wkt()
    rows, columns = np.mgrid[: grid.shape[0], : grid.shape[1]] + 0.5
    x, y = grid.affine.c + columns * grid.affine.a, grid.affine.f + rows * grid.affine.e
    transformer = pyproj.Transformer.from_crs(str(grid.crs), crs, always_xy=True)
    x, y = transformer.transform(x, y)
    across, down = (x - affine.c) / affine.a, (y - affine.f) / affine.e
    doubt = (np.abs(across - np.rint(across)) < 1e-4) | (np.abs(down - np.rint(down)) < 1e-4)
    column, row = np.floor(across).astype(int), np.floor(down).astype(int)
    inside = (row >= 0) & (column >= 0) & (row < pixels.shape[0]) & (column < pixels.shape[1])
    values = np.full(grid.shape, fill, pixels.dtype)
    values[inside] = pixels[row[inside], column[inside]]
    return values, doubt


WINDOWS = [
    (0, 0, SIZE, SIZE),  # all of it
    (7, 11, 31, 53),
    (SIZE - 1, SIZE - 1, 1, 1),  # the last pixel
    (-20, -30, 50, 60),  # beyond the north-west corner
    (100, 90, 60, 70),  # beyond the south-east one
    (-10, -10, SIZE + 20, SIZE + 20),  # all around
    (-10, 40, SIZE + 20, 5),
]


def expected(pixels, row, column, rows, columns):
    """Return a window of pixels, 0 around them."""
    around = 200
    whole = np.zeros((SIZE + 2 * around,) * 2, pixels.dtype)
    whole[around : around + SIZE, around : around + SIZE] = pixels
    return whole[around + row :, around + column :][:rows, :columns]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("window", WINDOWS)
def test_on_the_same_grid_pixels_are_taken_as_they_are(tmp_path, window, dtype):
    pixels = numbers((SIZE, SIZE), dtype)
    path = write(tmp_path / "a.tif", pixels, grid_of(), tiled=True, blockxsize=64, blockysize=64)
    got = found(path, grid_of(*window))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected(pixels, *window))


@pytest.mark.parametrize("pixel", [20, 60])
@pytest.mark.parametrize("window", WINDOWS)
def test_coarser_pixels_are_replicated(tmp_path, pixel, window):
    side = SIZE * 10 // pixel
    pixels = numbers((side, side))
    path = write(tmp_path / "a.tif", pixels, grid_of(rows=side, columns=side, pixel=pixel))
    fine = pixels.repeat(pixel // 10, 0).repeat(pixel // 10, 1)
    np.testing.assert_array_equal(found(path, grid_of(*window)), expected(fine, *window))


@settings(max_examples=150, deadline=None)
@given(
    pixel=st.sampled_from([10, 20, 60, 100]),
    offset=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    window=st.tuples(
        st.integers(-70, 70), st.integers(-70, 70), st.integers(1, 60), st.integers(1, 60)
    ),
)
def test_any_window_of_any_aligned_file(tmp_path_factory, pixel, offset, window):
    """Files begin on pixels of 10 m, windows anywhere; nothing is read where nothing is."""
    pixels = numbers((6, 5))
    down, right = offset
    place = grid_of(rows=6, columns=5, pixel=pixel, left=LEFT + right * 10, top=TOP - down * 10)
    path = write(tmp_path_factory.mktemp("file") / "a.tif", pixels, place)
    grid = grid_of(*window)
    values, _ = exact(path, grid)
    got = found(path, grid)
    np.testing.assert_array_equal(np.zeros(grid.shape, "uint16") if got is None else got, values)


@pytest.mark.parametrize(
    "window", [(SIZE, 0, 10, 10), (0, SIZE, 10, 10), (-10, 0, 10, 10), (0, -10, 10, 10)]
)
@pytest.mark.parametrize("pixel", [10, 20])
def test_beside_the_file_there_is_nothing(tmp_path, window, pixel):
    side = SIZE * 10 // pixel
    place = grid_of(rows=side, columns=side, pixel=pixel)
    path = write(tmp_path / "a.tif", numbers((side, side)), place)
    assert found(path, grid_of(*window)) is None


def test_far_from_the_file_there_is_nothing_in_any_crs(tmp_path):
    path = write(tmp_path / "a.tif", numbers((SIZE, SIZE)), grid_of())
    assert found(path, grid_of(crs="EPSG:32633")) is None
    assert found(path, grid_of(row=10_000)) is None


def test_a_file_that_is_larger_than_the_grid(tmp_path):
    pixels = numbers((600, 700))
    path = write(tmp_path / "a.tif", pixels, grid_of(rows=600, columns=700), tiled=True)
    got = found(path, grid_of(100, 200, 50, 60))
    np.testing.assert_array_equal(got, pixels[100:150, 200:260])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("int16", -9999), ("uint16", 65535), ("uint8", 255), ("uint16", None)]
)
def test_what_a_file_does_not_reach_is_its_nodata(tmp_path, dtype, nodata):
    path = write(tmp_path / "a.tif", numbers((SIZE, SIZE), dtype), grid_of(), nodata=nodata)
    got = found(path, grid_of(-1, -1, 3, 3), nodata=0)
    assert (got[0] == (0 if nodata is None else nodata)).all()
    assert (got[:, 0] == (0 if nodata is None else nodata)).all()


@pytest.mark.parametrize("index", [1, 5, 12])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_a_band_of_many_is_read_by_its_index(tmp_path, index, interleave):
    pixels = numbers((12, SIZE, SIZE))
    path = write(tmp_path / "a.tif", pixels, grid_of(), interleave=interleave)
    window = (7, 11, 31, 53)
    got = found(path, grid_of(*window), index=index)
    np.testing.assert_array_equal(got, expected(pixels[index - 1], *window))


def test_an_index_beyond_the_bands_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", numbers((3, SIZE, SIZE)), grid_of())
    with pytest.raises(HeaderError, match="is 3 bands"):
        found(path, grid_of(), index=4)


def test_a_bigtiff_is_read(tmp_path):
    pixels = numbers((SIZE, SIZE))
    path = write(tmp_path / "a.tif", pixels, grid_of(), BIGTIFF="YES", compress="deflate")
    assert path.read_bytes()[:4] == b"II+\0"
    np.testing.assert_array_equal(found(path, grid_of()), pixels)


# Over HTTP, and JPEG 2000.


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A folder, and the address at which it is served by ranges."""
    folder = tmp_path_factory.mktemp("web")
    listener = socket.create_server(("127.0.0.1", 0))
    application = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])
    config = uvicorn.Config(application, ws="none", lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield folder, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listener.close()


REMOTE = Access(policy=Policy(hosts=frozenset({"127.0.0.1"})))
JPEG2000 = {"driver": "JP2OpenJPEG", "REVERSIBLE": "YES", "QUALITY": "100", "nodata": None}


@pytest.fixture(scope="module", params=["tif", "jp2"])
def kind(request):
    if request.param == "jp2":
        return "a.jp2", JPEG2000
    return "a.tif", {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize(
    "window", [(0, 0, 1000, 1100), (333, 517, 401, 203), (900, 1000, 300, 300)]
)
def test_a_file_is_the_same_here_and_on_a_server(web, kind, window, where):
    folder, url = web
    name, options = kind
    pixels = numbers((1000, 1100)) // 4  # OpenJPEG keeps 15 bits as they are
    if not (folder / name).exists():
        write(folder / name, pixels, grid_of(rows=1000, columns=1100), **options)
    with rasterio.open(folder / name) as file:
        np.testing.assert_array_equal(file.read(1), pixels)  # lossless
    row, column, rows, columns = window
    path, access = (folder / name, HERE) if where == "here" else (f"{url}/{name}", REMOTE)
    got = found(path, grid_of(*window), access=access, nodata=0)
    whole = np.zeros((rows, columns), "uint16")
    part = pixels[row : row + rows, column : column + columns]
    whole[: part.shape[0], : part.shape[1]] = part
    np.testing.assert_array_equal(got, whole)


def test_a_window_of_a_file_on_a_server_is_warped_as_here(web):
    folder, url = web
    write(folder / "w.tif", numbers((300, 300)), grid_of(rows=300, columns=300))
    grid = grid_of(3.3, 7.7, 150, 160)
    there = found(f"{url}/w.tif", grid, access=REMOTE)
    np.testing.assert_array_equal(there, found(folder / "w.tif", grid))


def test_a_file_that_is_not_there_is_an_error_never_nodata(web, tmp_path):
    _, url = web
    for path, access in ((tmp_path / "none.tif", HERE), (f"{url}/none.tif", REMOTE)):
        with pytest.raises(AssetError, match=r"none\.tif"):
            found(path, grid_of(), access=access)


# Other grids.

LAEA = "+proj=laea +lat_0=48.7 +lon_0=3.05 +datum=WGS84 +units=m"


def lonlat(pixel=2e-4, rows=130, columns=200):
    return GeoBox((rows, columns), Affine(pixel, 0, 2.995, 0, -pixel, 48.755), "EPSG:4326")


OTHERS = {
    "not a whole pixel off": grid_of(0.2, 0.9),
    "a third of a pixel": grid_of(1 / 3, -1 / 3),
    "another pixel": grid_of(pixel=13.3, rows=100, columns=100),
    "coarser, not whole": grid_of(pixel=24.7, rows=50, columns=50),
    "coarser, whole, off": grid_of(0.1, 0.1, pixel=20, rows=60, columns=60),
    "finer": grid_of(0.3, 0.3, pixel=5, rows=240, columns=240),
    "the next zone": grid_of(crs="EPSG:32632", left=59_000, top=5_419_000, rows=400, columns=400),
    "lon/lat": lonlat(),
    "LAEA": GeoBox((200, 200), Affine(20, 0, -5000, 0, -20, 6500), LAEA),
    "Lambert": GeoBox((200, 200), Affine(20, 0, 699_000, 0, -20, 6_851_500), "EPSG:2154"),
    "the plane of MODIS": GeoBox(
        (60, 60),
        Affine(463.3127, 0, 210_000, 0, -463.3127, 5_425_000),
        "+proj=sinu +lon_0=0 +R=6371007.181 +units=m",
    ),
}


@pytest.mark.parametrize("place", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_off_the_grid_every_pixel_is_the_one_under_its_centre(tmp_path, place, dtype):
    path = write(tmp_path / "a.tif", numbers(place.shape, dtype), place)
    for window in [(0, 0, SIZE, SIZE), (-40, -60, 300, 300), (31, 47, 20, 60)]:
        grid = grid_of(*window)
        values, doubt = exact(path, grid)
        got = found(path, grid)
        assert values.any()
        assert doubt.mean() < 0.05
        np.testing.assert_array_equal(got[~doubt], values[~doubt])


@pytest.mark.parametrize("north", ["EPSG:32631", "EPSG:32731"])
def test_north_and_south_of_one_zone_are_no_warp(tmp_path, north):
    """The two CRSs of a zone differ by 10,000,000 m of northing and by nothing else."""
    south = "EPSG:32731" if north == "EPSG:32631" else "EPSG:32631"
    shift = 10_000_000 if south == "EPSG:32731" else -10_000_000
    pixels = numbers((SIZE, SIZE))
    place = grid_of(crs=south, top=100_000 + shift if shift > 0 else 10_000_000 + 1_000 + shift)
    top = 100_000 if shift > 0 else 10_000_000 + 1_000
    path = write(tmp_path / "a.tif", pixels, place)
    for window in WINDOWS:
        got = found(path, grid_of(*window, crs=north, top=top))
        np.testing.assert_array_equal(got, expected(pixels, *window))


def test_a_file_that_runs_from_south_to_north_is_turned_over(tmp_path):
    pixels = numbers((SIZE, SIZE))
    up = Affine(10, 0, LEFT, 0, 10, TOP - SIZE * 10)
    path = write(tmp_path / "a.tif", pixels, grid_of(), transform=up)
    for window in WINDOWS:
        np.testing.assert_array_equal(
            found(path, grid_of(*window)), expected(pixels[::-1], *window)
        )


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
@pytest.mark.parametrize("place", [grid_of(0.3, 0.7), lonlat(), grid_of(pixel=20)])
@pytest.mark.parametrize("nodata", [0, -32768, 32767])
def test_nodata_never_enters_an_interpolation(tmp_path, resampling, place, nodata):
    """Of a chess board of nodata and 1000, every pixel is one of these."""
    rows, columns = np.indices(place.shape)
    board = np.where((rows // 2 + columns // 2) % 2, 1000, nodata).astype("int16")
    path = write(tmp_path / "a.tif", board, place, nodata=nodata)
    got = found(path, grid_of(), resampling=resampling)
    assert set(np.unique(got)) == {1000, nodata}


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
def test_nodata_that_only_the_item_or_the_product_tells_counts_as_well(tmp_path, resampling):
    rows, columns = np.indices((SIZE, SIZE))
    board = np.where((rows // 3 + columns // 3) % 2, 1000, 0).astype("uint16")
    path = write(tmp_path / "a.tif", board, grid_of(0.5, 0.25), nodata=None)
    got = found(path, grid_of(), resampling=resampling, nodata=0)
    assert set(np.unique(got)) == {0, 1000}
    raster = Raster(asset="B02", href=str(path), nodata=0.0)
    told = read([raster], grid_of(), HERE, name="Item one", resampling=resampling).pixels[0]
    np.testing.assert_array_equal(told, got)


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
def test_a_plane_stays_a_plane(tmp_path, resampling):
    """Interpolation has no shift: of values that are their own coordinates it makes these."""
    _, columns = np.indices((SIZE, SIZE))
    path = write(tmp_path / "a.tif", (100 * columns + 1000).astype("int16"), grid_of(0.5, 0.5))
    got = found(path, grid_of(10, 10, 50, 50), resampling=resampling)
    np.testing.assert_array_equal(got, np.broadcast_to(100 * np.arange(9.5, 59.5) + 1000, (50, 50)))


def test_windows_fit_together(tmp_path):
    """What is read in four parts is what is read in one, but for the rounding of weights."""
    path = write(tmp_path / "a.tif", numbers((130, 200), "int16"), lonlat())
    for resampling, apart in (("nearest", 0), ("bilinear", 1), ("cubic", 1)):
        parts = [
            [found(path, grid_of(row, column, 60, 60), resampling=resampling) for column in (0, 60)]
            for row in (0, 60)
        ]
        whole = found(path, grid_of(), resampling=resampling)
        assert np.abs(np.block(parts).astype("i4") - whole).max() <= apart


def test_where_pixels_came_from_is_told_without_a_signature(web):
    folder, url = web
    path = write(folder / "signed.tif", numbers((SIZE, SIZE)), grid_of())
    raster = Raster(asset="B02", href=f"{url}/signed.tif?sig=SECRET")
    told = read([raster], grid_of(), REMOTE, name="Item one").provenance
    assert told["href"] == f"{url}/signed.tif"
    assert told["size"] == path.stat().st_size
    assert told["etag"]
