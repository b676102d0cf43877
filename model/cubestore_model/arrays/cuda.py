"""The kernels for a GPU: each goes through memory once. CuPy compiles one when it is first asked.

Each takes the steps of its counterpart on the CPU in the same order and precision, and none has a
product next to a sum that the compiler could make one rounding of.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from cubestore.embeddings.definition import LARGEST, MISSING
from cubestore.quantise import LARGEST as BYTE
from cubestore.stats.norms import FAINTEST
from cubestore_model.arrays.modules import Array, module_of

FLOOR = f"{FAINTEST!r}f"

MANY = 2**32
"""Numbers that 32 bits do not count."""

TAKEN = """
    raw X stored, raw bool valid, raw float32 picked, raw float32 mean, raw float32 std,
    raw float32 empty, float32 low, float32 high, float32 fill, bool decibels,
    uint32 plane, uint32 bands, uint32 channels
"""
SCALE = f"""
    const Index at = (Index)i / plane, pixel = (Index)i - at * plane;
    const Index k = at % bands;
    const int from = (int)picked[k];
    const long long image = at / bands;
    const X raw = stored[(image * channels + max(from, 0)) * plane + pixel];
    const float value = (float)raw;
    const bool there = from >= 0 && valid[image * plane + pixel] && value != fill
        && isfinite(value);
    const float taken = decibels ? 10.0f * log10f(fmaxf(value, {FLOOR})) : value;
    const float scaled = fminf(fmaxf((taken - mean[k]) / std[k], low), high);
    out = there ? scaled : empty[k];
"""
"""`Scaling` of one number: ``i`` counts those of ``out`` (B, K, H, W)."""

KERNELS = {
    "scale": (
        TAKEN,
        "float32 out",
        SCALE,
    ),
    "decibels": (
        "float32 power",
        "float32 out",
        f"out = 10.0f * log10f(power <= 0 ? {FLOOR} : power);",
    ),
    "bytes_between": (
        "X pixel, raw C low, raw C width, uint32 plane, uint32 bands",
        "uint8 out",
        f"""
        const Index k = (Index)i / plane % bands;
        const C scaled = ((C)pixel - low[k]) / width[k] * (C){BYTE};
        out = scaled > 0 ? (scaled < {BYTE} ? (unsigned char)scaled : {int(BYTE)}) : 0;
        """,
    ),
    "steps": (
        "float32 value, float32 scale",
        "int8 out",
        f"""
        const float steps = rintf(value / scale);
        out = isnan(value) ? {MISSING} : (signed char)fmaxf(fminf(steps, {LARGEST}), -{LARGEST});
        """,
    ),
}
"""Name -> what is taken, what is filled, and the body of the loop, as CuPy has them.

``Index`` counts numbers: with 32 bits where they suffice, as a GPU divides those far sooner.
"""


def scale(
    stored: Array,
    valid: Array,
    table: Array,
    limits: tuple[float, float, float],
    decibels: bool,  # noqa: FBT001 - the same
    out: Array,
) -> None:
    """Fill ``out`` as `cubestore_model.arrays.loops.scale` does; arrays lie without gaps."""
    picked, mean, std, empty = table
    plane, (_, channels) = out.shape[2] * out.shape[3], stored.shape[:2]
    numbers = (*map(np.float32, limits), decibels, plane, out.shape[1], channels)
    _kernel("scale", _index(out))(stored, valid, picked, mean, std, empty, *numbers, out)


def decibels(power: Array) -> Array:
    """Return ten times the logarithm of power, float32."""
    return _kernel("decibels")(power)


def bytes_between(pixels: Array, low: Array, width: Array) -> Array:
    """Return ``(x - low) / width * 255`` in bytes, in the precision of the two.

    Args:
        pixels: ``(…, band, y, x)``; of any shape, where one band is told.
        low: ``(band,)``, on the GPU as well.
        width: ``(band,)``.
    """
    xp, bands = module_of(pixels), low.size
    plane = prod(pixels.shape[-2:]) if bands > 1 else pixels.size
    there = xp.ascontiguousarray(pixels)
    return _kernel("bytes_between", _index(pixels))(there, low, width, plane, bands)


def steps(vectors: Array, scale: Any) -> Array:  # noqa: ANN401 - a scalar
    """Return int8 of float32."""
    return _kernel("steps")(vectors, scale)


def _index(array: Array) -> str:
    """Return the type that counts the numbers of an array."""
    return "unsigned int" if array.size < MANY else "unsigned long long"


@lru_cache
def _kernel(name: str, index: str = "unsigned int") -> Any:  # noqa: ANN401 - CuPy's own
    import cupy  # noqa: PLC0415 - for GPUs alone

    told = f"typedef {index} Index;"
    return cupy.ElementwiseKernel(*KERNELS[name], f"cubestore_{name}", preamble=told)
