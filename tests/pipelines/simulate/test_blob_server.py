"""The double of the blob storage, asked by a plain client."""

import pytest

from cubestore_pipelines.simulate import assets
from cubestore_pipelines.simulate.blobs import Tokens


@pytest.fixture
def href(archive):
    return archive.items[0]["assets"]["B01"]["href"]


@pytest.fixture
def content(archive, href):
    name = href.removeprefix(assets.BLOBS + "/")
    return (archive.blobs / assets.ACCOUNT / assets.CONTAINER / name).read_bytes()


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        (None, 200, slice(None)),
        ("bytes=0-15", 206, slice(0, 16)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-100", 206, slice(-100, None)),
        ("bytes=-99999999", 206, slice(None)),  # more than there is
        ("bytes=10-99999999", 206, slice(10, None)),
        ("bytes=99999999-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=0-1,4-5", 200, slice(None)),  # several are not understood, so all is sent
        ("lines=0-1", 200, slice(None)),
    ],
)
def test_a_range_is_served(ask, sign, href, content, asked, status, part):
    got, headers, body = ask(sign(href), **({"Range": asked} if asked else {}))
    assert got == status
    if part is not None:
        assert body == content[part]
        assert int(headers["content-length"]) == len(body)
    if status == 206:
        start = part.indices(len(content))[0]
        told = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        assert headers["content-range"] == told
    if status == 416:
        assert headers["content-range"] == f"bytes */{len(content)}"


def test_head_tells_the_length_and_sends_nothing(ask, sign, href, content):
    status, headers, body = ask(sign(href), "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) == len(content)
    assert headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("If_Match", "{etag}", 206),
        ("If_Match", "*", 206),
        ("If_Match", '"other"', 412),
        ("If_None_Match", "{etag}", 304),
        ("If_None_Match", '"other"', 206),
        ("If_Range", "{etag}", 206),
        ("If_Range", '"other"', 200),
    ],
)
def test_conditions_are_kept(ask, sign, href, header, value, status):
    signed = sign(href)
    etag = ask(signed, "HEAD")[1]["etag"]
    conditions = {header: value.format(etag=etag)}
    assert ask(signed, Range="bytes=0-3", **conditions)[0] == status


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("?st=", "?", 403),
        ("sig=", "signed=", 409),
        ("sig=", "sig=0", 403),
        ("sig=", "sig=%C3%A9", 403),
        ("se=2", "se=3", 403),  # it would live for another thousand years
        ("sp=rl", "sp=rwl", 403),
        ("sentinel2l2a01", "sentinel2l2a02", 403),
        ("/sentinel2-l2/", "/sentinel2-l1/", 403),
        (".tif", ".tiff", 404),
        (".tif", ".tif%00", 404),
    ],
)
def test_who_may_not_gets_nothing(ask, sign, href, old, new, status):
    got, headers, body = ask(sign(href).replace(old, new))
    assert got == status
    assert headers["x-ms-error-code"].encode() in body


@pytest.mark.parametrize(
    "name", ["../../../plan.sha256", "..%2f..%2f..%2fplan.sha256", "/etc/hostname", "%2e%2e/x", ""]
)
def test_no_name_leads_out_of_the_container(ask, sign, href, name):
    token = sign(href).split("?")[1]
    assert ask(f"{assets.BLOBS}/{name}?{token}")[0] == 404


def test_without_a_token_nothing_is_served(ask, href):
    status, headers, _ = ask(href)
    assert (status, headers["x-ms-error-code"]) == (409, "PublicAccessNotPermitted")


def test_nothing_can_be_written(ask, sign, href):
    assert ask(sign(href), "PUT")[0] == 405
    assert ask(sign(href), "DELETE")[0] == 405


def test_the_account_may_be_named_by_the_host_alone(ask, sign, href, content):
    host, _, path = sign(href).removeprefix("http://").partition("/")
    assert ask(f"/{path}", Host=host)[2] == content
    assert ask(f"/{path}")[0] == 404


def test_other_hosts_are_not_proxied(ask):
    assert ask("http://example.com/index.html")[0] == 404


def test_tokens_of_another_server_are_not_accepted():
    token = dict(part.split("=") for part in Tokens().issue("one", "two")["token"].split("&"))
    assert Tokens().check("one", "two", token) == 403
