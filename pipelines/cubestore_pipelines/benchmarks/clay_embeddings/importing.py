"""Files -> embeddings of cubes, and a patch set of what belongs to none.

All files are read twice: first checked, so that a bad row leaves the store as it was, then taken.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cubestore
from cubestore import Embedded, PatchDescription, Store, embeddings
from cubestore.embeddings import Embedding
from cubestore.embeddings.definition import Vectors
from cubestore.errors import MismatchError
from cubestore_pipelines.benchmarks.clay_embeddings.homes import NOWHERE, Home, homes, where
from cubestore_pipelines.benchmarks.clay_embeddings.published import (
    DIMENSIONS,
    File,
    Rows,
    files,
)
from cubestore_pipelines.benchmarks.clay_embeddings.squares import GSD
from cubestore_pipelines.benchmarks.clay_embeddings.survey import Survey
from cubestore_pipelines.benchmarks.imported import (
    Batch,
    Imported,
    Planned,
    Progress,
    carried_out,
)

MODEL = "clay-v0.1"
DATASET = "clay-embeddings"
SENSORS = "sentinel-2-l2a sentinel-1-rtc cop-dem-glo-30"
"""What a chip of Clay v0 is made of. Source: Clay-foundation/model, docs/clay-v0."""

VECTOR = DIMENSIONS * 4
"""Bytes."""

DATES = (
    "time is the day in the column `date`, at midnight: the day of acquisition, by Clay's own"
    " documentation of the format (a survey of embeddings calls it the day of creation)"
)


def import_clay_embeddings(
    source: str | Path,
    store: str | Path,
    *,
    name: str = "",
    model: str = MODEL,
    limit: int | None = None,
    plan_only: bool = False,
    progress: Progress | None = None,
) -> list[Imported]:
    """Bring Clay's embeddings into a store.

    Vectors whose chips lie on the chip grid of a cube that has a slot of their day and address
    become ``embedding_MODEL`` of that cube; all others one patch set. What is there already as it
    would be made is left as it is.

    Args:
        source: a file ``{MGRS}_{MINDATE}_{MAXDATE}_v{VERSION}.gpq``, or a folder of such files.
        store: where; made where it is not there.
        name: of the patch set; "": ``clay-embeddings/`` and what the source is called.
        model: the id under which the vectors lie.
        limit: take the first so many vectors.
        plan_only: tell what would be written, and write nothing.
        progress: who is told how the patch set goes on.

    Returns:
        Each cube's vectors, those of each file by themselves, and the patch set.

    Raises:
        DatasetError: a file is not as it was published; names the row. Nothing is taken.
        MismatchError: a cube has other vectors under that model.
        CubeExistsError: the set is there, made from other files or with other options.
    """
    where_to = Store(str(Path(store).absolute()))
    survey = Survey(where_to, files(Path(source)), limit)
    embedding = _embedding(model, survey.chip_size)
    set_name = name or f"{DATASET}/{_word(Path(source).absolute())}"
    sets = [_planned(set_name, survey, embedding)] if survey.homeless else []
    of_sets = carried_out(sets, store, plan_only=True)  # refused, before a cube is given anything
    if plan_only:
        return [*_expected(survey, embedding), *of_sets]
    made = cubestore.create_store(store)
    filled = [one for file in survey.files for one in _fill(made, file, survey, embedding)]
    return [*filled, *carried_out(sets, store, progress=progress)]


def _expected(survey: Survey, embedding: Embedding) -> Iterator[Imported]:
    """Yield what cubes would be given."""
    for (_, cube), count in survey.homed.items():
        yield _imported(f"{cube}/{embedding.variable}", count)


def _imported(name: str, count: int) -> Imported:
    return Imported(name=name, patches=count, bytes=count * VECTOR)


def _fill(store: Store, file: File, survey: Survey, embedding: Embedding) -> Iterator[Imported]:
    """Give cubes the vectors of a file that are theirs."""
    cubes = homes(store, file.tile.id, embedding.chip_size)
    grids: dict[tuple[int, int], Vectors] = {}
    for rows in survey.rows(file) if cubes else ():
        number, slot = where(cubes, rows)
        for key in sorted({*zip(number.tolist(), slot.tolist(), strict=True)} - {NOWHERE}):
            home, mine = cubes[key[0]], rows.only((number == key[0]) & (slot == key[1]))
            grids.setdefault(key, home.grid(DIMENSIONS))[home.place(mine)] = mine.vectors
    counts: Counter[str] = Counter()
    for (number_of, slot_of), vectors in grids.items():
        _give(cubes[number_of], slot_of, vectors, embedding)
        counts[cubes[number_of].name] += int((~np.isnan(vectors[..., 0])).sum())
    for cube, count in counts.items():
        yield _imported(f"{cube}/{embedding.variable}", count)


def _give(home: Home, slot: int, vectors: Vectors, embedding: Embedding) -> None:
    """Give a slot its vectors, unless it has them."""
    missing = embeddings.missing(home.cube, embedding)
    if slot in missing:
        with embeddings.write(home.cube, embedding) as writer:
            writer.fill(slot, vectors, commit=missing[slot])
    else:
        _refuse_others(home, slot, vectors, embedding)


def _refuse_others(home: Home, slot: int, vectors: Vectors, embedding: Embedding) -> None:
    held = embeddings.read(home.cube, embedding.model, [slot]).values[0]
    if not np.array_equal(held, vectors, equal_nan=True):
        raise MismatchError(
            f"{home.cube.path} has other vectors of {embedding.model} in slot {slot}",
            expected="those of the file",
            remedy="import under another --model",
        )


def _planned(name: str, survey: Survey, embedding: Embedding) -> Planned:
    """Return the patch set of the rows that belong to no cube."""
    description = PatchDescription(
        name=name,
        embeddings=(Embedded(embedding=embedding, sensor=SENSORS, gsd=GSD),),
        attributes={"comment": DATES},
        title="Clay embeddings v0.1",
        attribution="Clay, a fiscally sponsored project of Radiant Earth",
        license="ODC-By-1.0",
    )
    return Planned(
        description=description,
        patches=survey.homeless,
        of=survey.homeless + survey.count - survey.part,
        digest=survey.digest,
        batches=lambda: _homeless(survey, embedding),
    )


def _homeless(survey: Survey, embedding: Embedding) -> Iterator[Batch]:
    for file in survey.files:
        cubes = homes(survey.store, file.tile.id, embedding.chip_size)
        for rows in survey.rows(file):
            left = rows.only(where(cubes, rows)[0] < 0)
            if len(left):
                yield {embedding.variable: left.vectors}, _columns(left)


def _columns(rows: Rows) -> dict[str, Any]:
    count, square = len(rows), rows.squares
    unit = np.full(count, GSD, float)
    nothing = np.zeros(count)
    return {
        "patch_id": [f"{rows.file.path.stem}-{number}" for number in rows.index],
        "longitude": square.longitude,
        "latitude": square.latitude,
        "crs": [str(rows.file.tile.crs)] * count,
        "transform": np.stack([unit, nothing, square.left, nothing, -unit, square.top], axis=1),
        "time": rows.day.astype("M8[us]"),
        "source_url": rows.url,
        "mgrs_tile": [rows.file.tile.id] * count,
        "chip_index": rows.index,
    }


def _embedding(model: str, chip_size: int) -> Embedding:
    return Embedding(
        model=model,
        creator="Clay",
        architecture="Vision Transformer",
        preprocessing="13 bands of Sentinel-2, Sentinel-1 and heights, less the means and divided"
        " by the deviations of Clay v0",
        pooling="mean",
        dimensions=DIMENSIONS,
        chip_size=chip_size,
        url="https://github.com/Clay-foundation/model",
        source_data=SENSORS,
    )


def _word(path: Path) -> str:
    """Return a name of a patch set after a file or folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip("._-") or "all"
