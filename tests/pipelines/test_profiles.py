"""Profiles: a YAML file tells which asset of a collection holds which band. No physics."""

import pickle
import shutil
from pathlib import Path

import pytest

import cubestore
from cubestore_pipelines import providers as package
from cubestore_pipelines.errors import ProfileError
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.items import parse
from cubestore_pipelines.providers import Source, profile, providers
from cubestore_pipelines.search import catalog

EXAMPLE = """
collections:
  boadella-sentinel-2-l2a:
    sensor: sentinel-2-l2a
    bands:
      B02: {asset: data, index: 2}     # index: 1-based band of a many-band file, default 1
      B03: {asset: data, index: 3}
    quality: {asset: scl}              # optional
    dn_offset: 0
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_the_documented_example_is_understood(written):
    mine = profile(written(EXAMPLE))
    assert (mine.id, mine.of_sensor("sentinel-2-l2a")) == ("mine", ["boadella-sentinel-2-l2a"])
    told = mine.collection("boadella-sentinel-2-l2a")
    assert told.bands == {"B02": Source(("data",), 2), "B03": Source(("data",), 3)}
    assert told.layers == {"quality": Source(("scl",), 1)}
    assert told.dn_offset == 0
    assert mine.collection("another") is None


COLLECTION = "collections: {c: {sensor: sentinel-2-l2a, bands: {B02: blue}%s}}"


@pytest.mark.parametrize(
    ("band", "source"),
    [
        ("blue", Source(("blue",))),
        ("[blue, B02]", Source(("blue", "B02"))),  # spellings: the first that is there
        ("{asset: data}", Source(("data",), 1)),
        ("{asset: data, index: 12}", Source(("data",), 12)),
        ("{asset: [data, image], index: 2}", Source(("data", "image"), 2)),
    ],
)
def test_a_bands_source_in_every_spelling(written, band, source):
    text = f"collections: {{c: {{sensor: sentinel-2-l2a, bands: {{B02: {band}}}}}}}"
    assert profile(written(text)).collection("c").bands["B02"] == source


@pytest.mark.parametrize(
    ("told", "dn_offset"),
    [("", None), (", dn_offset: from-item", None), (", dn_offset: -1000", -1000)],
)
def test_without_a_number_the_item_decides_the_offset(written, told, dn_offset):
    assert profile(written(COLLECTION % told)).collection("c").dn_offset == dn_offset


def test_a_star_stands_for_every_collection_that_is_not_named(written):
    text = "collections: {'*': {sensor: linz, bands: {red: visual}}, c: {sensor: naip}}"
    mine = profile(written(text))
    assert mine.collection("01ABC").sensor == "linz"
    assert mine.collection("c").sensor == "naip"
    assert mine.of_sensor("linz") == []  # nothing to ask an API for by name


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("", "no `collections`", "collections: NAME"),
        ("[]", "no `collections`", "collections: NAME"),
        ("collections: {}", "no `collections`", "collections: NAME"),
        ("collection: {c: {sensor: naip}}", "no `collections`", "collections: NAME"),
        ("collections: {c: {sensor: naip}}\ncollectoins: 1", "mine: collectoins", "some of alte"),
        ("collections: {c: {bands: {B02: blue}}}", "c names no sensor", "sensor: ID"),
        ("collections: {c: naip}", "c names no sensor", "sensor: ID"),
        ("collections: {c: {sensor: sentinel-2}}", "No sensor is called", "sentinel-2-l2a"),
        ("collections: {c: {sensor: naip, bands: {B02: x}}}", "c, bands: B02", "green, nir, red"),
        ("collections: {c: {sensor: naip, band: {red: x}}}", "c: band", "bands, dn_offset, sens"),
        ("collections: {c: {sensor: naip, quality: x}}", "c: quality", "bands, dn_offset, sensor"),
        (COLLECTION % ", dn_offset: yes", "c has the dn_offset True", ""),
        (COLLECTION % ", dn_offset: 0.1", "c has the dn_offset 0.1", ""),
        (COLLECTION % ", dn_offset: none", "c has the dn_offset 'none'", ""),
        ("collections: {c: {sensor: naip, bands: {red: 1}}}", "1 names no asset", "asset: data"),
        ("collections: {c: {sensor: naip, bands: {red: {index: 1}}}}", "names no asset", ""),
        (
            "collections: {c: {sensor: naip, bands: {red: {asset: a, index: 0}}}}",
            "the index 0, counted from 1,",
            "",
        ),
        ("collections: {c: {sensor: naip, bands: {red: {asset: a, index: x}}}}", "index 'x'", ""),
        ("collections: {c: {sensor: naip, bands: {red: {asset: a, idx: 2}}}}", "idx", "index"),
        ("collections: {c: {sensor: naip", "cannot be read", "a YAML file"),
        ("collections: !!python/object/apply:os.getcwd []", "cannot be read", "a YAML file"),
        # Of the wrong kind altogether.
        ("collections: [c]", "", ""),
        ("collections: c", "", ""),
        ("collections: {c: {sensor: naip, bands: [red]}}", "", ""),
        ("collections: {c: {sensor: naip, bands: red}}", "", ""),
        ("collections: {c: {sensor: [naip]}}", "", ""),
        ("collections: {c: {sensor: naip}}\ns3: {zone: x}", "zone", ""),
        ("collections: {c: {sensor: naip}}\ns3: us-west-2", "", ""),
        ("collections: {c: {sensor: naip}}\nbuckets: {b: {zone: x}}", "zone", ""),
        ("collections: {c: {sensor: naip, bands: {red: {asset: {a: b}}}}}", "", ""),
    ],
)
def test_a_wrong_profile_is_refused_with_what_was_found_and_expected(
    written, text, found, expected
):
    with pytest.raises(ProfileError) as refusal:
        profile(written(text))
    error = refusal.value
    assert found in error.found
    assert expected in error.expected
    assert error.expected
    assert error.remedy
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def test_a_profile_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ProfileError, match=r"nowhere\.yaml cannot be read"):
        profile(tmp_path / "nowhere.yaml")


REFUSED = ("planetary-computer", "landsat-c2-l1")
"""What is listed for the sake of a good refusal: of MSS."""

BUILT_IN = [
    (p, name) for p in providers().values() for name in p.collections if (p.id, name) != REFUSED
]


@pytest.mark.parametrize(("provider", "name"), BUILT_IN, ids=lambda one: getattr(one, "id", one))
def test_a_built_in_collection_maps_onto_all_bands_of_its_sensor_and_no_others(provider, name):
    told = provider.collection(name)
    sensor = cubestore.sensor(told.sensor)
    known = {band.name for band in (*sensor.bands, *sensor.optional_bands)}
    layers = {layer.name for layer in sensor.layers}
    on_request = {layer.name for layer in sensor.optional_layers}
    assert {band.name for band in sensor.bands} <= set(told.bands) <= known
    assert layers <= set(told.layers) <= layers | on_request
    sources = [(source.assets, source.index) for source in told.bands.values()]
    assert len(set(sources)) == len(sources)  # no asset twice
    assert told.dn_offset is None


@pytest.mark.parametrize("provider", providers().values(), ids=lambda one: one.id)
def test_a_built_in_provider_is_found_by_its_name(provider):
    where = catalog(provider.id)
    assert where.profile == provider
    assert where.address == provider.url
    assert provider.url.startswith("https://")
    assert provider.title


def test_a_users_profile_goes_before_the_providers_own(written):
    mine = profile(written(EXAMPLE))
    assert catalog("earth-search", mine).profile is mine
    assert catalog("earth-search", mine).address == providers()["earth-search"].url


def test_a_profile_may_tell_its_catalogue(written):
    mine = profile(written(f"url: https://a.org/stac\n{EXAMPLE}"))
    assert catalog("", mine).address == "https://a.org/stac"
    assert catalog("https://b.org", mine).address == "https://b.org"


def test_a_new_provider_is_one_file_of_addresses(tmp_path, monkeypatch):
    """A copy of the package's folder, with one file more: no code was touched."""
    folder = Path(package.__file__).parent
    copy = tmp_path / "providers"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (copy / "new.yaml").write_text(
        "title: New\nurl: https://new.org/stac\n"
        "collections: {s2: {sensor: sentinel-2-l2a, bands: {B02: azul, B04: rojo}}}\n"
    )
    monkeypatch.setattr(package, "files", lambda _: copy)
    providers.cache_clear()
    try:
        assert catalog("new").address == "https://new.org/stac"
        document = {
            "id": "one",
            "collection": "s2",
            "properties": {"datetime": "2023-06-12", "s2:processing_baseline": "05.09"},
            "assets": {"azul": {"href": "a.tif"}, "rojo": {"href": "b.tif"}},
        }
        scene = harmonise(parse(document), cubestore.sensor("sentinel-2-l2a"), ["B02", "B04"])
        assert scene.provider == "new"
        assert {band: raster.asset for band, raster in scene.bands.items()} == {
            "B02": "azul",
            "B04": "rojo",
        }
    finally:
        providers.cache_clear()
