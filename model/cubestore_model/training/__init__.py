"""Training: models learn from the chips of a store, and go on where they were stopped."""

from cubestore_model.training.options import Training
from cubestore_model.training.ranks import joined
from cubestore_model.training.schedule import Schedule
from cubestore_model.training.train import Step, train

__all__ = ["Schedule", "Step", "Training", "joined", "train"]
