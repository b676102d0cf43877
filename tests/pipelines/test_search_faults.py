"""Search APIs that lie or stall, met by the real command; the rest stands in the campaign."""

import pytest

from tests.faults import ingest, searches

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return ingest.case(tmp_path_factory.mktemp("search"), [ingest.Spoilt(name="sound")] * 2)


@pytest.mark.parametrize(
    "name",
    [
        "503 to POST and for a token",  # pystac-client tries only a GET again
    ],
)
def test_a_search_is_tried_again_within_a_budget(case, tmp_path, name):
    served = next(one for one in searches.SERVED if one.name == name)
    row = searches.from_served(tmp_path, case, served)
    assert row.good, "\n".join(row.failures)


@pytest.mark.parametrize(
    "name",
    [
        "pages that repeat themselves",
        "collections without end",
        "items that are on two pages",
        "features that are none",
        "a landing page without links",
    ],
)
def test_an_api_that_lies_is_told_of_in_one_line(case, tmp_path, name):
    kind, status = next((kind, status) for n, kind, status in searches.LYING if n == name)
    row = searches.from_lying(tmp_path, case, name, kind(case.sound.items), status)
    assert row.good, "\n".join(row.failures)
