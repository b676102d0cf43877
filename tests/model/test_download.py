"""Weights are fetched once, gone on with after a break, checked; offline it is said what to do."""

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

import cubestore_model
from cubestore_model import Entry, download, weights
from cubestore_model.encoders import registry
from cubestore_model.encoders.clay import Clay
from cubestore_model.encoders.clay_models import LAYOUT, TINY
from cubestore_model.errors import NotFetchedError, WeightsError

CONTENT = bytes(range(256)) * 9000


@contextmanager
def served(content, *, ranges=True, breaks_after=None):
    """Serve one file, which may break off once, and keep what was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            asked.append(wanted)
            start = int(wanted[6:-1]) if wanted and ranges else 0
            if wanted and ranges and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if wanted and ranges else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = breaks_after if len(asked) == 1 else None
            self.wfile.write(content[start:end])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/weights.ckpt", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_fetched_whole_and_bytes_are_told_as_they_come(tmp_path):
    seen = []
    with served(CONTENT) as (url, _):
        download.fetch(
            url,
            tmp_path / "new" / "weights",
            digest=sha256(CONTENT)[:8],  # as torchgeo's names have them
            watch=lambda done, total: seen.append((done, total)),
        )
    assert (tmp_path / "new" / "weights").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["weights"]


@pytest.mark.parametrize("ranges", [True, False], ids=["by range", "from the start"])
def test_what_broke_off_is_gone_on_with(tmp_path, ranges):
    path = tmp_path / "weights"
    with served(CONTENT, ranges=ranges, breaks_after=1_000_000) as (url, asked):
        with pytest.raises(NotFetchedError, match="cannot be fetched"):
            download.fetch(url, path)
        assert not path.exists()
        have = (tmp_path / "weights.part").stat().st_size
        assert 0 < have <= 1_000_000
        download.fetch(url, path, digest=sha256(CONTENT))
    assert path.read_bytes() == CONTENT
    assert asked == [None, f"bytes={have}-"]


def test_what_had_come_whole_is_not_fetched_again(tmp_path):
    (tmp_path / "weights.part").write_bytes(CONTENT)
    with served(CONTENT) as (url, _):
        download.fetch(url, tmp_path / "weights", digest=sha256(CONTENT))
    assert (tmp_path / "weights").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "digest", "message"),
    [
        (CONTENT, "0" * 64, "a file of SHA-256 "),
        (b"<!DOCTYPE html><html>confirm</html>", "", "a page of a web site"),
    ],
)
def test_what_is_not_what_was_published_is_not_kept(tmp_path, content, digest, message):
    with served(content) as (url, _), pytest.raises(WeightsError, match=message):
        download.fetch(url, tmp_path / "weights", digest=digest)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:9/weights.ckpt"])
def test_an_address_that_cannot_be_reached_says_what_to_fetch_and_where_to_put_it(tmp_path, url):
    with pytest.raises(NotFetchedError) as refused:
        download.fetch(url, tmp_path / "weights.ckpt")
    assert url in refused.value.remedy
    assert str(tmp_path / "weights.ckpt") in refused.value.expected
    assert "--weights" in refused.value.remedy
    assert not list(tmp_path.iterdir())


def test_weights_are_fetched_once_for_all_later_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBESTORE_WEIGHTS", str(tmp_path / "kept"))
    sizes = replace(TINY, depth=1, decoder_depth=1)
    original = cubestore_model.untrained("clay-tiny", config=asdict(sizes), seed=4)
    torch.save(original.network.state_dict(), tmp_path / "published.ckpt")
    content = (tmp_path / "published.ckpt").read_bytes()
    told = {"title": "Tiny", "dimensions": 192, "patch_size": 8, "chip_size": 256}
    with served(content) as (url, asked):
        entry = Entry(id="far", build=Clay, config=sizes, url=url, layout=LAYOUT, **told)
        cubestore_model.register_encoder(entry)
        found = [cubestore_model.load_encoder("far") for _ in range(2)]
    registry._registered.clear()
    assert asked == [None]
    assert (tmp_path / "kept" / "far.ckpt").read_bytes() == content
    for encoder in found:
        assert encoder.weights_sha256 == weights.sha256(tmp_path / "published.ckpt")
        mine, theirs = encoder.network.state_dict(), original.network.state_dict()
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_a_file_put_by_hand_where_the_error_said_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBESTORE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network
    with pytest.raises(NotFetchedError, match=r"clay-v1\.5\.ckpt cannot be fetched") as refused:
        cubestore_model.load_encoder("clay-v1.5")
    put = tmp_path / "clay-v1.5.ckpt"
    assert str(put) in refused.value.expected
    sizes = {"dim": 48, "depth": 1, "heads": 2, "decoder_dim": 32, "decoder_depth": 1}
    torch.save(cubestore_model.untrained("clay-v1.5", config=sizes).network.state_dict(), put)
    assert cubestore_model.load_encoder("clay-v1.5", config=sizes).dimensions == 48


def test_a_file_put_by_hand_that_is_not_the_published_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBESTORE_WEIGHTS", str(tmp_path))
    (tmp_path / "ssl4eo-dino-resnet50.pth").write_bytes(CONTENT)
    with pytest.raises(WeightsError, match=rf"{sha256(CONTENT)}.*d6c330e9, as published"):
        cubestore_model.load_encoder("ssl4eo-dino-resnet50")
