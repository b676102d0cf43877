"""Which offset is in a product's pixels: evidence in its order, and never the date."""

import pickle

import pytest

import cubestore
from cubestore_pipelines.errors import OffsetError
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.items import parse
from cubestore_pipelines.offset import decide, refuse_contradiction
from cubestore_pipelines.providers import Collection, Provider, Source

L2A = cubestore.sensor("sentinel-2-l2a")
BOA, SENTINEL = "earthsearch:boa_offset_applied", "sentinel:boa_offset_applied"
SOME, NONE = -1000, 0


def item(*, name="one", offset=None, scale=1e-4, time="2023-06-12T10:50:31Z", **properties):
    raster = {} if offset is None else {"raster:bands": [{"scale": scale, "offset": offset}]}
    return parse(
        {
            "id": name,
            "properties": {"datetime": time, **properties},
            "assets": {band: {"href": f"{band}.tif", **raster} for band in ("B02", "B04")},
        }
    )


def decided(found, **more):
    scene = harmonise(found, L2A, ["B02", "B04"], **more)
    return scene.dn_offset, scene.dn_offset_source


@pytest.mark.parametrize(
    ("baseline", "dn_offset"),
    [
        ("02.14", NONE),
        ("03.01", NONE),
        ("04.00", SOME),  # the first with it
        ("05.00", SOME),  # Collection 1
        ("05.11", SOME),
        ("10.00", SOME),  # numbers, not text
        ("89.99", SOME),  # the last that tells
    ],
)
def test_the_baseline_decides(baseline, dn_offset):
    expected = (dn_offset, f"processing baseline {baseline}")
    assert decided(item(**{"s2:processing_baseline": baseline})) == expected


@pytest.mark.parametrize("baseline", ["90.00", "99.99", "", None])
def test_a_baseline_of_tests_or_none_is_undecided(baseline):
    with pytest.raises(OffsetError, match=baseline or "not given") as refusal:
        decided(item(**{"s2:processing_baseline": baseline}))
    assert "--dn-offset 0 or --dn-offset -1000" in refusal.value.remedy


PRODUCT = "S2A_MSIL2A_20230612T105031_{}R051_T31UDQ_20230612T164502"


@pytest.mark.parametrize(
    ("told", "baseline"),
    [
        ({"s2:processing_baseline": "05.09"}, "05.09"),
        ({"sentinel:processing_baseline": "02.14"}, "02.14"),  # Earth Search version 0
        ({"processing:version": "05.09"}, "05.09"),  # CDSE, and stactools since 0.7
        ({"processing:version": "N0509"}, "05.09"),
        ({"s2:product_uri": PRODUCT.format("N0301_") + ".SAFE"}, "03.01"),
        ({"name": PRODUCT.format("N0400_")}, "04.00"),  # CDSE's ids are names of products
        ({"title": PRODUCT.format("N0400_")}, "04.00"),
        # A field goes before a name …
        ({"s2:processing_baseline": "05.00", "name": PRODUCT.format("N0301_")}, "05.00"),
        # … unless it tells another thing.
        ({"processing:version": "sen2cor 2.11", "name": PRODUCT.format("N0301_")}, "03.01"),
        ({"name": PRODUCT.format("")}, ""),  # the Planetary Computer's ids have none
        ({"processing:version": "2.11"}, ""),
    ],
)
def test_where_the_baseline_is_found(told, baseline):
    if baseline:
        expected = (SOME if baseline >= "04" else NONE, f"processing baseline {baseline}")
        assert decided(item(**told)) == expected
    else:
        with pytest.raises(OffsetError, match="not given"):
            decided(item(**told))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        # Earth Search took it out; its bands still declare the product's.
        ({BOA: True, "s2:processing_baseline": "05.11", "offset": -0.1}, (NONE, BOA)),
        ({BOA: True, "s2:processing_baseline": "99.99"}, (NONE, BOA)),
        ({SENTINEL: True, "sentinel:processing_baseline": "05.11"}, (NONE, SENTINEL)),
        # It took nothing out: there may have been nothing, or it may be there still.
        ({BOA: False, "s2:processing_baseline": "02.14"}, (NONE, "processing baseline 02.14")),
        ({BOA: False, "s2:processing_baseline": "05.11"}, (SOME, "processing baseline 05.11")),
        ({BOA: "true", "s2:processing_baseline": "05.11"}, (SOME, "processing baseline 05.11")),
    ],
)
def test_earth_search_is_believed_when_it_took_the_offset_out(told, expected):
    assert decided(item(**told)) == expected


@pytest.mark.parametrize("word", [0, -1000])
@pytest.mark.parametrize(
    "evidence",
    [
        {BOA: True},
        {"s2:processing_baseline": "05.11", "offset": -0.1},
        {"s2:processing_baseline": "02.14", "offset": -0.1},  # contradicts itself
        {"s2:processing_baseline": "99.99"},
        {},
    ],
)
def test_the_users_word_goes_before_all_evidence(word, evidence):
    assert decided(item(**evidence), dn_offset=word) == (word, "the user's word")


@pytest.mark.parametrize(
    ("in_profile", "on_command_line", "expected"),
    [(-1000, None, -1000), (0, None, 0), (-1000, 0, 0), (0, -1000, -1000)],
)
def test_the_command_line_goes_before_the_profile(in_profile, on_command_line, expected):
    bands = {"B02": Source(("B02",)), "B04": Source(("B04",))}
    collection = Collection(sensor=L2A.id, bands=bands, dn_offset=in_profile)
    profile = Provider(id="mine", collections={"*": collection})
    found = decided(item(), profile=profile, dn_offset=on_command_line)
    assert found == (expected, "the user's word")


@pytest.mark.parametrize(
    ("baseline", "offset", "scale", "dn_offset"),
    [
        ("05.11", -0.1, 1e-4, SOME),
        ("02.14", 0, 1e-4, NONE),
        ("05.11", None, 1e-4, SOME),  # nothing declared
        ("05.11", -0.1, None, SOME),  # an offset in unknown units declares nothing
        ("05.11", -1000, 1, SOME),  # in digital numbers
        ("05.11", 0, 1e-4, None),
        ("02.14", -0.1, 1e-4, None),
        ("05.11", -0.2, 1e-4, None),
    ],
)
def test_the_baseline_must_agree_with_what_the_bands_declare(baseline, offset, scale, dn_offset):
    found = item(**{"s2:processing_baseline": baseline}, offset=offset, scale=scale)
    if dn_offset is not None:
        assert decided(found)[0] == dn_offset
    else:
        with pytest.raises(OffsetError, match=f"baseline {baseline}.*declare an offset"):
            decided(found)


def test_one_band_that_contradicts_is_enough():
    found = item(**{"s2:processing_baseline": "05.11"})
    with pytest.raises(OffsetError, match="declare an offset of 0"):
        decide(found, baseline="05.11", declared=[-1000.0, None, 0.0], word=None)


@pytest.mark.parametrize("time", ["2015-07-01", "2021-12-31", "2022-01-25", "2026-05-27"])
@pytest.mark.parametrize(("baseline", "dn_offset"), [("02.14", NONE), ("05.00", SOME)])
def test_the_date_decides_nothing(time, baseline, dn_offset):
    moment = f"{time}T10:50:31Z"
    assert decided(item(time=moment, **{"s2:processing_baseline": baseline}))[0] == dn_offset
    with pytest.raises(OffsetError):
        decided(item(time=moment))


@pytest.mark.parametrize(
    ("dn_offset", "dark", "valid", "refused"),
    [
        (SOME, 0, 0, False),  # nothing but nodata proves nothing
        (SOME, 0, 1000, False),
        (SOME, 1, 1000, False),  # a thousandth may be by chance
        (SOME, 2, 1000, True),
        (SOME, 1, 999, True),
        (SOME, 1, 1, True),
        (NONE, 1000, 1000, False),  # nothing was to be taken out
        (NONE, 0, 1000, False),  # a bright scene proves nothing
    ],
)
def test_dark_pixels_can_only_contradict(dn_offset, dark, valid, refused):
    if refused:
        with pytest.raises(OffsetError, match=f"one: {dark} of {valid} digital numbers") as error:
            refuse_contradiction("one", dn_offset, dark=dark, valid=valid)
        assert "--dn-offset 0" in error.value.remedy
        assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)  # noqa: S301
    else:
        refuse_contradiction("one", dn_offset, dark=dark, valid=valid)


def test_sensors_without_an_offset_have_none_decided():
    document = {
        "id": "LC08_L2SP_008059_20191201_20200825_02_T1",
        "collection": "landsat-c2-l2",
        "properties": {"datetime": "2019-12-01T15:00:00Z"},
        "assets": {"B4": {"href": "B4.tif"}},
    }
    scene = harmonise(parse(document), cubestore.sensor("landsat-c2-l2"), ["B4"])
    assert (scene.dn_offset, scene.dn_offset_source) == (0, "")
