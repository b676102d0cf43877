"""A batch of a store as an encoder takes it: its bands by name, scaled and normalised as trained.

    for batch in cubestore_model.loader("STORE", sensor="sentinel-2-l2a"):
        out = encoder(**cubestore_model.inputs(encoder, batch))

Stored integers become floats on the device that they are on. Nodata is found before anything is
computed, as a decibel of -32768 would look like a very dark pixel, and becomes the mean.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from cubestore import sensors
from cubestore.errors import MismatchError
from cubestore.stats.published import DECIBELS, STORED
from cubestore_model.arrays.scaling import ABSENT, Room, Scaling
from cubestore_model.encoder import Encoder
from cubestore_model.encoders.entry import Expected

Norm = tuple[Sequence[float], Sequence[float]]

NOON = (0.0, -1.0)
"""Sine and cosine of twelve o'clock as an angle of the day."""

NEARLY = 0.1
"""By which part a pixel size may differ from the sensor's own, and still be it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is done to the pixels of a sensor's batches for a model."""

    model: str
    expected: Expected
    bands: tuple[str, ...]
    """Those of the pixels that come."""

    zeros: tuple[str, ...] = ()
    """Bands of the model that the pixels lack, and that are given as zeros."""

    noon: bool = False
    """Whether the model is told that it is noon."""

    dark: bool = False
    """Whether nodata is a stored zero rather than the mean."""

    compat: str = ""
    network: str = ""
    """The sizes of a network that no file of weights stands for."""

    precision: str = ""
    """Of the network's own numbers, where it is not float32."""

    @property
    def fill(self) -> float:
        """What is stored where there are no data."""
        return float(sensors.sensor(self.expected.sensor).pixels.nodata)

    def __call__(self, batch: Mapping[str, Any], room: Room | None = None) -> dict[str, Any]:
        """Return the arguments of the encoder for a batch.

        Args:
            batch: its numbers as arrays or tensors.
            room: where the pixels go, until the next batch; None: into memory of their own.

        Raises:
            MismatchError: a batch of other bands, or of several dates.
        """
        self._refuse_others(batch)
        pixels = torch.as_tensor(batch["pixels"])
        told = {name: _known(batch[name], pixels) for name in ("time", "latlon")}
        if self.noon:
            told["time"] = _at_noon(told["time"])
        waves = self.expected.wavelengths or torch.as_tensor(batch["wavelengths"])
        made = self.pixels(pixels, batch.get("valid"), room)
        return {"pixels": made, **told, "gsd": self._gsd(batch["gsd"]), "wavelengths": waves}

    def pixels(
        self,
        stored: Tensor,
        valid: Any = None,  # noqa: ANN401 - array or tensor
        room: Room | None = None,
    ) -> Tensor:
        """Return stored pixels ``(B, C, H, W)`` normalised, in the model's bands.

        Args:
            stored: as a batch has them.
            valid: ``(B, H, W)``: which of them hold data; None: those that are not nodata.
            room: where they go, until the next; None: into memory of their own.
        """
        mask = None if valid is None else torch.as_tensor(valid, device=stored.device)
        return self._scaling(stored, mask, room)

    @property
    def _scaling(self) -> Scaling:
        """What is done to each of the model's bands."""
        row = self.expected
        dark = [-m / s for m, s in zip(row.mean, row.std, strict=True)]
        nodata = dark if self.dark else [row.nodata] * len(dark)
        there = [band not in self.zeros for band in row.bands]
        return Scaling(
            picked=[
                self.bands.index(band) if known else ABSENT
                for band, known in zip(row.bands, there, strict=True)
            ],
            mean=row.mean,
            std=row.std,
            empty=[one if known else 0.0 for one, known in zip(nodata, there, strict=True)],
            fill=self.fill,
            limits=row.limits,
            decibels=row.units == DECIBELS,
        )

    @property
    def text(self) -> str:
        """All that was done, in words and numbers: two that are equal do the same."""
        row = self.expected
        told = {
            "model": self.model,
            "sensor": row.sensor,
            "bands": row.bands,
            "zeros": self.zeros,
            "units": row.units,
            "formula": "(pixels - mean) / std",
            "mean": row.mean,
            "std": row.std,
            "limits": row.limits,
            "nodata": "stored zero" if self.dark else row.nodata,
            "wavelengths": row.wavelengths,
            "gsd": row.gsd,
            "hour": "noon" if self.noon else "true",
            "compat": self.compat,
            "network": self.network,
            "precision": self.precision,
        }
        return json.dumps(
            {name: value for name, value in told.items() if value not in ("", (), None)}
        )

    def _gsd(self, gsd: float) -> float:
        own = sensors.sensor(self.expected.sensor).gsd
        told = self.expected.gsd
        return gsd if told is None or abs(gsd / own - 1) > NEARLY else told

    def _refuse_others(self, batch: Mapping[str, Any]) -> None:
        shape = tuple(batch["pixels"].shape)
        if tuple(batch["bands"]) == self.bands and len(shape) == 4:  # noqa: PLR2004 - B, C, H, W
            return
        raise MismatchError(
            f"A batch of {', '.join(batch['bands'])}, of shape {shape}",
            expected=f"(batch, band, y, x) of {', '.join(self.bands)}",
            remedy="make a preparation for each sensor, and batches of one date",
        )


def preparation(
    encoder: Encoder,
    sensor: str,
    bands: Sequence[str],
    *,
    use: Sequence[str] = (),
    zeros: Sequence[str] = (),
    norm: Norm | None = None,
) -> Preparation:
    """Return how a sensor's batches are prepared for an encoder.

    Args:
        encoder: the model.
        sensor: of the batches: a sensor's id.
        bands: of the batches, in their order.
        use: the model's bands to use, where it takes some of them; (): all.
        zeros: bands that the model needs and the batches lack, to be given as zeros, as
            SSL4EO-S12 does with B10 where there is only level 2A.
        norm: mean and std of each of ``bands``, stored units, in place of those published.

    Raises:
        UnknownSensorError: no such sensor.
        MismatchError: bands that the model was not trained on, or that it needs and are not there.
    """
    sensors.sensor(sensor)
    known = encoder.entry.expected(sensor) if norm is None else _own(encoder, sensor, bands, norm)
    expected = _chosen(encoder, known, tuple(use) or _default(encoder, known, bands))
    _refuse_absent(encoder, expected, bands, zeros)
    as_published = bool(encoder.compat)
    return Preparation(
        model=encoder.id,
        expected=expected,
        bands=tuple(bands),
        zeros=tuple(zeros),
        noon=encoder.entry.noon and not as_published,
        dark=as_published and expected.units == STORED,
        compat=encoder.compat,
        network="" if encoder.weights_sha256 else repr(encoder.config),
    )


def inputs(encoder: Encoder, batch: Mapping[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - of preparation
    """Return the arguments of an encoder for a batch: ``encoder(**inputs(encoder, batch))``.

    Args:
        encoder: the model.
        batch: of :func:`cubestore.batches` or :func:`cubestore_model.loader`.
        options: ``use``, ``zeros`` and ``norm`` of `preparation`.

    Raises:
        UnknownSensorError: a batch of no known sensor.
        MismatchError: bands that the model was not trained on, or that it needs and are not there.
    """
    return preparation(encoder, batch["sensor"], batch["bands"], **options)(batch)


def _own(encoder: Encoder, sensor: str, bands: Sequence[str], norm: Norm) -> Expected:
    """Return what a model is given with a normalisation of the user's own."""
    mean, std = (tuple(map(float, part)) for part in norm)
    trained = next((row for row in encoder.entry.inputs if row.sensor == sensor), None)
    made = Expected(sensor=sensor, bands=tuple(bands), mean=mean, std=std)
    if trained is None or not trained.wavelengths:
        return made
    waves = {band.name: band.center_wavelength for band in sensors.sensor(sensor).every_band}
    waves |= dict(zip(trained.bands, trained.wavelengths, strict=True))
    return replace(made, wavelengths=tuple(waves[band] for band in bands), gsd=trained.gsd)


def _default(encoder: Encoder, known: Expected, bands: Sequence[str]) -> tuple[str, ...]:
    """Return the bands that are used where none were chosen."""
    return tuple(bands) if encoder.entry.bands == "any" else known.bands


def _chosen(encoder: Encoder, known: Expected, use: tuple[str, ...]) -> Expected:
    """Return the rows of some bands, in their order."""
    enough = use == known.bands or encoder.entry.bands != "all"
    if not enough or not set(use) <= set(known.bands) or len(set(use)) < len(use):
        raise MismatchError(
            f"Bands {', '.join(use)} of {known.sensor} for {encoder.id}",
            expected=f"{'some' if encoder.entry.bands != 'all' else 'all'} of "
            f"{', '.join(known.bands)}",
            remedy="leave the others out, or pass norm=(mean, std) of each band",
        )
    at = [known.bands.index(band) for band in use]
    parts = known.mean, known.std, known.wavelengths
    mean, std, waves = (tuple(part[n] for n in at) if part else () for part in parts)
    return replace(known, bands=use, mean=mean, std=std, wavelengths=waves)


def _refuse_absent(
    encoder: Encoder, expected: Expected, bands: Sequence[str], zeros: Sequence[str]
) -> None:
    absent = [band for band in expected.bands if band not in bands and band not in zeros]
    odd = [band for band in zeros if band not in expected.bands or band in bands]
    if not absent and not odd:
        return
    fewer = "choose fewer with use=" if encoder.entry.bands != "all" else "give zeros with zeros="
    raise MismatchError(
        f"{encoder.id} needs {', '.join(absent)} of {expected.sensor}, which are not there"
        if absent
        else f"{', '.join(odd)} as zeros for {encoder.id}",
        expected=f"all of {', '.join(expected.bands)}",
        remedy=f"build cubes with them, or {fewer}" if absent else "name bands that are not there",
    )


def _known(told: Any, pixels: Tensor) -> Tensor:  # noqa: ANN401 - array or tensor
    """Return what is told of each chip, ``(B, 4)``; zeros where it is not known, as in training."""
    numbers = torch.as_tensor(told).to(pixels.device, torch.float32)
    return torch.where(torch.isnan(numbers).any(dim=-1, keepdim=True), 0, numbers)


def _at_noon(time: Tensor) -> Tensor:
    """Return times with the hour of noon, where they are known; nothing waits for a device."""
    known = time.any(dim=-1)
    hour = [torch.where(known, noon, time[:, 2 + n]) for n, noon in enumerate(NOON)]
    return torch.stack([time[:, 0], time[:, 1], *hour], dim=-1)
