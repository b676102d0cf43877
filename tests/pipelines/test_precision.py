"""Precision has one name wherever it is given, and an older one only where it was recorded."""

from typing import get_args, get_type_hints

import pytest

from cubestore.errors import MismatchError
from cubestore_model import Options, Training
from cubestore_model.precision import PRECISIONS, recalled
from cubestore_pipelines.cli.embedding import embed
from cubestore_pipelines.cli.training import Recipe


@pytest.mark.parametrize("takes", [embed, Recipe])
def test_verbs_know_the_names_of_the_model(takes):
    assert get_args(get_type_hints(takes)["precision"]) == PRECISIONS


@pytest.mark.parametrize("made", [Options, Training])
def test_an_older_name_is_refused_where_one_chooses(made):
    assert made(precision="bf16").precision == "bf16"
    with pytest.raises(MismatchError, match=r"precision 'bfloat16'.*float32 or bf16"):
        made(precision="bfloat16")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"precision": "bfloat16", "steps": 3}, {"precision": "bf16", "steps": 3}),
        ({"precision": "bf16"}, {"precision": "bf16"}),
        ({"precision": "float32"}, {"precision": "float32"}),
    ],
)
def test_a_training_that_was_recorded_by_it_is_known_again(found, told):
    assert recalled(found) == told
