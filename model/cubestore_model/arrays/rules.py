"""Numbers into bytes and decibels: the store's own rules, wherever an array is.

On the CPU these are the functions that they are named for. Of CuPy's arrays each is one kernel.
"""

from collections.abc import Sequence

import numpy as np

from cubestore import norms, quantise
from cubestore.embeddings import steps_for
from cubestore_model.arrays import cuda
from cubestore_model.arrays.modules import Array, module_of


def decibels(power: Array) -> Array:
    """Return ``10 log10`` of float32 power, `FAINTEST` for zero and less; NaN stays NaN."""
    return norms.decibels(power) if module_of(power) is np else cuda.decibels(power)


def mean_two_std(pixels: Array, mean: Sequence[float], std: Sequence[float]) -> Array:
    """Return SSL4EO's bytes of pixels ``(…, band, y, x)``: see `cubestore.quantise`.

    Raises:
        MismatchError: another number of means than of bands, or a std that is not above 0.
    """
    if module_of(pixels) is np:
        return quantise.mean_two_std(pixels, mean, std)
    low, width = quantise.between(mean, std, pixels)
    return cuda.bytes_between(pixels, low.ravel(), width.ravel())


def ten_thousandths(pixels: Array) -> Array:
    """Return ``x / 10000 * 255`` in bytes: see `cubestore.quantise`."""
    xp = module_of(pixels)
    if xp is np:
        return quantise.ten_thousandths(pixels)
    wide = np.float32 if pixels.dtype == np.float32 else np.float64
    return cuda.bytes_between(pixels, *xp.array([[0], [quantise.FULL_SCALE]], wide))


def steps_of(vectors: Array, scale: float) -> Array:
    """Return float32 vectors in int8, as a cube keeps them: see `cubestore.embeddings`.

    Args:
        vectors: ``(…, feature)``, NaN along the whole of one that was not computed.
        scale: what a step stands for.
    """
    if module_of(vectors) is np:
        return steps_for(vectors, scale)
    return cuda.steps(vectors, np.float32(scale))
