"""Vectors of pixels that are in memory, the same as those of a cube or a patch set that holds them.

out = cubestore_model.embed_array(encoder, window, sensor="sentinel-2-l2a",
                                  time="2024-06-01T10:50", lonlat=(2.35, 48.85))
out.embedding                # (B, D)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from numpy.typing import NDArray

from cubestore import sensors
from cubestore.batches.encodings import place_encoding, time_encoding
from cubestore.errors import MismatchError
from cubestore_model.encoder import Encoder
from cubestore_model.encoders.encoded import Encoded
from cubestore_model.inputs import preparation

BAND = "band"


def embed_array(  # noqa: PLR0913 - all that is known of pixels, each by keyword
    encoder: Encoder,
    pixels: npt.ArrayLike | xr.DataArray,
    *,
    sensor: str,
    bands: Sequence[str] | None = None,
    time: npt.ArrayLike | None = None,
    lonlat: npt.ArrayLike | None = None,
    gsd: float | None = None,
    valid: npt.ArrayLike | None = None,
    device: str = "cpu",
    **options: Any,  # noqa: ANN401 - of preparation
) -> Encoded:
    """Return the vectors of chips whose pixels are as a cube of the sensor stores them.

    Args:
        encoder: the model; see :func:`cubestore_model.load_encoder`.
        pixels: ``(B, band, y, x)`` or ``(band, y, x)``, stored integers: of xarray opened with
            ``mask_and_scale=False``.
        sensor: whose they are: a sensor's id.
        bands: their names; None: those of the array's coordinate, or else the sensor's own.
        time: UTC, of each chip or of all; None: unknown, as in a fifth of Clay's training.
        lonlat: longitude and latitude of the chips' middles, degrees, ``(B, 2)`` or ``(2,)``;
            None: unknown.
        gsd: metres of a pixel; None: the sensor's own.
        valid: ``(B, y, x)``: which pixels hold data; None: those that are not nodata.
        device: torch's name of one.
        options: ``use``, ``zeros`` and ``norm`` of :func:`cubestore_model.preparation`.

    Raises:
        UnknownSensorError: no such sensor.
        MismatchError: pixels, bands or sizes that the model does not take.
    """
    known = sensors.sensor(sensor)
    named = tuple(bands if bands is not None else _bands(pixels, known))
    stored = _stored(pixels, len(named))
    prepared = preparation(encoder, sensor, named, **options)
    batch = {
        "bands": named,
        "pixels": torch.from_numpy(stored).to(device),
        "time": _time(time, len(stored)),
        "latlon": _place(lonlat, len(stored)),
        "gsd": float(known.gsd if gsd is None else gsd),
        "wavelengths": _wavelengths(named, known),
        **({} if valid is None else {"valid": np.asarray(valid, bool)}),
    }
    with torch.inference_mode():
        out: Encoded = encoder.to(device)(**prepared(batch))
    return out


def _bands(pixels: npt.ArrayLike | xr.DataArray, known: sensors.Sensor) -> list[str]:
    if isinstance(pixels, xr.DataArray) and BAND in pixels.coords:
        return [str(name) for name in pixels[BAND].values.reshape(-1)]
    return [band.name for band in known.bands]


def _stored(pixels: npt.ArrayLike | xr.DataArray, bands: int) -> NDArray[Any]:
    """Return pixels as ``(B, band, y, x)``, in memory of their own.

    Raises:
        MismatchError: of another shape.
    """
    values = np.array(pixels)
    values = values[None] if values.ndim == 3 else values  # noqa: PLR2004 - band, y, x
    if values.ndim == 4 and values.shape[1] == bands:  # noqa: PLR2004 - B, band, y, x
        return values
    raise MismatchError(
        f"Pixels of shape {np.shape(pixels)}",
        expected=f"(chip, band, y, x) or (band, y, x) of {bands} bands",
        remedy="name the bands, and transpose the array to that order",
    )


def _time(time: npt.ArrayLike | None, count: int) -> NDArray[np.float32]:
    moments = np.asarray("NaT" if time is None else time, "M8[us]")
    return time_encoding(np.broadcast_to(moments, (count,)))


def _place(lonlat: npt.ArrayLike | None, count: int) -> NDArray[np.float32]:
    places = np.asarray((np.nan, np.nan) if lonlat is None else lonlat, np.float64)
    return place_encoding(np.broadcast_to(places, (count, 2)))


def _wavelengths(bands: Sequence[str], known: sensors.Sensor) -> NDArray[np.float32]:
    """Return the centres of the bands that the sensor has, micrometres; NaN of others."""
    centres = {band.name: band.center_wavelength for band in known.every_band}
    return np.array([centres.get(name, np.nan) for name in bands], np.float32)
