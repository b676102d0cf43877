"""Random convolutional features: filters that nobody trained, and how strongly a chip answers.

Source: Rolf et al. 2021, "A generalizable and accessible approach to machine learning with global
satellite imagery" (MOSAIKS), and torchgeo's RCF, whose filters the same seed draws. The empirical
variant takes its filters from the chips themselves, whitened.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from cubestore.errors import MismatchError
from cubestore_model.encoders.encoded import Encoded

WHITENING = 1e-3
"""Added to the variances of patches before they are whitened: MOSAIKS' zca_bias."""

SMALLEST_NORM = 1e-8
"""Patches below are not divided by their norm: MOSAIKS' min_divisor."""

TOGETHER = 4
"""Chips whose answers are held at once: 66 MB each, with 512 features of 256 x 256 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RcfConfig:
    """How many filters, and how they are drawn."""

    features: int = 512
    """Two of each filter: how far a chip is above the threshold, and how far below."""

    kernel_size: int = 3
    bias: float = -1.0
    seed: int = 0
    patch_size: int = 16
    """Pixels along a patch, about: patches are means of the answers on a part of the chip."""

    bands: int = 0
    """Of filters that come from a file; 0: drawn for as many bands as come."""

    @property
    def dim(self) -> int:
        """Of a chip's vector."""
        return self.features

    def __post_init__(self) -> None:
        sizes = (self.features, self.kernel_size, self.patch_size)
        if self.features % 2 or min(sizes) < 1:
            raise MismatchError(
                f"{self.features} features of {self.kernel_size} pixels",
                expected="an even number of features, two of each filter, and sizes from 1 on",
                remedy="choose such a number",
            )


class RandomFeatures(nn.Module):
    """Filters, and the means of what exceeds a threshold and of what falls below."""

    def __init__(self, config: RcfConfig) -> None:
        super().__init__()
        self.config = config
        self.weights: nn.Parameter | None = None
        if config.bands:
            self.weights = nn.Parameter(drawn(config, config.bands), requires_grad=False)

    def forward(self, pixels: Tensor, **_: object) -> Encoded:
        """Return the features of chips ``(B, C, H, W)`` and of their patches.

        Raises:
            MismatchError: chips smaller than a filter, or other bands than the filters are of.
        """
        filters = self._filters(pixels)  # (F / 2, C, k, k)
        found = [self._answers(few, filters) for few in torch.split(pixels, TOGETHER)]
        return Encoded(
            torch.cat([f.embedding for f in found]), torch.cat([f.patches for f in found])
        )

    def _answers(self, pixels: Tensor, filters: Tensor) -> Encoded:
        bias = pixels.new_full((len(filters),), self.config.bias)
        answers = functional.conv2d(pixels, filters, bias)  # (B, F / 2, H - k + 1, W - k + 1)
        rows, columns = (max(1, side // self.config.patch_size) for side in pixels.shape[-2:])
        mean = _means(answers, (rows, columns))
        above = _means(answers.relu(), (rows, columns))
        # The mean of relu(-x) is that of relu(x) - x: one pass less over all answers.
        below = [(high - all_).clamp(min=0) for high, all_ in zip(above, mean, strict=True)]
        return Encoded(*(torch.cat(pair, dim=-1) for pair in zip(above, below, strict=True)))

    def _filters(self, pixels: Tensor) -> Tensor:
        bands, size = pixels.shape[1], self.config.kernel_size
        wrong = self.config.bands not in {0, bands}
        if wrong or min(pixels.shape[-2:]) < size:
            raise MismatchError(
                f"Chips of {bands} bands, {pixels.shape[-2]} x {pixels.shape[-1]} pixels",
                expected=f"at least {size} pixels along a side, "
                f"{self.config.bands or 'any number of'} bands",
                remedy="pass larger chips, or the bands that the filters were drawn from",
            )
        weights = drawn(self.config, bands) if self.weights is None else self.weights
        return weights.to(pixels.device, pixels.dtype)


def _means(answers: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the means of chips, ``(B, F / 2)``, and of their patches, ``(B, L, F / 2)``."""
    patches = functional.adaptive_avg_pool2d(answers, grid)  # (B, F / 2, rows, columns)
    return answers.mean(dim=(2, 3)), patches.flatten(2).mT


def drawn(config: RcfConfig, bands: int) -> Tensor:
    """Return the filters of a seed, ``(features / 2, bands, k, k)``, normally distributed."""
    generator = torch.Generator().manual_seed(config.seed)
    shape = config.features // 2, bands, config.kernel_size, config.kernel_size
    return torch.randn(shape, generator=generator)


def empirical(chips: Iterable[Tensor], config: RcfConfig) -> RandomFeatures:
    """Return features whose filters are patches of chips, whitened.

    Args:
        chips: batches ``(B, C, H, W)``, normalised; all are gone through, so give as many as the
            filters are to be of.
        config: how many; ``bands`` is found.

    Raises:
        MismatchError: no chips, batches of different bands, or patches that are all alike.
    """
    patches = _patches(chips, config)  # (F / 2, C, k, k)
    made = RandomFeatures(replace(config, bands=patches.shape[1]))
    made.weights = nn.Parameter(whitened(patches), requires_grad=False)
    return made


def whitened(patches: Tensor) -> Tensor:
    """Return patches ``(N, C, k, k)``, each of mean 0 and norm 1, then whitened twice over."""
    flat = patches.double().flatten(1)
    flat = flat - flat.mean(dim=1, keepdim=True)
    norms = flat.norm(dim=1, keepdim=True)
    flat = flat / torch.where(norms < SMALLEST_NORM, 1.0, norms)  # (N, C * k * k)
    variances, axes = torch.linalg.eigh(flat.mT @ flat / len(flat))
    inverse = axes @ torch.diag(1 / (variances + WHITENING)) @ axes.mT
    white: Tensor = (flat @ inverse).reshape(patches.shape).float()
    return white


def _patches(chips: Iterable[Tensor], config: RcfConfig) -> Tensor:
    """Return as many patches as there are filters, each as likely as any other."""
    generator = torch.Generator().manual_seed(config.seed)
    wanted, size, seen = config.features // 2, config.kernel_size, 0
    kept: Tensor | None = None
    for batch in chips:
        found = _one_a_filter(batch.detach().float().cpu(), wanted, size, generator)
        if kept is not None and kept.shape != found.shape:
            raise _unfit(f"Chips of {kept.shape[1]} bands, and then of {found.shape[1]}")
        seen += len(batch)
        replaced = torch.rand(wanted, generator=generator) < len(batch) / seen
        kept = found if kept is None else torch.where(replaced[:, None, None, None], found, kept)
    if kept is None or not bool(kept.flatten(1).std(dim=1).max() > 0):
        raise _unfit("No chips, or chips without any contrast")
    return kept


def _one_a_filter(batch: Tensor, wanted: int, size: int, generator: torch.Generator) -> Tensor:
    """Return patches of a batch, each from a chip and place of its own drawing."""
    ends = [len(batch), *(side - size + 1 for side in batch.shape[-2:])]
    if min(ends) < 1:
        raise _unfit(f"Chips of {batch.shape[-2]} x {batch.shape[-1]} pixels")
    chip, row, column = (torch.randint(n, (wanted,), generator=generator) for n in ends)
    steps = torch.arange(size)
    rows, columns = (row[:, None] + steps)[:, :, None], (column[:, None] + steps)[:, None]
    return batch[chip[:, None, None], :, rows, columns].permute(0, 3, 1, 2)  # (N, C, k, k)


def _unfit(found: str) -> MismatchError:
    return MismatchError(
        found,
        expected="batches of chips of the same bands, larger than a filter, with contrast",
        remedy="pass chips of one sensor, normalised",
    )
