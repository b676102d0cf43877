"""The embeddings of a cube as STAC items, and the models that made them as items of their own.

What of an embedding is told alike of one in a patch set (`set_vectors`) is told here.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from cubestore import layout
from cubestore.embeddings.definition import Embedding, described
from cubestore.embeddings.stored import commits_of
from cubestore.visible import COMPUTED
from cubestore_catalog.stac import coverage, items, outline, records
from cubestore_catalog.stac import described as words
from cubestore_catalog.stac.records import Json, link
from cubestore_catalog.stac.snapshot import Slot, Snapshot, moment

MODELS = "models"
"""The collection of models."""

ASSET = "embeddings"
"""As the extension demands."""

TASKS = ["similarity-search"]
"""What the vectors of any model are used for here, in the words of the MLM extension."""

UNKNOWN = "unknown"
"""What the MLM extension calls an architecture that nobody names."""

FACTS = "cubestore:embedding"
"""Property of an item of vectors: what it has in common with all that its model made."""


def collection_of(model: str) -> str:
    """Return the collection of a model's vectors."""
    return f"embeddings-{slug(model)}"


def slug(name: str) -> str:
    """Return a name as it can stand in a path."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def held(seen: Snapshot) -> list[tuple[Embedding, list[Slot]]]:
    """Return the embeddings of a cube that have vectors, with the slots that have them."""
    computed = seen.root.attributes.get(COMPUTED, {})
    found = []
    for name, runs in sorted(computed.items()):
        embedding = described(seen.arrays[name], seen.arrays)
        complete = commits_of(runs)
        slots = [slot for slot in seen.seen if slot.number in complete]
        if embedding is not None and slots:
            found.append((embedding, slots))
    return found


def vectors_item(
    seen: Snapshot, embedding: Embedding, slots: Sequence[Slot], checksum: str
) -> Json:
    """Return the item of a model's vectors in a cube.

    Args:
        seen: the cube's state.
        embedding: which.
        slots: those that have vectors, by time.
        checksum: of the cube's ``zarr.json``.
    """
    sensor, tile = seen.cube.sensor, seen.cube.tile
    arrays = [seen.arrays[name] for name in embedding.variables]
    held, chips = items.covered(seen, slots), _chips(seen, embedding)
    _, y, x, _ = seen.arrays[embedding.variable].dims
    return records.item(
        f"{items.item_id(seen)}-{embedding.variable}",
        collection_of(embedding.model),
        place=outline.placed(coverage.on_earth(held, tile, layout.geobox(sensor, tile))),
        properties={
            "title": f"{embedding.model} on {sensor.title}, tile {tile.id}",
            **items.span(list(slots)),
            "updated": seen.updated,
            **made_by(embedding),
            "grid:code": tile.grid_code,
            **words.projection(chips, tile, held),
            **items.cube_of(seen, arrays, words.space(chips, tile, (y, x))),
            **items.of_cube(seen, checksum),
            "cubestore:slots": [_told(slot) for slot in slots],
            FACTS: facts(embedding, sensor.id, seen.bands),
        },
        assets=records.group_assets(
            seen.path,
            ASSET,
            seen.size,
            checksum,
            title="The cube that holds the vectors",
            bands=words.arrays(arrays),
        ),
        links=[
            records.store_link(),
            *origins(embedding, sensor.id, items.item_id(seen), items.title_of(seen)),
        ],
    )


def made_by(embedding: Embedding) -> Json:
    """Return the properties of an item of vectors that tell how they came about."""
    return {
        "emb:preprocessing": {"format": "text", "expression": embedding.preprocessing},
        **_quantization(embedding),
        "cubestore:variable": embedding.variable,
        "cubestore:model": embedding.model,
    }


def origins(embedding: Embedding, collection: str, item: str, title: str) -> list[Json]:
    """Return the links of an item of vectors: to the model, and to the item of the pixels.

    Args:
        embedding: whose vectors.
        collection: of the pixels.
        item: of the pixels, its id.
        title: of that item.
    """
    name = embedding.model
    return [
        model_link(name, records.href_of(MODELS, slug(name))),
        pixels_link(title, records.href_of(collection, item), records.GEOJSON),
    ]


def model_link(name: str, href: str) -> Json:
    """Return a link to a model's item; browsers show its title in place of its relation."""
    return link("emb:model", href, records.GEOJSON, title=f"Model: {name}")


def pixels_link(title: str, href: str, media: str = records.JSON) -> Json:
    """Return a link to the pixels of some vectors: a collection, or an item by its media type."""
    return link("emb:source-data", href, media, title=f"Pixels: {title}")


def model_items(vectors: Sequence[Json]) -> list[Json]:
    """Return an item for each model, in the words of the MLM extension.

    Args:
        vectors: the items of all vectors.
    """
    of: dict[str, list[Json]] = {}
    for item in vectors:
        of.setdefault(item["properties"]["cubestore:model"], []).append(item)
    return [_model(made) for _, made in sorted(of.items())]


def _model(made: list[Json]) -> Json:
    """Return the item of the model that made these vectors, maybe of pixels of several sensors."""
    told = made[0]["properties"][FACTS]
    name, dimensions, creator = told["model"], told["dimensions"], told["creator"]
    sizes = sorted({one["properties"][FACTS]["chip_size"] for one in made})
    squares = " or ".join(f"{size} x {size}" for size in sizes)
    inputs = _inputs(made)
    bands = [*dict.fromkeys(band for one in inputs for band in one["bands"])]
    named = {"bands": [{"name": band} for band in bands]} if bands else {}
    start, end = items.interval(made)
    return records.item(
        slug(name),
        MODELS,
        place=outline.boxed(outline.around([item["bbox"] for item in made])),
        properties={
            "title": name,
            "description": f"Makes a vector of {dimensions} numbers of {squares} pixels.",
            "datetime": None,
            "start_datetime": start,
            "end_datetime": end,
            **({"providers": [{"name": creator, "roles": ["producer"]}]} if creator else {}),
            **named,
            "mlm:name": name,
            "mlm:architecture": _architecture(made),
            "mlm:tasks": TASKS,
            "mlm:input": inputs,
            "mlm:output": [_output(told)],
            "processing:software": items.software_used(),
        },
        assets={"model": {**_weights(told), **named}},
    )


def _architecture(made: list[Json]) -> str:
    """Return what kind of network a model is; older vectors do not tell."""
    told = (one["properties"][FACTS].get("architecture") for one in made)
    return next(filter(None, told), UNKNOWN)


def _inputs(made: list[Json]) -> list[Json]:
    """Return what a model was given: the chips of each sensor, any one of them at a time."""
    each = [one["properties"] for one in made]
    first = {(told[FACTS]["sensor"], *told[FACTS]["bands"]): told for told in reversed(each)}
    return [_input(told[FACTS], told["emb:preprocessing"]) for _, told in sorted(first.items())]


def _input(told: Json, preprocessing: Json) -> Json:
    bands, size = told["bands"], told["chip_size"]
    return {
        "name": f"chips of {told['sensor']}",
        "bands": bands,
        "input": {
            "shape": [-1, len(bands) or -1, size, size],
            "dim_order": ["batch", "bands" if bands else "channel", "height", "width"],
            "data_type": "float32",
        },
        "pre_processing_function": preprocessing,
    }


def _output(told: Json) -> Json:
    return {
        "name": f"embedding, pooled by {told['pooling']}",
        "tasks": TASKS,
        "result": {
            "shape": [-1, told["dimensions"]],
            "dim_order": ["batch", "embedding"],
            "data_type": "float32",
        },
    }


def _weights(told: Json) -> Json:
    """Return the asset of a model: where it can be had or read of, and what its weights are."""
    return {
        "href": _address(told["url"]),
        "title": told["model"],
        "roles": ["mlm:model"],
        "mlm:artifact_type": "weights",
        **(records.checksum_told(told["weights"]) if told["weights"] else {}),
    }


def _address(url: str) -> str:
    """Return the address of a model: a name, that leads nowhere, where it has none."""
    return url if urlsplit(url).scheme else f"urn:cubestore:model:{quote(url)}"


def facts(embedding: Embedding, sensor: str, bands: Sequence[str]) -> Json:
    """Return what an item of vectors has in common with all that its model made.

    Args:
        embedding: which.
        sensor: whose pixels they were made of: an id, or several with blanks between.
        bands: of these; none where nobody knows.
    """
    return {
        "model": embedding.model,
        "creator": embedding.creator,
        "architecture": embedding.architecture,
        "url": embedding.url or embedding.model,
        "weights": embedding.weights_sha256,
        "pooling": embedding.pooling,
        "dimensions": embedding.dimensions,
        "chip_size": embedding.chip_size,
        "data_type": embedding.dtype,
        "sensor": sensor,
        "bands": list(bands),
    }


def _quantization(embedding: Embedding) -> Json:
    if embedding.scale is None:
        return {}
    told: dict[str, Any] = {"method": "linear", "original_dtype": "float32"}
    told |= {"quantized_dtype": embedding.dtype, "scale": [embedding.scale], "offset": [0]}
    return {"emb:quantization": told}


def _told(slot: Slot) -> Json:
    return {"slot": slot.number, "datetime": moment(slot.start), "item_id": slot.item_id}


def _chips(seen: Snapshot, embedding: Embedding) -> Any:  # noqa: ANN401 - odc.geo's GeoBox
    """Return the grid of chips, whole ones even where they reach past the cube."""
    grid = layout.geobox(seen.cube.sensor, seen.cube.tile)
    return grid.pad_wh(embedding.chip_size, embedding.chip_size).zoom_out(embedding.chip_size)
