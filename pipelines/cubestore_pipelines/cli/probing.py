"""The verb ``probe``: how much of a store's labels a model's vectors tell."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.output import Json, plain_console, show_json, show_table

if TYPE_CHECKING:
    from cubestore_model import Probed

DIGITS = 4
"""Of a measure, as people are shown it."""


def probe(  # noqa: PLR0913 - a verb's options
    store: Path,
    /,
    *,
    model: str,
    labels: str,
    task: Literal["classification", "segmentation"] = "classification",
    method: Literal["linear", "knn"] = "linear",
    seeds: int = 5,
    patches: str = "",
    weights: Path | None = None,
    sensor: str = "",
    tile: Words = (),
    present: float | None = None,
    block: float = 10_000.0,
    buffer: float = 0.0,
    split: Literal["", "published"] = "",
    json: Json = False,
) -> None:
    """Fit a probe on a model's vectors and labels of the store, and test it on other ground.

    Each seed parts the ground anew, in blocks; intervals are of 95 %, over seeds. Vectors are taken
    from the store, and computed where it has none.

    Example: cubestore probe STORE --model rcf --labels esa-worldcover --seeds 5

    Args:
        store: path of the store.
        model: an encoder's id, see `cubestore models`.
        labels: esa-worldcover, or a variable with classes, or of a patch set a column.
        task: classification of chips, or segmentation by the vectors of their patches.
        method: linear (logistic regression) or knn (20 nearest by cosine).
        seeds: how many.
        patches: the patch set, DATASET/PART; without it, cubes.
        weights: a file of them: vectors are then computed, whatever the store has.
        sensor: a sensor's id, or of a patch set a variable.
        tile: only cubes of this tile; repeatable.
        present: a chip is of every class that covers more than this part of it, 0 to 1.
        block: metres along the blocks of ground that stay together.
        buffer: metres between chips that train, validate and test.
        split: published: parts as they were published with the patches.
        json: print one JSON object.
    """
    import cubestore_model  # noqa: PLC0415 - torch is for who needs it

    encoder = cubestore_model.load_encoder(model, weights=weights) if weights else model
    found = cubestore_model.probe(
        store,
        model=encoder,
        labels=labels,
        task=task,
        method=method,
        seeds=seeds,
        patches=patches,
        sensor=sensor,
        tile=tile,
        present=present,
        block=block,
        buffer=buffer,
        split=split,
    )
    if json:
        show_json({"store": str(store), **found.told()})
    else:
        _show(found)


def _show(found: "Probed") -> None:
    columns = ("metric", "class", "mean", "low", "high", "seeds")
    rows = [[_rounded(row[name]) for name in columns] for row in found.records()]
    show_table(columns, rows)
    notes = plain_console(stderr=True)
    notes.print(f"{found.chips} labelled chips; varies: {found.varies}")
    for run in found.runs:
        left_out = f", {run.left_out} left out between them" if run.left_out else ""
        notes.print(f"seed {run.seed}: {run.train} train, {run.val} val, {run.test} test{left_out}")
    for name, seeds in found.absent.items():
        notes.print(f"{name}: absent from training or test with seed {', '.join(map(str, seeds))}")


def _rounded(value: Any) -> Any:  # noqa: ANN401 - a cell
    return round(value, DIGITS) if isinstance(value, float) else value
