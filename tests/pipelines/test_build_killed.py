"""The real build is killed, interrupted and run beside another; the next one completes it."""

import pytest

from tests.faults import builds

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (builds.kills, {"trials": 1}),
        (builds.eventful, {}),
    ],
)
def test_a_build_is_stopped_and_the_next_completes_it(tmp_path, fault, options):
    for row in fault(tmp_path, **options):
        assert row.good, "\n".join([str(row), *row.failures])
