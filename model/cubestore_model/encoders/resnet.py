"""Residual networks of 18 and 50 layers, for any number of bands.

Those of SSL4EO-S12 by MoCo v2 and DINO. Source: torchvision's ResNet (stride in the second
convolution of a bottleneck), whose names are kept.
"""

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from cubestore_model.encoders.encoded import Encoded, refuse_bands, refuse_size

STRIDE = 32
"""Pixels along a patch: what the strides of all layers come to."""

STEM = 64
"""Channels behind the first convolution."""

EXPANSION = 4
"""How many times more channels leave a bottleneck than are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetConfig:
    """The size of a model."""

    bands: int
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    """Of each stage."""

    bottleneck: bool = True
    """Whether blocks have three convolutions, as from 50 layers on, or two."""

    @property
    def dim(self) -> int:
        """Channels of the last stage."""
        last: int = STEM << (len(self.blocks) - 1)
        return last * EXPANSION if self.bottleneck else last


class BasicBlock(nn.Module):
    """Two convolutions, added to what came in."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(channels, width, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``(B, width, h, w)``."""
        found = functional.relu(self.bn1(self.conv1(maps)))
        found = self.bn2(self.conv2(found))
        kept = maps if self.downsample is None else self.downsample(maps)
        return functional.relu(found + kept)


class Bottleneck(nn.Module):
    """A convolution between two that narrow and widen, added to what came in."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        wide = width * EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.downsample = shortcut(channels, wide, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``(B, 4 * width, h, w)``."""
        found = functional.relu(self.bn1(self.conv1(maps)))
        found = functional.relu(self.bn2(self.conv2(found)))
        found = self.bn3(self.conv3(found))
        kept = maps if self.downsample is None else self.downsample(maps)
        return functional.relu(found + kept)


def shortcut(channels: int, wide: int, stride: int) -> nn.Sequential | None:
    """Return what brings the maps that came in to the size of those they are added to."""
    if stride == 1 and channels == wide:
        return None
    convolution = nn.Conv2d(channels, wide, 1, stride=stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(wide))


class ResNet(nn.Module):
    """A residual network without a head."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1 = nn.Conv2d(config.bands, STEM, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = STEM
        for number, count in enumerate(config.blocks):
            stage, channels = self._stage(channels, STEM * 2**number, count, first=not number)
            self.add_module(f"layer{number + 1}", stage)

    def _stage(
        self, channels: int, width: int, count: int, *, first: bool
    ) -> tuple[nn.Sequential, int]:
        """Return a stage's blocks, and how many channels leave it."""
        kind, wider = (Bottleneck, EXPANSION) if self.config.bottleneck else (BasicBlock, 1)
        strides = [1 if first else 2, *[1] * (count - 1)]
        inputs = [channels, *[width * wider] * (count - 1)]
        blocks = [kind(one, width, stride) for one, stride in zip(inputs, strides, strict=True)]
        return nn.Sequential(*blocks), width * wider

    def forward(self, pixels: Tensor, **_: object) -> Encoded:
        """Return the mean of the last maps of chips ``(B, C, H, W)``, and the maps as patches.

        Raises:
            MismatchError: another number of bands, or chips that are too small.
        """
        refuse_bands("the model", pixels.shape[1], self.config.bands)
        refuse_size("the model", tuple(pixels.shape), multiple=STRIDE)
        maps = self.maxpool(functional.relu(self.bn1(self.conv1(pixels))))  # (B, 64, H/4, W/4)
        for number in range(len(self.config.blocks)):
            maps = cast("nn.Sequential", self.get_submodule(f"layer{number + 1}"))(maps)
        patches = maps.flatten(2).mT  # (B, H/32 * W/32, D)
        return Encoded(patches.mean(dim=1), patches)
