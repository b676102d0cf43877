"""The embeddings of a patch set as STAC items, of those patches that have vectors.

They lie in collections of their models, with the vectors that these made of cubes.
"""

import numpy as np

from cubestore import layout, sensors
from cubestore.embeddings import patch_sets
from cubestore.embeddings.definition import Embedding, described
from cubestore_catalog.stac import described as words
from cubestore_catalog.stac import records, sets, vectors
from cubestore_catalog.stac.records import Json
from cubestore_catalog.stac.sets import SeenSet


def vectors_items(seen: SeenSet) -> list[Json]:
    """Return an item for each embedding of a patch set of which there are vectors."""
    arrays = seen.arrays
    held = {name: described(array, arrays) for name, array in sorted(arrays.items())}
    made = (_item(seen, embedding) for embedding in held.values() if embedding)
    return [item for item in made if item]


def _item(seen: SeenSet, embedding: Embedding) -> Json | None:
    """Return the item of a model's vectors; None where no patch has one yet."""
    known = seen.arrays
    has_vectors = patch_sets.filled(seen.root, known[embedding.variable])
    if not has_vectors.any():
        return None
    data = seen.data.isel(patch=np.flatnonzero(has_vectors))
    arrays = {name: known[name] for name in embedding.variables}
    source = embedding.source_data
    return records.item(
        f"{seen.item_id}-{embedding.variable}",
        vectors.collection_of(embedding.model),
        place=sets.placed(data),
        properties={
            "title": f"{embedding.model} on {seen.root.attributes['title']}",
            **sets.span(data, seen.record.created),
            "updated": seen.record.created,
            **vectors.made_by(embedding),
            "cube:dimensions": words.counted(arrays, ()),
            "cube:variables": words.variables(arrays.values()),
            **seen.state,
            "cubestore:patches": int(has_vectors.sum()),
            vectors.FACTS: vectors.facts(embedding, source, _bands(seen, source)),
        },
        assets=records.group_assets(
            seen.path,
            vectors.ASSET,
            seen.record.total_bytes,
            seen.checksum,
            title="The patch set that holds the vectors",
            bands=words.arrays(arrays.values()),
        ),
        links=[
            records.store_link(),
            *vectors.origins(embedding, sets.PATCHES, seen.item_id, seen.root.attributes["title"]),
        ],
    )


def _bands(seen: SeenSet, source: str) -> list[str]:
    """Return the bands that vectors were made of: the set's own, or those that sensors have.

    Args:
        seen: the set; it may hold vectors alone, or those of pixels that it has not.
        source: ids of sensors with blanks between, or an address.
    """
    for array in seen.arrays.values():
        if array.attributes.get("sensor") == source:
            (axis,) = (dim for dim in array.dims if dim.startswith("band"))
            return [str(name) for name in seen.data[axis].values.tolist()]
    known = [sensors.SENSORS[name] for name in source.split() if name in sensors.SENSORS]
    return [band.name for sensor in known for band in layout.bands_of(sensor, None)]
