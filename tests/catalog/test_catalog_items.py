"""A store as STAC: what its items say, that they are valid, and that they lead back to the data."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import geopandas
import numpy as np
import pyarrow.parquet as pq
import pystac
import pytest
import shapely
import xarray as xr
from pystac_client import Client
from pystac_client.warnings import NoConformsTo
from stac_geoparquet import arrow

import cubestore
from cubestore import SENSORS
from cubestore.cube import cube_at
from cubestore.embeddings import patch_sets
from cubestore.errors import NotAStoreError, QueryError
from cubestore.patches import Embedded
from cubestore_catalog import Index, api, load, publish
from cubestore_catalog.errors import ItemError
from cubestore_catalog.stac import items, outline, terms
from cubestore_pipelines.cli import main
from tests.catalog.published import MODEL, append, full_store, of_patches, slot, validator
from tests.cubestore.patch_sets import description, patch_set, patches

ZARR = "application/vnd.zarr; version=3"
WORLDCOVER = "ESA_WorldCover_10m"
SET_VECTORS = "noise-train-embedding_rcf_v1_0"
PLACES = ("longitude", "latitude", "crs", "transform", "split")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of every sensor, with its catalogue."""
    made = full_store(tmp_path_factory.mktemp("stac") / "store")
    publish(made.path)
    return made


@pytest.fixture(scope="module")
def catalog(store):
    return pystac.Catalog.from_file(f"{store.path}/catalog/catalog.json")


@pytest.fixture(scope="module")
def judge(shared_data):
    """What knows the schemas."""
    return validator(shared_data)


@pytest.fixture
def small(tmp_path):
    """A store of two cubes without a catalogue."""
    made = cubestore.create_store(tmp_path / "store")
    for tile in ("31UDQ", "31UEQ"):
        append(made.create_cube(tile, "sentinel-2-l2a"), slot(1))
    return made


def path_of(store, collection, item):
    return Path(store.path, "catalog", collection, item, f"{item}.json")


def item_of(store, collection, item):
    return json.loads(path_of(store, collection, item).read_bytes())


def every_file(store):
    """Return what lies in the catalogue, and when each file was written."""
    files = (path for path in Path(store.path, "catalog").rglob("*") if path.suffix)
    return {path: path.stat().st_mtime_ns for path in files}


# What is said.


def test_everything_that_is_said_is_valid(catalog, judge):
    found = [*catalog.get_all_collections(), *catalog.get_items(recursive=True)]
    assert len(found) == 2 * (len(SENSORS) + 3) + 1  # the set's vectors beside the cube's
    for record in found:
        checked = record.validate(validator=judge)
        assert len(checked) == 1 + len(record.stac_extensions)
    catalog.validate(validator=judge)


def test_a_cube_is_told_by_the_words_of_the_field(store):
    item = item_of(store, "sentinel-2-l2a", "31UDQ-sentinel-2-l2a")
    told = item["properties"]
    assert (told["datetime"], told["start_datetime"]) == (None, "2024-01-01T10:30:00Z")
    assert told["end_datetime"] == "2024-01-03T10:30:00Z"
    assert (told["proj:code"], told["grid:code"]) == ("EPSG:32631", "MGRS-31UDQ")
    assert (told["constellation"], told["instruments"]) == ("sentinel-2", ["msi"])
    assert told["proj:shape"] == [10980, 10980]
    assert told["eo:cloud_cover"] == 2
    assert told["bands"][2]["eo:common_name"] == "red"
    assert told["cube:dimensions"]["time"]["values"] == [
        "2024-01-01T10:30:00Z",
        "2024-01-03T10:30:00Z",
    ]
    assert told["cube:variables"]["reflectance"]["nodata"] == -32768
    assert told["cubestore:path"] == "mgrs/31UDQ/sentinel-2-l2a"
    assert told["cubestore:slots"][0] == {  # where it is on the axis as stored, not by time
        "slot": 0,
        "datetime": "2024-01-03T10:30:00Z",
        "item_id": "scene-03",
        "cloud_cover": 3.0,
    }
    assert item["assets"]["data"]["type"] == ZARR
    assert "sar:polarizations" not in told


def test_a_collection_tells_of_all_its_cubes(tmp_path):
    made = cubestore.create_store(tmp_path / "store")
    append(made.create_cube("31UDQ", "sentinel-2-l2a", bands=["B04", "B08"]), slot(1), slot(2))
    other = made.create_cube("31UEQ", "sentinel-2-l2a", bands=["B02", "B04"])
    append(other, slot(1), slot(2, platform="sentinel-2b"))
    publish(made.path)
    (told,) = load(made.path)[1]
    assert told["summaries"]["platform"] == ["sentinel-2a", "sentinel-2b"]
    assert told["summaries"]["instruments"] == ["msi"]
    assert [band["name"] for band in told["summaries"]["bands"]] == ["B02", "B04", "B08"]
    assert told["summaries"]["cubestore:slots"] == {"minimum": 2, "maximum": 2}
    asset = told["item_assets"]["data"]
    assert (asset["type"], asset["xarray:open_kwargs"]["engine"]) == (ZARR, "zarr")
    assert not {"href", "file:size"} & {*asset}


@pytest.mark.parametrize("sensor", SENSORS)
def test_a_collection_says_who_made_its_pixels_and_under_which_terms(catalog, sensor):
    told = catalog.get_child(sensor)
    assert told.providers
    linked = [link.title for link in told.get_links("license")]
    assert linked == ([SENSORS[sensor].license] if told.license == "other" else [])


CITED = {  # of a cube with these scenes: its DOI, and how many it leads to
    ("h18v04", "MOD09A1.A2023193.h18v04.061.2023202034638"): ("10.5067/MODIS/MOD09A1.061", 1),
    ("h18v03", "MOD09A1.A2023193.h18v03.061.1", "MYD09A1.A2023193.h18v03.061.1"): (None, 2),
    ("h17v04", "MOD09A1.A2017193.h17v04.006.2017202034638"): (None, 0),  # of that nobody told
    ("31UDQ", f"{WORLDCOVER}_2021_v200_N48E000"): ("10.5281/zenodo.7254221", 1),
    ("31UEQ", f"{WORLDCOVER}_2020_v100_N48E003 a-map-of-ours"): (None, 1),
}


def test_a_cube_is_cited_by_the_data_set_that_its_scenes_are_of(tmp_path):
    made = cubestore.create_store(tmp_path / "store")
    for tile, *scenes in CITED:
        cube = made.create_cube(tile, "modis-09a1" if tile.startswith("h") else "esa-worldcover")
        append(cube, *(replace(slot(n), item_id=name) for n, name in enumerate(scenes, 1)))
    publish(made.path)
    catalog = pystac.Catalog.from_file(f"{made.path}/catalog/catalog.json")
    found = {item.id.split("-")[0]: item for item in catalog.get_items(recursive=True)}
    for (tile, *_), (doi, count) in CITED.items():
        assert found[tile].properties.get("sci:doi") == doi
        assert len(found[tile].get_links("cite-as")) == count
    modis = catalog.get_child("modis-09a1")
    assert "sci:doi" not in modis.extra_fields  # its cubes are of several
    assert {link.href for link in modis.get_links("cite-as")} == {
        f"https://doi.org/10.5067/MODIS/{name}.061" for name in ("MOD09A1", "MYD09A1")
    }


@pytest.mark.parametrize(
    ("sensor", "path", "doi"),
    [  # the third where the provider names none
        ("landsat-c2-l2", "landsat-c2-l2/LC08_L2SP_202033_20220327_02_T1.json", None),
        (
            "modis-09a1",
            "modis-09A1-061/MYD09A1.A2025057.h35v10.061.2025066034638.json",
            "10.5067/MODIS/MYD09A1.061",
        ),
        (
            "esa-worldcover",
            "esa-worldcover/ESA_WorldCover_10m_2021_v200_S60W030.json",
            "10.5281/zenodo.7254221",
        ),
    ],
)
def test_scenes_that_archives_name_are_known_by_their_names(shared_data, sensor, path, doi):
    item = json.loads((shared_data / "stac_items" / "planetary_computer" / path).read_text())
    assert terms.OF[sensor].dois_of([item["id"]]) == [item["properties"].get("sci:doi", doi)]


@pytest.mark.parametrize(
    ("sensor", "doi", "level"),
    [
        ("landsat-c2-l2", "10.5066/P9OGBGM6", "L2"),
        ("landsat-c2-l1", "10.5066/P975CC9B", "L1"),
        ("cop-dem-glo-30", "10.5270/ESA-c5d3d65", None),
        ("sentinel-2-l1c", None, "L1C"),  # ESA's DOI is of Collection 1 alone
        ("sentinel-1-rtc", None, None),
    ],
)
def test_a_collection_says_what_to_cite_and_how_far_it_was_processed(catalog, sensor, doi, level):
    told = catalog.get_child(sensor)
    assert told.extra_fields.get("sci:doi") == doi
    assert told.summaries.get_list("processing:level") == (level and [level])


def test_a_radar_and_a_sinusoidal_tile_have_words_of_their_own(store):
    radar = item_of(store, "sentinel-1-rtc", "31UDQ-sentinel-1-rtc")["properties"]
    assert radar["sar:polarizations"] == ["VV", "VH"]
    assert radar["sar:center_frequency"] == 5.405
    assert radar["bands"] == [{"name": "vv", "gsd": 10}, {"name": "vh", "gsd": 10}]  # no light
    modis = item_of(store, "modis-09a1", "h18v04-modis-09a1")["properties"]
    assert modis["proj:code"] is None
    assert modis["grid:code"] == "MSIN-1804"
    assert "Sinusoidal" in modis["proj:wkt2"]
    assert modis["cubestore:models"] == ["rcf-v1.0"]


def test_links_lead_to_the_scenes_the_store_and_the_model(store, catalog):
    cube = catalog.get_child("modis-09a1").get_item("h18v04-modis-09a1")
    sources = {link.title: link.href for link in cube.links if link.rel == "derived_from"}
    assert sources["scene-01"] == "https://archive.example/scene-01.json"
    assert Path(cube.get_links("store")[0].get_absolute_href()) == Path(store.path)
    vectors = catalog.get_child("embeddings-rcf-v1.0").get_item(
        "h18v04-modis-09a1-embedding_rcf_v1_0"
    )
    model = pystac.Item.from_file(vectors.get_links("emb:model")[0].get_absolute_href())
    assert model.properties["mlm:name"] == "rcf-v1.0"
    assert model.assets["model"].extra_fields["file:checksum"] == "1220" + "ab" * 32
    source = pystac.Item.from_file(vectors.get_links("emb:source-data")[0].get_absolute_href())
    assert source.id == cube.id
    pixels = f"Pixels: {cube.properties['title']}"  # as browsers list them
    titles = {"emb:model": "Model: rcf-v1.0", "emb:source-data": pixels}
    assert {rel: vectors.get_links(rel)[0].title for rel in titles} == titles
    assert [told["slot"] for told in vectors.properties["cubestore:slots"]] == [1]
    rows = vectors.properties["cube:dimensions"]["y_256"]
    assert rows["type"] == "spatial"
    assert rows["step"] == pytest.approx(-256 * cube.properties["gsd"])
    assert vectors.properties["emb:quantization"]["scale"] == [MODEL.scale]


def test_a_patch_set_tells_of_the_bands_of_each_sensor(store):
    told = item_of(store, "patches", "noise-train")["properties"]
    axes = {dim: one for dim, one in told["cube:dimensions"].items() if one["type"] == "bands"}
    assert {dim: one["values"] for dim, one in axes.items()} == {
        "band": ["B04", "B08"],
        "band_s1": ["vv", "vh"],
    }
    assert {"created", "updated"} & {*told} == {"updated"}  # when it was begun is not known


def test_vectors_of_patches_lead_to_their_set_and_model(catalog):
    vectors = catalog.get_child("embeddings-rcf-v1.0").get_item(SET_VECTORS)
    told = vectors.properties
    source = pystac.Item.from_file(vectors.get_links("emb:source-data")[0].get_absolute_href())
    assert (source.id, source.collection_id) == ("noise-train", "patches")
    assert (vectors.bbox, told["start_datetime"]) == (source.bbox, "2020-01-01T00:00:00Z")
    assert (told["cubestore:patches"], told["cubestore:path"]) == (6, "patches/noise/train")
    assert told["cubestore:embedding"]["bands"] == ["B04", "B08"]
    assert told["cube:variables"]["embedding_rcf_v1_0"]["shape"] == [6, 2, 4]
    assert [band["name"] for band in vectors.assets["embeddings"].extra_fields["bands"]] == [
        "embedding_rcf_v1_0"
    ]
    collection = catalog.get_child("embeddings-rcf-v1.0")
    sources = [link.get_absolute_href() for link in collection.get_links("emb:source-data")]
    assert [Path(href).parent.name for href in sources] == ["modis-09a1", "patches"]
    assert "emb:chip_layout" not in collection.extra_fields  # patches lie in no grid


def test_a_model_tells_of_all_that_it_was_given(store):
    told = item_of(store, "models", "rcf-v1.0")["properties"]
    given = {one["name"]: one["bands"] for one in told["mlm:input"]}
    modis = item_of(store, "modis-09a1", "h18v04-modis-09a1")["properties"]["bands"]
    assert given == {
        "chips of modis-09a1": [band["name"] for band in modis],
        "chips of sentinel-2-l2a": ["B04", "B08"],
    }
    assert told["description"] == "Makes a vector of 4 numbers of 20 x 20 or 256 x 256 pixels."
    assert told["providers"] == [{"name": MODEL.creator, "roles": ["producer"]}]
    assert told["mlm:architecture"] == MODEL.architecture


def test_vectors_without_pixels_are_told_with_what_their_sensors_have(tmp_path, judge):
    store = cubestore.create_store(tmp_path / "store")
    source = "sentinel-1-rtc cop-dem-glo-30"
    embedding = replace(MODEL, dtype="float32", scale=None, chip_size=64, source_data=source)
    embedding = replace(embedding, architecture="")
    given = Embedded(embedding=embedding, sensor=source, gsd=10)
    told = description(name="clay/rest", pixels=(), labels=(), embeddings=(given,))
    with store.create_patches(told, created="2024-02-01") as writer:
        columns = {n: v for n, v in patches(3)[1].items() if n in ("patch_id", *PLACES)}
        writer.append({embedding.variable: np.zeros((3, 4), "float32")}, columns)
    publish(store.path)
    catalog = pystac.Catalog.from_file(f"{store.path}/catalog/catalog.json")
    found = {item.collection_id: item for item in catalog.get_items(recursive=True)}
    for record in (*found.values(), *catalog.get_children()):
        record.validate(validator=judge)
    told = found["models"].properties
    assert told["mlm:input"][0]["bands"] == ["vv", "vh", "elevation"]
    assert told["mlm:architecture"] == "unknown"
    assert found["models"].properties["start_datetime"].startswith("2024-02-01")
    assert found["embeddings-rcf-v1.0"].datetime.isoformat().startswith("2024-02-01")


def test_vectors_that_no_patch_has_yet_are_not_told_of(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    made = patch_set(store)
    with patch_sets.write(made, of_patches(made, MODEL)):
        pass  # declared, and killed before the first block
    publish(store.path)
    assert [item["collection"] for item in load(store.path)[0]] == ["patches"]


def test_every_address_is_relative_and_leads_somewhere(catalog):
    for item in catalog.get_items(recursive=True):
        for key, asset in item.assets.items():
            if key != "model":
                assert not Path(asset.href).is_absolute()
                assert Path(asset.get_absolute_href()).exists()


def test_bands_of_the_asset_are_its_arrays(catalog):
    for item in catalog.get_items(recursive=True):
        for asset in item.assets.values():
            if asset.media_type == ZARR:
                for band in asset.extra_fields["bands"]:
                    assert Path(asset.get_absolute_href(), band["name"], "zarr.json").exists()


def test_clients_open_it_from_its_path(store):
    with pytest.warns(NoConformsTo):  # it is no API, and need not be one
        client = Client.open(f"{store.path}/catalog/catalog.json")
    assert {child.id for child in client.get_children()} >= set(SENSORS)


def test_a_superseded_slot_is_told_and_not_counted(small):
    cube = small.cube("31UDQ", "sentinel-2-l2a")
    append(cube, slot(2, supersedes="scene-01", cloud_cover=50.0))
    publish(small.path)
    told = item_of(small, "sentinel-2-l2a", "31UDQ-sentinel-2-l2a")["properties"]
    assert told["start_datetime"] == "2024-01-02T10:30:00Z"
    assert told["eo:cloud_cover"] == 50
    assert told["cubestore:slots"][1]["supersedes"] == "scene-01"


@pytest.mark.parametrize(
    ("shape", "bbox"),
    [
        (shapely.box(1, 2, 3, 4), [1, 2, 3, 4]),
        # over the antimeridian: west is greater than east
        (
            shapely.union(shapely.box(179, 2, 180, 4), shapely.box(-180, 2, -178, 4)),
            [179, 2, -178, 4],
        ),
        (shapely.union(shapely.box(1, 2, 3, 4), shapely.box(5, 1, 6, 2)), [1, 1, 6, 4]),
    ],
)
def test_a_box_goes_around_the_outline(shape, bbox):
    assert outline.placed(shape)["bbox"] == bbox


# From an item to the data.


@pytest.mark.parametrize("kind", ["path", "url", "pystac", "dict"])
def test_an_item_opens_as_its_cube(store, kind):
    path = path_of(store, "sentinel-2-l2a", "31UDQ-sentinel-2-l2a")
    item = pystac.Item.from_file(path)
    given = {"path": path, "url": f"file://{path}", "pystac": item, "dict": item.to_dict()}[kind]
    opened, cube = cubestore.open_item(given), store.cube("31UDQ", "sentinel-2-l2a").open()
    assert opened.sizes == cube.sizes
    assert opened.reflectance.dims == cube.reflectance.dims
    names = list(cube.data_vars)  # two gigabytes of nothing
    xr.testing.assert_identical(opened.drop_vars(names), cube.drop_vars(names))


def test_an_item_of_vectors_opens_as_these_alone(store):
    name = "h18v04-modis-09a1-embedding_rcf_v1_0"
    opened = cubestore.open_item(path_of(store, "embeddings-rcf-v1.0", name))
    assert list(opened.data_vars) == ["embedding_rcf_v1_0"]
    assert np.isfinite(opened.embedding_rcf_v1_0.sel(time="2024-01-01T10:30")).all()


def test_an_item_of_the_vectors_of_patches_opens_as_these_alone(store):
    opened = cubestore.open_item(path_of(store, "embeddings-rcf-v1.0", SET_VECTORS))
    assert list(opened.data_vars) == ["embedding_rcf_v1_0"]
    assert opened.embedding_rcf_v1_0.dims[:2] == ("patch", "season")
    np.testing.assert_allclose(opened.embedding_rcf_v1_0, 0.5)


def test_an_item_of_patches_opens_as_the_set(store):
    opened = cubestore.open_item(path_of(store, "patches", "noise-train"))
    xr.testing.assert_identical(opened, store.patches("noise/train").open())


@pytest.mark.parametrize("sensor", ["sentinel-2-l2a", "modis-09a1", "sentinel-1-rtc", "naip"])
def test_a_render_names_one_picture_to_who_knows_xarray_alone(store, sensor):
    tile = "h18v04" if sensor == "modis-09a1" else "31UDQ"
    item = item_of(store, sensor, f"{tile}-{sensor}")
    told = item["properties"]["renders"]["overview"]
    data = xr.open_zarr(store.cube(tile, sensor).path, chunks=None)[told["variable"]]
    picture = data.sel(dict(one.split("=") for one in told["sel"]))
    assert picture.dims == ("band", "y", "x")
    shown = picture.isel(band=[index - 1 for index in told["bidx"]])
    assert shown.band.values.tolist() == told["bands"]
    assert len(told["rescale"]) == len(told["bands"])


def test_a_render_of_classes_has_a_colour_for_each(store):
    told = item_of(store, "esa-worldcover", "31UDQ-esa-worldcover")["properties"]["renders"]
    legend = told["overview"]["colormap"]
    with store.cube("31UDQ", "esa-worldcover").open() as data:
        assert [*map(int, legend)] == data.land_cover.attrs["flag_values"]
    assert legend["80"] == "#0064c8"  # water
    assert "rescale" not in told["overview"]


def test_a_render_is_of_a_moment_that_one_slot_has_alone(small):
    append(small.cube("31UDQ", "sentinel-2-l2a"), slot(2))
    second = replace(slot(2), item_id="scene-02-again", supersedes="scene-02")
    append(small.cube("31UDQ", "sentinel-2-l2a"), second)
    publish(small.path)
    told = item_of(small, "sentinel-2-l2a", "31UDQ-sentinel-2-l2a")["properties"]
    assert told["renders"]["overview"]["sel"] == ["time=2024-01-01T10:30:00"]


def test_any_client_opens_the_asset_with_what_it_says(catalog):
    asset = catalog.get_child("modis-09a1").get_item("h18v04-modis-09a1").assets["data"]
    options = asset.extra_fields["xarray:open_kwargs"]
    assert xr.open_dataset(asset.get_absolute_href(), **options).sizes["time"] == 2


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"id": "a", "assets": {}}, "its assets are none"),
        ({"id": "a", "assets": {"data": {"href": "a.tif", "type": "image/tiff"}}}, "are data"),
        ({"id": "a", "assets": {"data": {"href": "../a", "type": ZARR}}}, "not from where"),
        ("nowhere.json", "there is nothing"),
    ],
)
def test_what_leads_nowhere_is_refused(item, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError, match=problem):
        cubestore.open_item(item)


# Written once, and again only where something changed.


def test_a_second_run_changes_nothing(small):
    first = publish(small.path)
    assert (first.items, first.written, first.removed) == (2, 2, 0)
    before, commits = every_file(small), [small.cube(*c).root().number for c in small.cubes()]
    again = publish(small.path)
    assert (again.items, again.written) == (2, 0)
    assert every_file(small) == before
    assert [small.cube(*c).root().number for c in small.cubes()] == commits


def test_only_what_has_changed_is_written(small):
    publish(small.path)
    before = every_file(small)
    append(small.cube("31UEQ", "sentinel-2-l2a"), slot(2))
    assert publish(small.path).written == 1
    changed = {path.name for path, time in every_file(small).items() if before[path] != time}
    assert changed == {"31UEQ-sentinel-2-l2a.json", "items.parquet", "collection.json"}


def test_what_an_earlier_edition_wrote_is_written_anew(small, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(items, "NEWEST", items.NEWEST - 1)
        publish(small.path)
    commits = [small.cube(*cube).root().number for cube in small.cubes()]
    assert publish(small.path).written == 2
    assert publish(small.path).written == 0
    assert [small.cube(*cube).root().number for cube in small.cubes()] == commits  # as they were


def test_the_item_stands_in_the_cube_and_names_its_newest_commit(store, judge):
    for tile, sensor in (("31UDQ", "sentinel-2-l2a"), ("h18v04", "modis-09a1")):
        cube = store.cube(tile, sensor)
        attributes = xr.open_zarr(cube.path, chunks=None).attrs
        inside, beside = attributes["stac:item"], item_of(store, sensor, f"{tile}-{sensor}")
        assert attributes["stac:encoding"] == "attribute"
        assert [c["name"] for c in attributes["zarr_conventions"]][-1] == "stac:"
        number = attributes["cubestore:commit"]["number"]
        assert number == inside["properties"]["cubestore:commit"]
        assert number == beside["properties"]["cubestore:commit"]
        for name in ("id", "geometry", "bbox"):
            assert inside[name] == beside[name]
        assert (
            inside["properties"].items()
            <= {
                **beside["properties"],
                "cube:dimensions": inside["properties"]["cube:dimensions"],
            }.items()
        )
        assert inside["links"] == []
        assert not cube.verify().findings
        pystac.Item.from_dict(inside).validate(validator=judge)


def test_a_cube_that_somebody_writes_to_gets_its_attribute_later(small):
    cube = small.cube("31UDQ", "sentinel-2-l2a")
    with cube.write():
        assert publish(small.path).written == 2
    assert "stac:item" not in cube.root().attributes
    append(cube, slot(2))
    publish(small.path)
    assert "stac:item" in cube.root().attributes


def test_attributes_can_be_left_alone(small):
    publish(small.path, attributes=False)
    assert all(small.cube(*cube).root().number == 1 for cube in small.cubes())
    publish(small.path)  # as after a service has brought the catalogue up to date
    assert all(small.cube(*cube).root().number == 2 for cube in small.cubes())
    assert publish(small.path).written == 0


def test_what_is_gone_is_taken_out_and_nothing_else(small):
    publish(small.path)
    note = Path(small.path, "catalog", "README.txt")
    note.write_text("mine")
    shutil.rmtree(small.cube("31UDQ", "sentinel-2-l2a").path)
    done = publish(small.path)
    assert (done.items, done.removed) == (1, 1)
    assert not path_of(small, "sentinel-2-l2a", "31UDQ-sentinel-2-l2a").parent.exists()
    shutil.rmtree(small.cube("31UEQ", "sentinel-2-l2a").path)
    assert publish(small.path).collections == ()
    assert sorted(p.name for p in note.parent.iterdir()) == [".lock", "README.txt", "catalog.json"]


def test_an_empty_cube_waits_for_its_first_slot(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube("31UDQ", "sentinel-2-l2a")
    assert publish(store.path).items == 0
    append(cube, slot(1))
    assert publish(store.path).items == 1


def test_a_damaged_cube_keeps_its_item_and_holds_up_no_other(small, capsys):
    publish(small.path)
    for tile in ("31UDQ", "31UEQ"):
        append(small.cube(tile, "sentinel-2-l2a"), slot(2))
    cube = cube_at(small.path, "31UDQ", "sentinel-2-l2a")
    cube.control.record_path(cube.root().number).unlink()
    assert main(["catalog", small.path, "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["items"], told["written"]) == (2, 1)
    assert "commit record" in told["failed"]["mgrs/31UDQ/sentinel-2-l2a"]


# GeoParquet.


def test_what_is_loaded_is_what_was_written(store, catalog):
    loaded, collections = load(store.path)
    found = {(item["collection"], item["id"]): item for item in loaded}
    assert len(found) == len(loaded) == len(SENSORS) + 4
    for place, item in found.items():
        assert item == item_of(store, *place)
    assert {one["id"] for one in collections} == {one.id for one in catalog.get_children()}


def test_other_software_reads_the_parquet_as_items(store):
    path = Path(store.path, "catalog", "sentinel-2-l2a", "items.parquet")
    table = pq.read_table(path)
    (read,) = arrow.stac_table_to_items(table)
    assert read["id"] == "31UDQ-sentinel-2-l2a"
    assert read["properties"]["eo:cloud_cover"] == 2
    assert json.loads(read["properties"]["cubestore:item"])["id"] == read["id"]
    assert b"geo" in table.schema.metadata


def test_addresses_in_the_parquet_lead_on_from_where_it_lies(store):
    for file in Path(store.path, "catalog").glob("*/items.parquet"):
        for item in arrow.stac_table_to_items(pq.read_table(file)):
            assets = {key: one for key, one in item["assets"].items() if one and key != "model"}
            for one in (*assets.values(), *item["links"]):
                assert "://" in one["href"] or (file.parent / one["href"]).exists()


def test_engines_ask_the_parquet_by_place_and_property(store):
    file = Path(store.path, "catalog", "sentinel-2-l2a", "items.parquet")
    assert geopandas.read_parquet(file, bbox=(2, 48, 3, 49)).crs.to_epsg() == 4326
    assert len(geopandas.read_parquet(file, bbox=(20, 48, 21, 49))) == 0
    clear = duckdb.read_parquet(str(file)).filter('"eo:cloud_cover" < 3')
    ((name, href),) = clear.select("id, assets.data.href").fetchall()
    assert name == "31UDQ-sentinel-2-l2a"
    assert xr.open_zarr(file.parent / href, chunks=None).sizes["time"] == 2


def test_the_api_serves_what_is_loaded(store):
    loaded, collections = load(store.path)
    assert api(Index(loaded), collections).routes


def test_damaged_parquet_is_written_anew(small):
    publish(small.path)
    file = Path(small.path, "catalog", "sentinel-2-l2a", "items.parquet")
    file.write_bytes(b"PAR1")
    with pytest.raises(ItemError, match="cannot be read"):
        load(small.path)
    publish(small.path)
    assert len(load(small.path)[0]) == 2


def test_without_a_catalogue_nothing_is_loaded(small, tmp_path):
    with pytest.raises(ItemError, match="cubestore catalog"):
        load(small.path)
    with pytest.raises(NotAStoreError):
        publish(tmp_path)
