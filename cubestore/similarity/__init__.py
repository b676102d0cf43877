"""Chips that look alike to a model, and those that have changed, by their embeddings.

    cubestore.nearest("STORE", model="rcf", at=(2.35, 48.85), k=10)   # a GeoDataFrame
    cubestore.change("STORE", tile="31UDQ", model="rcf", before="2023-06", after="2024-06")

Vectors are scanned by their signs and measured exactly (``kernels``, ``codes``, ``search``); a file
for each cube and model has both, mapped into memory (``file``, ``vectors``, ``build``). ``sources``
says which cubes are looked at, ``question`` whose neighbours are asked for, ``filters`` which rows
may be found. ``patch_sets`` looks among patches (``patch_vectors``), ``change`` compares two dates.
"""

from cubestore.similarity.build import IndexedEmbedding, index_embeddings
from cubestore.similarity.change import change
from cubestore.similarity.nearest import Neighbours, nearest, neighbours

__all__ = [
    "IndexedEmbedding",
    "Neighbours",
    "change",
    "index_embeddings",
    "nearest",
    "neighbours",
]
