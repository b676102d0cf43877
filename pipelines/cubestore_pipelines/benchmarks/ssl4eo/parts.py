"""The variables of a set: a sensor's bands of one size, and how their numbers are stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore import norms, quantise
from cubestore.errors import MismatchError
from cubestore.patches import Pixels
from cubestore.sensors import Band, Layer, sensor
from cubestore_pipelines.benchmarks.ssl4eo.choices import Choices
from cubestore_pipelines.benchmarks.ssl4eo.offset import NODATA, removed
from cubestore_pipelines.benchmarks.ssl4eo.patch import Acquisition
from cubestore_pipelines.benchmarks.ssl4eo.published import EXTENT, SEASONS, SIDE, Modality
from cubestore_pipelines.benchmarks.ssl4eo.resample import linear_exact
from cubestore_pipelines.errors import DatasetError

SHARPEST = 10
_DECIBELS = "backscatter coefficient sigma nought of GRD, not terrain corrected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One variable."""

    modality: Modality
    bands: tuple[Band, ...]
    size: int
    first: bool
    """Whether it is the set's first, whose dims have no suffix."""

    choices: Choices

    @property
    def sharpest(self) -> bool:
        """Whether it has the pixels of 10 m, and so the columns of its sensor."""
        return self.size == SIDE

    @property
    def variable(self) -> str:
        """``s2c``, ``s2c_20m``, ``s2c_60m``."""
        ending = "" if self.sharpest else f"_{round(EXTENT / self.size)}m"
        return self.modality.variable + ending

    def named(self, column: str) -> str:
        """Return a column's name, with this variable's suffix."""
        return column if self.first else f"{column}_{self.variable}"

    def statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the published mean and deviation of each band, in the numbers that are stored."""
        row = norms.find(*self.modality.statistics)
        at = [row.bands.index(band.name) for band in self.bands]
        less = row.too_much if self.choices.remove_offset else 0.0
        return np.array(row.mean)[at] - less, np.array(row.std)[at]

    def pixels(self) -> Pixels:
        """Return the variable's description, with the cloud mask that v1.1 has."""
        masked = self.modality.optical and self.modality.version == "v1.1"
        return Pixels(
            layer=self._layer(),
            bands=self.bands,
            size=self.size,
            seasons=SEASONS,
            suffix="" if self.first else self.variable,
            layers=(_mask(self.named("cloud_mask")),) if masked else (),
            sensor=self.modality.sensor,
        )

    def _layer(self) -> Layer:
        layer = self._physical()
        if self.choices.uint8 is None:
            return layer
        return replace(
            layer,
            dtype=np.dtype("uint8"),
            nodata=0,
            long_name=f"{layer.long_name}, as bytes",
            units="",
            scale_factor=None,
            add_offset=None,
            masked=False,
        )

    def _physical(self) -> Layer:
        """Return the layer of the numbers as published, or as a cube has them."""
        source = f"SSL4EO-S12 {self.modality.version}"
        if not self.modality.optical:
            return Layer(
                name=self.variable,
                dtype=np.dtype("float32"),  # v1.1's half precision is exact in it
                nodata=float("nan"),
                long_name=_DECIBELS,
                units="dB",
                source=source,
            )
        layer = replace(sensor(self.modality.sensor).pixels, name=self.variable, source=source)
        if self.choices.remove_offset:
            return replace(layer, nodata=NODATA)
        too_much = norms.find(*self.modality.statistics).too_much
        return replace(layer, dtype=self.modality.dtype, nodata=0, add_offset=-too_much * 1e-4)

    def stored(self, one: Acquisition | None, row: str) -> NDArray[Any]:
        """Return an acquisition's pixels as they are stored, ``(band, y, x)``; nodata for None.

        Raises:
            DatasetError: the offset is to be removed, and is not known to be there or not.
        """
        layer = self._layer()
        if one is None:
            return np.full((len(self.bands), self.size, self.size), layer.nodata, layer.dtype)
        planes = [one.planes[band.name] for band in self.bands]
        numbers = np.stack([_sized(plane, self.size) for plane in planes])
        if self.choices.remove_offset and self.modality.optical:
            _refuse_unsure(one, row)
            numbers = removed(numbers, one.excess.number)
        if self.choices.uint8 is None:
            return numbers.astype(layer.dtype, copy=False)
        return self._bytes(numbers)

    def _bytes(self, numbers: NDArray[Any]) -> NDArray[np.uint8]:
        if self.choices.uint8 == "reflectance" and self.modality.optical:
            return quantise.ten_thousandths(numbers, compat=self.choices.compat)
        return quantise.mean_two_std(numbers, *self.statistics())


def parts(modalities: Sequence[Modality], choices: Choices) -> tuple[Part, ...]:
    """Return the variables of a set, the sharpest of the first sensor first.

    Raises:
        MismatchError: choices that contradict each other.
    """
    _refuse_contradicting(modalities[0].version, choices)
    made: list[Part] = []
    for modality in modalities:
        together = choices.resample or modality.version == "v1.1"
        gsds = [SHARPEST] if together else sorted({band.gsd for band in modality.bands})
        for gsd in gsds:
            bands = tuple(b for b in modality.bands if together or b.gsd == gsd)
            size = round(EXTENT / gsd)
            made.append(
                Part(modality=modality, bands=bands, size=size, first=not made, choices=choices)
            )
    return tuple(made)


def _refuse_contradicting(version: str, choices: Choices) -> None:
    if choices.compat and choices.uint8 != "reflectance":
        raise MismatchError(
            f"compat {choices.compat} without uint8 reflectance",
            expected="both: it is how that rule was published",
            remedy="add --uint8 reflectance, or leave --compat out",
        )
    if version == "v1.1" and choices.uint8 == "reflectance" and not choices.remove_offset:
        raise MismatchError(
            "uint8 reflectance of v1.1, whose numbers have 1000 too much",
            expected="numbers without the offset: x / 10000 is their reflectance",
            remedy="add --remove-offset, or use --uint8 mean-2std",
        )


def _refuse_unsure(one: Acquisition, row: str) -> None:
    if not one.excess.sure:
        raise DatasetError(
            f"{row}, {one.item_id}: {one.excess.source}",
            expected="an acquisition of which is known whether 1000 is in its numbers",
            remedy="import it as published, without --remove-offset, or leave the patch out",
        )


def _sized(plane: NDArray[Any], size: int) -> NDArray[Any]:
    return plane if plane.shape[-1] == size else linear_exact(plane, size)


def _mask(name: str) -> Layer:
    return Layer(
        name=name,
        dtype=np.dtype("uint8"),
        nodata=255,
        long_name="cloud mask, as published",
        source="SSL4EO-S12 v1.1",
    )
