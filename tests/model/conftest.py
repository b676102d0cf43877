"""What the tests of models share."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def every_model(one_thread):
    """All of them are small."""
