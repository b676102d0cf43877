"""Attributes that describe a cube, and variables that are filled together: one commit each."""

import numpy as np
import pytest
import xarray as xr

from cubestore import Array, Slot
from cubestore.errors import MismatchError, SlotError


@pytest.fixture
def cube(store):
    return store.create_cube("h18v04", "modis-09a1")


def plain(cube):
    return xr.open_zarr(cube.path, chunks=None)


def test_a_description_is_a_commit_that_changes_nothing_else(cube, append):
    append(cube, "2024-01-01", "a")
    before = cube.root()
    with cube.write() as writer:
        after = writer.describe({"cubestore:statistics": {"bands": [1, None, "x"]}})
        assert writer.describe({"cubestore:statistics": {"bands": [1, None, "x"]}}) == after
    assert after.number == before.number + 1
    assert after.arrays == before.arrays
    assert plain(cube).attrs["cubestore:statistics"] == {"bands": [1, None, "x"]}
    assert next(iter(cube.records())).details == {"attributes": ["cubestore:statistics"]}
    assert not cube.verify().findings
    append(cube, "2024-01-02", "b")  # and it stays
    with cube.write() as writer:
        assert writer.describe({"cubestore:statistics": None}).attributes == before.attributes
    assert "cubestore:statistics" not in plain(cube).attrs
    assert not cube.verify().findings


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"title": "mine"}, "attributes title"),
        ({"cubestore:computed": {}}, "cubestore:computed"),  # the protocol's own
        ({"cubestore:commit": {"number": 9}}, "cubestore:commit"),
        ({"cubestore:format": 2, "cubestore:x": 1}, "cubestore:format"),
        ({"cubestore:x": float("nan")}, "not JSON"),
        ({"cubestore:x": {1, 2}}, "not JSON"),
    ],
)
def test_what_a_cube_is_cannot_be_described_away(cube, attributes, problem):
    with cube.write() as writer, pytest.raises(MismatchError, match=problem):
        writer.describe(attributes)
    assert cube.root().number == 0


def embedding(name, *dims):
    sizes = {"y_n": 2, "x_n": 2, "feature": 3}
    shape = tuple(sizes[dim] for dim in dims)
    return Array(
        name=name,
        dims=("time", *dims),
        shape=(0, *shape),
        dtype="float32",
        fill=np.nan,
        chunks=(1, *shape),
    )


@pytest.fixture
def embedded(cube):
    with cube.write() as writer:
        writer.append([Slot(time="2024-01-01", item_id=item) for item in "ab"], [])
        centres = {"y_n": [0.0, 1.0], "x_n": [0.0, 1.0]}
        writer.add_variable(embedding("embedding_x", "y_n", "x_n", "feature"), centres)
        writer.add_variable(embedding("loss_x", "y_n", "x_n"), {})
    return cube


def staged(writer, slot, value):
    return [
        writer.staging.write("embedding_x", (slot, 0, 0, 0), np.full((1, 2, 2, 3), value, "f4")),
        writer.staging.write("loss_x", (slot, 0, 0), np.full((1, 2, 2), value, "f4")),
    ]


def test_an_embedding_and_its_loss_appear_together(embedded):
    number = embedded.root().number
    with embedded.write() as writer:
        writer.fill_variables(["embedding_x", "loss_x"], {1: 1}, staged(writer, 1, 7.0))
    assert embedded.root().number == number + 1
    ds = embedded.open(superseded=True)
    assert (ds.embedding_x[1] == 7).all()
    assert (ds.loss_x[1] == 7).all()
    assert np.isnan(ds.loss_x[0]).all()
    assert embedded.root().attributes["cubestore:computed"] == {
        "embedding_x": [[1, 2, 1]],
        "loss_x": [[1, 2, 1]],
    }
    assert not embedded.verify().findings


@pytest.mark.parametrize(
    ("names", "slots", "error", "problem"),
    [
        (["embedding_x"], {1: 1}, SlotError, "A block of loss_x"),
        (["embedding_x", "loss_x"], {0: 1}, SlotError, "A block of"),
        (["embedding_x", "reflectance"], {1: 1}, MismatchError, "called 'reflectance'"),
        ([], {1: 1}, MismatchError, "called ''"),
    ],
)
def test_blocks_of_others_are_refused_and_none_is_seen(embedded, names, slots, error, problem):
    number = embedded.root().number
    with embedded.write() as writer, pytest.raises(error, match=problem):
        writer.fill_variables(names, slots, staged(writer, 1, 7.0))
    assert embedded.root().number == number
    assert np.isnan(embedded.open().embedding_x).all()


def test_values_of_the_second_variable_do_not_change_either(embedded):
    with embedded.write() as writer:
        both = ["embedding_x", "loss_x"]
        writer.fill_variables(both, {0: 1}, staged(writer, 0, 1.0))
        writer.fill_variables(both, {0: 1}, staged(writer, 0, 1.0))  # the same again
        blocks = [staged(writer, 0, 1.0)[0], staged(writer, 0, 2.0)[1]]
        with pytest.raises(SlotError, match="loss_x/c/0/0/0 would change"):
            writer.fill_variables(both, {0: 1}, blocks)
