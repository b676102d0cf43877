"""Whoever reads Zarr reads a cube: without us from a disk or a web server, and with us."""

import pickle
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import odc.geo.xr  # noqa: F401 - makes .odc
import pytest
import rioxarray  # noqa: F401 - makes .rio
import tensorstore
import xarray as xr
import zarr

import cubestore
from cubestore.errors import DamagedError, MismatchError

CUBES = [
    ("31UDQ", "sentinel-2-l2a"),
    ("h18v04", "modis-09a1"),
    ("31UDQ", "landsat-c2-l2"),
    ("31UDQ", "sentinel-1-rtc"),
    ("31UDQ", "cop-dem-glo-30"),
]
PIXELS = {"reflectance", "backscatter", "elevation"}

# rioxarray 0.19 and odc-geo 0.5 still write * for affine 3's @

FIRST, LATER, BETTER = "2024-01-05T10:30:00.123456", "2024-03-01T10:30:00", "2024-03-01T10:30:00"


@pytest.fixture(scope="module")
def home(tmp_path_factory, append):
    """Cubes of three slots in the south-east shard: late, early, and one that replaces the late."""
    store = cubestore.create_store(tmp_path_factory.mktemp("readers") / "store")
    for tile, sensor in CUBES:
        cube = store.create_cube(tile, sensor)
        append(cube, LATER, "late", seed=1, platform="sentinel-2a", cloud_cover=12.5)
        append(cube, FIRST, "early", seed=2, relative_orbit=94)
        append(cube, BETTER, "better", seed=3, supersedes="late")
    return store


@pytest.fixture(params=CUBES, ids=["-".join(c) for c in CUBES])
def cube(request, home):
    return home.cube(*request.param)


@pytest.fixture
def s2(home):
    return home.cube("31UDQ", "sentinel-2-l2a")


def corner(dataset, rows=200):
    """The pixels of the south-east, where something is stored."""
    return dataset.isel(y=slice(-rows, None), x=slice(-rows, None))


# Plain xarray, and what builds on it.


def test_plain_xarray_gives_reflectance_and_nan(s2, scene):
    stored = scene(s2, seed=2)[0]["reflectance"]
    read = xr.open_zarr(s2.path).reflectance[1, :, -740:, -740:].values
    expected = np.where(stored == -32768, np.nan, stored * 1e-4)
    np.testing.assert_allclose(read, expected, rtol=1e-12)


def test_plain_xarray_gives_the_stored_integers(s2, scene):
    stored = scene(s2, seed=2)[0]
    read = xr.open_zarr(s2.path, mask_and_scale=False)
    for name in ("reflectance", "quality", "cloud_class"):
        values = read[name][1, ..., -740:, -740:].values
        assert values.dtype == stored[name].dtype
        np.testing.assert_array_equal(values, stored[name])
    assert (read.reflectance[0, 0, :200, :200] == -32768).all()  # never ingested


def test_masks_stay_integers_and_floats_get_nan(home):
    s2 = xr.open_zarr(home.cube("31UDQ", "sentinel-2-l2a").path, chunks=None)
    assert (s2.quality.dtype, s2.cloud_class.dtype) == ("uint8", "uint8")
    assert (s2.cloud_class[0, :100, :100] == 255).all()
    dem = xr.open_zarr(home.cube("31UDQ", "cop-dem-glo-30").path, chunks=None)
    assert np.isnan(dem.elevation[0, 0, :100, :100]).all()


def test_what_is_no_pixel_is_a_coordinate(cube):
    plain = xr.open_zarr(cube.path)
    assert all({"y", "x"} <= set(variable.dims) for variable in plain.data_vars.values())
    assert {"item_id", "spatial_ref", "center_wavelength", "created"} <= set(plain.coords)


def test_times_are_decoded(cube):
    plain = xr.open_zarr(cube.path)
    expected = np.array([LATER, FIRST, BETTER], "M8[us]")
    np.testing.assert_array_equal(plain.time.values.astype("M8[us]"), expected)
    assert plain.created.dtype.kind == "M"


def test_wavelengths_are_found(s2):
    plain = xr.open_zarr(s2.path)
    red = plain.swap_dims(band="common_name").sel(common_name="red")
    assert red.band.item() == "B04"
    assert float(red.center_wavelength) == pytest.approx(0.6646, abs=1e-3)
    assert plain.center_wavelength.attrs["units"] == "um"


def test_rioxarray_finds_crs_transform_and_bounds(cube):
    grid = cube.tile.geobox(cube.sensor.gsd, margin=cube.sensor.margin)
    plain = xr.open_zarr(cube.path)
    for found in (plain.rio, plain[cube.sensor.pixels.name].rio):
        assert found.crs.to_epsg() == cube.tile.crs.epsg
        np.testing.assert_allclose(found.transform()[:6], grid.affine[:6])
        np.testing.assert_allclose(found.bounds(), grid.boundingbox.bbox)
        np.testing.assert_allclose(found.transform(recalc=True)[:6], grid.affine[:6], atol=1e-9)
    part = corner(plain).rio
    np.testing.assert_allclose(part.bounds(recalc=True)[2], grid.boundingbox.right)


def test_odc_geo_finds_the_geobox(cube):
    grid = cube.tile.geobox(cube.sensor.gsd, margin=cube.sensor.margin)
    for dataset in (xr.open_zarr(cube.path), cube.open()):
        found = dataset.odc.geobox
        assert found.shape == grid.shape
        assert found.crs.proj.equals(grid.crs.proj, ignore_axis_order=True)
        np.testing.assert_allclose(found.affine[:6], grid.affine[:6], rtol=1e-12)
        if cube.tile.crs.epsg:
            assert found == grid


def test_the_documented_lines_give_what_open_gives(cube):
    """The snippet of the store format, as it stands there."""
    p = cube.path
    ds = xr.open_zarr(p, chunks=None)
    ds = ds.isel(time=~ds.item_id.isin(ds.supersedes)).sortby("time")
    ds = ds.chunk(time=1, y=2048, x=2048)
    assert ds.item_id.values.tolist() == ["early", "better"]
    same_values(corner(ds), corner(cube.open()))


def same_values(plain, ours):
    """Everything equal; scaled pixels within float32, for JSON's doubles decode to float64."""
    assert set(plain.variables) == set(ours.variables)
    assert set(plain.coords) == set(ours.coords)
    assert plain.sizes == ours.sizes
    assert plain.attrs == ours.attrs
    for name in plain.variables:
        theirs, mine = plain[name], ours[name]
        assert theirs.dims == mine.dims
        assert theirs.attrs == mine.attrs, name
        if name in PIXELS:
            assert mine.dtype == "float32"
            np.testing.assert_allclose(mine.values, theirs.values, rtol=3e-7)
        else:
            assert theirs.dtype == mine.dtype, name
            np.testing.assert_array_equal(mine.values, theirs.values)


# Other software.


@pytest.mark.parametrize("name", ["reflectance", "quality", "cloud_class"])
def test_tensorstore_reads_the_same_pixels(s2, scene, name):
    driver = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{s2.path}/{name}"}}
    array = tensorstore.open(driver).result()
    stored = scene(s2, seed=2)[0][name]
    corner = array[1, ..., 10240:10980, 10240:10980]
    np.testing.assert_array_equal(corner.read().result(), stored)


@pytest.mark.parametrize(
    "pipeline", ["zarrs.ZarrsCodecPipeline", "zarr.core.codec_pipeline.BatchedCodecPipeline"]
)
def test_either_codec_pipeline_reads_the_same_cube(cube, scene, pipeline):
    with zarr.config.set({"codec_pipeline.path": pipeline}):
        group = zarr.open_group(cube.path, mode="r")
        for name, stored in scene(cube, seed=3)[0].items():
            rows, columns = stored.shape[-2:]
            read = group[name][2, ..., -rows:, -columns:]
            if name == "backscatter":  # rounded
                np.testing.assert_allclose(read, stored, rtol=2**-11)
            else:
                np.testing.assert_array_equal(read, stored)


# Our own reader.


def test_open_gives_what_plain_xarray_gives(cube):
    plain = xr.open_zarr(cube.path, chunks=None).sortby("time")
    same_values(corner(plain), corner(cube.open(superseded=True)))


def test_open_gives_the_stored_integers(cube):
    plain = xr.open_zarr(cube.path, chunks=None, mask_and_scale=False)
    ours = cube.open(mask_and_scale=False, superseded=True)
    for name in ours.data_vars:
        assert ours[name].dtype == plain[name].dtype
        expected = corner(plain)[name].isel(time=[1, 0, 2]).values
        np.testing.assert_array_equal(corner(ours)[name].values, expected)


def test_open_sorts_and_leaves_superseded_slots_out(cube):
    assert cube.open().item_id.values.tolist() == ["early", "better"]
    assert cube.open(superseded=True).item_id.values.tolist() == ["early", "late", "better"]


def test_dask_chunks_are_whole_shards(s2):
    ds = s2.open(chunks={})
    assert ds.reflectance.chunks[0] == (1, 1)
    assert ds.reflectance.chunks[1] == (10,)
    assert ds.reflectance.chunks[2] == (2048,) * 5 + (740,)
    assert ds.item_id.chunks is None  # in memory: sorting lazy ones takes seconds
    small = s2.open(chunks={"y": 512, "x": 512})
    assert small.quality.chunks[1][:2] == (512, 512)
    assert small.quality.chunks[0] == (1, 1)
    xr.testing.assert_identical(corner(ds).compute(), corner(s2.open()).compute())


def test_chunks_along_a_dim_that_is_not_there_are_refused(s2):
    with pytest.raises(MismatchError, match="lon"):
        s2.open(chunks={"lon": 5})


def test_opening_reads_no_pixel(home, tmp_path):
    shutil.copytree(home.path, tmp_path / "copy")
    for name in ("reflectance", "quality", "cloud_class"):
        shutil.rmtree(tmp_path / "copy/mgrs/31UDQ/sentinel-2-l2a" / name)
    cube = cubestore.open_store(tmp_path / "copy").cube("31UDQ", "sentinel-2-l2a")
    ds = cube.open()
    assert ds.sizes == {"time": 2, "band": 10, "y": 10980, "x": 10980}
    assert "early" in repr(ds)


def test_a_dataset_keeps_to_the_commit_that_it_was_opened_at(store, append, scene):
    cube = store.create_cube("h18v04", "modis-09a1")
    append(cube, "2024-01-01", "a", seed=1)
    before = cube.open(mask_and_scale=False)
    append(cube, "2023-01-01", "b", seed=2)
    append(cube, "2024-01-01", "c", seed=3, supersedes="a")
    assert before.item_id.values.tolist() == ["a"]
    stored = scene(cube, seed=1)[0]["reflectance"]
    np.testing.assert_array_equal(before.reflectance[0, :, -352:, -352:].values, stored)
    assert cube.open().item_id.values.tolist() == ["b", "c"]


def test_a_dataset_can_be_sent_to_another_process(s2):
    ds = s2.open()
    again = pickle.loads(pickle.dumps(ds))  # noqa: S301 - our own
    xr.testing.assert_identical(corner(again).load(), corner(ds).load())
    assert pickle.loads(pickle.dumps(s2)) == s2  # noqa: S301


def test_what_was_opened_can_be_written_again(s2, tmp_path):
    part = corner(s2.open(), 20).load()
    part.drop_encoding().to_zarr(tmp_path / "part.zarr", consolidated=False)
    again = xr.open_zarr(tmp_path / "part.zarr", consolidated=False)
    xr.testing.assert_equal(again.load(), part)


def test_a_damaged_coordinate_is_never_read_as_another(home, tmp_path):
    shutil.copytree(home.path, tmp_path / "copy")
    path = tmp_path / "copy/mgrs/31UDQ/sentinel-2-l2a/item_id/c/0"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    cube = cubestore.open_store(tmp_path / "copy").cube("31UDQ", "sentinel-2-l2a")
    with pytest.raises(DamagedError, match="item_id/c/0"):
        cube.open()
    with pytest.raises(ValueError, match="checksum"):
        xr.open_zarr(cube.path).item_id.load()


def test_a_tile_opens_as_a_tree_with_a_node_for_each_sensor(home):
    tree = cubestore.open_tile(home.path, "31UDQ")
    assert sorted(tree.children) == sorted(s for t, s in CUBES if t == "31UDQ")
    assert tree.name == "31UDQ"
    s2 = home.cube("31UDQ", "sentinel-2-l2a")
    node = tree["sentinel-2-l2a"].to_dataset()
    xr.testing.assert_identical(corner(node).load(), corner(s2.open()).load())
    assert tree["landsat-c2-l2"].to_dataset().odc.geobox.shape == (3661, 3661)


@pytest.mark.filterwarnings("ignore:Object at .control is not recognized")
def test_plain_xarray_opens_a_tile_as_a_tree(home):
    tree = xr.open_datatree(f"{home.path}/mgrs/31UDQ", engine="zarr", consolidated=False)
    assert sorted(tree.children) == sorted(s for t, s in CUBES if t == "31UDQ")
    assert tree["sentinel-2-l2a"].item_id.values.tolist() == ["late", "early", "better"]


# Over HTTP.


class Files(SimpleHTTPRequestHandler):
    """A static file server that knows ranges, as every one but Python's own does."""

    broken = ""

    def do_GET(self):
        wanted = self.headers.get("Range")
        if self.broken and self.path.endswith(self.broken):
            self.send_error(500)
        elif wanted and Path(self.translate_path(self.path)).is_file():
            self.send_part(wanted)
        else:
            super().do_GET()

    def send_part(self, wanted):
        data = Path(self.translate_path(self.path)).read_bytes()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else len(data) - int(last)
        part = data[start : int(last) + 1 if first and last else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64  # of five, Python's own, Linux drops some and waits a second


@pytest.fixture(scope="module")
def address(home):
    server = Server(("127.0.0.1", 0), partial(Files, directory=home.path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_plain_xarray_opens_a_cube_from_a_static_file_server(s2, address):
    far = xr.open_zarr(f"{address}/mgrs/31UDQ/sentinel-2-l2a", chunks=None)
    near = xr.open_zarr(s2.path, chunks=None)
    xr.testing.assert_identical(corner(far).load(), corner(near).load())


def test_a_store_opens_from_a_static_file_server(cube, address):
    store = cubestore.open_store(address)
    far = store.cube(cube.tile.id, cube.sensor.id)
    xr.testing.assert_identical(corner(far.open()).load(), corner(cube.open()).load())
    assert far.info()["slots"] == 3


def test_an_answer_that_is_an_error_is_not_read_as_nothing(address, monkeypatch):
    monkeypatch.setattr(Files, "broken", "cloud_cover/c/0")
    cube = cubestore.open_store(address).cube("31UDQ", "sentinel-2-l2a")
    with pytest.raises(Exception, match="500"):
        cube.open()
