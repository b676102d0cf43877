"""The MODIS tiles without nodata: the published list, and its rule asked of cubes and items."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

import cubestore
from cubestore import layout
from cubestore.grids import sinusoidal_tiles, tile
from cubestore_pipelines.cli import main
from cubestore_pipelines.errors import ItemError, NothingFoundError, PlanError
from cubestore_pipelines.place import tiles
from cubestore_pipelines.sampling import sin

SENSOR, NODATA = "modis-09a1", -28672


def test_the_published_tiles_are_233_of_the_grid():
    names = list(sin()["name"])
    assert len(names) == len(set(names)) == 233
    assert set(names) <= {one.id for one in sinusoidal_tiles()}
    assert {"h18v04", "h12v02", "h03v09", "h22v14"} <= set(names)  # the list's corners
    assert not {"h09v04", "h15v10", "h00v08", "h35v10"} & set(names)


def test_none_of_the_published_tiles_lies_over_the_edge_of_the_earth():
    """Clay wanted no antimeridian in them; a tile that it cuts has nodata beyond it."""
    for name in sin()["name"]:
        square = tile(name).bounds
        quadrant = tile(name).quadrant
        assert quadrant.end == quadrant.start + 10, name
        assert quadrant.bend >= quadrant.end, square


def composite(folder, tile_id, day, pixels):
    """Write a composite's first band, 240 pixels wide, and return its item."""
    square, path = tile(tile_id).bounds, folder / f"{tile_id}.{day}.tif"
    step = (square.right - square.left) / 240
    told = {"driver": "GTiff", "width": 240, "height": 240, "count": 1, "dtype": "int16"}
    told |= {"transform": Affine(step, 0, square.left, 0, -step, square.top), "nodata": NODATA}
    with rasterio.open(path, "w", crs=tile(tile_id).crs.to_wkt(), **told) as dataset:
        dataset.write(pixels, 1)
    moment = f"2023-07-{day}T00:00:00Z"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"MOD09A1.A20231{day}.{tile_id}.061.2023202041233",
        "collection": "modis-09A1-061",
        "geometry": shapely.geometry.mapping(tile(tile_id).footprint),
        "properties": {"datetime": None, "start_datetime": moment, "end_datetime": moment},
        "links": [],
        "assets": {"sur_refl_b01": {"href": str(path)}},
    }


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """One tile is full now, one was, one has what is no reflectance; and other products."""
    folder = tmp_path_factory.mktemp("modis")
    whole, torn = np.full((240, 240), 1200, "int16"), np.full((240, 240), 1200, "int16")
    torn[239, 7] = NODATA
    items = [
        composite(folder, "h18v04", 12, torn),
        composite(folder, "h18v04", 20, whole),
        composite(folder, "h19v04", 12, whole),
        composite(folder, "h19v04", 20, torn),
        composite(folder, "h20v04", 20, np.full((240, 240), -100, "int16")),
    ]
    items.append({**items[0], "id": "S2A_31UDQ", "collection": "sentinel-2-l2a"})
    items.append({**items[0], "id": "MOD09Q1.A2023196.h17v04.061.2023202041233"})
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return str(path)


def test_the_latest_composite_of_a_catalogue_decides(catalogue):
    found = sin(catalog=catalogue)
    assert list(found["name"]) == ["h18v04", "h20v04"]
    assert found["item"][0].startswith("MOD09A1.A2023120.h18v04")
    assert list(sin(catalog=catalogue, datetime="2023-07-12")["name"]) == ["h19v04"]


def test_the_latest_slot_of_a_cube_decides(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    layers = layout.layers_of(cubestore.sensor(SENSOR))
    masks = {layer.name: np.zeros((2400, 2400), layer.dtype) for layer in layers}
    slots = {"h18v04": [("12", 2048), ("20", 2400)], "h19v04": [("20", 2399)]}
    for tile_id, given in slots.items():
        cube = store.create_cube(tile_id, SENSOR, bands=["sur_refl_b01"])
        for day, rows in given:
            pixels = np.full((1, 2400, 2400), 900, "int16")
            pixels[:, rows:] = NODATA
            slot = cubestore.Slot(
                time=f"2023-07-{day}", item_id=f"{tile_id}.{day}", platform="terra"
            )
            cube.append(slot, {"reflectance": pixels} | masks)
    store.create_cube("h20v04", SENSOR)
    found = sin(store=store.path)
    assert found[["name", "item"]].to_numpy().tolist() == [["h18v04", "h18v04.20"]]


def test_a_real_composite_of_the_alps_is_full_as_its_file_is(shared_data):
    folder = shared_data / "stac_local" / "modis-09A1"
    (document,) = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    href = document["assets"]["sur_refl_b01"]["href"]
    with rasterio.open(folder / href) as dataset:
        whole = (dataset.read(1) != NODATA).all()
    found = list(sin(catalog=str(folder))["name"])
    assert found == (["h18v04"] if whole else [])


def test_the_program_writes_tiles_to_build(tmp_path, capsys, catalogue):
    output = tmp_path / "sin.fgb"
    assert main(["sample", "sin", "--output", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tiles"] == 233
    assert set(tiles(output)) == set(sin()["name"])
    assert geopandas.read_file(output).geom_type.unique().tolist() == ["MultiPolygon"]
    named = ["--catalog", catalogue, "--output", str(tmp_path / "sin.parquet")]
    assert main(["sample", "sin", *named]) == 0
    assert tiles(tmp_path / "sin.parquet") == ("h18v04", "h20v04")


def test_an_item_that_cannot_be_read_is_told(tmp_path, catalogue):
    items = json.loads(Path(catalogue).read_text())
    items["features"][0]["properties"] = {}
    (tmp_path / "items.json").write_text(json.dumps(items))
    with pytest.raises(ItemError, match="MOD09A1"):
        sin(catalog=str(tmp_path / "items.json"))


def test_what_makes_no_sense_is_refused(tmp_path, catalogue):
    cubestore.create_store(tmp_path / "store")
    with pytest.raises(PlanError, match="A store and a catalogue"):
        sin(store=tmp_path / "store", catalog=catalogue)
    with pytest.raises(PlanError, match="The datetime 'July'"):
        sin(catalog=catalogue, datetime="July")
    with pytest.raises(NothingFoundError, match="store has nothing of modis-09a1"):
        sin(store=tmp_path / "store")
    with pytest.raises(NothingFoundError, match=r"items\.json has nothing of modis-09a1"):
        sin(catalog=catalogue, datetime="2010")
