"""The verb ``probe``: how much of a store's labels a model's vectors tell."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cubestore_pipelines.cli.building import Series, Words
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
    method: Literal["linear", "knn", "finetune"] = "linear",
    seeds: int = 5,
    patches: str = "",
    weights: Path | None = None,
    sensor: str = "",
    tile: Words = (),
    use: Series = (),
    present: float | None = None,
    block: float = 10_000.0,
    buffer: float = 0.0,
    split: Literal["", "published"] = "",
    epochs: int = 50,
    rate: float = 1e-4,
    layer_decay: float = 1.0,
    keep: Path | None = None,
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
        method: linear (logistic regression), knn (20 nearest by cosine) or finetune (the encoder
            is trained on, with a head).
        seeds: how many.
        patches: the patch set, DATASET/PART; without it, cubes.
        weights: a file of them: vectors are then computed, whatever the store has.
        sensor: a sensor's id, or of a patch set a variable.
        tile: only cubes of this tile; repeatable.
        use: the bands that are used, where a model that takes some computes now.
        present: a chip is of every class that covers more than this part of it, 0 to 1.
        block: metres along the blocks of ground that stay together.
        buffer: metres between chips that train, validate and test.
        split: published: parts as they were published with the patches.
        epochs: of finetune, at most: it ends ten after the best validation.
        rate: at which finetune learns, at its highest.
        layer_decay: how many times as fast a layer learns as the one above, up to 1.
        keep: a folder for the tuned model of each seed.
        json: print one JSON object.
    """
    import cubestore_model  # noqa: PLC0415 - torch is for who needs it

    encoder = cubestore_model.load_encoder(model, weights=weights) if weights else model
    tuning = cubestore_model.Tuning(
        epochs=epochs, rate=rate, layer_decay=layer_decay, folder=str(keep or "")
    )
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
        use=use,
        present=present,
        block=block,
        buffer=buffer,
        split=split,
        tuning=tuning,
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
