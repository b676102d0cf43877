"""What the registry knows of an encoder: whose it is, what it takes, where its weights are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from cubestore.errors import MismatchError
from cubestore.stats.published import STORED
from cubestore_model.weights import Layout

Told = dict[str, Any]
"""What a model is told of chips beside their pixels: time, latlon, gsd, wavelengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a model was trained on, of one sensor."""

    sensor: str
    bands: tuple[str, ...]
    """Our names, in the model's order."""

    mean: tuple[float, ...]
    """Of each band, in ``units``."""

    std: tuple[float, ...]
    units: str = STORED
    """Those of a cube, or ``dB``: ten times the logarithm of them."""

    limits: tuple[float, float] | None = None
    """Between which normalised pixels were clipped."""

    nodata: float = 0.0
    """What stands for nodata among normalised pixels."""

    wavelengths: tuple[float, ...] = ()
    """What the model was told of each band, micrometres; (): it is told nothing."""

    gsd: float | None = None
    """What the model was told for the sensor's own pixel size, metres; None: that."""

    measured: bool = False
    """Whether mean and std are of a store's own pixels: they are then kept with the weights."""

    def __post_init__(self) -> None:
        counts = {len(self.bands), len(self.mean), len(self.std), len(self.wavelengths or self.std)}
        if len(counts) > 1 or not self.bands or min(self.std) <= 0:
            raise MismatchError(
                f"{self.sensor}: {len(self.bands)} bands, {len(self.mean)} means, "
                f"{len(self.std)} deviations",
                expected="as many of each, deviations above zero",
                remedy="see cubestore_model.encoders.Expected",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model."""

    id: str
    title: str
    build: Callable[[Any], nn.Module] = field(repr=False)
    """Makes the network of ``config``: a module that is called with pixels ``(B, C, H, W)`` and
    the keywords time, latlon, gsd and wavelengths, and returns `Encoded`."""

    fillable: bool = False
    """Whether all that the network computes with is in its weights: it is then made empty, which
    is quicker, where they come from a file."""

    config: Any = None
    """A dataclass of sizes; what `load_encoder` is given as ``config`` replaces its fields."""

    inputs: tuple[Expected, ...] = field(default=(), repr=False)
    """What it takes, sensor by sensor."""

    bands: Literal["all", "some", "any"] = "all"
    """Which of a sensor's bands it needs: all, in its order; some, if fewer are chosen; any."""

    noon: bool = False
    """Whether every chip of the training was said to be of noon."""

    dimensions: int
    """Of a chip's vector."""

    patch_size: int
    """Pixels along a patch."""

    chip_size: int
    """Pixels along a chip in training."""

    parameters: int = 0
    """Of the encoder."""

    pooling: str = "cls"
    """How a chip's vector comes of the model's: ``cls`` or ``mean``."""

    url: str = ""
    """Of the weights; "" where there are none to fetch."""

    sha256: str = ""
    """Of the file at ``url``, or its first digits where only those were published."""

    layout: Layout = field(default_factory=Layout, repr=False)
    made_by: str = ""
    """What makes weights of one's own chips, where none can be published."""

    compats: Mapping[str, Callable[[Told], Told]] = field(default_factory=dict, repr=False)
    """Names of published data -> what was wrong in what their model was told of chips."""

    architecture: str = ""
    """What kind of network it is, by its name in the literature."""

    creator: str = ""
    license: str = ""
    reference: str = ""
    """Address of the paper, or of the code where there is none."""

    def expected(self, sensor: str) -> Expected:
        """Return what the model takes of a sensor.

        Raises:
            MismatchError: it was not trained on that sensor.
        """
        for row in self.inputs:
            if row.sensor == sensor:
                return row
        raise MismatchError(
            f"{self.id} was not trained on {sensor}",
            expected=", ".join(row.sensor for row in self.inputs) or "pixels normalised by you",
            remedy="choose another model (`cubestore models`), or pass norm=(mean, std)",
        )
