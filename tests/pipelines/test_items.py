"""A STAC item reads the same, whichever version and extensions it was written in."""

import math
from datetime import UTC, datetime

import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cubestore_pipelines.errors import ItemError
from cubestore_pipelines.items import BandInfo, Item, parse, resolve

UTM = pyproj.CRS("EPSG:32631")
NOON = datetime(2023, 6, 12, 12, tzinfo=UTC)


def document(*, properties=None, asset=None, **more):
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "one",
        "geometry": {"type": "Point", "coordinates": [2.0, 48.0]},
        "properties": {"datetime": "2023-06-12T12:00:00Z"} | (properties or {}),
        "assets": {"B02": {"href": "B02.tif"} | (asset or {})},
    } | more


@pytest.mark.parametrize("version", ["0.7.0", "0.9.0", "1.0.0-beta.2", "1.0.0", "1.1.0"])
def test_no_version_is_refused(version):
    item = parse(document(stac_version=version), base="/there/one.json")
    assert (item.id, item.time, list(item.assets)) == ("one", NOON, ["B02"])


@pytest.mark.parametrize(
    "declared",
    [
        {"proj:epsg": 32631},  # projection extension 1.0 and 1.1
        {"eo:epsg": 32631},  # STAC 0.7
        {"proj:code": "EPSG:32631"},  # 2.0
        {"proj:wkt2": UTM.to_wkt()},
        {"proj:projjson": UTM.to_json_dict()},
        {"proj:epsg": None, "proj:wkt2": UTM.to_wkt()},  # null: see the other fields
        {"proj:code": None, "proj:wkt2": UTM.to_wkt("WKT1_GDAL")},  # written by GDAL
        {"proj:epsg": 4326, "proj:code": "EPSG:32631"},  # both: the newer field
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("place", ["properties", "asset"])
def test_the_crs_is_read_in_every_spelling(declared, place):
    found = parse(document(**{place: declared})).assets["B02"].crs
    assert pyproj.CRS(found).equals(UTM, ignore_axis_order=True)


def test_an_assets_crs_goes_before_the_items():
    both = document(properties={"proj:epsg": 4326}, asset={"proj:code": "EPSG:32631"})
    assert parse(both).assets["B02"].crs == "EPSG:32631"


def test_no_crs_is_none():
    assert parse(document()).assets["B02"].crs == ""


GRID = {"proj:transform": [10, 0, 6e5, 0, -10, 5e6, 0, 0, 1], "proj:shape": [20, 30]}


@pytest.mark.parametrize(("place", "own"), [("asset", True), ("properties", False)])
def test_nine_numbers_of_a_transform_are_six_and_know_whose_they_are(place, own):
    asset = parse(document(**{place: GRID})).assets["B02"]
    assert asset.transform == (10, 0, 6e5, 0, -10, 5e6)
    assert (asset.shape, asset.own_grid) == ((20, 30), own)


@pytest.mark.parametrize(
    ("asset", "bands"),
    [
        ({"eo:bands": [{"name": "B02", "common_name": "blue"}]}, [("B02", "blue", "", None)]),
        (
            {  # two extensions side by side
                "eo:bands": [{"name": "red", "common_name": "red"}],
                "raster:bands": [{"data_type": "uint16", "scale": 1e-4, "offset": -0.1}],
            },
            [("red", "red", "uint16", -0.1)],
        ),
        (
            {"bands": [{"name": "B02", "eo:common_name": "blue", "raster:offset": -0.1}]},
            [("B02", "blue", "", -0.1)],
        ),
        (
            {  # STAC 1.1: what holds for all bands stands in the asset
                "bands": [{"name": "a"}, {"name": "b", "data_type": "uint8"}],
                "data_type": "int16",
                "raster:offset": -0.2,
            },
            [("a", "", "int16", -0.2), ("b", "", "uint8", -0.2)],
        ),
        ({"data_type": "uint8", "raster:offset": 0}, [("", "", "uint8", 0.0)]),  # … of the only one
        (
            {  # fewer of one than of the other
                "eo:bands": [{"name": "a"}, {"name": "b"}],
                "raster:bands": [{"data_type": "int16"}],
            },
            [("a", "", "int16", None), ("b", "", "", None)],
        ),
        ({"eo:bands": [3]}, [("", "", "", None)]),  # STAC 0.6 pointed into the collection
        ({}, []),
    ],
    ids=["eo", "eo and raster", "1.1", "1.1 common", "1.1 lone", "uneven", "0.6", "none"],
)
def test_bands_are_read_in_every_spelling(asset, bands):
    found = parse(document(asset=asset)).assets["B02"].bands
    assert [(b.name, b.common_name, b.dtype, b.offset) for b in found] == bands


@pytest.mark.parametrize(
    ("told", "nodata"),
    [(0, 0.0), ("nan", math.nan), ("-inf", -math.inf), (None, None), ("x", None)],
)
def test_nodata_may_be_a_word(told, nodata):
    (band,) = parse(document(asset={"raster:bands": [{"nodata": told}]})).assets["B02"].bands
    assert band.nodata == pytest.approx(nodata, nan_ok=True)


@pytest.mark.parametrize(
    ("properties", "time", "end"),
    [
        ({"datetime": "2023-06-12T12:00:00Z"}, NOON, NOON),
        ({"datetime": "2023-06-12T14:00:00+02:00"}, NOON, NOON),  # an offset is taken out
        ({"datetime": "2023-06-12T12:00:00"}, NOON, NOON),  # without a zone: UTC
        ({"datetime": "2023-06-12T12:00:00.000000000Z"}, NOON, NOON),  # nanoseconds
        (
            {  # a composite
                "datetime": None,
                "start_datetime": "2023-06-12T12:00:00Z",
                "end_datetime": "2023-06-20T00:00:00Z",
            },
            NOON,
            datetime(2023, 6, 20, tzinfo=UTC),
        ),
        ({"datetime": None, "start_datetime": "2023-06-12T12:00:00Z"}, NOON, NOON),
    ],
)
def test_times_are_utc(properties, time, end):
    item = parse(document(properties=properties))
    assert (item.time, item.time_end) == (time, end)
    assert item.time.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("base", "href", "found"),
    [
        ("https://a.org/c/i.json", "./B02.tif", "https://a.org/c/B02.tif"),
        ("https://a.org/c/i.json", "../B02.tif", "https://a.org/B02.tif"),
        ("https://a.org/c/i.json", "s3://bucket/B02.tif", "s3://bucket/B02.tif"),
        ("https://a.org/c/i.json", "/data/B02.tif", "https://a.org/data/B02.tif"),  # RFC 3986
        ("/data/c/i.json", "./B02.tif", "/data/c/B02.tif"),
        ("/data/c/i.json", "../B02.tif", "/data/c/../B02.tif"),  # a folder may be a link
        ("/data/c/i.json", "/other/B02.tif", "/other/B02.tif"),
        ("i.json", "B02.tif", "B02.tif"),
        ("", "B02.tif", "B02.tif"),
    ],
)
def test_a_relative_address_starts_where_it_was_read(base, href, found):
    assert resolve(base, href) == found


def test_the_self_link_is_where_an_item_was_read_that_tells_no_other_place():
    links = [{"rel": "root", "href": "x"}, {"rel": "self", "href": "https://a.org/c/one.json"}]
    assert parse(document(links=links)).assets["B02"].href == "https://a.org/c/B02.tif"


def test_a_geometry_that_crosses_itself_is_mended():
    bow = [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]
    item = parse(document(geometry={"type": "Polygon", "coordinates": bow}))
    assert item.geometry.is_valid
    assert item.geometry.area == pytest.approx(0.5)


@pytest.mark.parametrize("geometry", [None, {}, {"type": "Polygon"}, "POINT (0 0)", [1, 2]])
def test_an_item_without_a_place_may_be_anywhere(geometry):
    assert parse(document(geometry=geometry)).geometry is None


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"id": None}, "is no STAC item"),
        ({"id": 7}, "is no STAC item"),
        ({"properties": None}, "is no STAC item"),
        ({"properties": []}, "is no STAC item"),
        ({"assets": {}}, "is no STAC item"),
        ({"assets": None}, "is no STAC item"),
        ({"properties": {}}, "has the datetime None"),
        ({"properties": {"datetime": None}}, "has the datetime None"),
        ({"properties": {"datetime": "June"}}, "has the datetime 'June'"),
        ({"properties": {"datetime": "2023-02-30T00:00:00Z"}}, "has the datetime"),
        (document(properties={"proj:epsg": 1}), "declares the CRS 'EPSG:1'"),
        (document(asset={"proj:wkt2": "PROJCS[nonsense"}), "declares the CRS 'PROJCS[nonsense'"),
        (document(asset={"proj:projjson": {"type": "X"}}), "declares the CRS"),
        # Lists and numbers that are none: one bad item must not end the search of a catalogue.
        (document(asset={"proj:transform": [10, 0, None, 0, -10, 0]}), "one"),
        (document(asset={"proj:transform": ["ten"] * 6}), "one"),
        (document(asset={"proj:shape": ["all", "of it"]}), "one"),
        (document(asset={"proj:shape": 10}), "one"),
        (document(asset={"eo:bands": 7}), "one"),
    ],
)
def test_a_broken_item_is_refused_with_its_reason(broken, reason):
    with pytest.raises(ItemError) as refusal:
        parse(document() | broken, base="/there/one.json")
    assert reason in str(refusal.value)


ANYTHING = st.sampled_from(
    [None, True, 0, -3, math.nan, "", "nan", "text", [], [None], ["x"], [1, "y"], {}, {"a": [None]}]
)
ASSET_FIELDS = ("type", "gsd", "roles", "bands", "eo:bands", "raster:bands", "nodata", "file:size")
GRID_FIELDS = ("proj:epsg", "proj:code", "proj:wkt2", "proj:projjson", "proj:shape")
PROPERTIES = ("datetime", "start_datetime", "end_datetime", "proj:transform", *GRID_FIELDS)


@given(
    asset=st.dictionaries(st.sampled_from((*ASSET_FIELDS, *GRID_FIELDS)), ANYTHING, max_size=3),
    properties=st.dictionaries(st.sampled_from(PROPERTIES), ANYTHING, max_size=2),
    rest=st.dictionaries(
        st.sampled_from(("id", "links", "geometry", "collection", "assets")), ANYTHING, max_size=1
    ),
)
def test_whatever_a_catalogue_serves_is_an_item_or_refused_as_one(asset, properties, rest):
    served = document(asset=asset, properties=properties) | rest
    try:
        item = parse(served, base="/there/one.json")
    except ItemError:
        return
    assert isinstance(item, Item)


@pytest.mark.parametrize("served", [None, [], "one", 1])
def test_what_is_no_object_is_no_item(served):
    with pytest.raises(ItemError, match="is no STAC item"):
        parse(served, base="/there/items.json")


def test_an_item_tells_the_first_of_some_properties_that_it_has():
    item = parse(document(properties={"a": None, "b": "", "c": "told", "n": True, "m": 3}))
    assert item.text("a", "b", "c") == "told"
    assert item.text("a") == ""
    assert item.number("c", "n", "m") == 3  # neither text nor a truth value is a number
    assert math.isnan(item.number("a"))
    assert isinstance(item.geometry, shapely.Point)
    assert item.assets["B02"].bands == ()
    assert BandInfo().nodata is None


def ring(*corners):
    return {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}


@pytest.mark.parametrize(
    ("geometry", "inside", "outside"),
    [
        # Drawn the long way round: it is not cut at the antimeridian, as old catalogues have it.
        (ring([178.6, 1], [-179.8, 1], [-179.7, 2], [178.7, 2]), [(179.5, 1.5), (-179.9, 1.5)], 0),
        (ring([178.6, 1], [180.2, 1], [180.3, 2], [178.7, 2]), [(179.5, 1.5), (-179.9, 1.5)], 0),
        (
            ring([-181.4, 1], [-179.8, 1], [-179.7, 2], [-181.3, 2]),
            [(179.5, 1.5), (-179.9, 1.5)],
            0,
        ),
        (ring([-180, -60], [180, -60], [180, 60], [-180, 60]), [(0, 0), (179, 1), (-179, 1)], None),
        (ring([2, 48], [3, 48], [3, 49], [2, 49]), [(2.5, 48.5)], 0),
    ],
)
def test_a_footprint_is_where_it_is_meant_to_be(geometry, inside, outside):
    found = parse(document(geometry=geometry)).geometry
    assert found.is_valid
    assert -180 <= found.bounds[0] <= found.bounds[2] <= 180
    assert all(found.intersects(shapely.Point(*place)) for place in inside)
    assert outside is None or not found.intersects(shapely.Point(outside, 1.5))


def test_a_box_over_the_antimeridian_is_two():
    found = parse(document(geometry=None, bbox=[179, 1, -179, 2])).geometry
    assert found.area == pytest.approx(2)
    assert found.intersects(shapely.Point(-179.5, 1.5))
