"""Clay's way: the scenes of each chip's granule, from the simulated archive, on the chip's bounds.

What a patch must hold is computed from the simulated landscape, never from a file.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cubestore
from cubestore.errors import CubeExistsError
from cubestore_pipelines.benchmarks.floods import import_floods
from cubestore_pipelines.errors import CatalogError, NothingFoundError
from cubestore_pipelines.simulate import floods, published
from cubestore_pipelines.simulate.archive import make_archive
from cubestore_pipelines.simulate.server import serving

PROGRAM = Path(sys.executable).with_name("cubestore")
NAME, SIDE = "c2sms/clay", 512
REPROCESSED = "S2A_MSIL2A_20210718T103031_R108_T31UGQ_20230615T194731"
JULY = "S2A_MSIL2A_20230718T103031_R108_T31UGQ_20230718T194731"
BESIDE = "S2A_MSIL2A_20230718T103031_R108_T32ULV_20230718T194731"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_archive(tmp_path_factory.mktemp("archive"), floods.plan())


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    return floods.write_chips(tmp_path_factory.mktemp("published"), floods.events())


@pytest.fixture(scope="module")
def catalog(archive, tmp_path_factory):
    """Return a catalogue of the archive's files on this disk, with some items changed or absent."""

    def catalog(change=lambda item: item):
        features = [item for item in map(change, map(_local, archive.items)) if item]
        path = tmp_path_factory.mktemp("catalog") / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return str(path)

    def _local(item):
        item = json.loads(json.dumps(item))
        for asset in item["assets"].values():
            asset["href"] = str(published.lies(archive.directory, _plain(asset["href"])))
        return item

    def _plain(address):
        return address.replace("https://", "http://")

    return catalog


@pytest.fixture(scope="module")
def cubed(archive, chips, tmp_path_factory):
    """The program as a user runs it, against the archive's API: what it told, and the store."""
    store = tmp_path_factory.mktemp("store") / "store"
    with serving(archive) as server:
        command = [PROGRAM, "import", "floods", chips, store, "--catalog", server.stac_url]
        done = subprocess.run(
            [*map(str, command), "--json"],
            env={**os.environ, **server.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
    assert done.returncode == 3, done.stderr
    return json.loads(done.stdout)["sets"][0], cubestore.open_store(store)


def events_of(data):
    """Return the patches with the events and the grids that they were cut from."""
    known = {event.name: event for event in floods.events()}
    for number, name in enumerate(map(str, data.patch_id.values)):
        event = known[name.partition("/")[0]]
        corner = next(c for c in event.corners if name.endswith(floods.position_of(c)))
        yield data.isel(patch=number), event, event.grid(corner)


def test_every_patch_holds_what_was_on_its_ground(cubed, archive):
    told, store = cubed
    assert (told["name"], told["patches"]) == (NAME, 4)
    data = store.patches(NAME).open(mask_and_scale=False)
    assert data.band_s1.values.tolist() == ["vh", "vv"], "Clay's order"
    for patch, event, grid in events_of(data):
        optical = archive.truth(grid, patch.item_id.item())["reflectance"]
        np.testing.assert_array_equal(patch.reflectance, optical)
        radar = archive.truth(grid, *patch.item_id_s1.item().split())["backscatter"]
        np.testing.assert_array_equal(patch.backscatter_s1, radar[::-1])
        heights = archive.truth(grid, patch.item_id_dem.item())["elevation"]
        apart = np.abs(patch.elevation_dem.values - heights)
        assert np.quantile(apart, 0.9) < 4, "interpolated between the nearest"
        labels = floods.water(event, grid)
        np.testing.assert_array_equal(patch.water_s1, labels["s1"])
        np.testing.assert_array_equal(patch.water_s2, labels["s2"])


def test_scenes_are_those_of_the_granule_and_of_the_benchmarks_list(cubed):
    _, store = cubed
    data = store.patches(NAME).open()
    for patch, event, _ in events_of(data):
        summer = event.granule.time.year == 2021
        assert patch.item_id.item() == (REPROCESSED if summer else JULY), "the newest processing"
        assert patch.dn_offset.item() == -1000
        assert patch.granule.item() == event.granule.product.replace("L2A", "L1C")
        taken = patch.item_id_s1.item().split()
        listed = {one.frame.item_id for one in floods.events()}
        assert event.frame.item_id in taken
        assert set(taken) <= listed
        assert len(taken) == (1 if summer else 2), "both frames of a pass that the list has"
        assert abs(patch.time - patch.time_s1) < np.timedelta64(3, "D")
        assert "?" not in patch.source_url.item()


def test_a_chip_without_its_scene_is_listed_and_left_out(cubed):
    told, store = cubed
    (reason,) = told["left_out"]
    lost = floods.events()[-1]
    assert reason.startswith(lost.name)
    assert "has no sentinel-2-l2a of the granule S2A_MSIL1C_20200713T103031" in reason
    assert lost.name not in set(store.patches(NAME).open().event.values)


def test_thirteen_bands_stream_together(cubed):
    _, store = cubed
    count = 0
    others = ["backscatter_s1", "elevation_dem", "water_s1", "water_s2"]
    for batch in cubestore.batches(
        store, patches=NAME, sensor="reflectance", chip_size=SIDE, batch_size=2, variables=others
    ):
        count += len(batch["chipid"])
        bands = [batch["pixels"], batch["backscatter_s1"], batch["elevation_dem"][:, None]]
        assert np.concatenate(bands, axis=1).shape[1:] == (13, SIDE, SIDE)
        assert batch["valid"].mean() > 0.99
    assert count == 4


@pytest.fixture
def cube(chips, tmp_path):
    """Go Clay's way through one event's chips, in a store of its own."""

    def cube(catalog, event=1, **options):
        source = tmp_path / "chips"
        source.mkdir(exist_ok=True)
        name = floods.events()[event].name
        if not (source / name).exists():
            (source / name).symlink_to(chips / name)
        (made,) = import_floods(source, tmp_path / "store", catalog=catalog, **options)
        data = cubestore.open_store(tmp_path / "store").patches(NAME).open(mask_and_scale=False)
        return made, data

    return cube


def test_clays_own_choice_can_be_had(cube, catalog, archive):
    """The day's first item, whichever granule it is: here one of the neighbouring tile."""
    _, data = cube(catalog(), compat="clay")
    assert data.item_id.values.tolist() == [BESIDE]
    ((patch, _, grid),) = events_of(data)
    heights = archive.truth(grid, patch.item_id_dem.item())["elevation"]
    assert (patch.elevation_dem.values == heights).mean() > 0.999, "nearest, as all that it read"


def baseline_untold(item):
    """Take out of an item whatever tells its baseline."""
    if item["id"] == JULY:
        told = item["properties"]
        for name in ("s2:processing_baseline", "processing:version", "s2:product_uri"):
            told.pop(name, None)
    return item


def unreadable(item):
    if item["id"] == JULY:
        item["assets"]["B04"]["href"] += ".gone"
    return item


def without(collection):
    return lambda item: None if item["collection"] == collection else item


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        # Nobody can tell whether the offset is in the pixels: never guessed.
        (baseline_untold, r"does not tell whether its pixels carry the offset.*--dn-offset"),
        (unreadable, rf"{JULY}, asset B04.*cannot be read"),
        (without("sentinel-1-rtc"), r"no sentinel-1-rtc of the benchmark's own list within three"),
        (without("cop-dem-glo-30"), r"no cop-dem-glo-30 of the place"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_stands_in_for_it(cube, catalog, change, reason):
    with pytest.raises(
        NothingFoundError, match=f"None of 1 patches of c2sms/clay can be taken. .*{reason}"
    ):
        cube(catalog(change))


def test_the_users_word_decides_an_offset(cube, catalog, archive):
    _, data = cube(catalog(baseline_untold), dn_offset=-1000)
    ((patch, _, grid),) = events_of(data)
    np.testing.assert_array_equal(patch.reflectance, archive.truth(grid, JULY)["reflectance"])
    assert patch.dn_offset_source.item() == "the user's word"


def test_a_catalogue_that_does_not_answer_leaves_the_store_as_it_was(cube, tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    with pytest.raises(CatalogError):
        cube(str(tmp_path / "nothing.json"))
    assert store.patch_sets() == []


def test_what_was_left_out_is_told_again(cube, catalog):
    """A set that is there says which of the source's chips it has not."""
    address = catalog(lambda item: None if "_2021" in item["id"] else item)
    both = {"event": 0}, {"event": 1}
    with pytest.raises(NothingFoundError):
        cube(address, **both[0])
    made, _ = cube(address, **both[1])
    assert (made.patches, len(made.left_out)) == (1, 2)
    again, _ = cube(address, **both[1])
    assert again == made


def test_options_that_change_no_pixel_make_no_other_set(cube, catalog):
    address = catalog()
    first, _ = cube(address)
    again, _ = cube(address, timeout=5.0, profile=None, resampling="", skip_item=())
    assert again == first
    with pytest.raises(CubeExistsError, match="made from other files or with other options"):
        cube(address, compat="clay")
