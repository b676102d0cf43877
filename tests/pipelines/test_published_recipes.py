"""The recipes of data sets that come as files, each run twice by the program on made-up ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cubestore
from cubestore_pipelines.recipes.recipe import recipe, recipes
from cubestore_pipelines.recipes.verbs import VERBS
from cubestore_pipelines.simulate import cloudsen12, floods, ssl4eo
from cubestore_pipelines.simulate.archive import make_archive
from cubestore_pipelines.simulate.server import serving

PROGRAM = Path(sys.executable).with_name("cubestore")


@pytest.mark.parametrize("name", recipes())
def test_every_step_of_a_recipe_is_known(name):
    assert {step.verb for step in recipe(name).steps} <= VERBS.keys()


def run(name, store, *options, check=0, **environment):
    done = subprocess.run(
        [PROGRAM, "run", name, store, *map(str, options), "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == check, done.stderr
    return json.loads(done.stdout)["steps"][0]


def state(store):
    return {name: store.patches(name).root().digest for name in store.patch_sets()}


def test_cloudsen12(tmp_path):
    cloudsen12.make_folder(tmp_path / "source/high/train", [1], bands=["B04"])
    with_one = ["--source", tmp_path / "source"]
    file = tmp_path / "mine.yaml"  # the recipe takes all bands, and one is quicker
    file.write_text("steps:\n  - import cloudsen12: {source: $source, bands: [B04]}\n")
    assert run(file, tmp_path / "store", *with_one)["patches"] == 5
    before = state(cubestore.open_store(tmp_path / "store"))
    run(file, tmp_path / "store", *with_one)
    assert state(cubestore.open_store(tmp_path / "store")) == before


def test_ssl4eo_s12(tmp_path):
    ssl4eo.write_v1(tmp_path / "source", [2])
    told = run("ssl4eo-s12", tmp_path / "store", "--source", tmp_path / "source")
    assert told["patches"] == 1
    again = run("ssl4eo-s12", tmp_path / "store", "--source", tmp_path / "source")
    assert again == told


def test_clay_c2sms_floods(tmp_path):
    """Of five chips one has no radar in the benchmark's list: it is left out, and told."""
    archive = make_archive(tmp_path / "archive", floods.plan())
    source = floods.write_chips(tmp_path / "chips", floods.events())
    with serving(archive) as server:
        asked = ["--source", source, "--catalog", server.stac_url]
        told = run("clay-c2sms-floods", tmp_path / "store", *asked, check=3, **server.environment)
        assert (told["patches"], told["left_out"]) == (4, 1)
        again = run("clay-c2sms-floods", tmp_path / "store", *asked, check=3, **server.environment)
    assert again == told
