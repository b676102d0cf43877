"""The service as a whole: catalogue, series, neighbours, page, and what it does under load."""

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest
from pystac_client import Client
from starlette.applications import Starlette
from starlette.routing import Mount

import cubestore
from cubestore_catalog import OverloadError, limits, load, publish, service
from cubestore_catalog.errors import AddressError, ItemError
from cubestore_catalog.limits import Workers
from cubestore_catalog.publish import records
from cubestore_catalog.search.stored import Stored
from cubestore_catalog.served import standing
from cubestore_catalog.web import browse
from cubestore_catalog.web.live import Live
from tests.catalog.conftest import contents

CUBE = "mgrs/31UDQ/landsat-c2-l2"
SIMILAR = "/search/similar"


def asked(app, path, **headers):
    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://x.example") as session:
            return await session.get(path, headers=headers)

    return asyncio.run(ask())


# The catalogue.


def test_a_client_finds_a_cube_and_its_data(served):
    found = list(Client.open(served).search(collections=["landsat-c2-l2"]).items())
    assert [item.id for item in found] == ["31UDQ-landsat-c2-l2"]
    assert found[0].assets["data"].href == f"{served}/zarr/{CUBE}"
    assert found[0].assets["all"].href == "https://a.example/b"  # not ours: as it was
    assert httpx.get(f"{found[0].assets['data'].href}/zarr.json").status_code == 200


def test_all_of_it_can_lie_below_a_path(served_store):
    data = [{"id": "x", "type": "Collection", "links": []}]
    app = service(served_store.path, load=lambda _: ([], data))
    outer = Starlette(routes=[Mount("/cubes", app)])
    assert asked(outer, "/cubes/").json()["links"][0]["href"] == "https://x.example/cubes/"
    assert asked(outer, "/cubes/collections/x").status_code == 200
    assert asked(outer, f"/cubes/zarr/{CUBE}/zarr.json").status_code == 200
    html = asked(outer, "/cubes/", accept="text/html")
    assert html.headers["location"] == "https://x.example/cubes/browse/"


@pytest.mark.parametrize(
    ("url", "before"),
    [
        ("https://maps.example/cubes", ""),  # the proxy takes the path off
        ("https://maps.example/cubes/", "/cubes"),  # or hands it on
        ("https://maps.example:8443", ""),
        ("http://[2001:db8::1]/a%20b", ""),
    ],
)
def test_behind_a_proxy_every_link_begins_with_the_address_that_others_see(
    served_store, url, before
):
    app, seen = service(served_store.path, load=contents, url=url), url.rstrip("/")
    answers = [asked(app, f"{before}{path}").json() for path in ("/", "/search", "/collections")]
    hrefs = [link["href"] for one in answers for link in one["links"]]
    (item,) = answers[1]["features"]
    hrefs += [link["href"] for link in item["links"] if link["rel"] != "license"]
    assert [href for href in hrefs if not f"{href}/".startswith(f"{seen}/")] == []
    assert item["assets"]["data"]["href"] == f"{seen}/zarr/{CUBE}"
    assert asked(app, f"{before}/zarr/{CUBE}/zarr.json").status_code == 200
    html = asked(app, f"{before}/", accept="text/html")
    assert html.headers["location"] == f"{seen}/browse/"
    page = asked(app, f"{before}/browse/")
    assert "script-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "url",
    ["maps.example", "ftp://x.example", "https://", "https://x.example/?a=1", "http://x:99999"],
)
def test_an_address_that_nobody_can_see_is_refused(served_store, url):
    with pytest.raises(AddressError, match="cannot be seen at"):
        service(served_store.path, load=contents, url=url)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 307),  # a browser
        ("*/*", 200),
        ("application/json", 200),
        ("application/json, text/html;q=0.5", 200),
        ("text/html;q=0.9, application/json;q=0.8", 307),
        ("text/html;q=high", 307),
        ("", 200),
    ],
)
def test_people_are_led_to_the_page(web, accept, status):
    answer = web.get("/", headers={"Accept": accept}, follow_redirects=False)
    assert answer.status_code == status
    assert "Accept" in answer.headers["vary"]
    if status == 307:
        assert answer.headers["location"].endswith("/browse/")


def test_the_landing_page_names_the_page(web, served):
    links = web.get("/").json()["links"]
    page = next(link for link in links if link["rel"] == "alternate")
    listed = [link.get("title") for link in links if link["href"] == page["href"]]
    assert (page["type"], page["href"]) == ("text/html", f"{served}/browse/")
    assert len(set(listed) - {None}) == 2  # a browser of catalogues shows these alone


def test_the_page_is_served_with_what_it_may_do(tmp_path):
    (tmp_path / "index.html").write_text("<p>page")
    (tmp_path / "app.js").write_text("1")
    page = browse.Page(tmp_path)
    app = Starlette(routes=[Mount("/browse", page)])
    assert asked(app, "/browse/").text == "<p>page"
    assert asked(app, "/browse/app.js").headers["content-type"].startswith("text/javascript")
    assert asked(app, "/browse/nothing.js").status_code == 404
    assert asked(app, "/browse/..%2f..%2fetc/passwd").status_code == 404


def test_every_answer_says_that_it_is_data(web):
    for path in ("/", f"/zarr/{CUBE}/zarr.json", "/nowhere", "/search?limit=0", "/search/similar"):
        headers = web.get(path, headers={"Origin": "https://a.example"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
    page = web.get("/browse/").headers["content-security-policy"]
    assert page.startswith("default-src 'self'")
    assert "worker-src 'self' blob:" in page


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_nothing_can_be_written(web, method):
    for path in (f"/zarr/{CUBE}/zarr.json", "/collections", f"/quicklook/{CUBE}/0.png", "/browse/"):
        assert web.request(method, path).status_code == 405


def test_commits_are_noticed_without_a_gap(tmp_path, served_store):
    store = cubestore.Store(str(shutil.copytree(served_store.path, tmp_path / "copy")))
    seen = []

    def build(items, _):
        return Starlette() if seen.append(list(items)) is None else None

    live = Live(store, lambda s: (s.cubes(), []), build, 60)
    assert not live.refresh()
    with store.cube("31UDQ", "landsat-c2-l2").write() as writer:
        writer.append([cubestore.Slot(time="2024-05-01T10:00:00Z", item_id="new")], [])
    assert live.refresh()
    store.create_cube("31UEQ", "landsat-c2-l2")
    assert live.refresh()
    assert not live.refresh()
    assert [len(items) for items in seen] == [1, 1, 2]


def test_the_catalogue_is_brought_up_to_date_and_served(tmp_path, served_store):
    path = str(shutil.copytree(served_store.path, tmp_path / "copy"))
    commit = cubestore.Store(path).cube("31UDQ", "landsat-c2-l2").root().number
    app, base = service(path), "https://x.example"
    told = asked(app, "/collections/landsat-c2-l2/items").json()["features"]
    assert [one["id"] for one in told] == ["31UDQ-landsat-c2-l2"]
    assert told[0]["assets"]["data"]["href"] == f"{base}/zarr/{CUBE}"
    picture = told[0]["assets"]["thumbnail"]  # of the last slot that no other supersedes
    assert picture["href"] == f"{base}/quicklook/{CUBE}/2.png"
    assert asked(app, picture["href"]).content[:4] == b"\x89PNG"
    home = next(link["href"] for link in told[0]["links"] if link["rel"] == "store")
    assert "landsat-c2-l2" in asked(app, f"{home}mgrs/31UDQ/").text
    every = asked(app, "/search").json()["features"]
    vectors = next(one for one in every if one["collection"] == "embeddings-rcf")
    assert vectors["assets"]["embeddings"]["href"] == f"{base}/zarr/{CUBE}"
    collection = asked(app, "/collections/landsat-c2-l2").json()
    parquet = asked(app, collection["assets"]["items"]["href"])
    assert parquet.content[:4] == b"PAR1"
    assert parquet.headers["content-type"] == collection["assets"]["items"]["type"]
    for record in (*every, *asked(app, "/collections").json()["collections"]):
        for link in (one for one in record["links"] if one["rel"] not in ("license", "cite-as")):
            assert link["href"].startswith(base), link
            assert asked(app, link["href"]).status_code == 200, link
    assert cubestore.Store(path).cube("31UDQ", "landsat-c2-l2").root().number == commit


def test_a_store_whose_catalogue_cannot_be_written_is_served_all_the_same(tmp_path, served_store):
    path = str(shutil.copytree(served_store.path, tmp_path / "copy"))
    written = asked(service(path), "/search").json()["features"]
    shutil.rmtree(f"{path}/catalog")
    (tmp_path / "copy" / "catalog").touch()  # nor can a directory be made of that name
    app = service(path)
    assert asked(app, "/search").json()["features"] == written
    homes = [one["id"] for one in asked(app, "/collections").json()["collections"]]
    assert homes == ["embeddings-rcf", "landsat-c2-l2", "models"]


def test_what_was_written_is_served_where_nothing_has_changed_since(tmp_path, served_store):
    path = str(shutil.copytree(served_store.path, tmp_path / "copy"))
    publish(path, attributes=False)
    standing_items, standing_collections = load(path)
    items, collections = records(path)
    assert (list(items), collections) == (list(standing_items), standing_collections)
    assert isinstance(items, Stored)  # 100,000 of them are not held as documents
    (tmp_path / "copy" / "catalog" / "catalog.json").unlink()  # its writer was killed before
    again, _ = records(path)
    assert sorted(one["id"] for one in again) == sorted(one["id"] for one in items)


def test_it_listens_before_the_catalogue_is_written(tmp_path, served_store):
    path = str(shutil.copytree(served_store.path, tmp_path / "copy"))
    told, go_on, done = [], threading.Event(), threading.Event()

    def tell(what):
        told.append(what)
        if len(told) == 2:
            done.set()

    def slow(store):
        go_on.wait(10)
        return contents(store)

    async def ask():
        app = service(path, load=slow, first=standing, refresh=0.01, tell=tell)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="https://x.example") as session,
        ):
            found = [(await session.get("/search")).json()["numberMatched"]]
            assert (await session.get(f"/zarr/{CUBE}/zarr.json")).status_code == 200
            go_on.set()
            await asyncio.to_thread(done.wait, 10)
            return [*found, (await session.get("/search")).json()["numberMatched"]]

    assert asyncio.run(ask()) == [0, 1]
    assert "brought up to date" in told[0]
    assert told[1] == "The catalogue is up to date: 1 items"


def test_what_hinders_the_catalogue_is_said_once(tmp_path, served_store, caplog):
    path = str(shutil.copytree(served_store.path, tmp_path / "copy"))
    looks, told, done = [], [], threading.Event()

    def broken(_):
        looks.append(1)
        if len(looks) == 3:
            done.set()
        raise ItemError("No catalogue")

    async def watched():
        how = {"first": standing, "tell": told.append}
        live = Live(cubestore.Store(path), broken, lambda *_: Starlette(), 0, **how)
        watching = asyncio.create_task(live.watch())
        await asyncio.to_thread(done.wait, 10)
        watching.cancel()

    asyncio.run(watched())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len(told) == 1


# Points.


def test_a_series_is_what_the_cube_has(web, served_store):
    cube = served_store.cube("31UDQ", "landsat-c2-l2")
    told = web.get(f"/series/{CUBE}?lon=2.05&lat=49.0").json()
    data = cube.open().isel(y=told["row"], x=told["column"])
    assert told["slot"] == [1, 2]  # slot 2 supersedes slot 0; by time
    assert told["item_id"] == ["item-1", "item-2"]
    assert told["time"] == ["2024-01-10T10:50:31Z", "2024-02-10T10:50:31Z"]
    assert told["cloud_class"] == data.cloud_class.values.tolist()
    assert told["units"] == "1"
    for band, values in told["bands"].items():
        expected = data.reflectance.sel(band=band).values
        np.testing.assert_array_equal(np.array(values, float).astype("f4"), expected)
    assert list(told["bands"]) == data.band.values.tolist()
    assert abs(told["x"] - float(data.x)) <= 15
    assert abs(told["y"] - float(data.y)) <= 15


def test_where_there_is_no_data_a_series_has_null(web):
    told = web.get(f"/series/{CUBE}?lon=1.7&lat=49.4&bands=B4,B5").json()
    assert told["bands"] == {"B4": [None, None], "B5": [None, None]}


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "lon and lat are both needed"),
        ("lon=2", "lon and lat are both needed"),
        ("lon=2&lat=x", "degrees"),
        ("lon=nan&lat=49", "finite"),
        ("lon=2&lat=95", "not on the globe"),
        ("lon=20&lat=49", "not in 31UDQ"),
        ("lon=-178&lat=-89.99", "not in 31UDQ"),
        ("lon=2.05&lat=49&bands=B99", "no band"),
        ("lon=2.05&lat=49&time=2024", "not known"),
    ],
)
def test_a_wrong_place_is_refused_with_a_reason(web, query, reason):
    answer = web.get(f"/series/{CUBE}?{query}")
    assert answer.status_code == 400
    assert reason in answer.json()["description"]


def test_neighbours_are_those_of_the_library(web, served, served_store):
    told = web.get(f"{SIMILAR}?lon=2.05&lat=49&k=5&model=rcf&sensor=landsat-c2-l2").json()
    ours = cubestore.nearest(served_store, model="rcf", at=(2.05, 49), k=5)
    assert [one["id"] for one in told["features"]] == ours.chipid.tolist()
    first = told["features"][0]
    assert set(first["properties"]) == {
        *("chipid", "distance", "datetime", "path", "tile", "sensor", "slot", "model", "thumbnail")
    }
    assert first["properties"]["distance"] == pytest.approx(0, abs=1e-6)
    assert first["properties"]["thumbnail"] == f"{served}/chip/{first['id']}.png"
    assert httpx.get(first["properties"]["thumbnail"]).status_code == 200
    assert first["geometry"]["type"] == "Polygon"
    again = web.get(SIMILAR, params={"chip": first["id"], "k": 5}).json()
    assert [one["id"] for one in again["features"]] == ours.chipid.tolist()
    dated = web.get(f"{SIMILAR}?lon=2.05&lat=49&datetime=2024-01").json()["features"]
    assert {one["properties"]["slot"] for one in dated} == {1}


def test_neighbours_of_a_place_as_it_was_one_day(web):
    for day, slot in (("2024-01-10", 1), ("2024-02-10", 2)):
        told = web.get(f"{SIMILAR}?lon=2.05&lat=49&k=1&time={day}").json()["features"]
        assert [one["properties"]["slot"] for one in told] == [slot]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("lon=2.05&lat=49&k=0", 400),
        ("lon=2.05&lat=49&k=100000", 400),
        ("lon=2.05&lat=49&model=other", 400),
        ("lon=2.05&lat=49&sensor=other", 400),
        ("lon=2.05&lat=49&datetime=yesterday", 400),
        ("lon=2.05&lat=49&time=1999-01-01", 400),
        ("lon=50&lat=49", 400),
        ("lon=2.05&lat=49&chip=x", 400),
        ("chip=x", 400),
    ],
)
def test_a_wrong_question_is_refused(web, query, status):
    answer = web.get(f"{SIMILAR}?{query}")
    assert (answer.status_code, set(answer.json())) == (status, {"code", "description"})


# Limits.


def endless(begun, ended):
    """Work until it is given up."""
    begun.set()
    try:
        while True:
            limits.check()
            time.sleep(0.005)
    finally:
        ended.set()


def test_work_that_takes_too_long_is_given_up_and_ends():
    begun, ended = threading.Event(), threading.Event()

    async def ask():
        workers = Workers(1, 0, 0.05)
        with pytest.raises(OverloadError, match="longer than it may"):
            await workers.run(endless, begun, ended)
        return await workers.run(lambda: 7)  # the thread is free again

    assert asyncio.run(ask()) == 7
    assert ended.is_set()


def test_a_thread_that_cannot_be_stopped_keeps_its_place(monkeypatch):
    monkeypatch.setattr(limits, "GRACE", 0.0)
    stop = threading.Event()

    async def ask():
        workers = Workers(1, 0, 0.05)
        with pytest.raises(OverloadError, match="longer than it may"):
            await workers.run(stop.wait, 5)
        with pytest.raises(OverloadError, match="busy"):
            await workers.run(lambda: 7)
        stop.set()
        while True:  # until the thread has ended
            with contextlib.suppress(OverloadError):
                return await workers.run(lambda: 7)
            await asyncio.sleep(0.01)

    assert asyncio.run(ask()) == 7


def test_who_leaves_is_worked_for_no_longer():
    begun, ended, waited = threading.Event(), threading.Event(), []

    async def ask():
        workers = Workers(1, 1, 60)
        working = asyncio.create_task(workers.run(endless, begun, ended))
        waiting = asyncio.create_task(workers.run(waited.append))
        await asyncio.to_thread(begun.wait, 10)
        for task in (waiting, working):
            task.cancel()
        await asyncio.wait((working, waiting))
        await asyncio.to_thread(ended.wait, 10)
        return await workers.run(lambda: 7)

    assert asyncio.run(ask()) == 7
    assert ended.is_set()
    assert not waited  # it left the queue


def test_a_busy_service_says_when_to_come_again(served_store):
    app = service(served_store.path, load=lambda _: ([], []), seconds=-1)
    answer = asked(app, f"/quicklook/{CUBE}/0.png")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["code"] == "OverloadError"
    assert asked(app, "/search").status_code == 503


# The verb.


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["nowhere"], 1, "is not a store"),
        (["STORE", "--port", "99999"], 1, "from 0 to 65535"),
        (["STORE", "--port", "x"], 2, "port"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(served_store, capsys, arguments, status, reason):
    from cubestore_pipelines.cli import main  # noqa: PLC0415 - the program is for these alone

    given = [served_store.path if one == "STORE" else one for one in arguments]
    assert main(["serve", *given]) == status
    assert reason in capsys.readouterr().err


def test_the_program_serves_until_it_is_interrupted(served_store):
    run = "from cubestore_pipelines.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", run, "serve", served_store.path, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        url = json.loads(process.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}zarr/{CUBE}/zarr.json").status_code == 200
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in errors
