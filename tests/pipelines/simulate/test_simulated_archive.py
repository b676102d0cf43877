"""The files and items of a simulated archive: published shapes, and exactly the truth in them."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.windows import Window

from cubestore.grids import tile, tiles_at
from cubestore_pipelines.simulate import assets
from cubestore_pipelines.simulate.archive import NEIGHBOUR, PLACE, TILE, demo_plan, make_archive
from cubestore_pipelines.simulate.archive import tiny_plan as tiny
from cubestore_pipelines.simulate.granules import GSD, Swath, part

BANDS = tuple(band for band in GSD if band != "B10")
BEFORE, AGAIN, AFTER, OTHER_ZONE, NORTH, SOUTH = range(6)

PUBLISHED = {
    "ESRI": "planetary_computer/sentinel-2-l2a/S2A_MSIL2A_20190101T000001_R116_T58UFE_*.json",
    "MSFT": "extension_examples/S2A_MSIL2A_20231107T144731_R139_T20QRF_*.json",
}


@pytest.mark.parametrize(
    ("centre", "which"), [("ESRI", BEFORE), ("ESRI", AGAIN), ("MSFT", AFTER), ("MSFT", OTHER_ZONE)]
)
def test_items_have_the_published_shape(archive, shared_data, centre, which):
    paths = list((shared_data / "stac_items").glob(PUBLISHED[centre]))
    if not paths:
        pytest.skip(f"needs {PUBLISHED[centre]}")
    published, item = json.loads(paths[0].read_text()), archive.items[which]
    assert set(item) == set(published)
    assert set(item["properties"]) == set(published["properties"])
    assert item["stac_extensions"] == published["stac_extensions"]
    assert list(map(set, item["links"])) == list(map(set, published["links"]))
    assert set(item["assets"]) == set(published["assets"])
    for key, asset in published["assets"].items():
        own = item["assets"][key]
        assert set(own) == set(asset), key
        assert {k: own[k] for k in _FIXED & set(own)} == {k: asset[k] for k in _FIXED & set(asset)}
        assert _pattern(own["href"]) == _pattern(asset["href"]), key
    for key, value in published["properties"].items():
        assert type(item["properties"][key]) in _like(value), key
        if key in _NAMES:
            assert _pattern(item["properties"][key]) == _pattern(value), key


_FIXED = {"type", "roles", "title", "eo:bands", "gsd"}
_NAMES = ("s2:datatake_id", "s2:product_uri", "s2:datastrip_id", "s2:tile_id", "s2:granule_id")


def _like(value):
    return (int, float) if type(value) in (int, float) else (type(value),)


def _pattern(text):
    """A name with every digit, tile and separator of decimals made alike."""
    text = text.replace("https://sentinel2", "http://sentinel2")
    letters = "".join("9" if letter.isdigit() else letter for letter in text)
    for known in ("99UFE", "99QRF", f"99{TILE[2:]}", f"99{NEIGHBOUR[2:]}"):
        letters = letters.replace(known, "TILE").replace(
            f"{known[:2]}/{known[2]}/{known[3:]}", "TILE"
        )
    return letters


def test_the_collection_has_the_published_assets(archive, shared_data):
    path = shared_data / "stac_items/planetary_computer/sentinel-2-l2a/collection.json"
    if not path.exists():
        pytest.skip(f"needs {path}")
    published, collection = json.loads(path.read_text()), archive.collections[0]
    assert collection["item_assets"] == published["item_assets"]
    for key in ("id", "msft:container", "msft:storage_account", "license", "stac_extensions"):
        assert collection[key] == published[key]


def test_all_files_of_an_item_are_there(archive):
    container = archive.blobs / assets.ACCOUNT / assets.CONTAINER
    for item in archive.items:
        for key in assets.FILES:
            name = item["assets"][key]["href"].removeprefix(assets.BLOBS + "/")
            assert (container / name).is_file(), key


@pytest.mark.parametrize("which", range(6))
def test_files_hold_the_truth(archive, which):
    granule = archive.granules[which]
    grid, window = _window(granule)
    truth = archive.truth(grid, granule.item_id, bands=BANDS)
    for index, band in enumerate(BANDS):
        numbers = _read(archive, granule, band, window).astype(int)
        expected = truth["reflectance"][index].astype(int)
        reflectance = np.where(numbers == 0, -32768, numbers - granule.offset)
        np.testing.assert_array_equal(reflectance, expected, err_msg=band)
    np.testing.assert_array_equal(_read(archive, granule, "SCL", window), truth["quality"])
    assert (truth["quality"] == 0).any()
    assert (truth["quality"] != 0).any()
    np.testing.assert_array_equal(truth["quality"] == 0, truth["cloud_class"] == 255)


def test_digital_numbers_have_the_offset_of_their_baseline(archive):
    before, again = (archive.granules[one] for one in (BEFORE, AGAIN))
    _, window = _window(before)
    numbers = [_read(archive, one, "B02", window).astype(int) for one in (before, again)]
    valid = numbers[0] > 0
    assert {one.baseline for one in (before, again)} == {"03.01", "05.00"}
    np.testing.assert_array_equal(numbers[1][valid] - numbers[0][valid], 1000)
    assert not numbers[1][~valid].any()
    assert np.quantile(numbers[0][valid], 0.01) < 1000 < numbers[1][valid].min()


def test_a_duplicate_is_the_same_scene_processed_again(archive):
    before, again = (archive.items[one]["properties"] for one in (BEFORE, AGAIN))
    strips = [one["s2:datastrip_id"].split("_S")[-1][:15] for one in (before, again)]
    takes = [one["s2:datatake_id"].rsplit("_N", 1)[0] for one in (before, again)]
    assert len(set(strips)) == len(set(takes)) == 1
    assert before["s2:generation_time"] < again["s2:generation_time"]


def test_two_datastrips_share_rows_with_the_same_ground(archive):
    north, south = (archive.granules[one] for one in (NORTH, SOUTH))
    assert north.time == south.time
    assert north.strip < south.strip
    grid, _ = _window(north)
    parts = [archive.truth(grid, one.item_id) for one in (north, south)]
    valid = [part["quality"] != 0 for part in parts]
    shared = valid[0] & valid[1]
    assert shared.any(axis=1).sum() == 60
    np.testing.assert_array_equal(
        parts[0]["reflectance"][:, shared], parts[1]["reflectance"][:, shared]
    )
    mosaic = archive.truth(grid, south.item_id, north.item_id)
    np.testing.assert_array_equal(mosaic["quality"] != 0, valid[0] | valid[1])
    np.testing.assert_array_equal(
        mosaic["reflectance"][:, valid[0]], parts[0]["reflectance"][:, valid[0]]
    )


def test_the_neighbour_of_the_other_zone_overlaps(archive):
    assert [one.id for one in tiles_at(*PLACE)] == [TILE, NEIGHBOUR]
    here, there = (archive.items[one] for one in (AFTER, OTHER_ZONE))
    assert here["properties"]["proj:epsg"] != there["properties"]["proj:epsg"]
    shapes = [shapely.geometry.shape(one["geometry"]) for one in (here, there)]
    assert shapes[0].intersection(shapes[1]).area > 0.9 * shapes[0].area
    assert all(shape.covers(shapely.Point(PLACE)) for shape in shapes)
    for item, shape in zip((here, there), shapes, strict=True):
        assert tile(item["id"].split("_T")[1][:5]).footprint.covers(shape)
        assert item["bbox"] == pytest.approx(shape.bounds)


def test_windows_cross_the_border_of_shards():
    for plan in (tiny(), demo_plan()):
        rows, _ = plan[0].window(10)
        assert rows.start // 2048 != rows.stop // 2048


def test_files_are_cloud_optimised(archive):
    """Tiled, with the directory before the blocks, and no block where there are no data."""
    granule = archive.granules[BEFORE]
    for asset, gsd in (("B02", 10), ("SCL", 20), ("B01", 60), ("visual", 10)):
        path = _path(archive, granule, asset)
        with rasterio.open(path) as file:
            assert file.shape == granule.grid(gsd).shape
            assert file.transform == granule.grid(gsd).affine
            assert file.crs.to_epsg() == 32631
            assert file.nodata == 0
            assert file.block_shapes[0] == (512, 512)
            assert file.compression.name == "deflate"
        tags = _directory(path)
        offsets = [one for one in tags[324] if one]
        assert min(offsets) > tags["end"]
        if gsd == 10:
            assert len(offsets) <= 4


def test_an_archive_is_completed_and_what_is_there_is_kept(archive, copied):
    archive = copied(archive)
    files = {path: path.stat().st_mtime_ns for path in archive.blobs.rglob("*.tif")}
    record = archive.directory / "items" / f"{archive.granules[BEFORE].item_id}.json"
    before = record.read_text()
    record.unlink()
    again = make_archive(archive.directory, tiny())
    assert record.read_text() == before
    assert again == archive
    changed = {path for path, time in files.items() if path.stat().st_mtime_ns != time}
    assert {archive.granules[BEFORE].product in str(path) for path in changed} == {True}


def test_an_archive_of_other_scenes_is_refused(archive):
    with pytest.raises(FileExistsError, match="other scenes"):
        make_archive(archive.directory, tiny()[:1])


def test_a_slanting_swath_is_cut_pixel_by_pixel():
    swath = Swath(top=600, bottom=1800, left=1200, right=2400, slant=0.5)
    corner = part(tile(TILE).geobox(10), np.s_[0:200, 0:300])
    rows, columns = swath.window(10, 109_800)
    covered = swath.covers(corner, tile(TILE).geobox(60))
    assert covered[60].nonzero()[0].tolist() == list(range(120, 240))
    assert covered[179].nonzero()[0].tolist() == list(range(60, 180))
    assert covered[rows, columns].sum() == covered.sum()
    assert (rows.start, rows.stop, columns.start, columns.stop) == (60, 180, 60, 240)


def test_the_demo_has_what_makes_archives_hard():
    plan = demo_plan()
    assert len({one.item_id for one in plan}) == len(plan) == 11
    assert {one.offset for one in plan} == {0, 1000}
    assert {one.tile for one in plan} == {TILE, NEIGHBOUR}
    assert {one.platform for one in plan} == {"2A", "2B"}
    assert any(one.swath.slant for one in plan)
    assert max(one.cloudiness for one in plan) >= 0.9
    assert all(replace(one, swath=plan[0].swath) != plan[0] for one in plan[1:])


def _window(granule):
    """The 10 m pixels about a granule, and a margin of odd width."""
    rows, columns = granule.window(10)
    outer = slice(rows.start - 7, rows.stop + 5), slice(columns.start - 3, columns.stop + 11)
    return part(granule.grid(10), outer), outer


def _read(archive, granule, asset, window):
    """Pixels of a file, repeated to 10 m."""
    gsd = GSD.get(asset, 20)
    times = gsd // 10
    outer = [slice(one.start // times, -(-one.stop // times)) for one in window]
    with rasterio.open(_path(archive, granule, asset)) as file:
        values = file.read(1, window=Window.from_slices(*outer))
    values = values.repeat(times, axis=0).repeat(times, axis=1)
    inner = [
        slice(one.start - out.start * times, one.stop - out.start * times)
        for one, out in zip(window, outer, strict=True)
    ]
    return values[tuple(inner)]


def _path(archive, granule, asset):
    return archive.blobs / assets.ACCOUNT / assets.CONTAINER / assets.path(granule, asset)


def _directory(path):
    """The offsets of a TIFF's blocks, and the end of its first directory."""
    data = path.read_bytes()
    start, following = struct.unpack("<I", data[4:8])[0], 2
    count = struct.unpack("<H", data[start : start + 2])[0]
    tags = {"end": start + following + 12 * count + 4}
    for entry in range(count):
        at = start + following + 12 * entry
        tag, _, length, value = struct.unpack("<HHII", data[at : at + 12])
        if tag == 324:
            tags[tag] = struct.unpack(f"<{length}I", data[value : value + 4 * length])
            tags["end"] = max(tags["end"], value + 4 * length)
    return tags
