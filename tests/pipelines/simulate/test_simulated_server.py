"""The clients of the Planetary Computer, unmodified, against the simulated archive."""

import http.client
import json
import signal
import subprocess
import sys
import time
from urllib.parse import urljoin, urlsplit

import numpy as np
import pytest

from cubestore_pipelines.simulate.granules import part
from cubestore_pipelines.simulate.server import serving

AFTER = 2

SEARCH_AND_READ = """
import sys
import numpy, planetary_computer, pystac_client, rasterio
url, item_id, top, left, target = sys.argv[1:]
client = pystac_client.Client.open(url, modifier=planetary_computer.sign_inplace)
search = client.search(
    collections=["sentinel-2-l2a"], bbox=[6.4, 49, 6.6, 49.1], query={"eo:cloud_cover": {"lt": 100}}
)
items = {item.id: item for item in search.items()}
print(len(items))
window = rasterio.windows.Window(int(left), int(top), 64, 64)
with rasterio.open(items[item_id].assets["B04"].href) as file:
    numpy.save(target, file.read(1, window=window))
"""

SIGN = """
import sys
import planetary_computer, rasterio
with rasterio.open(planetary_computer.sign(sys.argv[1])) as file:
    print(file.shape)
try:
    rasterio.open(sys.argv[1])
except rasterio.errors.RasterioIOError as error:
    print(error)
"""


def test_search_sign_and_read_by_range(archive, server, run, tmp_path):
    granule = archive.granules[AFTER]
    rows, columns = (one.start + 100 for one in granule.window(10))
    target = tmp_path / "numbers.npy"
    found = run(
        SEARCH_AND_READ, server, server.stac_url, granule.item_id, rows, columns, target
    ).strip()
    assert int(found) == len(archive.granules)
    grid = part(granule.grid(10), np.s_[rows : rows + 64, columns : columns + 64])
    truth = archive.truth(grid, granule.item_id, bands=["B04"])["reflectance"][0]
    np.testing.assert_array_equal(np.load(target), truth.astype("int32") + 1000)
    reads = [one for one in server.requests if one[1].endswith("_B04_10m.tif")]
    assert {status for method, _, status in reads if method == "GET"} == {206}
    assert sum("/token/" in path for _, path, _ in server.requests) == 1


def test_one_link_is_signed_and_unsigned_it_is_refused(archive, server, run):
    href = archive.items[AFTER]["assets"]["SCL"]["href"]
    shape, refusal = run(SIGN, server, href).splitlines()
    assert shape == "(5490, 5490)"
    assert "409" in refusal
    assert ("GET", href, 409) in server.requests or ("HEAD", href, 409) in server.requests


def test_every_collection_is_searched_and_every_file_is_served(everything, ask):
    with serving(everything) as all_sensors:
        for item in everything.items:
            found = f"/api/stac/v1/collections/{item['collection']}/items/{item['id']}"
            assert ask(found, of=all_sensors)[0] == 200
            if item["id"].startswith("LM05"):
                continue  # it has no files
            address = _first_image(item)
            status = ask(address, of=all_sensors, Range="bytes=0-3")[0]
            assert status == (409 if ".blob." in address else 206), address


def _first_image(item):
    hrefs = (asset["href"] for asset in item["assets"].values())
    return next(one for one in hrefs if one.lower().endswith((".tif", ".tiff")))


def test_the_catalogue_of_linz_is_served_to_anyone(everything, ask):
    with serving(everything) as all_sensors:
        address, below = all_sensors.linz_url, []
        for _ in range(2):  # down to a survey, then to one of its sheets
            status, _, body = ask(urlsplit(address).path, of=all_sensors)
            assert status == 200
            below = [one for one in json.loads(body)["links"] if one["rel"] in ("child", "item")]
            address = urljoin(address, below[0]["href"])
        status, _, body = ask(urlsplit(address).path, of=all_sensors)
        image = urljoin(address, json.loads(body)["assets"]["visual"]["href"])
        status, _, body = ask(urlsplit(image).path, of=all_sensors, Range="bytes=0-3")
        assert (status, body[:2]) == (206, b"II")
        proxied = image.replace(f"{all_sensors.url}/open/", "http://")
        assert ask(proxied, of=all_sensors, Range="bytes=0-3")[2] == body
        for outside in ("/open/", "/open/../plan.sha256", "/open/x/%2e%2e/%2e%2e/plan.sha256"):
            assert ask(outside, of=all_sensors)[0] == 404
        assert ask(urlsplit(image).path, "POST", of=all_sensors)[0] == 405


def test_a_token_expires(archive, ask, sign):
    href = archive.items[AFTER]["assets"]["B04"]["href"]
    with serving(archive, token_lifetime=0.3) as short:
        for _ in range(20):  # one may end on the way, on a busy machine
            signed = sign(href, of=short)
            if ask(signed, of=short, Range="bytes=0-3")[0] == 206:
                break
        else:
            pytest.fail("no token was good")
        time.sleep(0.4)
        assert ask(signed, of=short, Range="bytes=0-3")[0] == 403


def test_latency_is_added_to_every_request(archive, ask):
    with serving(archive, latency=0.2) as slow:
        start = time.monotonic()
        assert ask("/api/stac/v1/", of=slow)[0] == 200
        assert time.monotonic() - start >= 0.2


def test_the_server_stops_while_a_client_keeps_its_connection(archive):
    start = time.monotonic()
    with serving(archive) as running:
        connection = http.client.HTTPConnection(urlsplit(running.url).netloc)
        connection.request("GET", "/api/stac/v1/")
        assert connection.getresponse().read()
    connection.close()
    assert time.monotonic() - start < 9  # less than it is waited for


def test_it_runs_as_a_process_of_its_own(archive, copied):
    folder = copied(archive).directory
    command = [sys.executable, "-m", "cubestore_pipelines.simulate", folder, "--tiny"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline().strip() for _ in range(8)]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    told = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    assert told["LINZ_URL"].startswith(told["http_proxy"] + "/open/")
    assert told["STAC_URL"].startswith(told["http_proxy"])
    assert told["PC_SDK_SAS_URL"] == told["http_proxy"] + "/api/sas/v1/token"
    assert told["NO_PROXY"] == "127.0.0.1,localhost"
