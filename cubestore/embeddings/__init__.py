"""Vectors that a model made of chips, kept in the cube beside the pixels they were made from.

An embedding of model ``M`` on chips of ``N`` pixels is a variable ``embedding_M`` on ``(time, y_N,
x_N, feature_M)``, with ``loss_M`` and ``embedding_M_dense`` (of patches of ``P`` pixels) beside it
where the model has them; plain ``xarray.open_zarr`` opens them, NaN where nothing was computed.
The chips lie in a grid from the north-west corner, and the last row and column reach past it.

    for slot, commit in embeddings.missing(cube, embedding).items():
        vectors = ...                                  # (rows, columns, dimensions), float32
        with embeddings.write(cube, embedding) as writer:
            writer.fill(slot, vectors, commit=commit)
    embeddings.read(cube, "clay-v1.5")                 # complete slots, float32

Under one name lies one set: one (weights, preprocessing, pooling, chip size, dtype). A vector
that readers have seen never changes. When a slot gets more pixels it is OUTDATED: its vectors
stand, those of the new chips can be filled in, and where a chip was computed from half of its
pixels that is refused. ``definition`` says what an embedding is, ``writing`` and ``reading`` the
rest of cubes', ``patch_sets`` that of patch sets'; nothing here knows a model.
"""

from cubestore.embeddings.definition import Embedding, scale_for, steps_for, variable_name
from cubestore.embeddings.reading import Held, listed, missing, of_chips, outdated, read
from cubestore.embeddings.writing import EmbeddingWriter, Encoder, declare, refuse_others, write

__all__ = [
    "Embedding",
    "EmbeddingWriter",
    "Encoder",
    "Held",
    "declare",
    "listed",
    "missing",
    "of_chips",
    "outdated",
    "read",
    "refuse_others",
    "scale_for",
    "steps_for",
    "variable_name",
    "write",
]
