"""The collections of a catalogue: one a sensor, one a model's vectors, one of models, one of sets.

What a collection says is gathered from its items, so that it is as new as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cubestore import sensors
from cubestore_catalog.stac import items, outline, records, sets, vectors
from cubestore_catalog.stac.records import Json, declared, link

SUMMARIES = ("platform", "constellation", "gsd", "proj:code")
"""Properties of which a collection lists the values."""

ID, TITLE = "cubestore", "Cubes"


def collection(name: str, members: Sequence[Json]) -> Json:
    """Return a collection of items.

    Args:
        name: its id.
        members: its items, at least one.
    """
    boxes = [item["bbox"] for item in members]
    return declared(
        {
            "type": "Collection",
            "stac_version": records.STAC_VERSION,
            "id": name,
            **_about(name, members),
            "extent": {
                "spatial": {"bbox": [outline.around(boxes)]},
                "temporal": {"interval": [items.interval(members)]},
            },
            "summaries": _summaries(members),
            "assets": {
                "items": {
                    "href": "./items.parquet",
                    "type": records.PARQUET,
                    "title": "All items, as GeoParquet",
                    "roles": ["collection-mirror"],
                }
            },
            "links": [
                link("root", "../catalog.json", title=TITLE),
                link("parent", "../catalog.json", title=TITLE),
                *_model_links(members),
                *(_item_link(one) for one in sorted(members, key=_id)),
            ],
        }
    )


def catalog(names: Mapping[str, str]) -> Json:
    """Return the catalogue above the collections.

    Args:
        names: id -> title of each.
    """
    children = [
        link("child", f"./{name}/collection.json", title=title) for name, title in names.items()
    ]
    return {
        "type": "Catalog",
        "stac_version": records.STAC_VERSION,
        "id": ID,
        "title": TITLE,
        "description": "Analysis-ready Earth-observation cubes, one per tile and sensor, in Zarr.",
        "links": [link("root", "./catalog.json", title=TITLE), *children],
    }


def _about(name: str, members: Sequence[Json]) -> Json:
    """Return what people read: title, description, terms, whom to cite."""
    if name in sensors.SENSORS:
        sensor = sensors.sensor(name)
        return {
            "title": sensor.title,
            "description": f"{sensor.title}: a cube a tile, all acquisitions along its time axis.",
            "license": records.license_of(sensor.license),
            "sci:citation": sensor.attribution,
            "keywords": ["cube", "zarr", sensor.grid, sensor.pixels.name],
        }
    if name == sets.PATCHES:
        title, text = "Patch sets", "Benchmarks that came as patches, with their labels."
    elif name == vectors.MODELS:
        title, text = "Models", "The models that made the embeddings."
    else:
        return _about_vectors(members)
    return {"title": title, "description": text, "license": "other"}


def _about_vectors(members: Sequence[Json]) -> Json:
    """Return what the extension wants of a collection of vectors: what all of them share."""
    every = [one["properties"][vectors.FACTS] for one in members]
    facts, kinds = every[0], {one["data_type"] for one in every}
    return {
        "title": f"Embeddings of {facts['model']}",
        "description": f"Vectors that {facts['model']} made of chips, beside their pixels.",
        "license": "other",
        "emb:type": "chip",
        "emb:dimensions": facts["dimensions"],
        "data_type": kinds.pop() if len(kinds) == 1 else "other",
        **_chip_layout({one["chip_size"] for one in every}, set(map(_source, members))),
    }


def _chip_layout(sizes: set[int], sources: set[str]) -> Json:
    """Return how chips lie, where all lie alike: those of cubes do, and the patches of no set."""
    if len(sizes) > 1 or sets.PATCHES in sources:
        return {}
    size = [*sizes] * 2
    return {"emb:chip_layout": {"layout_type": "regular_grid", "chip_size": size, "stride": size}}


def _source(item: Json) -> str:
    """Return the collection of the pixels that an item's vectors were made of."""
    told = item["properties"]
    from_set = told[items.PATH].startswith(f"{sets.PATCHES}/")
    return sets.PATCHES if from_set else str(told[vectors.FACTS]["sensor"])


def _model_links(members: Sequence[Json]) -> list[Json]:
    """Return the links of a collection of vectors: to the model, and to the pixels' collections."""
    if vectors.FACTS not in members[0]["properties"] or members[0]["collection"] == vectors.MODELS:
        return []
    model = vectors.slug(members[0]["properties"][vectors.FACTS]["model"])
    return [
        link("emb:model", f"../{vectors.MODELS}/{model}/{model}.json", records.GEOJSON),
        *(
            link("emb:source-data", f"../{source}/collection.json")
            for source in sorted(set(map(_source, members)))
        ),
    ]


def _summaries(members: Sequence[Json]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in SUMMARIES:
        values = {m["properties"][name] for m in members if m["properties"].get(name) is not None}
        if values:
            found[name] = sorted(values)
    bands = members[0]["properties"].get("bands")
    if bands and members[0]["collection"] != vectors.MODELS:
        found["bands"] = bands
    found[items.SLOTS] = {
        "minimum": min(map(_slots, members)),
        "maximum": max(map(_slots, members)),
    }
    return (
        found
        if found[items.SLOTS]["maximum"]
        else {n: v for n, v in found.items() if n != items.SLOTS}
    )


def _item_link(item: Json) -> Json:
    name = item["id"]
    title = item["properties"]["title"]  # browsers list it before they have the item
    return link("item", f"./{name}/{name}.json", records.GEOJSON, title=title)


def _slots(item: Json) -> int:
    return len(item["properties"].get(items.SLOTS, ()))


def _id(item: Json) -> str:
    return str(item["id"])
