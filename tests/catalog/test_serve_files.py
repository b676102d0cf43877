"""A store's files over HTTP: by range, by unmodified readers, and never more than the store's."""

import asyncio
import gc
import os
import warnings
from pathlib import Path

import httpx
import numpy as np
import pytest
import xarray as xr
from starlette.requests import Request

import cubestore
from cubestore.errors import NotWritableError
from cubestore_catalog import service
from cubestore_catalog.web.zarr_files import ZarrFiles

CUBE = "/zarr/mgrs/31UDQ/landsat-c2-l2"
SHARD = f"{CUBE}/reflectance/c/0/0/1/1"


def got(app, path):
    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as session:
            return await session.get(path)

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def shard(served_store):
    path = f"{served_store.path}/{SHARD.removeprefix('/zarr/')}"
    with open(path, "rb") as file:  # noqa: PTH123 - the bytes that HTTP is to show
        return file.read()


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        (None, 200, slice(None)),
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=10-19", 206, slice(10, 20)),
        ("bytes=1000-", 206, slice(1000, None)),
        ("bytes=-100", 206, slice(-100, None)),  # a shard's index
        ("bytes=-99999999999", 206, slice(None)),  # longer than the file: all of it
        ("bytes=0-99999999999", 206, slice(None)),  # the end is cut
        ("bytes=99999999999-", 416, slice(0, 0)),
        ("bytes=-0", 416, slice(0, 0)),
        ("bytes=5-4", 200, slice(None)),  # no range: ignored, RFC 9110
        ("bytes=0-1,5-6", 200, slice(None)),  # several: all of it
        ("bytes=-", 200, slice(None)),
        ("bytes=a-b", 200, slice(None)),
        ("lines=0-1", 200, slice(None)),
        ("bytes=" + "9" * 400 + "-", 200, slice(None)),
    ],
)
def test_a_range_is_what_was_asked_for(web, shard, asked, status, part):
    answer = web.get(SHARD, headers={"Range": asked} if asked else {})
    assert (answer.status_code, answer.content) == (status, shard[part])
    assert answer.headers["accept-ranges"] == "bytes"
    if status == 206:
        start, end, _ = part.indices(len(shard))
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(shard)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(shard)}"


def test_head_says_what_get_would(web, shard):
    head, whole = web.head(SHARD), web.get(SHARD)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(shard)
    assert head.headers["etag"] == whole.headers["etag"]


def test_who_has_it_already_is_told_so(web):
    tag = web.get(SHARD).headers["etag"]
    known = web.get(SHARD, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (known.status_code, known.content) == (304, b"")
    changed = web.get(SHARD, headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200
    part = {"Range": "bytes=0-9", "If-Range": tag}
    assert web.get(SHARD, headers=part).status_code == 206
    assert web.get(SHARD, headers={**part, "If-Range": '"older"'}).status_code == 200


@pytest.mark.parametrize(
    ("key", "host", "lasting"),
    [
        (SHARD, "cubes.example", True),
        (f"{CUBE}/quality/c/0/1/1", "cubes.example", True),
        (SHARD, "127.0.0.1", False),  # another store may be served there tomorrow
        (f"{CUBE}/zarr.json", "cubes.example", False),
        (f"{CUBE}/time/c/0", "cubes.example", False),  # grows
        (f"{CUBE}/embedding_rcf/c/0/0/0/0", "cubes.example", False),  # may be filled in
    ],
)
def test_only_shards_are_kept_by_caches(web, key, host, lasting):
    answer = web.get(key, headers={"Host": host})
    assert answer.status_code == 200
    assert ("immutable" in answer.headers["cache-control"]) == lasting
    assert lasting or answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "key",
    [
        f"{CUBE}/reflectance/c/0/0/0/0",  # of nodata: never written
        f"{CUBE}/reflectance/c/9/0/0/0",
        f"{CUBE}/reflectance",
        f"{CUBE}/reflectance/",
        f"{CUBE}/nothing/zarr.json",
        f"{CUBE}/zarr.json/zarr.json",
        "/zarr/mgrs/31UDQ/sentinel-2-l2a/zarr.json",
        "/zarr/mgrs/31UDQ/.control/landsat-c2-l2/lock",
        "/zarr/mgrs/31UDQ/.control/landsat-c2-l2/staging",
        "/zarr/mgrs/31UDQ/.control/landsat-c2-l2/commits",
        "/zarr/mgrs/31UDQ/.control/landsat-c2-l2/commits/9999999.json",
        "/zarr/mgrs/31UDQ/.control",
        "/zarr/catalog/catalog.json",
        "/zarr/index/chips",
    ],
)
def test_what_is_no_key_is_absent(web, key):
    answer = web.get(key)
    assert (answer.status_code, set(answer.json())) == (404, {"code", "description"})


def test_links_lead_nowhere(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube("31UDQ", "landsat-c2-l2")
    (tmp_path / "secret").write_text("secret")
    home = Path(cube.path)
    (home / "stolen").symlink_to(tmp_path / "secret")
    (home.parent / "outside").symlink_to(tmp_path)
    (home / "inside").symlink_to(home / "zarr.json")
    os.mkfifo(home / "pipe")
    app = service(store.path, load=lambda _: ([], []))
    for key in ("landsat-c2-l2/stolen", "outside/secret", "landsat-c2-l2/inside"):
        assert got(app, f"/zarr/mgrs/31UDQ/{key}").status_code == 404
    assert got(app, "/zarr/mgrs/31UDQ/landsat-c2-l2/pipe").status_code == 404  # and does not wait
    assert got(app, "/zarr/mgrs/31UDQ/landsat-c2-l2/zarr.json").status_code == 200
    assert "outside" not in got(app, "/zarr/mgrs/31UDQ/").text


def test_plain_xarray_reads_what_the_cube_has(served, served_store):
    ours = served_store.cube("31UDQ", "landsat-c2-l2").open(mask_and_scale=False, superseded=True)
    window = {"y": slice(2300, 2400), "x": slice(2600, 2800)}
    theirs = xr.open_zarr(f"{served}{CUBE}", mask_and_scale=False, chunks=None).sortby("time")
    assert theirs.sizes == ours.sizes
    for name in ("reflectance", "cloud_class"):
        there = theirs[name].isel(window).values
        assert there.any()
        np.testing.assert_array_equal(there, ours[name].isel(window).values)


def test_a_store_is_opened_by_its_address(served, served_store):
    store = cubestore.open_store(f"{served}/zarr")
    assert store.cubes() == served_store.cubes() == [("31UDQ", "landsat-c2-l2")]
    cube, there = store.cube(*store.cubes()[0]), served_store.cube(*store.cubes()[0])
    assert list(cube.records()) == list(there.records())
    window = {"y": slice(2300, 2400), "x": slice(2600, 2800)}
    xr.testing.assert_identical(
        cube.open().isel(window).load().drop_attrs(), there.open().isel(window).load().drop_attrs()
    )


def test_a_store_is_served_where_it_lies(served):
    with pytest.raises(NotWritableError, match="serve it where it lies"):
        service(f"{served}/zarr", load=lambda _: ([], []))


def test_a_file_that_is_opened_for_who_has_left_is_closed(served_store):
    files = ZarrFiles(served_store.path)

    async def leave(moment):
        scope = {"type": "http", "headers": [], "path": SHARD, "method": "HEAD"}
        scope |= {"query_string": b"", "path_params": {"key": SHARD.removeprefix("/zarr/")}}
        answering = asyncio.ensure_future(files.get(Request(scope)))
        for _ in range(moment):  # while a thread opens the file
            await asyncio.sleep(0)
        answering.cancel()
        await asyncio.wait((answering,))
        if not answering.cancelled():  # it had ended before
            await answering.result()(scope, None, sent)

    async def sent(_):
        pass

    async def leave_often():
        for number in range(400):
            await leave(number % 12)
        await asyncio.sleep(0.1)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(leave_often())
        gc.collect()
    assert told == []
