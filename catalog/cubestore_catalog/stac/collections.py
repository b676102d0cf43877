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
                "temporal": {"interval": [_interval(members)]},
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
                link("root", "../catalog.json"),
                link("parent", "../catalog.json"),
                *_model_links(members),
                *(
                    link("item", f"./{m['id']}/{m['id']}.json", records.GEOJSON)
                    for m in sorted(members, key=_id)
                ),
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
        "links": [link("root", "./catalog.json"), *children],
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
        return _about_vectors(members[0])
    return {"title": title, "description": text, "license": "other"}


def _about_vectors(one: Json) -> Json:
    """Return what the extension wants of a collection of vectors: what all of them share."""
    facts = one["properties"][vectors.FACTS]
    return {
        "title": f"Embeddings of {facts['model']}",
        "description": f"Vectors that {facts['model']} made of chips, in the cubes of the pixels.",
        "license": "other",
        "emb:type": "chip",
        "emb:dimensions": facts["dimensions"],
        "data_type": facts["data_type"],
        "emb:chip_layout": {
            "layout_type": "regular_grid",
            "chip_size": [facts["chip_size"]] * 2,
            "stride": [facts["chip_size"]] * 2,
        },
    }


def _model_links(members: Sequence[Json]) -> list[Json]:
    """Return the links of a collection of vectors: to the model, and to the pixels' collections."""
    if vectors.FACTS not in members[0]["properties"] or members[0]["collection"] == vectors.MODELS:
        return []
    facts = [item["properties"][vectors.FACTS] for item in members]
    model = vectors.slug(facts[0]["model"])
    return [
        link("emb:model", f"../{vectors.MODELS}/{model}/{model}.json", records.GEOJSON),
        *(
            link("emb:source-data", f"../{sensor}/collection.json")
            for sensor in sorted({one["sensor"] for one in facts})
        ),
    ]


def _interval(members: Sequence[Json]) -> list[str]:
    told = [item["properties"] for item in members]
    starts = [one.get("start_datetime") or one["datetime"] for one in told]
    ends = [one.get("end_datetime") or one["datetime"] for one in told]
    return [min(starts), max(ends)]


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


def _slots(item: Json) -> int:
    return len(item["properties"].get(items.SLOTS, ()))


def _id(item: Json) -> str:
    return str(item["id"])
