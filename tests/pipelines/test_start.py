"""What a process loads before it does its work: no more than the work needs."""

import json
import re
import subprocess
import sys

import pytest

from cubestore_pipelines.cli import main, program
from cubestore_pipelines.cli.verbs import VERBS

PIXELS = {"xarray", "pandas", "zarr", "rasterio", "numba", "scipy", "geopandas"}
NETWORK = {"boto3", "pystac_client", "requests", "starlette"}
OTHERS = {"torch", "lightning", "distributed"}

STEPS = {
    "--help": {"numpy", "dask", "pyproj", "shapely"} | PIXELS | NETWORK | OTHERS,
    "sensors": {"dask", "pyproj", "shapely"} | PIXELS | NETWORK | OTHERS,
    "tiles --point 2.35 48.85": PIXELS | NETWORK | OTHERS,
}
"""What is run, one after another in one process -> what must not have been loaded then."""

TASK = (PIXELS | NETWORK | OTHERS) - {"rasterio", "numba", "boto3"}
"""What no task of a build needs; rasterio loads boto3 wherever it is installed."""

RUN = """
import contextlib, io, json, sys
from cubestore_pipelines.cli import main
loaded = {}
for step in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(step.split()) == 0
    loaded[step] = list(sys.modules)
import cubestore_pipelines.shard
loaded["task"] = list(sys.modules)
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded():
    command = [sys.executable, "-c", RUN, json.dumps(list(STEPS))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("step", "heavy"), [*STEPS.items(), ("task", TASK)])
def test_a_process_loads_nothing_that_its_work_does_not_need(loaded, step, heavy):
    assert heavy.isdisjoint(loaded[step])


def first_paragraph(text):
    return " ".join(text.strip().split("\n\n")[0].split())


@pytest.mark.parametrize("name", VERBS)
def test_the_help_of_the_program_says_of_a_verb_what_its_own_help_says_first(name):
    own = program([name])[name].help
    assert first_paragraph(VERBS[name].help) == first_paragraph(own)


def test_a_verb_keeps_its_own_help_whatever_was_asked_before():
    for words in (["no-such-verb"], [], ["--help"]):
        main(words)
    for name in VERBS:
        assert f"Example: cubestore {name}" in program([name])[name].help


def test_a_verb_that_lacks_a_package_says_how_to_install_it():
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from cubestore_pipelines.cli import main; sys.exit(main(['build', 'STORE']))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert re.fullmatch(r"cubestore: .*distributed.* Remedy: pip install .*\n", done.stderr)
