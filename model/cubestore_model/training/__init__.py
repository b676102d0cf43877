"""Training: rates of learning, and what they are put on."""

from cubestore_model.training.schedule import Schedule

__all__ = ["Schedule"]
