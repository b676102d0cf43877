"""LINZ's scenes: half of those of each of the latest surveys, as Clay drew them from the bucket."""

import json
import random

import geopandas
import pytest
import shapely

import cubestore
from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import CatalogError, DatasetError, NothingFoundError
from cubestore_pipelines.place import area
from cubestore_pipelines.sampling import linz
from cubestore_pipelines.sampling.linz import draw, latest, survey_at
from cubestore_pipelines.sampling.surveys import PUBLISHED
from cubestore_pipelines.search import Query, catalog, search

SURVEYS = {
    "wellington/wellington_2021_0.3m/rgb": 24,
    "wellington/wellington_2021_0.075m/rgb": 7,
    "wellington/wellington_2012-2013_0.3m/rgb": 12,
    "hawkes-bay/napier_2017-2018_0.05m/rgb": 41,
    "hawkes-bay/napier_2024_0.05m/rgbnir": 20,
    "otago/dunedin_2018-2019_0.1m/rgb": 12,
    "otago/otago_2018_0.1m/rgb": 2,
}
"""Folder -> scenes, as the catalogue of nz-imagery lies in its bucket."""

LATEST = {name for name in SURVEYS if "2012" not in name and "rgbnir" not in name}


def names(folder):
    return [f"BQ31_5000_{number:04}" for number in range(SURVEYS[folder])]


def scene(name, place, survey):
    west, south = 174 + place / 100, -41.0
    ring = [[west, south], [west + 0.01, south], [west + 0.01, -40.99], [west, -40.99]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": survey,
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "bbox": [west, south, west + 0.01, -40.99],
        "properties": {
            "datetime": None,
            "start_datetime": "2021-12-01T11:00:00Z",
            "end_datetime": "2022-05-05T12:00:00Z",
        },
        "links": [{"rel": "collection", "href": "./collection.json"}],
        "assets": {"visual": {"href": f"./{name}.tiff", "type": "image/tiff"}},
    }


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    root = tmp_path_factory.mktemp("nz-imagery")
    for folder in SURVEYS:
        there = root / folder / "2193"
        for place, name in enumerate(names(folder)):
            write(there / f"{name}.json", scene(name, place, folder))
        items = [{"rel": "item", "href": f"./{name}.json"} for name in reversed(names(folder))]
        collection = {"type": "Collection", "id": folder, "links": items}
        write(there / "collection.json", collection)
    children = [{"rel": "child", "href": f"./{folder}/2193/collection.json"} for folder in SURVEYS]
    write(root / "catalog.json", {"type": "Catalog", "id": "nz-imagery", "links": children})
    return root / "catalog.json"


def by_clay(folder):
    """Draw as the processor does, from the keys of a prefix in the bucket's order."""
    files = sorted(f"{folder}/2193/{name}.tiff" for name in names(folder))
    random.seed(42)
    size = max(min(int(len(files) / 2), 2000), 10)
    drawn = random.sample(files, min(size, len(files)))
    return [key.rpartition("/")[2].removesuffix(".tiff") for key in drawn]


def test_the_latest_surveys_give_what_clay_drew_of_them(catalogue):
    sample = linz(catalogue)
    survey = sample.table().groupby("survey", sort=False)["name"].apply(list).to_dict()
    assert survey == {folder.removesuffix("/rgb"): by_clay(folder) for folder in sorted(LATEST)}


@pytest.mark.parametrize(
    ("there", "drawn"),
    [
        (1, 1),  # fewer than the least: all
        (10, 10),
        (19, 10),  # the least
        (21, 10),
        (41, 20),  # half, rounded down
        (4000, 2000),
        (9000, 2000),  # the most
    ],
)
def test_half_of_the_scenes_are_drawn_within_limits(there, drawn):
    addresses = [f"https://host/wellington/w_2021_0.3m/rgb/2193/{n:05}.json" for n in range(there)]
    some = draw(addresses)
    assert len(some) == len(set(some)) == drawn
    assert set(some) <= set(addresses)
    assert draw(reversed(addresses)) == some
    assert there <= drawn or draw(addresses, seed=7) != some


def test_the_published_surveys_are_the_latest_of_their_places():
    assert len(set(PUBLISHED)) == 39
    there = [survey_at(f"https://host/{name}/rgb/2193/collection.json") for name in PUBLISHED]
    assert [one.name for one in there] == list(PUBLISHED)
    assert latest(there) == there
    older = survey_at("https://host/otago/dunedin_2013_0.4m/rgb/2193/collection.json")
    assert latest([older, *there]) == there


@pytest.mark.parametrize(
    ("surveys", "there"),
    [
        ("latest", LATEST),
        ("all", {name for name in SURVEYS if "rgbnir" not in name}),
        ("published", {name for name in LATEST if name.removesuffix("/rgb") in PUBLISHED}),
    ],
)
def test_which_surveys_are_drawn_from(catalogue, surveys, there):
    told = [one.survey for one in linz(catalogue, surveys=surveys).surveys]
    assert told == sorted(name.removesuffix("/rgb") for name in there)


def test_a_collection_alone_is_drawn_from(catalogue):
    folder = "wellington/wellington_2012-2013_0.3m/rgb"
    sample = linz(catalogue.parent / folder / "2193" / "collection.json")
    assert [item.id for item in sample.items] == by_clay(folder)


def test_the_program_writes_what_build_takes(tmp_path, capsys, catalogue):
    items, outlines = tmp_path / "linz.json", tmp_path / "linz.fgb"
    for output in (items, outlines):
        assert main(["sample", "linz", str(catalogue), "--output", str(output), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["scenes"] == sum(survey["drawn"] for survey in told["surveys"]) == 51
    table = geopandas.read_file(outlines)
    assert set(table["kind"]) == {"linz"}
    assert area(outlines).bounds == pytest.approx(table.total_bounds)
    query = Query(sensor=cubestore.sensor("linz"), area=shapely.box(173, -42, 175, -40))
    found = search(catalog(str(items)), query).items
    expected = {(item.collection, item.id) for item in linz(catalogue).items}
    assert {(one.collection, one.id) for one in found} == expected
    for item in json.loads(items.read_text())["features"]:
        href = item["assets"]["visual"]["href"]
        assert href == str(catalogue.parent / item["collection"] / f"2193/{item['id']}.tiff")


def test_published_surveys_that_are_gone_are_told(tmp_path, capsys, catalogue):
    output = str(tmp_path / "linz.fgb")
    named = ["sample", "linz", str(catalogue), "--surveys", "published", "--output", output]
    assert main(named) == 3
    assert "not in the catalogue: auckland/auckland_2022_0.075m" in capsys.readouterr().err


def test_what_is_no_catalogue_of_linz_is_refused(tmp_path, catalogue):
    write(tmp_path / "empty.json", {"type": "Catalog", "id": "x", "links": []})
    with pytest.raises(NothingFoundError, match=r"empty\.json has no survey"):
        linz(tmp_path / "empty.json")
    with pytest.raises(CatalogError, match=r"nowhere\.json cannot be read"):
        linz(tmp_path / "nowhere.json")
    folder = tmp_path / "otago/otago_2018_0.1m/rgb/2193"
    write(folder / "A.json", {**scene("A", 0, "x"), "geometry": None, "bbox": None})
    links = [{"rel": "item", "href": "./A.json"}]
    write(folder / "collection.json", {"type": "Collection", "id": "x", "links": links})
    with pytest.raises(DatasetError, match=r"A\.json has no geometry"):
        linz(folder / "collection.json")
    assert main(["sample", "linz", str(catalogue), "--output", "linz.csv"]) == 1
