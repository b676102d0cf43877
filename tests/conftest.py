"""What all tests share: where the sample data lie."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The sample data: real pixels and catalogue records, which the repository does not hold."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CUBESTORE_DATA", beside))
    if not folder.is_dir():
        pytest.skip("needs the sample data: set CUBESTORE_DATA")
    return folder
