"""What cannot be: each is refused with what was found, expected and to be done; nothing is lost."""

import json
import pickle
import shutil

import numpy as np
import pytest

import cubestore
from cubestore import Slot
from cubestore.errors import (
    CubeExistsError,
    DamagedError,
    FormatError,
    GridMismatchError,
    MismatchError,
    NotAStoreError,
    NotWritableError,
    SlotError,
    UnknownCubeError,
    UnknownSensorError,
    UnknownTileError,
)

SLOT = Slot(time="2024-01-02", item_id="new")


@pytest.fixture(scope="module")
def made(tmp_path_factory, append):
    """One slot on the smallest shard: 352 x 352."""
    store = cubestore.create_store(tmp_path_factory.mktemp("made") / "store")
    append(store.create_cube("h18v04", "modis-09a1"), "2024-01-01", "a")
    return store


@pytest.fixture
def cube(made, tmp_path):
    """A copy of it."""
    shutil.copytree(made.path, tmp_path / "store")
    return cubestore.open_store(tmp_path / "store").cube("h18v04", "modis-09a1")


@pytest.fixture
def pixels(cube, scene):
    return scene(cube)[0]


def files(home):
    """Every file and directory with what it holds, but for the lock, which tells who held it."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in sorted(home.rglob("*"))
        if path.name != "lock"
    }


def refuses(error, home, act):
    """Run ``act``; it must raise a complete error, and leave every byte as it was."""
    before = files(home)
    with pytest.raises(error) as caught:
        act()
    assert type(caught.value) is error
    assert caught.value.found
    assert caught.value.expected
    assert caught.value.remedy
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (type(again), str(again)) == (error, str(caught.value))
    assert files(home) == before
    return str(caught.value)


BUILT_IN = {
    NotAStoreError: FileNotFoundError,
    UnknownSensorError: KeyError,
    UnknownTileError: KeyError,
    UnknownCubeError: KeyError,
    CubeExistsError: FileExistsError,
    FormatError: ValueError,
    GridMismatchError: ValueError,
    MismatchError: ValueError,
    SlotError: ValueError,
    NotWritableError: OSError,
    DamagedError: OSError,
}


@pytest.mark.parametrize(("error", "built_in"), BUILT_IN.items())
def test_each_error_is_the_built_in_that_it_specialises(error, built_in):
    assert issubclass(error, built_in)
    assert issubclass(error, cubestore.CubestoreError)


# Names.


@pytest.mark.parametrize(
    "tile",
    [
        "../x",
        "../../etc",
        "31XXX",
        "31UDQ/..",
        "31udq",
        "31UD",
        "31UDQ ",
        "99ZZZ",
        "h18v18",
        "h36v04",
        "h00v00",  # wholly off the Earth
        "",
        ".",
        ".control",
    ],
)
@pytest.mark.usefixtures("cube")
def test_a_tile_that_is_none(store, tmp_path, tile):
    for act in (
        lambda: store.create_cube(tile, "sentinel-2-l2a"),
        lambda: store.cube(tile, "sentinel-2-l2a"),
        lambda: store.open_tile(tile),
    ):
        assert tile in refuses(UnknownTileError, tmp_path, act)


@pytest.mark.parametrize("sensor", ["", "..", "sentinel-2", "Sentinel-2-L2A", "sentinel-2-l2a/.."])
@pytest.mark.usefixtures("cube")
def test_a_sensor_that_is_none(store, tmp_path, sensor):
    refuses(UnknownSensorError, tmp_path, lambda: store.create_cube("31UDQ", sensor))
    refuses(UnknownSensorError, tmp_path, lambda: store.cube("31UDQ", sensor))


def test_the_nearest_sensor_is_suggested(store, tmp_path):
    said = refuses(UnknownSensorError, tmp_path, lambda: store.cube("31UDQ", "Sentinel-2-L2A"))
    assert "the nearest is 'sentinel-2-l2a'" in said


@pytest.mark.usefixtures("cube")
def test_a_cube_that_is_not_there(store, tmp_path):
    refuses(UnknownCubeError, tmp_path, lambda: store.cube("31UDQ", "sentinel-2-l2a"))
    refuses(UnknownCubeError, tmp_path, lambda: store.open_tile("31UDQ"))


# Cubes that cannot be made.


@pytest.mark.parametrize(
    ("tile", "sensor", "options"),
    [
        ("31UDQ", "modis-09a1", {}),  # a tile of the other grid
        ("h18v04", "sentinel-2-l2a", {}),
        ("31UDQ", "sentinel-2-l2a", {"bands": ["B02", "B99"]}),
        ("31UDQ", "sentinel-2-l2a", {"bands": ["B02", "B02"]}),
        ("31UDQ", "sentinel-2-l2a", {"bands": []}),
        ("31UDQ", "sentinel-2-l2a", {"bands": "B02"}),  # a string is no list of bands
        ("31UDQ", "sentinel-2-l2a", {"bands": ["red"]}),
        ("31UDQ", "sentinel-2-l2a", {"layers": ["surface_temperature"]}),
    ],
)
@pytest.mark.usefixtures("cube")
def test_a_cube_that_its_sensor_cannot_be(store, tmp_path, tile, sensor, options):
    refuses(MismatchError, tmp_path, lambda: store.create_cube(tile, sensor, **options))


@pytest.mark.usefixtures("cube")
def test_a_cube_twice(store, tmp_path):
    refuses(CubeExistsError, tmp_path, lambda: store.create_cube("h18v04", "modis-09a1"))
    options = {"bands": ["sur_refl_b01"]}
    refuses(CubeExistsError, tmp_path, lambda: store.create_cube("h18v04", "modis-09a1", **options))


# Pixels that do not match.


CHANGES = {
    "nothing": lambda _: {},
    "one alone": lambda p: {"reflectance": p["reflectance"]},
    "one more": lambda p: {**p, "ndvi": p["state"]},
    "three bands": lambda p: {**p, "reflectance": p["reflectance"][:3]},
    "no band axis": lambda p: {**p, "reflectance": p["reflectance"][0]},
    "a time axis": lambda p: {**p, "reflectance": p["reflectance"][None]},
    "floats": lambda p: {**p, "reflectance": p["reflectance"].astype("float32")},
    "another sign": lambda p: {**p, "reflectance": p["reflectance"].astype("uint16")},
    "another byte order": lambda p: {**p, "reflectance": p["reflectance"].astype(">i2")},
    "narrower": lambda p: {**p, "state": p["state"].astype("uint8")},
    "a band axis": lambda p: {**p, "state": p["state"][None]},
    "a number": lambda p: {**p, "state": np.uint16(3)},
    "lists": lambda p: {**p, "state": p["state"].tolist()},
}


@pytest.mark.parametrize("change", CHANGES)
def test_pixels_of_other_variables_bands_or_dtypes(cube, pixels, tmp_path, change):
    changed = CHANGES[change](pixels)
    refuses(MismatchError, tmp_path, lambda: cube.append(SLOT, changed, origin=(2048, 2048)))


@pytest.mark.parametrize(
    "origin",
    [(0, 0), (2048, 0), (-2048, 2048), (2047, 2048), (4096, 2048), (2048,), (0, 2048, 2048)],
)
def test_pixels_that_lie_elsewhere(cube, pixels, tmp_path, origin):
    refuses(GridMismatchError, tmp_path, lambda: cube.append(SLOT, pixels, origin=origin))


@pytest.mark.parametrize("rows", [slice(0, 351), slice(0, 0)])
def test_pixels_that_do_not_reach_the_edge(cube, pixels, tmp_path, rows):
    cut = {name: values[..., rows, :] for name, values in pixels.items()}
    refuses(GridMismatchError, tmp_path, lambda: cube.append(SLOT, cut, origin=(2048, 2048)))
    one = {**pixels, "state": cut["state"]}
    refuses(GridMismatchError, tmp_path, lambda: cube.append(SLOT, one, origin=(2048, 2048)))


@pytest.mark.parametrize(
    ("name", "index", "shape", "dtype"),
    [
        ("ndvi", (1, 1, 1), (1, 352, 352), "uint16"),
        ("state", (1, 1), (1, 352, 352), "uint16"),
        ("state", (1, 2, 1), (1, 352, 352), "uint16"),
        ("state", (-1, 1, 1), (1, 352, 352), "uint16"),
        ("state", (1, 1, 1), (352, 352), "uint16"),
        ("state", (1, 1, 1), (1, 2048, 2048), "uint16"),
        ("state", (1, 1, 1), (1, 352, 352), "int16"),
    ],
)
def test_a_block_that_is_none_of_the_cubes(cube, tmp_path, name, index, shape, dtype):
    def act():
        with cube.write() as writer:
            writer.staging.write(name, index, np.zeros(shape, dtype))

    refuses(MismatchError, tmp_path, act)


# Slots.


def test_a_time_that_is_none(cube, pixels, tmp_path):
    refuses(SlotError, tmp_path, lambda: Slot(time=np.datetime64("NaT"), item_id="new"))
    bad = Slot(time="2024-01-02", item_id="new", time_end=np.datetime64("NaT"))
    refuses(SlotError, tmp_path, lambda: cube.append(bad, pixels, origin=(2048, 2048)))


def test_a_scene_that_the_cube_has(cube, pixels, tmp_path):
    again = Slot(time="2024-01-01", item_id="a")
    refuses(SlotError, tmp_path, lambda: cube.append(again, pixels, origin=(2048, 2048)))
    loose = Slot(time="2024-01-02", item_id="new", supersedes="nowhere")
    refuses(SlotError, tmp_path, lambda: cube.append(loose, pixels, origin=(2048, 2048)))


def test_after_a_refusal_the_next_append_succeeds(cube, pixels, tmp_path):
    wrong = {**pixels, "state": pixels["state"].astype("uint8")}
    refuses(MismatchError, tmp_path, lambda: cube.append(SLOT, wrong, origin=(2048, 2048)))
    assert cube.append(SLOT, pixels, origin=(2048, 2048)) == 1
    assert not cube.verify().findings


# Directories and files that are no store, or of another time.


def test_a_path_that_is_no_store(tmp_path, cube):
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").write_bytes(b"jpg")
    nowhere = ["missing", "file", "empty", "photos", "file/below", "store/sin", "store/sin/h18v04"]
    for name in (*nowhere, cube.path):
        refuses(NotAStoreError, tmp_path, lambda n=name: cubestore.open_store(tmp_path / n))
        refuses(NotAStoreError, tmp_path, lambda n=name: cubestore.open_tile(tmp_path / n, "31UDQ"))
    for name in ("file", "photos", "store/sin", cube.path):
        refuses(NotAStoreError, tmp_path, lambda n=name: cubestore.create_store(tmp_path / n))


def test_a_store_is_written_on_a_file_system(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuses(NotWritableError, tmp_path, lambda: cubestore.create_store("s3://bucket/store"))


@pytest.mark.usefixtures("cube")
def test_making_a_store_twice_leaves_it_as_it_is(store, tmp_path):
    before = files(tmp_path)
    assert cubestore.create_store(store.path) == store
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"zarr_format": 3, "node_type": "group"}', "\x00" * 64],
)
@pytest.mark.usefixtures("cube")
def test_a_marker_that_is_not_whole(store, tmp_path, text):
    (tmp_path / "store/zarr.json").write_text(text)
    refuses(NotAStoreError, tmp_path, lambda: cubestore.open_store(store.path))
    refuses(NotAStoreError, tmp_path, lambda: cubestore.create_store(store.path))


def rewrite(path, change):
    document = json.loads(path.read_bytes())
    change(document["attributes"])
    path.write_text(json.dumps(document))


def every_use(cube, pixels):
    return [
        cube.root,
        cube.open,
        cube.info,
        lambda: cube.append(SLOT, pixels, origin=(2048, 2048)),
        lambda: cubestore.open_store(cube.store).cube(cube.tile.id, cube.sensor.id),
        lambda: cubestore.open_tile(cube.store, cube.tile.id),
    ]


@pytest.mark.parametrize("found", [2, 0, "1", None])
def test_a_cube_of_another_format(cube, pixels, tmp_path, found):
    path = cube.control.group / "zarr.json"
    rewrite(path, lambda attributes: attributes.update({"cubestore:format": found}))
    for act in every_use(cube, pixels):
        assert f"format {found}" in refuses(FormatError, tmp_path, act)


def test_a_store_of_another_format(store, tmp_path):
    path = tmp_path / "store/zarr.json"
    rewrite(path, lambda attributes: attributes.update({"cubestore:format": 2}))
    refuses(FormatError, tmp_path, lambda: cubestore.open_store(store.path))
    refuses(FormatError, tmp_path, lambda: cubestore.create_store(store.path))


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_root_that_was_cut_short(cube, pixels, tmp_path, kept):
    path = cube.control.group / "zarr.json"
    path.write_bytes(path.read_bytes()[:kept])
    for act in every_use(cube, pixels):
        refuses(FormatError, tmp_path, act)


@pytest.mark.parametrize(
    "text",
    [
        '{"zarr_format": 3, "node_type": "group", "attributes": {}}',
        '{"zarr_format": 3, "node_type": "array", "attributes": {"cubestore:commit": 5}}',
        '{"attributes": {"cubestore:commit": {"number": "x", "digest": ""}}}',
        "[1, 2]",
        '"text"',
    ],
)
def test_a_group_that_is_no_cube(cube, pixels, tmp_path, text):
    (cube.control.group / "zarr.json").write_text(text)
    for act in every_use(cube, pixels):
        refuses(FormatError, tmp_path, act)


def test_coordinates_that_are_damaged(cube, tmp_path):
    path = cube.control.group / "x/c/0"
    path.write_bytes(path.read_bytes()[:-1])
    assert "x/c/0" in refuses(DamagedError, tmp_path, cube.open)


@pytest.mark.usefixtures("cube")
def test_other_directories_in_a_store_are_no_cubes(store, tmp_path):
    for name in ("mgrs/31UDQ/notes", "mgrs/31UDQ/sentinel-2-l2a", "sin/h18v04/.x", "index/chips"):
        (tmp_path / "store" / name).mkdir(parents=True)
    (tmp_path / "store/mgrs/readme.txt").write_text("mine")
    (tmp_path / "store/mgrs/31UDQ/notes/zarr.json").write_text("{}")
    assert store.cubes() == [("h18v04", "modis-09a1")]
