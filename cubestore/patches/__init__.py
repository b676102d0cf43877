"""Data sets that come as patches: squares anywhere on earth, with labels, written once.

A PATCH SET is one Zarr v3 group ``patches/DATASET/PART`` on dims ``(patch, [season,] band, y, x)``
that plain ``xarray.open_zarr`` opens. One set holds several sensors, each a variable with bands
and acquisitions of its own, their masks, the labels, and for every patch where it lies and where
it came from.

    description = PatchDescription(
        name="cloudsen12/high-train",
        title="CloudSEN12, high quality, training",
        pixels=(Pixels.of("sentinel-2-l1c", size=509),),
        labels=(...,),
        attribution="...",
        license="CC0-1.0",
    )
    with store.create_patches(description) as writer:
        for pixels, columns in batches:          # in order, as many patches as suit the source
            writer.append({"reflectance": pixels, "label": ...}, columns)
    store.patches("cloudsen12/high-train").open()

It appears whole, by one rename, when the block ends; a writer that fails or is killed leaves the
store as it was. Every byte is vouched for by a record beside the set, as in a cube.

A set may come with models' vectors, ``embedding_MODEL`` on ``(patch, feature_MODEL)``, beside
pixels or alone: ``embeddings=(Embedded(...),)``; or get them later, block by block, as ``adding``
does it and `cubestore.embeddings.patch_sets` asks for it. Pixels and columns never change.

``definition`` says what a set holds and how it is cut, ``columns`` what is known of its patches,
``outlines`` where they lie.
"""

from cubestore.patches.definition import PATCHES, Embedded, PatchDescription, Pixels
from cubestore.patches.reading import PatchSet
from cubestore.patches.writing import PatchWriter, create

__all__ = [
    "PATCHES",
    "Embedded",
    "PatchDescription",
    "PatchSet",
    "PatchWriter",
    "Pixels",
    "create",
]
