"""What importers have in common: what is told before, what a part is, what a second one does."""

import json
from math import prod
from pathlib import Path

import pytest

import cubestore
from cubestore.errors import CubeExistsError, QueryError
from cubestore_pipelines.benchmarks.clay_embeddings import import_clay_embeddings
from cubestore_pipelines.benchmarks.cloudsen12 import import_cloudsen12
from cubestore_pipelines.benchmarks.floods import import_floods
from cubestore_pipelines.benchmarks.ssl4eo import import_ssl4eo
from cubestore_pipelines.cli import main
from cubestore_pipelines.simulate import cloudsen12, floods, ssl4eo
from tests.pipelines.benchmarks import test_clay_embeddings as clay


def write_clay(folder):
    return clay.written(folder, clay.table(3))


def write_cloudsen12(folder):
    cloudsen12.make_folder(folder / "high" / "train", [1], bands=["B04"])
    return folder


def write_v1(folder):
    ssl4eo.write_v1(folder, (3, 4), modalities=("s1",))
    return folder


def write_v11(folder):
    ssl4eo.write_v11(folder, modalities=("S1GRD",))
    return folder


def write_floods(folder):
    return floods.write_chips(folder, floods.events()[:1])


IMPORTERS = {
    "clay-embeddings": (write_clay, import_clay_embeddings, {}),
    "cloudsen12": (write_cloudsen12, import_cloudsen12, {"bands": ["B04"]}),
    "floods": (write_floods, import_floods, {}),
    "ssl4eo-v1": (write_v1, import_ssl4eo, {}),
    "ssl4eo-v1.1": (write_v11, import_ssl4eo, {}),
}


@pytest.fixture(scope="module", params=IMPORTERS)
def every(request, tmp_path_factory):
    """An importer's verb, its source, and the function that imports it."""
    write, does, options = IMPORTERS[request.param]
    source = write(tmp_path_factory.mktemp(request.param) / "source")
    return request.param, source, lambda *words, **more: does(source, *words, **options, **more)


def state(store):
    files = (path for path in Path(store).rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in files}


def test_what_is_told_before_is_what_is_made_and_a_second_import_changes_nothing(every, tmp_path):
    _, _, imported = every
    store = tmp_path / "store"
    told = imported(store, plan_only=True)
    assert not store.exists()
    seen = []
    made = imported(store, progress=lambda *words: seen.append(words))
    assert made == told
    (one,) = made
    held = cubestore.open_store(store).patches(one.name).open(mask_and_scale=False)
    assert one.bytes == sum(array.nbytes for array in held.data_vars.values())
    assert one.patches == held.sizes["patch"] == prod(held.patch_id.shape)
    assert seen[-1] == (one.name, one.patches, one.patches)
    before = state(store)
    assert imported(store) == made
    assert imported(store, plan_only=True, limit=one.patches) == made, "all of them are no part"
    assert state(store) == before


def test_a_part_is_the_first_patches_and_is_no_whole(every, tmp_path):
    _, _, imported = every
    (one,) = imported(tmp_path / "part", limit=1)
    (whole,) = imported(tmp_path / "whole")
    assert (one.name, one.patches) == (whole.name, 1)
    part, every_patch = (
        cubestore.open_store(tmp_path / name).patches(one.name).open() for name in ("part", "whole")
    )
    assert part.identical(every_patch.isel(patch=slice(1)).assign_attrs(part.attrs))
    assert part.attrs["part"] == f"the first 1 of {whole.patches} patches"
    assert "part" not in every_patch.attrs
    assert imported(tmp_path / "part", limit=1) == [one]
    for options in ({}, {"plan_only": True}):
        with pytest.raises(CubeExistsError, match="options, of the first 1 of"):
            imported(tmp_path / "part", **options)
    with pytest.raises(QueryError, match="A limit of 0"):
        imported(tmp_path / "part", limit=0)


def test_every_verb_prints_the_same(every, tmp_path, capsys):
    name, source, _ = every
    verb = name.partition("-v1")[0]
    words = ["import", verb, str(source), str(tmp_path / "store"), "--limit", "1"]
    words += ["--bands", "B04"] if verb == "cloudsen12" else []
    assert main([*words, "--plan-only"]) == 0
    printed = capsys.readouterr().out.split()
    assert printed[:4] == ["set", "patches", "bytes", "left_out"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["store"] == str(tmp_path / "store")
    (one,) = told["sets"]
    assert one.keys() == {"name", "patches", "bytes", "left_out", "notes"}
    assert [one["name"], str(one["patches"])] == printed[4:6]
    assert main(["verify", told["store"]]) == 0
    assert "cubes and patch sets: 1, " in capsys.readouterr().err


def test_info_tells_of_a_set_that_it_is_a_part(every, tmp_path, capsys):
    _, _, imported = every
    store = tmp_path / "store"
    (one,) = imported(store, limit=1)
    assert main(["info", str(store)]) == 0
    assert capsys.readouterr().out.split()[:7:5] == ["name", one.name]
    assert main(["info", str(store), one.name]) == 0
    assert ", the first 1 of " in capsys.readouterr().out
    assert main(["info", str(store), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["patch_sets"]
    assert (told["name"], told["patches"]) == (one.name, 1)
    assert main(["info", str(store), "no/such"]) == 1
    assert "'no/such' is no tile id" in capsys.readouterr().err
