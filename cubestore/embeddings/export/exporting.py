"""The question is understood before anything is written."""

import os
from pathlib import Path
from typing import Any

from cubestore.embeddings.export import of_cubes, of_sets
from cubestore.embeddings.export.files import Exported, write
from cubestore.embeddings.export.schemas import SCHEMAS, Schema
from cubestore.errors import QueryError
from cubestore.index.selection import Words, words_of
from cubestore.similarity.sources import Place, opened


def export_embeddings(
    store: Place,
    directory: str | os.PathLike[str],
    *,
    model: str = "",
    patches: Words = (),
    schema: Schema = "v1",
    version: int = 1,
    **question: Any,  # noqa: ANN401 - those of of_cubes.contents or of_sets.contents
) -> list[Exported]:
    """Write the embeddings of a model as GeoParquet, a file a cube or patch set.

    Args:
        store: a store, or the path or address of one.
        directory: where to write; made where it is not there. Files of the same name are replaced.
        model: whose; may be left out where the store has one model's.
        patches: write those of the patches of these sets, or of ``all``, instead of the cubes'.
        schema: ``v0.1`` or ``v1`` as Clay has them, or ``vectors`` for databases of vectors.
        version: of the embeddings, in the names of ``v0.1``.
        question: which. Of chips, as in `cubestore.chips`: ``sensor``, ``tile``, ``bbox`` (chips
            whose bounding boxes meet it), ``datetime``, ``A/B``, and ``max_cloud``,
            ``max_nodata``, ``split``, ``where``, which need the chip index. Of patches, as in
            `cubestore.nearest`: ``bbox`` (those whose middle lies in it), ``datetime``, ``split``.

    Returns:
        The files, of cubes or sets that have such vectors.

    Raises:
        QueryError: a question that cannot be understood, several models, or cubes or sets whose
            files would have the same name.
        MismatchError: no embeddings of that model, sensor and tile, or vectors of parts alone.
        UnknownPatchSetError: the store has no set of that name.
        NotWritableError: the disk is read-only or full.
    """
    _refuse_odd(schema, version)
    there = opened(store)
    if patches:
        contents = of_sets.contents(there, words_of(patches), model, **question)
    else:
        contents = of_cubes.contents(there, model, schema, **question)
    return [write(Path(directory), one, schema, version) for one in contents]


def _refuse_odd(schema: str, version: int) -> None:
    if schema not in SCHEMAS or not 0 <= version < 1000:  # noqa: PLR2004 - three digits
        raise QueryError(
            f"Schema {schema}, version {version}",
            expected=f"one of {', '.join(SCHEMAS)}; 0 to 999",
            remedy="see cubestore.embeddings.export.export_embeddings",
        )
