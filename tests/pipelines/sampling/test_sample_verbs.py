"""The verbs of ``sample`` as a user finds them."""

import re

import pytest

from cubestore_pipelines.cli import main

VERBS = ["landcover", "clay-v1", "clay-v0.1", "sin", "naip", "linz", "ssl4eo"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(capsys, verb):
    main(["sample", verb, "--help"])
    assert re.search(rf"Example: cubestore sample {re.escape(verb)}\b", capsys.readouterr().out)


def test_all_verbs_are_listed(capsys):
    main(["sample", "--help"])
    listed = re.findall(r"^│ ([a-z][\w.-]*) ", capsys.readouterr().out, re.MULTILINE)
    assert set(listed) == set(VERBS)


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["naip", "--lakes", "nowhere.shp"], 1, "nowhere.shp cannot be read"),
        (["naip", "--output", "naip.shp"], 1, "a file that ends in .fgb"),
        (["naip", "--output", "/nowhere/naip.fgb", "--points", "1"], 1, "Cannot write"),
        (["ssl4eo", "--cities", "nowhere.csv"], 1, "nowhere.csv cannot be read"),
        (["ssl4eo", "--compat", "clay"], 2, "clay"),
        (["linz", "nowhere.json"], 1, "nowhere.json cannot be read"),
        (["sin", "--store", "nowhere"], 1, "nowhere is not a store"),
        (["clay-v1"], 2, "STATISTICS"),
        (["clay-v2"], 2, "clay-v2"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(capsys, arguments, status, problem):
    assert main(["sample", *arguments]) == status
    said = capsys.readouterr()
    assert problem in said.err
    assert said.out == ""
    assert status != 1 or said.err.count("\n") == 1
