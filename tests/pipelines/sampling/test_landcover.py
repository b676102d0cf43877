"""Land cover of tiles: as rasterio counts it, resumed where it was left, refused where odd."""

import json
import shutil

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.windows import from_bounds

import cubestore
from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.place import tiles
from cubestore_pipelines.sampling import landcover
from cubestore_pipelines.sampling.outlines import outline
from cubestore_pipelines.sampling.worldcover import CLASSES, nearest
from tests.pipelines.sampling import sheets

NAMES = list(CLASSES.values())


@pytest.fixture(scope="module")
def worldcover(tmp_path_factory):
    """Two sheets in Cameroon, and one on either side of the antimeridian."""
    folder = tmp_path_factory.mktemp("worldcover")
    for corner in ((3, 9), (3, 12), (-18, 177), (-18, -180)):
        sheets.write(folder, *corner)
    return folder


def boxes(tile):
    return [part.bounds for part in outline(cubestore.tile(tile)).geoms]


@pytest.mark.parametrize(
    ("tile", "parts"),
    [
        ("32NPK", 1),  # within a sheet
        ("33NTF", 1),  # over the edge between two
        ("33NTE", 1),  # and beyond the southern edge of both, where there is none
        ("60KYF", 1),  # beside the antimeridian
        ("01KAB", 2),  # across it: a box on either side
    ],
)
def test_pixels_are_counted_as_rasterio_reads_the_boxes(tmp_path, worldcover, tile, parts):
    assert len(boxes(tile)) == parts
    landcover(worldcover, tmp_path / "table.fgb", tile=[tile])
    table = geopandas.read_file(tmp_path / "table.fgb")
    expected = sheets.read_by_rasterio(worldcover.iterdir(), boxes(tile))[list(CLASSES)]
    assert table[NAMES].to_numpy().tolist() == [expected.tolist()]
    assert (table["name"][0], table["count"][0]) == (tile, np.count_nonzero(expected))
    assert {kind.kind for kind in table[["count", *NAMES]].dtypes} == {"i"}
    assert (table.geometry[0].geom_type, len(table.geometry[0].geoms)) == ("MultiPolygon", parts)


def test_all_tiles_that_a_sheet_has_a_part_in_are_counted(tmp_path, worldcover):
    done = landcover(worldcover, tmp_path / "table.parquet")
    table = geopandas.read_parquet(tmp_path / "table.parquet")
    assert done.tiles == done.counted == len(table) == table["name"].nunique()
    places = [(9.2, 3.2, 14.8, 5.8), (177.2, -17.8, -177.2, -15.2)]
    inside = {one.id for place in places for one in cubestore.grids.tiles_in(*place)}
    assert inside <= set(table["name"])
    around = [shapely.box(9, 3, 15, 6), shapely.box(177, -18, 180, -15)]
    around = shapely.union_all([*around, shapely.box(-180, -18, -177, -15)])
    assert table.geometry.envelope.intersects(around).all()
    assert set(tiles(tmp_path / "table.parquet")) == set(table["name"])


@pytest.mark.parametrize(
    ("codes", "rows"),
    [
        ([0, 0], 0),  # nothing is known
        ([80, 80], 0),  # all water
        ([0, 80], 0),  # water, and nothing else that is known
        ([80, 95], 1),  # mangroves stand in water
    ],
)
def test_tiles_without_land_have_no_row(tmp_path, codes, rows):
    pixels = sheets.plain(codes[0])
    pixels[:: sheets.FACTOR * 4] = codes[1]
    pixels[8 :: sheets.FACTOR * 4] = codes[1]  # whichever row an overview takes
    path = sheets.write(tmp_path, 3, 9, pixels)
    done = landcover(path, tmp_path / "table.fgb", tile=["32NPK"])
    assert (done.tiles, done.empty) == (rows, 1 - rows)
    assert len(geopandas.read_file(tmp_path / "table.fgb")) == rows


def test_a_second_run_reads_nothing_and_makes_the_same_table(tmp_path, worldcover):
    output = tmp_path / "table.parquet"
    first = landcover(worldcover, output, bbox=(10, 4, 11, 5))
    table = geopandas.read_parquet(output)
    output.unlink()
    again = landcover(worldcover, output, bbox=(10, 4, 11, 5))
    assert (first.counted, again.counted) == (first.tiles, 0)
    assert geopandas.read_parquet(output).equals(table)


def test_a_stopped_run_goes_on(tmp_path, worldcover):
    def stop(done, _total):
        if done == 3:
            raise KeyboardInterrupt

    output, place = tmp_path / "table.fgb", {"bbox": (10, 4, 11.5, 5)}
    with pytest.raises(KeyboardInterrupt):
        landcover(worldcover, output, workers=1, progress=stop, **place)
    assert not output.exists()
    counted = output.with_name("table.fgb.counted")
    counted.write_bytes(counted.read_bytes()[:-5])  # killed in the middle of a line
    done = landcover(worldcover, output, **place)
    assert done.counted == done.tiles - 2
    whole = tmp_path / "whole.fgb"
    landcover(worldcover, whole, **place)
    pick = ["name", "count", *NAMES]
    rows = [geopandas.read_file(f)[pick].sort_values("name").to_numpy() for f in (output, whole)]
    assert rows[0].tolist() == rows[1].tolist()


def test_only_tiles_with_new_sheets_are_counted_again(tmp_path, worldcover):
    folder, output = tmp_path / "sheets", tmp_path / "table.fgb"
    folder.mkdir()
    shutil.copy(worldcover / f"{sheets.name(3, 9)}_Map.tif", folder)
    landcover(folder, output, tile=["32NPK", "33NTF"])
    shutil.copy(worldcover / f"{sheets.name(3, 12)}_Map.tif", folder)
    done = landcover(folder, output, tile=["32NPK", "33NTF"])
    assert (done.tiles, done.counted) == (2, 1)
    table = geopandas.read_file(output).set_index("name")
    expected = sheets.read_by_rasterio(worldcover.iterdir(), boxes("33NTF"))
    assert table.loc["33NTF", NAMES].tolist() == expected[list(CLASSES)].tolist()


def test_a_damaged_sheet_costs_its_tiles_alone_until_it_is_mended(tmp_path, worldcover, capsys):
    folder, output = tmp_path / "sheets", tmp_path / "table.fgb"
    folder.mkdir()
    for west in (9, 12):
        shutil.copy(worldcover / f"{sheets.name(3, west)}_Map.tif", folder)
    broken = folder / f"{sheets.name(3, 12)}_Map.tif"
    data = broken.read_bytes()
    with rasterio.open(broken, overview_level=3) as dataset:
        assert dataset.shape == (150, 150)
    broken.write_bytes(data[:-2000] + bytes(2000))
    named = ["--tile", "32NPK", "--tile", "33NTF", "--output", str(output), "--json"]
    assert main(["sample", "landcover", str(folder), *named]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["tiles"], [name for name, _ in told["failures"]]) == (1, ["33NTF"])
    broken.write_bytes(data)
    assert main(["sample", "landcover", str(folder), *named]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["tiles"], told["counted"]) == (2, 1)


def test_a_catalogue_gives_its_sheets_those_of_the_latest_version(tmp_path, worldcover):
    older = sheets.write(tmp_path, 3, 9, sheets.plain(10), version="2020_v100")
    newer = worldcover / f"{sheets.name(3, 9)}_Map.tif"
    items = [sheets.item(newer, "2.0.0"), sheets.item(older, "1.0.0")]
    catalogue = sheets.catalogue(tmp_path / "items.json", items)
    landcover(str(catalogue), tmp_path / "a.fgb", tile=["32NPK"])
    landcover([newer], tmp_path / "b.fgb", tile=["32NPK"])
    tables = [geopandas.read_file(tmp_path / name)[NAMES] for name in ("a.fgb", "b.fgb")]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"levels": 2}, "has 2 overviews"),
        ({"crs": "EPSG:32632"}, "on EPSG:32632"),
        ({"pixels": sheets.plain(10).astype("int16")}, "holds int16"),
        (
            {"pixels": sheets.plain(7)},
            "has the code 7, which is no class",
        ),
    ],
)
def test_what_is_no_sheet_is_refused_by_name(tmp_path, wrong, message):
    path = sheets.write(tmp_path, 3, 9, **{"pixels": sheets.landscape(0), **wrong})
    with pytest.raises(DatasetError, match=message) as refused:
        landcover(tmp_path, tmp_path / "table.fgb", tile=["32NPK"])
    assert path.name in str(refused.value)
    assert not (tmp_path / "table.fgb").exists()


def test_two_versions_in_a_folder_are_refused(tmp_path):
    for version in ("2020_v100", "2021_v200"):
        sheets.write(tmp_path, 3, 9, sheets.plain(10), version=version)
    with pytest.raises(DatasetError, match=r"v200_N03E009.* lies where .*v100_N03E009"):
        landcover(tmp_path, tmp_path / "table.fgb")


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["nowhere"], 1, "nowhere cannot be read"),
        (["{empty}"], 1, "holds no sheet of WorldCover"),
        (["{sheets}", "--tile", "31UAA"], 1, "no such Sentinel-2 tile as '31UAA'"),
        (["{sheets}", "--tile", "h18v04"], 1, "The land cover of h18v04"),
        (["{sheets}", "--output", "table.csv"], 1, "a file that ends in .fgb, .parquet"),
        (["{sheets}", "--output", "/proc/1/table.fgb"], 1, "Cannot write"),
        ([], 2, "WORLDCOVER"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    tmp_path, worldcover, capsys, arguments, status, problem
):
    told = [one.format(empty=tmp_path, sheets=worldcover) for one in arguments]
    assert main(["sample", "landcover", *told]) == status
    said = capsys.readouterr()
    assert problem in said.err
    assert said.out == ""
    assert status != 1 or said.err.count("\n") == 1


def test_a_real_sheet_is_counted_as_rasterio_reads_it(tmp_path, shared_data):
    (path,) = (shared_data / "worldcover").rglob("*_Map.tif")
    landcover(path, tmp_path / "table.fgb", bbox=(6.3, 0.3, 8.7, 2.7))
    table = geopandas.read_file(tmp_path / "table.fgb").set_index("name")
    assert len(table) == 3  # São Tomé, Príncipe, and the coast of Gabon's sea has none
    with rasterio.open(path, overview_level=3) as dataset:
        for name in table.index:
            ((west, south, east, north),) = boxes(name)
            clipped = max(west, 6), max(south, 0), min(east, 9), min(north, 3)
            if clipped == (west, south, east, north):
                found = dataset.read(1, window=from_bounds(*clipped, dataset.transform))
                counts = np.bincount(found.ravel(), minlength=256)[list(CLASSES)]
                assert table.loc[name, NAMES].tolist() == counts.tolist()


def test_boxes_are_those_of_the_published_tiles(shared_data):
    published = geopandas.read_file(shared_data / "grids" / "clay_mgrs_sample.gpkg")
    ours = [outline(cubestore.tile(name)).bounds for name in published["name"]]
    np.testing.assert_allclose(ours, published.bounds.to_numpy(), atol=1e-6)


def test_published_shares_are_of_pixels_of_160_metres(shared_data):
    """Of a tile that is land throughout, the box's pixels are the shares' common denominator."""
    published = geopandas.read_file(shared_data / "grids" / "clay_mgrs_sample.gpkg")
    whole = 0
    for name, shares in zip(published["name"], published[NAMES].to_numpy(), strict=True):
        ((west, south, east, north),) = boxes(name)
        pixels = len(nearest(west * 750, east * 750)) * len(nearest(south * 750, north * 750))
        counts = shares * pixels
        whole += bool(np.abs(counts - counts.round()).max() < 1e-5)
    assert whole > 600
