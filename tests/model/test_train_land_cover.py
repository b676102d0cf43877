"""What is learnt without labels: patches of one land cover come to lie nearer to one another."""

import numpy as np
import torch

import cubestore_model
from cubestore_model import Training, train, untrained
from tests.model import learning

CHIP, PATCH = 32, 8
COLUMN = 2048
WEST, EAST = 900, 1100
"""Pixels: labels are of the chips west of the one, what is told of those east of the other."""


def patches(store, encoder):
    """Return vectors, land cover and column of the patches of whole chips."""
    vectors, covers, columns = [], [], []
    truth = learning.kinds(COLUMN)
    batches = cubestore_model.loader(
        store.path, sensor=learning.SENSOR, chip_size=CHIP, batch_size=128, shuffle=False
    )
    encoder.eval()
    for batch in batches:
        with torch.inference_mode():
            found = encoder(**cubestore_model.inputs(encoder, batch)).patches
        whole = batch["valid"].all(dim=2).all(dim=1).tolist()
        for name, chip, good in zip(batch["chipid"], found.numpy(), whole, strict=True):
            if good:
                x, y = (int(word) * CHIP for word in name.split("-")[-2:])
                window = truth[y - learning.EDGE :, x - COLUMN :][:CHIP, :CHIP]
                vectors.append(chip)
                covers.append(commonest(window))
                columns.append(np.full(len(chip), x - COLUMN))
    return np.concatenate(vectors), np.concatenate(covers), np.concatenate(columns)


def commonest(window):
    """Return the land cover of most of each patch's pixels."""
    side = CHIP // PATCH
    parts = window.reshape(side, PATCH, side, PATCH).transpose(0, 2, 1, 3).reshape(side**2, -1)
    return np.array([np.bincount(part, minlength=5).argmax() for part in parts])


def told_right(vectors, covers, columns):
    """Return how many patches in the east five neighbours in the west tell, the mean of covers."""
    draw = np.random.default_rng(0)
    west = draw.permutation(np.flatnonzero(columns < WEST))[:2000]
    east = draw.permutation(np.flatnonzero(columns >= EAST))[:3000]
    centred = vectors - vectors[west].mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    near = np.argpartition(-centred[east] @ centred[west].T, 5, axis=1)[:, :5]
    votes = [np.bincount(labels, minlength=5).argmax() for labels in covers[west][near]]
    right = np.array(votes) == covers[east]
    return float(np.mean([right[covers[east] == one].mean() for one in np.unique(covers[east])]))


def test_a_small_model_learns_to_tell_land_cover_without_labels(tmp_path):
    store = learning.store(tmp_path / "store", column=COLUMN, months=(7,))
    encoder = untrained("clay-tiny", config=learning.SIZES, seed=0)
    before = told_right(*patches(store, encoder))
    training = Training(steps=300, lr=5e-3, chip_size=CHIP, batch_size=32, seed=0)
    losses = [
        step.loss for step in train(store.path, encoder, out=tmp_path / "out", training=training)
    ]
    # Seeds 0, 1 and 2 end at 0.36 to 0.39 of the first loss, and 0.158 to 0.187 above before.
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:5])
    assert told_right(*patches(store, encoder)) > before + 0.1
