"""Files -> embeddings of cubes, and a patch set of what belongs to none.

All files are read twice: first checked, so that a bad row leaves the store as it was, then taken.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cubestore
from cubestore import Embedded, PatchDescription, Store, embeddings
from cubestore.embeddings import Embedding
from cubestore.embeddings.definition import Vectors
from cubestore.errors import CubeExistsError, MismatchError, UnknownPatchSetError
from cubestore_pipelines.benchmarks.clay_embeddings.homes import NOWHERE, Home, homes, where
from cubestore_pipelines.benchmarks.clay_embeddings.published import (
    DIMENSIONS,
    File,
    Rows,
    files,
    read,
)
from cubestore_pipelines.benchmarks.clay_embeddings.squares import GSD
from cubestore_pipelines.benchmarks.clay_embeddings.survey import Survey
from cubestore_pipelines.benchmarks.imported import Imported

MODEL = "clay-v0.1"
DATASET = "clay-embeddings"
SENSORS = "sentinel-2-l2a sentinel-1-rtc cop-dem-glo-30"
"""What a chip of Clay v0 is made of. Source: Clay-foundation/model, docs/clay-v0."""

DIGEST = "source_sha256"
"""The attribute that tells which files a patch set was made of."""

DATES = (
    "time is the day in the column `date`, at midnight: the day of acquisition, by Clay's own"
    " documentation of the format (a survey of embeddings calls it the day of creation)"
)


def import_clay_embeddings(
    source: str | Path, store: str | Path, *, name: str = "", model: str = MODEL
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

    Raises:
        DatasetError: a file is not as it was published; names the row. Nothing is taken.
        MismatchError: a cube has other vectors under that model.
        CubeExistsError: the store has another patch set of that name.
    """
    survey = Survey(Store(str(Path(store).absolute())), files(Path(source)))
    made = cubestore.create_store(store)
    embedding = _embedding(model, survey.chip_size)
    set_name = name or f"{DATASET}/{_word(Path(source).absolute())}"
    there = _existing(made, set_name, survey) if survey.homeless else None
    filled = [one for file in survey.files for one in _fill(made, file, embedding)]
    if not survey.homeless:
        return filled
    return [*filled, there or _collect(made, set_name, survey, embedding)]


def _fill(store: Store, file: File, embedding: Embedding) -> Iterator[Imported]:
    """Give cubes the vectors of a file that are theirs."""
    cubes = homes(store, file.tile.id, embedding.chip_size)
    grids: dict[tuple[int, int], Vectors] = {}
    for rows in read(file) if cubes else ():
        number, slot = where(cubes, rows)
        for key in sorted({*zip(number.tolist(), slot.tolist(), strict=True)} - {NOWHERE}):
            home, mine = cubes[key[0]], rows.only((number == key[0]) & (slot == key[1]))
            grids.setdefault(key, home.grid(DIMENSIONS))[home.place(mine)] = mine.vectors
    for (number_of, slot_of), vectors in grids.items():
        yield _given(cubes[number_of], slot_of, vectors, embedding)


def _given(home: Home, slot: int, vectors: Vectors, embedding: Embedding) -> Imported:
    """Give a slot its vectors, unless it has them."""
    missing = embeddings.missing(home.cube, embedding)
    if slot in missing:
        with embeddings.write(home.cube, embedding) as writer:
            writer.fill(slot, vectors, commit=missing[slot])
    else:
        _refuse_others(home, slot, vectors, embedding)
    name = f"{home.cube.tile.id}/{home.cube.sensor.id}/{embedding.variable}"
    return Imported(name=name, patches=int((~np.isnan(vectors[..., 0])).sum()))


def _refuse_others(home: Home, slot: int, vectors: Vectors, embedding: Embedding) -> None:
    held = embeddings.read(home.cube, embedding.model, [slot]).values[0]
    if not np.array_equal(held, vectors, equal_nan=True):
        raise MismatchError(
            f"{home.cube.path} has other vectors of {embedding.model} in slot {slot}",
            expected="those of the file",
            remedy="import under another --model",
        )


def _existing(store: Store, name: str, survey: Survey) -> Imported | None:
    """Return a patch set that was made of the same files, or None."""
    try:
        held = store.patches(name).open()
    except UnknownPatchSetError:
        return None
    if held.attrs.get(DIGEST) != survey.digest:
        raise CubeExistsError(
            f"{store.path} has a patch set {name} of other files",
            expected="a name that is free",
            remedy="choose another with --name",
        )
    return Imported(name=name, patches=held.sizes["patch"])


def _collect(store: Store, name: str, survey: Survey, embedding: Embedding) -> Imported:
    """Make a patch set of the rows that belong to no cube."""
    description = PatchDescription(
        name=name,
        embeddings=(Embedded(embedding=embedding, sensor=SENSORS, gsd=GSD),),
        attributes={DIGEST: survey.digest, "comment": DATES},
        title="Clay embeddings v0.1",
        attribution="Clay, a fiscally sponsored project of Radiant Earth",
        license="ODC-By-1.0",
    )
    with store.create_patches(description) as writer:
        for file in survey.files:
            cubes = homes(store, file.tile.id, embedding.chip_size)
            for rows in read(file):
                left = rows.only(where(cubes, rows)[0] < 0)
                if len(left):
                    writer.append({embedding.variable: left.vectors}, _columns(left))
    return Imported(name=name, patches=writer.count)


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
