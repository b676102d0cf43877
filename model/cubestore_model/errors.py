"""Every error of the models, drawn as a tree; each is also the built-in that it specialises.

CubestoreError
├── UnknownEncoderError (KeyError)          a model id that nobody registered
├── NotFetchedError (FileNotFoundError)     weights that are not here, and cannot be fetched now
├── LabelsError (ValueError)                labels that are too few to learn or to test by
├── WeightsError (ValueError)               weights that are not the model's, or cannot be read
└── DivergedError (ArithmeticError)         a training whose loss is no number any more

Pixels, bands and sizes that a model cannot take are `cubestore.errors.MismatchError`.
"""

from cubestore.errors import CubestoreError


class UnknownEncoderError(CubestoreError, KeyError):
    """No encoder of that id is registered."""


class NotFetchedError(CubestoreError, FileNotFoundError):
    """The weights are not on this machine, and cannot be fetched now."""


class WeightsError(CubestoreError, ValueError):
    """The file holds no weights, or those of another model."""


class DivergedError(CubestoreError, ArithmeticError):
    """The loss of a training is no number any more; its last checkpoint stays."""


class LabelsError(CubestoreError, ValueError):
    """The labels are too few, or in too few places, to learn from and to test by."""
