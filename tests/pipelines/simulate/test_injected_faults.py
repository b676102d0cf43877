"""Every kind of fault, as a plain client meets it."""

import http.client
import threading
import time

import pytest

from cubestore_pipelines.simulate.faults import Fault, Kind

BLOB = "*_B01_60m.tif"
RANGE = {"Range": "bytes=1000-1999"}


@pytest.fixture
def url(archive, sign):
    return sign(archive.items[0]["assets"]["B01"]["href"])


@pytest.fixture
def inject(server):
    yield server.faults.inject
    server.faults.clear()
    server.faults.happened.clear()


@pytest.fixture
def sound(ask, url):
    """What is answered when nothing goes wrong."""
    status, headers, body = ask(url, **RANGE)
    assert (status, len(body)) == (206, 1000)
    return headers, body


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_a_status_as_often_as_asked_for(ask, inject, url, status):
    inject(Fault(BLOB, Kind.STATUS, status=status, times=2, retry_after="7"))
    answers = [ask(url, **RANGE) for _ in range(3)]
    assert [answer[0] for answer in answers] == [status, status, 206]
    assert answers[0][1]["retry-after"] == "7"


def test_a_reset_before_anything_is_answered(ask, inject, url):
    inject(Fault(BLOB, Kind.RESET))
    with pytest.raises(ConnectionResetError):
        ask(url, **RANGE)


def test_a_reset_in_the_middle_of_the_body(ask, inject, url):
    inject(Fault(BLOB, Kind.RESET_MIDWAY))
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        ask(url, **RANGE)


def test_a_body_that_ends_too_soon(ask, inject, url, sound):
    inject(Fault(BLOB, Kind.TRUNCATE))
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(url, **RANGE)
    assert caught.value.partial == sound[1][:500]


def test_fewer_bytes_than_were_asked_for(ask, inject, url, sound):
    inject(Fault(BLOB, Kind.SHORT))
    status, headers, body = ask(url, **RANGE)
    assert (status, headers["content-length"], body) == (206, "500", sound[1][:500])


def test_a_stall_after_the_headers(ask, inject, url):
    inject(Fault(BLOB, Kind.STALL))
    with pytest.raises(TimeoutError):
        ask(url, timeout=0.3, **RANGE)


def test_a_stall_ends(ask, inject, url):
    inject(Fault(BLOB, Kind.STALL, seconds=0.2))
    with pytest.raises(http.client.IncompleteRead):
        ask(url, **RANGE)


def test_a_slow_trickle(ask, inject, url, sound):
    inject(Fault(BLOB, Kind.TRICKLE, seconds=0.3))
    start = time.monotonic()
    assert ask(url, **RANGE)[2] == sound[1]
    assert time.monotonic() - start >= 0.3


def test_a_login_page(ask, inject, url):
    inject(Fault(BLOB, Kind.LOGIN_PAGE))
    status, headers, body = ask(url, **RANGE)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"Sign in" in body


def test_a_redirect(ask, inject, url):
    inject(Fault(BLOB, Kind.REDIRECT, location="http://127.0.0.1:9/login"))
    status, headers, _ = ask(url, **RANGE)
    assert (status, headers["location"]) == (302, "http://127.0.0.1:9/login")


def test_a_range_that_was_not_asked_for(ask, inject, url, sound):
    inject(Fault(BLOB, Kind.WRONG_RANGE))
    headers, body = ask(url, **RANGE)[1:]
    size = sound[0]["content-range"].split("/")[1]
    assert (headers["content-range"], body) == (f"bytes 1512-2511/{size}", sound[1])


def test_a_range_that_is_ignored(ask, inject, url, sound):
    inject(Fault(BLOB, Kind.IGNORE_RANGE))
    status, headers, body = ask(url, **RANGE)
    assert status == 200
    assert "content-range" not in headers
    assert body[1000:2000] == sound[1]


def test_a_bit_that_is_flipped(ask, inject, url, sound):
    inject(Fault(BLOB, Kind.FLIP))
    body = ask(url, **RANGE)[2]
    different = [place for place in range(1000) if body[place] != sound[1][place]]
    assert different == [500]


def test_a_file_that_was_replaced_meanwhile(ask, inject, url, sound):
    inject(Fault(BLOB, Kind.OTHER_ETAG))
    assert ask(url, **RANGE)[1]["etag"] != sound[0]["etag"]
    assert ask(url, **RANGE)[1]["etag"] == sound[0]["etag"]


def test_faults_reach_tokens_and_searches_too(ask, inject):
    inject(Fault("/api/sas/*", Kind.STATUS), Fault("/api/stac/v1/search", Kind.LOGIN_PAGE))
    assert ask("/api/sas/v1/token/account/container")[0] == 503
    assert ask("/api/stac/v1/search")[2].startswith(b"<!DOCTYPE html>")
    assert ask("/api/stac/v1/search")[0] == 200


def test_rules_are_followed_in_order_and_only_where_they_fit(ask, inject, server, url):
    inject(
        Fault("*_B99_*", Kind.RESET),
        Fault(BLOB, Kind.STATUS, status=500, after=1),
        Fault(BLOB, Kind.STATUS, status=429),
    )
    assert [ask(url, **RANGE)[0] for _ in range(4)] == [206, 500, 429, 206]
    assert [kind for _, kind in server.faults.happened] == [Kind.STATUS, Kind.STATUS]


def test_a_fault_for_always_can_be_cleared(ask, inject, server, url):
    inject(Fault(BLOB, Kind.STATUS, times=None))
    assert {ask(url)[0] for _ in range(5)} == {503}
    server.faults.clear()
    assert ask(url)[0] == 200


def test_two_clients_never_share_one_fault(ask, inject, url):
    inject(Fault(BLOB, Kind.STATUS, times=4))
    statuses = []
    clients = [threading.Thread(target=lambda: statuses.append(ask(url)[0])) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sorted(statuses) == [200] * 4 + [503] * 4
