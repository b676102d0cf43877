"""The simulated world: one ground for all tiles, a sky for each time, nothing left to chance."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from cubestore.grids import tile
from cubestore.sensors import SENSORS
from cubestore_pipelines.simulate import ground, sky
from cubestore_pipelines.simulate.granules import part
from cubestore_pipelines.simulate.landscape import STANDARD, Scene
from cubestore_pipelines.simulate.plane import Nodes, lattice, waves

SUMMER = Scene(item_id="summer", time=datetime(2023, 7, 18, 10, 30, 31, tzinfo=UTC), cloudiness=0.3)
WINTER = Scene(item_id="winter", time=datetime(2023, 1, 19, 10, 30, 31, tzinfo=UTC), cloudiness=0.0)
GRID = part(tile("31UGQ").geobox(10), np.s_[5800:6600, 5200:5900])


@pytest.mark.parametrize("gsd", [10, 20, 60])
def test_a_pixel_depends_on_no_window(gsd):
    grid = part(tile("31UGQ").geobox(gsd), np.s_[500:900, 300:700])
    whole, inner = SUMMER.pixels(grid), SUMMER.pixels(part(grid, np.s_[123:301, 57:390]))
    for name, values in inner.items():
        np.testing.assert_array_equal(values, whole[name][..., 123:301, 57:390])


def test_a_scene_has_the_variables_of_a_cube():
    pixels = SUMMER.pixels(GRID)
    sensor = SENSORS["sentinel-2-l2a"]
    assert [band.name for band in sensor.bands] == list(STANDARD)
    assert pixels["reflectance"].shape == (len(STANDARD), *GRID.shape)
    assert pixels["reflectance"].dtype == sensor.pixels.dtype
    assert pixels["quality"].dtype == sensor.layers[0].dtype
    assert set(np.unique(pixels["cloud_class"])) <= {0, 1, 2, 3}


def test_all_thirteen_bands_come_on_request_and_b10_sees_clouds_only():
    assert [band.name for band in SENSORS["sentinel-2-l1c"].bands] == list(ground.BANDS)
    view = SUMMER.view(GRID)
    cirrus, blue = view.reflectance(["B10", "B02"])
    clear = view.density == 0
    assert cirrus[clear].max() < 20 < blue[clear].min()
    assert cirrus[view.density == 1].min() >= 500


def test_the_tile_of_the_next_zone_shows_the_same_ground_and_sky():
    """Pixels of two zones never coincide, so the classes' borders differ by a pixel."""
    grids = [_around(tile(one), (6.5, 49.05)) for one in ("31UGQ", "32ULV")]
    here, there = (SUMMER.view(grid) for grid in grids)
    rows, columns, inside = _same_places(*grids)
    assert inside.mean() > 0.85  # the grids are turned by 5 degrees against one another
    assert (there.kind[rows, columns] == here.kind[inside]).mean() > 0.93
    for name in ("density", "shadow", "light"):
        values = getattr(there, name)[rows, columns]
        difference = np.abs(values - getattr(here, name)[inside])
        assert difference.mean() < 0.02, name
        assert np.quantile(difference, 0.99) < 0.1, name


def test_woods_are_green_in_summer_and_bare_in_winter():
    summer, winter = (scene.view(GRID) for scene in (SUMMER, WINTER))
    woods = (summer.kind // ground.VARIETIES == ground.FOREST) & (summer.density == 0)
    index = [_ndvi(*view.reflectance(["B04", "B08"])[:, woods]) for view in (summer, winter)]
    assert index[0] > 0.7
    assert index[1] < 0.6


def test_slopes_towards_the_sun_are_brighter_most_of_all_in_winter():
    clear = [replace(scene, cloudiness=0) for scene in (SUMMER, WINTER)]
    spread = [scene.view(GRID).light.std() for scene in clear]
    assert spread[1] > 2 * spread[0] > 0.01


def test_shadows_lie_away_from_the_sun_by_the_height_of_the_clouds():
    points = lattice(GRID).nodes
    here = sky.sun(points, SUMMER.time)
    away = sky.CLOUD_BASE * np.tan(here.zenith)
    cloud = sky.clouds(points, SUMMER.time, 0.3)
    below = points.moved(-away * np.sin(here.azimuth), -away * np.cos(here.azimuth))
    shadow = sky.shadows(below, SUMMER.time, 0.3)
    np.testing.assert_allclose(shadow, cloud, atol=0.02)


@pytest.mark.parametrize(
    ("time", "zenith", "azimuth"),
    [
        # NOAA's solar calculator, 49.05 N 6.5 E, to a degree or two
        (datetime(2023, 6, 21, 11, 36, tzinfo=UTC), 25.6, 180),
        (datetime(2023, 12, 21, 11, 32, tzinfo=UTC), 72.5, 180),
        (datetime(2023, 3, 20, 10, 30, 31, tzinfo=UTC), 52.1, 157),
    ],
)
def test_the_sun_is_where_it_should_be(time, zenith, azimuth):
    place = lattice(part(GRID, np.s_[200:201, 300:301])).nodes
    sun = sky.sun(place, time)
    assert np.degrees(sun.zenith).mean() == pytest.approx(zenith, abs=2)
    assert np.degrees(sun.azimuth).mean() % 360 == pytest.approx(azimuth, abs=4)


@pytest.mark.parametrize("cloudiness", [0.1, 0.5, 0.9])
def test_as_much_is_covered_as_was_asked_for(cloudiness):
    east, north = np.meshgrid(np.arange(0, 3e5, 1e3), np.arange(5e6, 5.3e6, 1e3))
    density = sky.clouds(Nodes(east, north), SUMMER.time, cloudiness)
    assert (density > 0).mean() == pytest.approx(cloudiness, abs=0.06)


def test_waves_have_no_mean_and_a_variance_of_one():
    east, north = np.meshgrid(np.arange(0, 2e5, 1e3), np.arange(5e6, 5.2e6, 1e3))
    field = waves(Nodes(east, north), 7, 9_000)
    assert field.mean() == pytest.approx(0, abs=0.05)
    assert field.std() == pytest.approx(1, abs=0.05)


def test_other_pixels_are_refused():
    grid = GeoBox((10, 10), Affine(10, 0, 699_963, 0, -10, 5_500_020), "EPSG:32631")
    with pytest.raises(ValueError, match="699963"):
        SUMMER.view(grid)


def _around(one, place, side=400):
    x, y = _to("EPSG:4326", one.crs).transform(*place)
    row, column = (int(metres / 10) for metres in (one.bounds.top - y, x - one.bounds.left))
    half = side // 2
    return part(one.geobox(10), np.s_[row - half : row + half, column - half : column + half])


def _same_places(here, there):
    """For each of some pixels, the one of others that holds its centre, and whether there is."""
    rows, columns = np.mgrid[0 : here.shape[0], 0 : here.shape[1]] + 0.5
    x, y = here.affine.c + 10 * columns, here.affine.f - 10 * rows
    x, y = _to(here.crs, there.crs).transform(x, y)
    rows, columns = (np.floor(m / 10).astype(int) for m in (there.affine.f - y, x - there.affine.c))
    inside = (rows >= 0) & (rows < there.shape[0]) & (columns >= 0) & (columns < there.shape[1])
    return rows[inside], columns[inside], inside


def _to(source, target):
    return pyproj.Transformer.from_crs(str(source), str(target), always_xy=True)


def _ndvi(red, near):
    return ((near - red) / (near + red)).mean()
