"""What a build of files on this machine leaves in a cube: small scenes that each test writes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine

import cubestore
import cubestore_pipelines
from cubestore import grids
from cubestore_pipelines import ledger
from cubestore_pipelines.angles import parse
from cubestore_pipelines.errors import HeaderError, PlanError
from cubestore_pipelines.failures import LeftOut
from tests.pipelines.real import stac_item

TILE = grids.tile("31UGQ")
PROGRAM = Path(sys.executable).with_name("cubestore")


@pytest.fixture
def build(tmp_path, scheduler):
    def build(features, sensor, **options):
        catalog = tmp_path / f"{sensor}.json"
        catalog.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        options = {"tile": TILE.id, "scheduler": scheduler} | options
        store = tmp_path / "store"
        return cubestore_pipelines.build(store, catalog=str(catalog), sensor=sensor, **options)

    return build


@pytest.fixture
def opened(tmp_path):
    def opened(sensor):
        path = tmp_path / "store" / "mgrs" / TILE.id / sensor
        return xr.open_zarr(path, chunks=None, mask_and_scale=False)

    return opened


def write(path, window, gsd, *, at=(0, 0), nodata=None, whole=True):
    """Write a window of the tile's grid, in a sparse file of the whole tile or of its own."""
    bands = window if window.ndim == 3 else window[None]
    rows, columns = (round(109_800 / gsd),) * 2
    affine = Affine(gsd, 0, TILE.bounds.left, 0, -gsd, TILE.bounds.top)
    if not whole:
        affine, (rows, columns) = affine @ Affine.translation(*at[::-1]), bands.shape[1:]
        at = (0, 0)
    profile = {"driver": "GTiff", "count": len(bands), "dtype": bands.dtype, "sparse_ok": True}
    place = {"crs": str(TILE.crs), "transform": affine, "height": rows, "width": columns}
    with rasterio.open(path, "w", **profile, **place, nodata=nodata, tiled=True) as file:
        spot = rasterio.windows.Window(at[1], at[0], bands.shape[2], bands.shape[1])
        file.write(bands, window=spot)
    return path


def feature(item_id, collection, assets, when="2023-06-12T10:50:31Z", footprint=None, **told):
    box = TILE.footprint if footprint is None else footprint
    return stac_item(item_id, collection, when, box, assets, **told)


SENSOR = "sentinel-2-l2a"
CLEAR, CLOUD = 4, 9


def optical(folder, day, classes, cloud=10.0, **assets):
    """Write a scene whose north-west shard has these classes of SCL, repeated."""
    scl = np.tile(np.array(classes, "uint8"), (1024, 1024 // len(classes)))
    numbers = np.where(scl == 0, 0, 3000).astype("uint16").repeat(2, 0).repeat(2, 1)
    files = {
        "B02": write(folder / f"{day}_B02.tif", numbers, 10, nodata=0),
        "SCL": write(folder / f"{day}_SCL.tif", scl, 20, nodata=0),
    }
    told = {"eo:cloud_cover": cloud, "s2:mgrs_tile": TILE.id, "s2:processing_baseline": "05.09"}
    told |= {"platform": "sentinel-2a", "sat:relative_orbit": int(day)}
    return feature(f"S2-{day}", SENSOR, files | assets, f"2023-06-{day}T10:50:31Z", **told)


CORNER = {"bands": "B02"}


def corner():
    """Return a spot in the tile's north-west shard."""
    there = pyproj.Transformer.from_crs(str(TILE.crs), "EPSG:4326", always_xy=True)
    x, y = there.transform(TILE.bounds.left + 5_000, TILE.bounds.top - 5_000)
    return (x, y, x + 0.01, y + 0.01)


def test_what_is_cloudier_than_it_was_said_is_left_out_and_the_next_run_takes_another(
    build, opened, tmp_path
):
    """The provider's number is of the whole product; the place may be under its only cloud."""
    cloudy = optical(tmp_path, "02", [CLOUD, CLOUD, CLOUD, CLEAR], cloud=1)
    clear = optical(tmp_path, "12", [CLEAR, CLEAR, CLEAR, CLOUD], cloud=9)
    wanted = {"select": "least-cloudy", "max_measured_cloud": 30.0, "bbox": corner(), **CORNER}
    first = build([cloudy, clear], SENSOR, **wanted)
    (measured,) = first.left_out
    assert (measured.item, measured.shards) == ("S2-02", ((0, 0),))
    assert (measured.cloud, measured.nodata) == (pytest.approx(75), pytest.approx(0))
    assert first.committed == []
    assert opened(SENSOR).sizes["time"] == 0
    second = build([cloudy, clear], SENSOR, **wanted)
    assert (second.committed, second.left_out) == (["S2-12"], [])
    third = build([cloudy, clear], SENSOR, **wanted)
    assert (third.committed, third.unchanged, third.left_out) == ([], 1, [])
    assert opened(SENSOR).item_id.values.tolist() == ["S2-12"]
    # Who allows more clouds gets it: it is read again.
    fourth = build([cloudy, clear], SENSOR, **wanted | {"max_measured_cloud": 80.0})
    assert fourth.committed == ["S2-02"]


def test_what_is_emptier_than_wanted_is_left_out_and_told_of(build, tmp_path):
    half = optical(tmp_path, "02", [0, CLEAR])
    report = build([half], SENSOR, max_measured_nodata=40.0, bbox=corner(), **CORNER)
    (measured,) = report.left_out
    assert measured.nodata == pytest.approx(50)
    cube = cubestore.open_store(tmp_path / "store").cube(TILE.id, SENSOR)
    assert ledger.left_out(cube) == [measured]
    assert build([half], SENSOR, max_measured_nodata=50.0, bbox=corner(), **CORNER).committed


@pytest.mark.parametrize(
    ("cloud", "nodata", "max_cloud", "max_nodata", "beyond"),
    [
        (30, 0, 30, None, False),  # a limit belongs to it
        (30.1, 0, 30, None, True),
        (None, 100, 30, None, False),  # nothing is known of clouds where there is nothing
        (None, 100, 30, 50, True),
        (90, 90, None, None, False),
    ],
)
def test_when_a_measure_is_beyond_its_limit(cloud, nodata, max_cloud, max_nodata, beyond):
    one = LeftOut(item="a", shards=(), cloud=cloud, nodata=nodata)
    assert one.beyond(max_cloud, max_nodata) is beyond


METADATA = """<?xml version="1.0"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
<n1:Geometric_Info><Tile_Angles><Mean_Viewing_Incidence_Angle_List>
<Mean_Viewing_Incidence_Angle bandId="0"><ZENITH_ANGLE unit="deg">8.0</ZENITH_ANGLE>
<AZIMUTH_ANGLE unit="deg">350.0</AZIMUTH_ANGLE></Mean_Viewing_Incidence_Angle>
<Mean_Viewing_Incidence_Angle bandId="1"><ZENITH_ANGLE unit="deg">9.0</ZENITH_ANGLE>
<AZIMUTH_ANGLE unit="deg">20.0</AZIMUTH_ANGLE></Mean_Viewing_Incidence_Angle>
</Mean_Viewing_Incidence_Angle_List></Tile_Angles></n1:Geometric_Info></n1:Level-2A_Tile_ID>
"""


def test_view_angles_are_read_where_the_item_does_not_tell_them(build, opened, tmp_path):
    document = tmp_path / "MTD_TL.xml"
    document.write_text(METADATA)
    silent = optical(tmp_path, "02", [CLEAR], **{"granule-metadata": document})
    telling = optical(tmp_path, "12", [CLEAR], **{"granule-metadata": document})
    telling["properties"] |= {"view:incidence_angle": 3.5, "view:azimuth": 100.5}
    report = build([silent, telling], SENSOR, view_angles=True, bbox=corner(), **CORNER)
    assert not report.failures
    cube = opened(SENSOR)
    assert cube.view_zenith.values == pytest.approx([8.5, 3.5])
    assert cube.view_azimuth.values == pytest.approx([5, 100.5])  # that of 350 and 20 is 5


def test_without_being_asked_for_no_document_is_read(build, opened, tmp_path):
    silent = optical(tmp_path, "02", [CLEAR], **{"granule-metadata": tmp_path / "nowhere.xml"})
    assert not build([silent], SENSOR, bbox=corner(), **CORNER).failures
    assert math.isnan(opened(SENSOR).view_zenith.item())
    other = optical(tmp_path, "12", [CLEAR], **{"granule-metadata": tmp_path / "nowhere.xml"})
    (failure,) = build([other], SENSOR, view_angles=True, bbox=corner(), **CORNER).failures
    assert (failure.item, failure.asset) == ("S2-12", "granule-metadata")


@pytest.mark.parametrize("document", [b"", b"<a/>", b"<html>", b"{}"])
def test_a_document_without_angles_is_refused(document):
    with pytest.raises(HeaderError, match="lists no mean viewing incidence angles"):
        parse(document, "Item one, asset granule-metadata,")


# Photographs.


def quad(folder, name, at, value, state="ks", day="20210701"):
    """Write a quad of 1 km at so many pixels from the tile's corner, and its item."""
    pixels = np.full((4, 1000, 1000), value, "uint8")
    path = write(folder / f"{name}.tif", pixels, 1, at=at, whole=False)
    there = pyproj.Transformer.from_crs(str(TILE.crs), "EPSG:4326", always_xy=True)
    left, top = TILE.bounds.left + at[1], TILE.bounds.top - at[0]
    box = shapely.box(*there.transform_bounds(left, top - 1000, left + 1000, top))
    item_id = f"{state}_m_{name}_{day}"
    when = f"{day[:4]}-{day[4:6]}-{day[6:]}T16:00:00Z"
    return feature(item_id, "naip", {"image": path}, when, box, **{"naip:state": state})


def spot(at):
    there = pyproj.Transformer.from_crs(str(TILE.crs), "EPSG:4326", always_xy=True)
    x, y = there.transform(TILE.bounds.left + at[1] + 500, TILE.bounds.top - at[0] - 500)
    return (x - 0.0005, y - 0.0005, x + 0.0005, y + 0.0005)


def test_two_areas_of_a_flight_meet_in_one_slot(build, opened, tmp_path):
    """Each search finds the quads of its own area; the slot gets the others' names too."""
    near, far = (100, 100), (100, 5000)
    first = quad(tmp_path, "3809901_ne_14_1", near, 50)
    second = quad(tmp_path, "3809902_nw_14_1", far, 90)
    assert build([first, second], "naip", bbox=spot(near)).committed == [first["id"]]
    assert opened("naip").item_id.item() == first["id"]
    report = build([first, second], "naip", bbox=spot(far))
    assert not report.failures
    cube = opened("naip")
    assert cube.sizes["time"] == 1
    assert cube.item_id.item() == f"{first['id']} {second['id']}"
    assert int(cube.brightness[0, 0, 600, 600]) == 50
    assert int(cube.brightness[0, 0, 600, 5500]) == 90
    for place in (near, far):
        again = build([first, second], "naip", bbox=spot(place))
        assert (again.committed, again.unchanged) == ([], 1)
    report = cubestore.open_store(tmp_path / "store").cube(TILE.id, "naip").verify()
    assert not report.findings


def both(here, there):
    """Return the box of two spots."""
    boxes = spot(here), spot(there)
    edges = zip(*boxes, strict=True)
    west, south, east, north = edges
    return min(west), min(south), max(east), max(north)


def test_a_quad_that_arrives_late_is_never_left_out_in_silence(build, tmp_path):
    """What the slot has of other areas is not in this search, so it cannot be read again."""
    here, there = (100, 100), (100, 5000)
    first = quad(tmp_path, "3809901_ne_14_1", here, 50)
    second = quad(tmp_path, "3809902_nw_14_1", there, 90)
    build([first, second], "naip", bbox=spot(here))
    build([first, second], "naip", bbox=spot(there))
    late = quad(tmp_path, "3809901_nw_14_1", (100, 1000), 70)  # beside the first, in its shard
    (failure,) = build([first, second, late], "naip", bbox=spot(here)).failures
    assert f"{late['id']} arrived late" in failure.found
    assert "find all items" in failure.remedy
    report = build([first, second, late], "naip", bbox=both(here, there))
    assert (len(report.committed), report.failures) == (1, [])
    cube = cubestore.open_store(tmp_path / "store").cube(TILE.id, "naip").open()
    assert cube.sizes["time"] == 1
    assert cube.brightness[0, 0, 600, [600, 1500, 5500]].values.tolist() == [50, 70, 90]


def test_a_quad_of_two_shards_is_in_both_whatever_was_built_before(build, opened, tmp_path):
    here, there = (100, 100), (100, 2300)
    first = quad(tmp_path, "3809901_ne_14_1", here, 50)
    second = quad(tmp_path, "3809901_nw_14_1", (100, 1500), 90)  # columns 1500 to 2500
    build([first], "naip", bbox=spot(here))
    assert build([first, second], "naip", bbox=spot(there)).failures  # it shows what is there too
    assert build([first, second], "naip", bbox=spot(here)).committed
    build([first, second], "naip", bbox=spot(there))
    found = opened("naip")
    assert second["id"] in str(found.item_id[-1].values)
    assert found.brightness[-1, 0, 600, [1700, 2300]].values.tolist() == [90, 90]


def test_a_frame_of_another_search_is_told_of(build, opened, tmp_path):
    values = np.full((300, 300), 0.25, "float32")
    first = radar(tmp_path, "first", values, (0, 0), "054231")
    second = radar(tmp_path, "second", values * 2, (300, 0), "054256")
    box = corner()
    build([first], "sentinel-1-rtc", bbox=box)
    (failure,) = build([second], "sentinel-1-rtc", bbox=box).failures
    assert "arrived late" in failure.found
    assert not build([first, second], "sentinel-1-rtc", bbox=box).failures
    vv = opened("sentinel-1-rtc").backscatter[-1, 0, [100, 450], 100].values
    assert vv.tolist() == [0.25, 0.5]


def test_one_reprocessed_part_supersedes_and_the_other_stays_as_a_slot(build, tmp_path):
    """A slot is of one processing: what was one pass becomes two, and nothing is shown twice."""

    def strip(name, half, baseline, value):
        numbers = np.zeros((2048, 2048), "uint16")
        numbers[half] = value
        files = {"B02": write(tmp_path / f"{name}.tif", numbers, 10, nodata=0)}
        files["SCL"] = write(
            tmp_path / f"{name}_SCL.tif", np.full((1024, 1024), CLEAR, "uint8"), 20, nodata=0
        )
        start = "20230612T105402" if half.start is None else "20230612T105733"
        told = {"platform": "sentinel-2a", "sat:relative_orbit": 51, "s2:mgrs_tile": TILE.id}
        told |= {"s2:processing_baseline": baseline, "s2:datatake_id": DATATAKE}
        strip_id = f"S2A_OPER_MSI_L2A_DS_2APS_20230612T164502_S{start}_N05.09"
        return feature(name, SENSOR, files, **told, **{"s2:datastrip_id": strip_id})

    north = strip("north", slice(None, 1024), "05.09", 3000)
    south = strip("south", slice(1024, None), "05.09", 4000)
    again = strip("north-again", slice(None, 1024), "05.10", 5000)
    build([north, south], SENSOR, bbox=corner(), **CORNER)
    report = build([north, south, again], SENSOR, bbox=corner(), **CORNER)
    assert not report.failures
    cube = cubestore.open_store(tmp_path / "store").cube(TILE.id, SENSOR).open(mask_and_scale=False)
    assert sorted(cube.item_id.values.tolist()) == ["north-again", "south"]
    seen = cube.reflectance[:, 0, [100, 1500], 100].values
    assert sorted(seen.max(axis=0).tolist()) == [3000, 4000]  # 4000 and 5000, offset removed
    last = build([north, south, again], SENSOR, bbox=corner(), **CORNER)
    assert (last.committed, last.failures) == ([], [])


DATATAKE = "GS2A_20230612T105031_041630_N05.09"


def test_the_first_sheet_that_has_data_wins(build, opened, tmp_path):
    """Sheets of a map may overlap; nodata of one hides nothing of another."""
    pixel, west, north = 1 / 12_000, 6.5, 49.3
    sheets = []
    for n, (value, start) in enumerate([(10, 0), (40, 300)]):
        classes = np.full((600, 600), value, "uint8")
        classes[:, :100] = 0
        affine = Affine(pixel, 0, west + start * pixel, 0, -pixel, north)
        path = tmp_path / f"sheet{n}.tif"
        size = {"height": 600, "width": 600, "transform": affine, "crs": "EPSG:4326"}
        with rasterio.open(
            path, "w", driver="GTiff", count=1, dtype="uint8", nodata=0, **size
        ) as file:
            file.write(classes, 1)
        box = shapely.box(west + start * pixel, north - 0.05, west + start * pixel + 0.05, north)
        name = f"ESA_WorldCover_10m_2021_v200_N48E00{n}"
        sheets.append(feature(name, "esa-worldcover", {"map": path}, footprint=box))
    for order in (sheets, sheets[::-1]):
        build(order, "esa-worldcover", bbox=(6.5, 49.26, 6.57, 49.29))
    cube = opened("esa-worldcover")
    there = pyproj.Transformer.from_crs("EPSG:4326", str(TILE.crs), always_xy=True)
    for column, value in ((50, 0), (150, 10), (350, 10), (450, 10), (750, 40)):
        x, y = there.transform(west + (column + 0.5) * pixel, north - 300.5 * pixel)
        assert int(cube.land_cover[0, 0].sel(x=x, y=y, method="nearest")) == value


def test_quads_of_two_dates_on_one_day_of_the_catalogue_are_two_slots(build, opened, tmp_path):
    """A catalogue may give two flights one date; the names of the quads keep them apart."""
    first = quad(tmp_path, "3809901_ne_14_1", (100, 100), 50, day="20210701")
    second = quad(tmp_path, "3809901_nw_14_1", (100, 700), 90, day="20210702")
    second["properties"]["datetime"] = first["properties"]["datetime"]
    assert len(build([first, second], "naip", bbox=spot((100, 500))).committed) == 2
    cube = opened("naip")
    assert cube.brightness[:, 0, 600, 900].values.tolist() == [50, 90]  # both saw the overlap


def test_a_photograph_of_three_bands_is_built_where_three_are_wanted(build, opened, tmp_path):
    three = quad(tmp_path, "3809901_ne_14_1", (100, 100), 50)
    path = Path(three["assets"]["image"]["href"])
    with rasterio.open(path) as file:
        pixels, profile = file.read([1, 2, 3]), file.profile | {"count": 3}
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)
    report = build([three], "naip", bbox=spot((100, 100)), bands="red,green,blue")
    assert not report.failures
    assert opened("naip").brightness[0, :, 600, 600].values.tolist() == [50, 50, 50]


# Sentinel-1.


def radar(folder, name, values, at, start):
    """Write a frame as its provider does: what lies beyond the swath is zero, and not marked."""
    files = {
        band: write(folder / f"{name}_{band}.tif", values * factor, 10, at=at, nodata=-32768)
        for band, factor in (("vv", np.float32(1)), ("vh", np.float32(0.25)))
    }
    item_id = f"S1A_IW_GRDH_1SDV_20230612T{start}_20230612T{start}_048956_05E30E_rtc"
    when = f"2023-06-12T{start[:2]}:{start[2:4]}:{start[4:]}Z"
    told = {"platform": "SENTINEL-1A", "sat:orbit_state": "descending", "sat:relative_orbit": 37}
    return feature(item_id, "sentinel-1-rtc", files, when, **told)


def test_a_scene_that_covers_a_corner_is_nan_elsewhere_and_says_how_much_it_covers(
    build, opened, tmp_path
):
    swath = np.zeros((600, 600), "float32")
    swath[np.tril_indices(600)] = 0.2  # a slanted edge
    item = radar(tmp_path, "corner", swath, (0, 0), "054231")
    assert not build([item], "sentinel-1-rtc", bbox=corner()).failures
    cube = opened("sentinel-1-rtc")
    vv = cube.backscatter[0, 0, :2048, :2048].values
    inside = np.zeros((2048, 2048), bool)
    inside[:600, :600] = swath > 0
    np.testing.assert_array_equal(np.isfinite(vv), inside)
    assert cube.valid_fraction.item() == pytest.approx(inside.mean(), abs=1e-6)
    assert np.isnan(cube.clear_fraction.item())
    assert vv[inside] == pytest.approx(0.2, rel=5e-4)  # 10 bits of mantissa


def test_frames_of_a_pass_are_mosaicked_where_the_first_has_nothing(build, opened, tmp_path):
    first, second = np.zeros((600, 600), "float32"), np.full((600, 600), 0.5, "float32")
    first[:300] = 0.25
    items = [
        radar(tmp_path, "first", first, (0, 0), "054231"),
        radar(tmp_path, "second", second, (200, 0), "054256"),
    ]
    assert len(build(items, "sentinel-1-rtc", bbox=corner()).committed) == 1
    vv = opened("sentinel-1-rtc").backscatter[0, 0, :900, 100].values
    np.testing.assert_array_equal(vv[:300], 0.25)
    np.testing.assert_array_equal(vv[300:800], 0.5)  # zeros of the first hide nothing
    assert np.isnan(vv[800:]).all()


def test_lossless_keeps_every_bit(build, opened, tmp_path):
    values = np.random.default_rng(0).random((600, 600), "float32") + np.float32(1e-6)
    item = radar(tmp_path, "noise", values, (0, 0), "054231")
    build([item], "sentinel-1-rtc", bbox=corner(), lossless=True)
    np.testing.assert_array_equal(opened("sentinel-1-rtc").backscatter[0, 0, :600, :600], values)


def test_radar_in_decibels_is_refused(build, tmp_path):
    item = radar(tmp_path, "decibels", np.full((600, 600), -12.5, "float32"), (0, 0), "054231")
    (failure,) = build([item], "sentinel-1-rtc", bbox=corner()).failures
    assert "mostly below zero, as decibels are" in failure.found


def test_lossless_is_refused_for_a_cube_that_is_not(build, tmp_path):
    item = radar(tmp_path, "a", np.full((600, 600), 0.2, "float32"), (0, 0), "054231")
    build([item], "sentinel-1-rtc", bbox=corner())
    with pytest.raises(PlanError, match="keeps 10 bits"):
        build([item], "sentinel-1-rtc", bbox=corner(), lossless=True)


def test_layers_that_a_profile_tells_of_are_built_beside_the_radar(build, opened, tmp_path):
    swath = np.full((600, 600), 0.2, "float32")
    item = radar(tmp_path, "a", swath, (0, 0), "054231")
    mask = np.arange(600 * 600, dtype="uint8").reshape(600, 600) % 4
    angle = np.linspace(30, 45, 360_000, dtype="float32").reshape(600, 600)
    item["assets"]["mask"] = {"href": str(write(tmp_path / "m.tif", mask, 10, nodata=255))}
    item["assets"]["angle"] = {"href": str(write(tmp_path / "i.tif", angle, 10, nodata=-9999))}
    profile = tmp_path / "mine.yaml"
    told = {"sensor": "sentinel-1-rtc", "bands": {"vv": "vv", "vh": "vh"}}
    told |= {"layover_shadow": "mask", "incidence_angle": "angle"}
    profile.write_text(json.dumps({"collections": {"sentinel-1-rtc": told}}))
    layers = "layover_shadow,incidence_angle"
    assert not build(
        [item], "sentinel-1-rtc", bbox=corner(), profile=profile, layers=layers
    ).failures
    cube = opened("sentinel-1-rtc")
    np.testing.assert_array_equal(cube.layover_shadow[0, :600, :600], mask)
    np.testing.assert_array_equal(cube.incidence_angle[0, :600, :600], angle)
    assert set(np.unique(cube.layover_shadow[0, 600:1000, :600])) == {255}
    assert np.isnan(cube.incidence_angle[0, 600:1000, :600]).all()


# Several sensors.


def test_two_sensors_of_a_tile_are_built_at_the_same_time(scheduler, tmp_path):
    """Locks are of cubes, not of tiles: two programs build side by side."""
    swath = np.full((600, 600), 0.2, "float32")
    given = {
        SENSOR: [optical(tmp_path, day, [CLEAR]) for day in ("02", "12")],
        "sentinel-1-rtc": [radar(tmp_path, "a", swath, (0, 0), "054231")],
    }
    running = []
    for sensor, features in given.items():
        catalog = tmp_path / f"{sensor}.json"
        catalog.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        where = ["--catalog", catalog, "--sensor", sensor, "--tile", TILE.id]
        bands = ["--bands", "B02"] if sensor == SENSOR else []
        spots = ["--bbox", *map(str, corner()), "--scheduler", scheduler]
        command = [PROGRAM, "build", tmp_path / "store", *where, *bands, *spots]
        running.append(subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True))
    for one in running:
        _, said = one.communicate(timeout=120)
        assert one.returncode == 0, said
    store = cubestore.open_store(tmp_path / "store")
    assert store.cubes() == [(TILE.id, "sentinel-1-rtc"), (TILE.id, SENSOR)]
    for tile, sensor in store.cubes():
        assert not store.cube(tile, sensor).verify().findings
    assert store.cube(TILE.id, SENSOR).open().sizes["time"] == 2


def test_one_command_builds_several_sensors_each_by_its_rule(build, tmp_path):
    swath = np.full((600, 600), 0.2, "float32")
    scenes = [optical(tmp_path, day, [CLEAR], cloud=int(day)) for day in ("02", "12", "14")]
    scenes.append(radar(tmp_path, "a", swath, (0, 0), "054231"))
    report = build(
        scenes,
        [SENSOR, "sentinel-1-rtc"],
        bbox=corner(),
        select=["least-cloudy", "sentinel-1-rtc=near:sentinel-2-l2a:3d"],
        bands="B02,vv",
        max_nodata=100,
    )
    assert not report.failures
    assert [item.split("_")[0] for item in report.committed] == ["S2-12", "S1A"]
    assert {sensor for _, sensor in report.cubes} == {SENSOR, "sentinel-1-rtc"}
