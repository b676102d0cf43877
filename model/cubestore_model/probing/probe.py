"""How much of a store's labels a model's vectors tell.

cubestore_model.probe("STORE", model="clay-v1.5", labels="esa-worldcover").to_pandas()
"""

import os
from collections.abc import Sequence
from typing import Literal

import cubestore
from cubestore_model.encoder import Encoder
from cubestore_model.errors import LabelsError
from cubestore_model.probing.asked import SEGMENTATION, Asked
from cubestore_model.probing.cubes import of_cubes
from cubestore_model.probing.experiment import BLOCK, run
from cubestore_model.probing.finetune import Finetuning, Tuning
from cubestore_model.probing.patch_sets import of_patches
from cubestore_model.probing.samples import Samples
from cubestore_model.probing.tables import Probed

Task = Literal["classification", "segmentation"]
Method = Literal["linear", "knn", "finetune"]


def probe(  # noqa: PLR0913 - an experiment's options
    store: str | os.PathLike[str],
    *,
    model: str | Encoder,
    labels: str,
    task: Task = "classification",
    method: Method = "linear",
    seeds: int | Sequence[int] = 5,
    patches: str = "",
    sensor: str = "",
    tile: Sequence[str] = (),
    use: Sequence[str] = (),
    present: float | None = None,
    block: float = BLOCK,
    buffer: float = 0.0,
    split: Literal["", "published"] = "",
    tuning: Tuning | None = None,
) -> Probed:
    """Fit a probe on a model's vectors and a store's labels, and test it on other ground.

    Args:
        store: its path.
        model: an encoder, whose vectors are computed; or the id of one, whose vectors are taken
            from the store, and computed where it has none.
        labels: ``esa-worldcover`` (of cubes: what covers the land), or the name of a variable with
            classes; of a patch set also a column of its patches.
        task: ``classification`` of chips, or ``segmentation`` by the vectors of their patches.
        method: ``linear``: logistic regression; ``knn``: the 20 nearest by cosine; ``finetune``:
            the encoder is trained on with a head, which holds all pixels in memory.
        seeds: how many, or which: each parts the ground anew.
        patches: the patch set; "": cubes.
        sensor: a sensor's id, or of a patch set a variable; "": one that the model was trained on.
        tile: only cubes of these tiles; (): all.
        use: the bands that are used, where a model that takes some computes now; (): all.
        present: a chip is of every class that covers more than this part of it, as BigEarthNet's
            are; None: of the one that covers most.
        block: metres along the blocks of ground that stay together.
        buffer: metres between chips that train, validate and test.
        split: ``published``: parts as they were published with the patches.
        tuning: how the encoder is tuned.

    Returns:
        A table: each metric over all classes and of each, its mean over seeds with 95 % interval,
        which classes were absent from training or test, and how many chips each part had.

    Raises:
        LabelsError: labels too few, or in too few places.
        MismatchError: no such labels, or vectors that do not suit the task.
        NoIndexError: cubes without a chip index.
    """
    asked = Asked(
        store=cubestore.open_store(store),
        model=model if isinstance(model, str) else model.id,
        labels=labels,
        task=task,
        sensor=sensor,
        tile=tuple(tile),
        use=tuple(use),
        present=present,
        own=None if isinstance(model, str) else model,
        tuned=method == "finetune",
    )
    return run(
        samples_of(asked, patches),
        method=Finetuning(asked.encoder, tuning or Tuning()) if method == "finetune" else method,
        seeds=seeds,
        block=block,
        buffer=buffer,
        split=split,
        model=asked.model,
        labels=labels,
    )


def samples_of(asked: Asked, patches: str = "") -> Samples:
    """Return the chips of a store with their vectors and labels.

    Raises:
        LabelsError: a threshold that is none, or several classes a pixel.
    """
    if asked.present is not None and not (0 <= asked.present < 1 and asked.task != SEGMENTATION):
        raise LabelsError(
            f"Classes present above {asked.present:g} for {asked.task}",
            expected="a part of a chip, from 0 to 1, for classification",
            remedy="for 5 % give 0.05; leave it out for segmentation",
        )
    return of_patches(asked, patches) if patches else of_cubes(asked)
