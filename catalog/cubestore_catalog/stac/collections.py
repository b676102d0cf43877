"""The collections of a catalogue: one a sensor, one a model's vectors, one of models, one of sets.

What a collection says is gathered from its items, so that it is as new as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cubestore import sensors
from cubestore_catalog.stac import items, outline, records, sets, terms, vectors
from cubestore_catalog.stac.records import Json, declared, link

SUMMARIES = ("constellation", "gsd", "processing:level", "proj:code")
"""Properties of which a collection lists the values."""

OWN = frozenset({"href", "file:size", "file:checksum"})
"""What an asset says of itself alone."""

ID, TITLE = "cubestore", "Cubes"
SETS_TITLE = "Patch sets"

OTHER = "other"
"""A license or a data type that has no word of its own, or several of them."""


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
            "summaries": _summaries(name, members),
            "item_assets": _item_assets(members),
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
                *_terms_links(name),
                *_citations(members),
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
            **terms.doi_told({one["properties"].get("sci:doi", "") for one in members}),
            "keywords": ["cube", "zarr", sensor.grid, sensor.pixels.name],
            "providers": [*terms.OF[name].providers],
        }
    if name == sets.PATCHES:
        text = "Benchmarks that came as patches, with their labels."
        licenses = {one["properties"]["license"] for one in members}
        return {"title": SETS_TITLE, "description": text, "license": _only(licenses)}
    if name == vectors.MODELS:
        text = "The models that made the embeddings."
        return {"title": "Models", "description": text, "license": OTHER}
    return _about_vectors(members)


def _only(values: set[str]) -> str:
    """Return the one value that there is, and where there are several STAC's word for that."""
    return values.pop() if len(values) == 1 else OTHER


def _terms_links(name: str) -> list[Json]:
    """Return the link to the terms of a sensor, where no identifier stands for them."""
    if name not in sensors.SENSORS:
        return []
    return terms.OF[name].links(sensors.sensor(name).license)


def _citations(members: Sequence[Json]) -> list[Json]:
    """Return the links of all items to what is to be cited, each once."""
    links = (one for item in members for one in item["links"] if one["rel"] == terms.CITE)
    return [*{one["href"]: one for one in links}.values()]


def _about_vectors(members: Sequence[Json]) -> Json:
    """Return what the extension wants of a collection of vectors: what all of them share."""
    every = [one["properties"][vectors.FACTS] for one in members]
    facts, kinds = every[0], {one["data_type"] for one in every}
    return {
        "title": f"Embeddings of {facts['model']}",
        "description": f"Vectors that {facts['model']} made of chips, beside their pixels.",
        "license": OTHER,
        "emb:type": "chip",
        "emb:dimensions": facts["dimensions"],
        "data_type": _only(kinds),
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


def _title_of(source: str) -> str:
    """Return the title of a collection of pixels."""
    return SETS_TITLE if source == sets.PATCHES else sensors.sensor(source).title


def _model_links(members: Sequence[Json]) -> list[Json]:
    """Return the links of a collection of vectors: to the model, and to the pixels' collections."""
    facts = members[0]["properties"].get(vectors.FACTS)
    if facts is None:
        return []
    model = vectors.slug(facts["model"])
    return [
        vectors.model_link(facts["model"], f"../{vectors.MODELS}/{model}/{model}.json"),
        *(
            vectors.pixels_link(_title_of(source), f"../{source}/collection.json")
            for source in sorted(set(map(_source, members)))
        ),
    ]


def _summaries(name: str, members: Sequence[Json]) -> dict[str, Any]:
    """Return which values the items have: of a few properties all, of slots the range."""
    told = [one["properties"] for one in members]
    listed = {key: _values(told, key) for key in SUMMARIES}
    counts = [len(one.get(items.SLOTS, ())) for one in told]
    slots = {"minimum": min(counts), "maximum": max(counts)} if any(counts) else {}
    found = {
        "platform": sorted({one for each in told for one in items.platforms(each)}),
        "instruments": sorted({one for each in told for one in each.get("instruments", ())}),
        **listed,
        "bands": _bands(name, told) if name in sensors.SENSORS else [],
        items.SLOTS: slots,
    }
    return {key: value for key, value in found.items() if value}


def _values(told: Sequence[Json], name: str) -> list[Any]:
    return sorted({one[name] for one in told if one.get(name) is not None})


def _bands(sensor: str, told: Sequence[Json]) -> list[Json]:
    """Return the bands that any cube of a sensor has: they need not have the same ones."""
    held = {band["name"]: band for one in told for band in one["bands"]}
    return [held[one.name] for one in sensors.sensor(sensor).every_band if one.name in held]


def _item_assets(members: Sequence[Json]) -> Json:
    """Return what the assets of all items say alike."""
    first, *others = (one["assets"] for one in members)
    return {
        key: {
            name: value
            for name, value in told.items()
            if name not in OWN and all(one[key].get(name) == value for one in others)
        }
        for key, told in first.items()
    }


def _item_link(item: Json) -> Json:
    name = item["id"]
    title = item["properties"]["title"]  # browsers list it before they have the item
    return link("item", f"./{name}/{name}.json", records.GEOJSON, title=title)


def _id(item: Json) -> str:
    return str(item["id"])
