"""The files of all missions hold exactly the truth, on their own pixels and on a cube's."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.windows import Window

from cubestore import grids
from cubestore.sensors import SENSORS
from cubestore_pipelines.simulate import linz, published, rasters
from cubestore_pipelines.simulate.archive import (
    NEIGHBOUR,
    TILE,
    everything_plan,
    make_archive,
    tiny_everything_plan,
)
from cubestore_pipelines.simulate.plane import part
from cubestore_pipelines.simulate.plans import COAST, CROSSING, HARBOUR, PLAINS, SEA

SCENES = [one for one in tiny_everything_plan() if getattr(one, "sensor", "")]

PLACES = {"naip": ("14SNH", PLAINS), "linz": ("60GUV", HARBOUR)}

NUMBERED = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
LANDSAT = dict(zip(NUMBERED, range(1, 8), strict=True))


def name(scene):
    return f"{scene.collection}/{scene.item_id}"


def cube(scene):
    """A part of a cube's pixels about what a scene shows: askew, and larger."""
    tile_id, place = PLACES.get(scene.sensor, (TILE, CROSSING))
    if "_072089_" in scene.item_id:
        tile_id, place = PLACES["linz"]
    if "W004" in scene.item_id:
        tile_id, place = "30UVA", COAST
    tile = grids.tile("h18v04" if scene.sensor == "modis-09a1" else tile_id)
    sensor = SENSORS[scene.sensor]
    whole = tile.geobox(sensor.gsd, margin=sensor.margin)
    side = round((900 if scene.sensor == "linz" else 334) * sensor.gsd)
    return rasters.square(whole, rasters.Square(*place, side)).part


@pytest.fixture
def files(everything):
    """The files of a scene that hold something for a cube, as ``(variable, band, path, band)``."""

    def found(scene):
        if scene.sensor == "linz":
            folder = linz.home(everything.directory) / scene.survey.folder
            path = folder / f"{scene.item_id}.tiff"
            return [("brightness", band, path, i + 1) for i, band in enumerate(linz.BANDS)]
        item = json.loads((everything.directory / "items" / f"{scene.item_id}.json").read_text())
        return [
            (variable, band, published.lies(everything.directory, asset["href"]), index)
            for key, asset in item["assets"].items()
            for variable, band, index in meaning(scene.sensor, key)
        ]

    return found


def meaning(sensor, asset):
    if sensor.startswith("landsat"):
        others = {
            "qa_pixel": "quality",
            "qa_radsat": "saturation",
            "lwir11": "surface_temperature" if sensor == "landsat-c2-l2" else None,
        }
        if asset in LANDSAT:
            return [("reflectance", f"B{LANDSAT[asset]}", 1)]
        return [(others[asset], None, 1)] if others.get(asset) else []
    layers = {
        "sur_refl_qc_500m": "quality",
        "sur_refl_state_500m": "state",
        "sur_refl_day_of_year": "day_of_year",
        "sur_refl_szen": "solar_zenith_angle",
        "sur_refl_vzen": "view_zenith_angle",
        "sur_refl_raz": "relative_azimuth_angle",
    }
    if asset in layers:
        return [(layers[asset], None, 1)]
    if asset.startswith("sur_refl_b"):
        return [("reflectance", asset, 1)]
    quad = [("brightness", band, i + 1) for i, band in enumerate(("red", "green", "blue", "nir"))]
    pixels = {"vv": "backscatter", "vh": "backscatter", "data": "elevation", "map": "land_cover"}
    band = {"data": "elevation"}.get(asset, asset)
    return quad if asset == "image" else [(pixels[asset], band, 1)] if asset in pixels else []


def stored(variable, values, mask):
    """What a cube stores of a file's values, by rules written down here once more."""
    if variable == "backscatter":
        return np.where(values <= 0, np.float32("nan"), values)
    if variable == "brightness":
        return np.where(mask, np.maximum(values, 1), 0)
    return values


def masked(scene, file, values):
    if scene.sensor == "linz":
        return values[3] > 0 if scene.survey.alpha else (values[:3] != file.nodata).any(axis=0)
    return np.ones(values.shape[1:], bool)


OPTICAL = [one for one in SCENES if one.sensor not in ("", "sentinel-2-l2a")]


@pytest.mark.parametrize("scene", OPTICAL, ids=name)
def test_files_hold_the_truth(everything, files, scene):
    window = scene.patch.window
    grid = part(scene.patch.whole, window)
    bands = [band for variable, band, _, _ in files(scene) if band]
    truth = everything.truth(grid, name(scene), bands=list(dict.fromkeys(bands)))
    assert files(scene)
    for variable, band, path, index in files(scene):
        with rasterio.open(path) as file:
            assert file.shape == tuple(scene.patch.whole.shape)
            values = file.read(window=Window.from_slices(*window))
            own = stored(variable, values[index - 1], masked(scene, file, values))
        expected = truth[variable]
        if expected.ndim == 3:
            expected = expected[list(dict.fromkeys(bands)).index(band)]
        if variable == "saturation":
            expected = np.where(truth["quality"] == 1, 0, expected)
        np.testing.assert_array_equal(own, expected, err_msg=f"{variable} {band}")


@pytest.mark.parametrize("scene", OPTICAL, ids=name)
def test_a_cube_has_the_pixel_that_holds_its_centre(everything, files, scene):
    """GDAL is asked for the same places, whose coordinates are PROJ's."""
    grid = cube(scene)
    truth = everything.truth(grid, name(scene))
    random = np.random.default_rng(7)
    rows, columns = (random.integers(0, count, 400) for count in grid.shape)
    x = grid.affine.c + grid.affine.a * (columns + 0.5)
    y = grid.affine.f + grid.affine.e * (rows + 0.5)
    bands = [band.name for band in SENSORS[scene.sensor].bands]
    valid = 0
    for variable, band, path, index in files(scene):
        if (band and band not in bands) or variable == "saturation":
            continue
        with rasterio.open(path) as file:
            to_file = pyproj.Transformer.from_crs(
                str(grid.crs), str(scene.patch.whole.crs), always_xy=True
            )
            places = list(zip(*to_file.transform(x, y), strict=True))
            values = np.array(list(file.sample(places))).T
            own = stored(variable, values[index - 1], masked(scene, file, values))
            box = file.bounds
        inside = [box.left <= e < box.right and box.bottom < n <= box.top for e, n in places]
        expected = truth[variable][..., rows, columns]
        expected = expected[bands.index(band)] if band else expected
        np.testing.assert_array_equal(own[inside], expected[inside], err_msg=f"{variable} {band}")
        valid += np.isfinite(expected[inside]).sum()
    assert valid


@pytest.mark.parametrize("scene", SCENES, ids=name)
def test_the_truth_has_the_variables_of_a_cube(everything, scene):
    sensor = SENSORS[scene.sensor]
    truth = everything.truth(cube(scene), name(scene))
    required = {layer.name: layer for layer in (sensor.pixels, *sensor.layers)}
    known = required | {layer.name: layer for layer in sensor.optional_layers}
    has_mask = bool({"quality", "state"} & set(truth))
    assert set(required) <= set(truth) - {"cloud_class"} <= set(known)
    assert ("cloud_class" in truth) == has_mask
    for key, values in truth.items():
        assert values.shape[-2:] == tuple(cube(scene).shape)
        if key != "cloud_class":
            assert values.dtype == known[key].dtype, key
    assert truth[sensor.pixels.name].shape[0] == len(sensor.bands)


@pytest.mark.parametrize("scene", OPTICAL, ids=name)
def test_a_pixel_depends_on_no_window(scene):
    rows, columns = scene.patch.window
    inner = (slice(rows.start + 7, rows.stop - 11), slice(columns.start + 17, columns.stop - 23))
    whole = scene.pixels(scene.patch.part)
    for key, values in scene.pixels(part(scene.patch.whole, inner)).items():
        np.testing.assert_array_equal(values, whole[key][..., 7:-11, 17:-23], err_msg=key)


@pytest.mark.parametrize(
    "pair",
    [("sentinel-1-rtc", 0, 1), ("landsat-c2-l2", 0, 1), ("naip", 0, 1)],
    ids=lambda pair: pair[0],
)
def test_neighbours_of_one_pass_share_ground_and_show_the_same(everything, pair):
    collection, *which = pair
    some = [one for one in SCENES if one.collection == collection]
    first, second = (some[index] for index in which)
    grid = cube(first)
    one, other = (everything.truth(grid, name(scene)) for scene in (first, second))
    pixels = SENSORS[first.sensor].pixels
    there = [_valid(truth[pixels.name][0], pixels.nodata) for truth in (one, other)]
    both = there[0] & there[1]
    assert both.any()
    assert (there[0] & ~there[1]).any()
    assert (there[1] & ~there[0]).any()
    for key in one:
        np.testing.assert_array_equal(one[key][..., both], other[key][..., both], err_msg=key)
    mosaic = everything.truth(grid, name(second), name(first))
    valid = _valid(mosaic[pixels.name][0], pixels.nodata)
    np.testing.assert_array_equal(valid, there[0] | there[1])


def _valid(values, nodata):
    return np.isfinite(values) if np.isnan(nodata) else values != nodata


def test_beside_a_radar_swath_are_zeros_that_are_not_declared(files):
    zeros, declared = set(), set()
    for scene in (one for one in SCENES if one.sensor == "sentinel-1-rtc"):
        [path, _] = [path for _, _, path, _ in files(scene)]
        with rasterio.open(path) as file:
            values = file.read(1, window=Window.from_slices(*scene.patch.window))
            assert file.nodata == -32768
            assert file.transform.c % 10 == file.transform.f % 10 == 0
            assert file.shape[0] > 15_000
            zeros.add(round((values == 0).mean(), 1))
            declared.add((values == -32768).any())
    assert max(zeros) >= 0.5
    assert min(zeros) == 0
    assert declared == {True, False}


def test_backscatter_is_speckled_about_what_lies_on_the_ground():
    frame = next(one for one in SCENES if getattr(one, "platform", "") == "1B")
    values = frame.numbers(frame.patch.part)
    assert np.isin(values[values <= 0], [0, -32768]).all()
    vv, vh = values
    seen = vv > 0
    assert (vv[seen] > vh[seen]).mean() > 0.95
    assert np.log10(np.quantile(vv[seen], 0.95) / np.quantile(vv[seen], 0.05)) > 1


def test_heights_are_wider_apart_in_the_north_and_the_sea_has_none(everything):
    tiles = {one.cell: one for one in SCENES if one.sensor == "cop-dem-glo-30"}
    assert [one.patch.whole.shape for one in tiles.values()] == [
        (3600, 3600),
        (3600, 3600),
        (3600, 2400),
    ]
    coast = next(one for one in tiles.values() if one.latitude == 50)
    assert (SEA[0], SEA[1]) not in {(one.latitude, one.longitude) for one in tiles.values()}
    truth = everything.truth(cube(coast), coast.item_id)["elevation"][0]
    rows = np.isnan(truth).all(axis=1)
    assert not rows[0]
    assert rows[-1]


def test_two_tiles_of_heights_make_one_map(everything):
    tiles = [one.item_id for one in SCENES if one.sensor == "cop-dem-glo-30"]
    south, north = tiles[:2]
    grid = rasters.square(grids.tile(TILE).geobox(30), rasters.Square(6.5774, 49.0, 1200)).part
    parts = [everything.truth(grid, one)["elevation"] for one in (south, north)]
    assert all(np.isnan(one).any() for one in parts)
    whole = everything.truth(grid, south, north)["elevation"]
    assert np.isfinite(whole).all()
    assert 50 < whole.min() < whole.max() < 700


def test_days_of_a_composite_begin_anew_with_the_year(everything):
    scene = next(one for one in SCENES if one.item_id.startswith("MOD09A1.A2022361"))
    days = everything.truth(cube(scene), scene.item_id)["day_of_year"]
    assert set(np.unique(days)) == {1, 2, 3, 361, 362, 363, 364, 365, 65535}


def test_temperature_has_holes_and_one_scene_has_none(everything):
    for scene in (one for one in SCENES if one.sensor == "landsat-c2-l2"):
        truth = everything.truth(scene.patch.part, scene.item_id)
        seen = truth["quality"] != 1
        share = (truth["surface_temperature"][seen] == 0).mean()
        assert 0 < share < 0.5 if scene.correction == "L2SP" else share == 1


def test_clouds_of_every_class_pass_over(everything):
    for sensor in ("landsat-c2-l2", "landsat-c2-l1", "modis-09a1"):
        classes = set()
        for scene in (one for one in SCENES if one.sensor == sensor):
            classes |= set(
                np.unique(everything.truth(scene.patch.part, scene.item_id)["cloud_class"])
            )
        assert classes == {0, 1, 2, 3, 255}, sensor


def test_one_picture_takes_near_infrared_for_alpha(files):
    declared, black = [], False
    for scene in (one for one in SCENES if one.sensor == "naip"):
        with rasterio.open(files(scene)[0][2]) as file:
            assert file.nodata is None
            assert file.count == 4
            declared.append(file.colorinterp[3].name)
            values = file.read()
        black |= (values == 0).any()
    assert black
    assert declared.count("alpha") == 1


def test_surveys_say_in_two_ways_what_they_lack(files):
    ways = set()
    for scene in (one for one in SCENES if one.sensor == "linz"):
        with rasterio.open(files(scene)[0][2]) as file:
            ways.add((file.count, file.nodata))
            assert file.crs.to_epsg() == 2193
    assert ways == {(3, 255), (4, None)}


def test_a_scene_is_the_same_to_the_last_bit_when_it_is_made_again(everything, tmp_path):
    for scene in OPTICAL[::5]:
        scene.write(tmp_path)
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(made) > 20
    for path in made:
        before = everything.directory / path.relative_to(tmp_path)
        assert _digest(before) == _digest(path), path


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_of_all_sensors_is_completed(everything, copied):
    everything = copied(everything)
    before = {path: path.stat().st_mtime_ns for path in everything.directory.rglob("*.TIF")}
    record = everything.directory / "items" / f"{OPTICAL[0].item_id}.json"
    text = record.read_text()
    record.unlink()
    assert make_archive(everything.directory, tiny_everything_plan()) == everything
    assert record.read_text() == text
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_plans_differ_in_size_alone():
    wide, tiny = everything_plan(), tiny_everything_plan()
    assert [type(one) for one in wide] == [type(one) for one in tiny]
    satellites = [one for one in wide if getattr(one, "sensor", "") not in ("linz", "")]
    ids = {one.item_id for one in tiny}
    assert {one.item_id for one in satellites} <= ids
    assert replace(wide[6], shown=tiny[6].shown).source == tiny[6].source


def test_scenes_lie_in_other_zones_too():
    zones = {one.sensor: set() for one in OPTICAL}
    for one in OPTICAL:
        zones[one.sensor].add(str(one.patch.whole.crs))
    assert zones["sentinel-1-rtc"] == {"EPSG:32631", "EPSG:32632"}
    assert zones["landsat-c2-l2"] == {"EPSG:32631", "EPSG:32632", "EPSG:32660"}
    assert grids.tile(NEIGHBOUR).crs.epsg == 32632
