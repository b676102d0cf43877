"""What else may have written to a cube: ``verify`` names it, and the next commit refuses it.

A commit looks at the root, at every array's own metadata, and at what it reads and replaces. To
look at every pixel too is what ``verify`` is for: a shard changed in place is found by it alone.
"""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.errors import ZarrUserWarning

from cubestore.errors import CubestoreError, DamagedError, FormatError
from cubestore.records import METADATA
from tests.faults import operations as do


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = tmp_path_factory.mktemp("made")
    do.create(store)
    for number in range(3):
        do.append(store, number)
    return store


@pytest.fixture
def cube(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return do.cube(tmp_path)


def to_zarr_append(path):
    """As it leaves the cube before the pixels are computed, or if it dies then."""
    one = xr.open_zarr(path).isel(time=[0]).drop_encoding()
    one = one.drop_vars([n for n in one.variables if "time" not in one[n].dims])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of xarray and zarr, about strings and consolidation
        one.to_zarr(path, append_dim="time", zarr_format=3, compute=False, safe_chunks=False)


def change_attributes(path):
    zarr.open_group(path, mode="r+").attrs["title"] = "mine"


def consolidate(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(path)


def add_array(path):
    zarr.open_group(path, mode="r+").create_array("mine", shape=(3,), dtype="int16")


def resize(path, slots):
    array = zarr.open_array(f"{path}/relative_orbit", mode="r+")
    array.resize((slots,))


def change_array_attributes(path):
    zarr.open_array(f"{path}/reflectance", mode="r+").attrs["scale_factor"] = 1.0


def alter_coordinate(path):
    zarr.open_array(f"{path}/relative_orbit", mode="r+")[1] = 99


def delete_coordinate(path):
    Path(path, "relative_orbit/c/0").unlink()


def alter_pixels(path):
    zarr.open_array(f"{path}/cloud_class", mode="r+")[1, 2048:, 2048:] = 3


def move_north(path):
    zarr.open_array(f"{path}/y", mode="r+")[...] += 500.0


def stray_file(path):
    Path(path, "notes.txt").write_text("mine")


def stray_shard(path):
    source = Path(path, "cloud_class/c/2/1/1")
    shutil.copytree(source.parent, source.parents[1] / "0")


def take_shard(path):
    Path(path, "quality/c/1/1/1").unlink()


def delete_array(path):
    shutil.rmtree(Path(path, "platform"))


def edit_root(path):
    root = Path(path, METADATA)
    document = json.loads(root.read_bytes())
    root.write_text(json.dumps(document, indent=2))


SEEN_BY_COMMITS = [
    (to_zarr_append, METADATA),
    (change_attributes, METADATA),
    (consolidate, METADATA),
    (edit_root, METADATA),
    (add_array, f"mine/{METADATA}"),
    (stray_file, "notes.txt"),
    (lambda path: resize(path, 9), f"relative_orbit/{METADATA}"),
    (lambda path: resize(path, 2), f"relative_orbit/{METADATA}"),
    (change_array_attributes, f"reflectance/{METADATA}"),
    (alter_coordinate, "relative_orbit/c/0"),
    (delete_coordinate, "relative_orbit/c/0"),
    (delete_array, "platform/c/0"),
]
SEEN_BY_VERIFY = [
    (alter_pixels, "cloud_class/c/1/1/1"),
    (take_shard, "quality/c/1/1/1"),
    (stray_shard, "cloud_class/c/2/0/1"),
    (move_north, "y/c/0"),
]


def named(table):
    names = [getattr(write, "__name__", "resize") for write, _ in table]
    return [f"{name}-{k}" if name == "<lambda>" else name for k, name in enumerate(names)]


@pytest.mark.parametrize(
    ("write", "key"),
    SEEN_BY_COMMITS + SEEN_BY_VERIFY,
    ids=named(SEEN_BY_COMMITS + SEEN_BY_VERIFY),
)
def test_verify_names_what_something_else_wrote(cube, write, key):
    assert cube.verify().findings == ()
    write(cube.path)
    report = cube.verify()
    assert report.damaged
    assert key in {finding.key for finding in report.findings}


@pytest.mark.parametrize(("write", "key"), SEEN_BY_COMMITS, ids=named(SEEN_BY_COMMITS))
def test_the_next_commit_refuses_what_something_else_wrote(cube, tmp_path, write, key):
    write(cube.path)
    before = tree(tmp_path)
    with pytest.raises((DamagedError, FormatError)) as refused:
        do.append(tmp_path, 3)
    error = refused.value
    assert isinstance(error, CubestoreError)
    assert error.found
    assert error.expected
    assert error.remedy
    assert key.partition("/")[0] in error.found
    assert before.items() <= tree(tmp_path).items(), "nothing is lost"


def tree(store):
    return {p: p.read_bytes() for p in store.rglob("*") if p.is_file() and p.name != "lock"}


def test_a_sound_cube_has_no_findings(cube, tmp_path):
    do.add_variable(tmp_path)
    do.fill_variable(tmp_path, (0, 2))
    report = cube.verify()
    assert report.findings == ()
    assert not report.damaged
    assert report.commit == 5


@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_shortened_shard_is_found(cube, size):
    shard = Path(cube.path, "reflectance/c/1/0/1/1")
    shard.write_bytes(shard.read_bytes()[:size])
    [finding] = cube.verify().findings
    assert (finding.key, finding.state) == ("reflectance/c/1/0/1/1", "damaged")
    assert f"found {size} bytes" in finding.problem


def test_a_lost_root_is_named_and_not_made_again(cube):
    Path(cube.path, METADATA).unlink()
    [finding] = cube.verify().findings
    assert (finding.key, finding.state) == (METADATA, "missing")
    with pytest.raises(DamagedError, match="is gone"):
        cube.create()
    assert Path(cube.path, "reflectance/c/1/0/1/1").exists()


def test_the_lost_root_of_a_new_cube_is_named_too(store):
    cube = store.create_cube("h19v04", "modis-09a1")
    Path(cube.path, METADATA).unlink()
    [finding] = cube.verify().findings
    assert (finding.key, finding.state) == (METADATA, "missing")
    with pytest.raises(DamagedError):
        cube.create()


def test_a_root_that_names_another_record_is_suspected_with_it(cube):
    root = Path(cube.path, METADATA)
    text = root.read_text()
    digest = text.partition('"digest":"sha256:')[2][:8]
    root.write_text(text.replace(digest, "00000000"))
    keys = {finding.key for finding in cube.verify().findings}
    assert keys == {METADATA, str(cube.control.record_path(3))}


def test_values_are_read_as_they_were_while_damage_stands_elsewhere(cube):
    alter_pixels(cube.path)
    data = cube.open(mask_and_scale=False)
    window = data.reflectance[1, :, 2048 : 2048 + do.USED, 2048 : 2048 + do.USED].values
    assert np.array_equal(window, do.pixels(1)["reflectance"][:, : do.USED, : do.USED])
