"""A part of what catalogues, files and servers do wrong, each met by the real command.

The tables, and the rest of them, stand in ``tests.faults``; ``make faults`` runs them all.
"""

import pytest

from tests.faults import addresses, ingest, site

pytestmark = pytest.mark.faults

FILES = {
    "sound",
    "a truncated file",
    "a VRT that leads to a secret",
    "a block of two gigabytes",
    "an item without the asset",
    "an EPSG that there is not",
    "another EPSG in the item",
    "another transform in the item",
    "a time in another zone",
    "a flipped bit, with a checksum",
}
SERVERS = {
    "503 twice",
    "429 with Retry-After",
    "a connection dropped midway",
    "a login page, always",
    "503 for ever",
    "another ETag while it is read",
    "a stall, always",
}


def chosen(tables, names):
    rows = [one for one in tables if one.name in names]
    assert {one.name for one in rows} == names
    return rows


def holds(row):
    assert row.good, "\n".join([str(row), *row.failures])


def test_bad_files_and_items_are_told_and_never_nodata(tmp_path):
    table = chosen([*ingest.CONTENT, ingest.FLIPPED], FILES)
    holds(ingest.on_disk(tmp_path, table, "a disk", place=site.NORTH, again=()))


def test_bad_servers_are_outlasted_or_told(tmp_path):
    table = chosen([*ingest.TRANSPORT, *ingest.SLOW], SERVERS)
    holds(
        ingest.over_http(
            tmp_path, table, "a server", "--timeout", 2, place=site.NORTH, again=[True]
        )
    )


def test_a_remote_item_leads_nowhere_that_is_not_allowed(tmp_path):
    holds(addresses.everywhere(tmp_path, proxied=True))
