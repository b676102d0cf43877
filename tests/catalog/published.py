"""A store with a cube of every sensor and a patch set, vectors in one cube and the set, no pixels;
and the schemas that its catalogue is compared with, without a network."""

import json
from dataclasses import replace

import numpy as np
from pystac.validation.stac_validator import JsonSchemaSTACValidator

import cubestore
from cubestore import SENSORS, Slot, embeddings
from cubestore.embeddings import Embedding, patch_sets
from cubestore.embeddings.patch_sets import PatchEmbedding
from tests.cubestore.patch_sets import patch_set

MODEL = Embedding(
    model="rcf-v1.0",
    creator="us",
    architecture="Random Convolutional Features",
    weights_sha256="ab" * 32,
    preprocessing="scaled by 1e-4",
    pooling="mean",
    dimensions=4,
    dtype="int8",
    scale=0.01,
)
TILES = {"mgrs": "31UDQ", "sin": "h18v04"}

DRAFT = "http://json-schema.org/draft-07/schema#"
STUBS = {
    "https://proj.org/schemas/v0.7/projjson.schema.json": {},
    "https://schemas.stacspec.org/v1.0.0/item-spec/json-schema/item.json": {
        "definitions": {"link": {"type": "object", "required": ["rel", "href"]}}
    },
    "https://schemas.stacspec.org/v1.0.0/collection-spec/json-schema/collection.json": {},
}
"""What the extensions refer to and no package has: any object will do."""

PROCESSING = "https://stac-extensions.github.io/processing/{}/schema.json"


def slot(day, **known):
    """Return a slot of a day of January 2024, with the address of its scene."""
    name = f"scene-{day:02d}"
    told = {"source_url": f"https://archive.example/{name}.json", "platform": "sentinel-2a"}
    return Slot(
        time=f"2024-01-{day:02d}T10:30:00Z",
        item_id=name,
        created="2024-06-01",
        **{**told, "cloud_cover": float(day), **known},
    )


def append(cube, *slots):
    """Append slots that hold no pixels."""
    with cube.write() as writer:
        writer.append(slots, [])


def full_store(path):
    """Make the store at ``path``; its slots arrive against the order of time."""
    store = cubestore.create_store(path)
    for name, sensor in SENSORS.items():
        cube = store.create_cube(TILES[sensor.grid], name)
        append(cube, slot(3), slot(1))
    cube = store.cube("h18v04", "modis-09a1")
    with embeddings.write(cube, MODEL) as writer:
        vectors = np.random.default_rng(0).uniform(-1, 1, (10, 10, 4)).astype("float32")
        writer.fill(1, vectors, commit=1)
    fill_patches(patch_set(store), MODEL)
    return store


def of_patches(patches, embedding):
    """Return a patch set's vectors, a patch's in both seasons."""
    return PatchEmbedding(
        embedding=replace(embedding, chip_size=20),
        sensor="sentinel-2-l2a",
        gsd=10,
        count=patches.root().arrays["reflectance"]["shape"][0],
        seasons=(("season", 2),),
    )


def fill_patches(patches, embedding):
    """Give each patch of a set its vectors, all alike."""
    wanted = of_patches(patches, embedding)
    for block in patch_sets.missing(patches, wanted):
        with patch_sets.write(patches, wanted) as writer:
            writer.fill(block, np.full((len(block), 2, embedding.dimensions), 0.5, "float32"))


def validator(shared_data):
    """Return a validator that knows the extensions' schemas."""
    made = JsonSchemaSTACValidator()
    known = json.loads((shared_data / "stac_schemas" / "extensions.json").read_text())
    stubs = {uri: {"$schema": DRAFT, "$id": uri, "type": "object", **s} for uri, s in STUBS.items()}
    older = {PROCESSING.format("v1.1.0"): known[PROCESSING.format("v1.2.0")]}
    made.schema_cache = {**made.schema_cache, **stubs, **older, **known}
    return made
