"""What an encoder makes of chips, and what every encoder refuses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cubestore.errors import MismatchError


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vectors of a batch of chips."""

    embedding: Tensor
    """Of each chip, ``(B, D)``."""

    patches: Tensor
    """Of each chip's patches, ``(B, L, D)``, row by row from the north-west corner."""


def refuse_unfit(pixels: Tensor, *, finite: bool = False) -> None:
    """Refuse pixels that no encoder can take.

    Args:
        pixels: what an encoder is given.
        finite: whether they are known to be finite; on a GPU it would wait to find out.

    Raises:
        MismatchError: not ``(B, C, H, W)`` in floating point, or not all of them finite.
    """
    kind = str(pixels.dtype).removeprefix("torch.")
    if pixels.ndim != 4 or not pixels.is_floating_point():  # noqa: PLR2004 - B, C, H, W
        raise MismatchError(
            f"Pixels of shape {tuple(pixels.shape)}, {kind}",
            expected="(batch, band, y, x) in floating point, normalised",
            remedy="pass `cubestore_model.inputs(encoder, batch)`",
        )
    if finite or torch.isfinite(pixels.sum()):  # one pass, where to look at each takes four
        return
    if odd := int((~torch.isfinite(pixels)).sum()):
        raise MismatchError(
            f"{odd} of {pixels.numel()} pixels are NaN or infinite",
            expected="finite numbers, normalised",
            remedy="fill nodata first, as `cubestore_model.inputs` does",
        )


def refuse_bands(model: str, bands: int, expected: int) -> None:
    """Refuse another number of bands than the model has filters for.

    Raises:
        MismatchError: another number.
    """
    if bands != expected:
        raise MismatchError(
            f"Pixels of {bands} bands for {model}",
            expected=f"{expected}, in the model's order",
            remedy="see `cubestore models`, and pass `cubestore_model.inputs(encoder, batch)`",
        )


def refuse_size(model: str, shape: tuple[int, ...], *, side: int = 0, multiple: int = 1) -> None:
    """Refuse chips whose size the model cannot take.

    Args:
        model: its name, for the message.
        shape: of the pixels; the last two count.
        side: the only side that it takes; 0: any.
        multiple: what a side must be a multiple of.

    Raises:
        MismatchError: the chip is not square, or of another size.
    """
    height, width = shape[-2:]
    if height == width and height % multiple == 0 and height >= multiple and side in {0, height}:
        return
    size = f"{side}" if side else f"a multiple of {multiple}"
    raise MismatchError(
        f"Chips of {height} x {width} pixels for {model}",
        expected=f"squares whose side is {size}",
        remedy=f"choose a chip_size of {side or 'such a number'}",
    )
