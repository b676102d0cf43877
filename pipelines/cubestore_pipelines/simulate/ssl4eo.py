"""A small SSL4EO-S12 in both of its published layouts: noise of the right level, dates, metadata.

``write_v1`` lays out folders of GeoTIFFs as the downloader did, half pixels of its own included;
``write_v11`` zips of Zarr v2. The same arguments make the same files.
"""

import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray

from cubestore import norms
from cubestore_pipelines.benchmarks.ssl4eo.published import EXTENT, SEASONS, SIDE, V1, V11, Modality

REFERENCE = ("2020-12-21", "2021-03-20", "2021-06-21", "2021-09-22")
"""The dates of the four seasons, before a patch's own number of days is taken off."""

DEGREE = 111_320.0
"""Metres of a degree along the equator."""

BLOCK = 4
"""Pixels of 60 m along a field of one brightness."""


def write_v1(
    folder: Path,
    ids: Sequence[int] = (2, 9),
    *,
    modalities: Sequence[str] = ("s1", "s2a", "s2c"),
    seed: int = 0,
) -> None:
    """Write patches as v1 has them: SENSOR/ID/ACQUISITION/BAND.tif and metadata.json."""
    for number in ids:
        for modality in V1:
            if modality.name in modalities:
                for season in range(SEASONS):
                    _acquisition(folder, modality, number, season, seed)


def write_v11(
    folder: Path,
    files: Sequence[tuple[str, int]] = (("train", 1), ("val", 1)),
    *,
    modalities: Sequence[str] = ("S1GRD", "S2L1C", "S2L2A"),
    samples: int = 2,
    seed: int = 0,
) -> None:
    """Write files as v1.1 has them: SPLIT/SENSOR/ssl4eos12_SPLIT_seasonal_data_NUMBER.zarr.zip."""
    for split, number in files:
        first = 100 * number + (split == "val") * 50
        for modality in V11:
            if modality.name in modalities:
                path = folder / split / modality.name
                path.mkdir(parents=True, exist_ok=True)
                data = _chunk_file(modality, range(first, first + samples), seed)
                zipped(data, path / f"ssl4eos12_{split}_seasonal_data_{number:06d}.zarr.zip")


def zipped(data: xr.Dataset, path: Path) -> None:
    """Write a dataset as a zip of Zarr v2, each time of its pixels a chunk."""
    samples, _, bands, *square = data.bands.shape
    with tempfile.TemporaryDirectory() as aside:
        chunks = {"bands": {"chunks": (samples, 1, bands, *square)}}
        data.to_zarr(aside, zarr_format=2, consolidated=True, encoding=chunks)
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(Path(aside).rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(aside))


def _times(modality: Modality, number: int) -> NDArray[np.datetime64]:
    """Return when a sensor saw a patch: within 15 days of four dates, all of them shifted alike."""
    rng = np.random.default_rng([number, len(modality.bands)])
    shift = int(np.random.default_rng(number).integers(365))
    away = rng.integers(-14 * 86_400, 14 * 86_400, SEASONS)
    seconds = (np.array(REFERENCE, "M8[s]") - np.timedelta64(shift, "D")).astype(np.int64) + away
    times: NDArray[np.datetime64] = seconds.astype("M8[s]")
    return times


def _place(number: int) -> tuple[float, float]:
    rng = np.random.default_rng(number)
    return float(rng.uniform(-170, 170)), float(rng.uniform(-60, 60))


def _plane(modality: Modality, number: int, season: int, band: int, seed: int) -> NDArray[Any]:
    """Return a band's pixels of its own size: fields, and some noise."""
    row = norms.find(f"ssl4eo-s12-{modality.version}", modality.statistics[1])
    rng = np.random.default_rng([seed, number, season, band, len(modality.bands)])
    size = SIDE if modality.version == "v1.1" else round(EXTENT / modality.bands[band].gsd)
    fields = rng.normal(0, 1, (SIDE // 6 // BLOCK, SIDE // 6 // BLOCK))
    whole = fields.repeat(size // len(fields), axis=0).repeat(size // len(fields), axis=1)
    at = row.bands.index(modality.bands[band].name)
    numbers = row.mean[at] + 0.4 * row.std[at] * (whole + 0.2 * rng.normal(0, 1, (size, size)))
    if modality.dtype.kind == "f":
        return numbers.astype(modality.dtype)
    return np.maximum(np.rint(numbers), row.too_much + 1).astype(modality.dtype)


def _acquisition(folder: Path, modality: Modality, number: int, season: int, seed: int) -> None:
    name, told = _metadata(modality, number, season)
    path = folder / modality.name / f"{number:07d}" / name
    path.mkdir(parents=True)
    (path / "metadata.json").write_text(json.dumps(told))
    longitude, latitude = _place(number)
    side = EXTENT / DEGREE
    west, north = longitude - side / 2, latitude + side / 2
    for at, file in enumerate(modality.files):
        pixels = _plane(modality, number, season, at, seed)
        step = side / len(pixels)
        transform = rasterio.Affine(step, 0, west - step / 2, 0, -step, north + step / 2)
        with rasterio.open(
            path / f"{file}.tif",
            "w",
            driver="GTiff",
            width=len(pixels),
            height=len(pixels),
            count=1,
            dtype=pixels.dtype,
            crs="EPSG:4326",
            transform=transform,
        ) as tif:
            tif.write(pixels, 1)


def _metadata(modality: Modality, number: int, season: int) -> tuple[str, dict[str, Any]]:
    """Return an acquisition's name and the properties that Earth Engine gives it."""
    time = _times(modality, number)[season]
    stamp = str(time).replace("-", "").replace(":", "")
    milliseconds = {"system:time_start": int(time.astype("M8[ms]").astype(int))}
    if not modality.optical:
        name = f"S1A_IW_GRDH_1SDV_{stamp}_{stamp}_030000_0ABCDE_{number:04X}"
        told = {"platform_number": "A", "orbitProperties_pass": "ASCENDING"}
        known = {"relativeOrbitNumber_start": 1 + number % 175}
        return name, {**milliseconds, **told, **known, "system:index": name}
    name = f"{stamp}_{stamp}_T31UDQ"
    return name, {
        **milliseconds,
        "system:index": name,
        "SPACECRAFT_NAME": "Sentinel-2B",
        "PROCESSING_BASELINE": "02.14" if modality.name == "s2a" else "02.09",
        "SENSING_ORBIT_DIRECTION": "DESCENDING",
        "SENSING_ORBIT_NUMBER": 1 + number % 143,
        "MEAN_SOLAR_AZIMUTH_ANGLE": 150.0,
        "MEAN_SOLAR_ZENITH_ANGLE": 30.0,
        "CLOUDY_PIXEL_PERCENTAGE": 2.5,
    }


def _chunk_file(modality: Modality, numbers: Sequence[int], seed: int) -> xr.Dataset:
    """Return the patches of one file, as xarray opens it."""
    names = [f"{number:07d}" for number in numbers]
    bands = range(len(modality.bands))
    pixels = [
        [[_plane(modality, n, season, band, seed) for band in bands] for season in range(SEASONS)]
        for n in numbers
    ]
    places = np.array([_place(number) for number in numbers])
    along = np.arange(SIDE) * 10.0 + 5
    data: dict[str, Any] = {
        "bands": (("sample", "time", "band", "y", "x"), np.array(pixels)),
        "center_lon": ("sample", places[:, 0]),
        "center_lat": ("sample", places[:, 1]),
        "crs": ("sample", np.array([32601 + n % 60 for n in numbers], "int64")),
        "file_id": (("sample", "time"), _names(modality, numbers)),
        "sample_id": (("sample", "time"), [[f"{n}_{k}" for k in range(SEASONS)] for n in names]),
        "time_": (("sample", "time"), np.array([_times(modality, n) for n in numbers], "M8[ns]")),
        "x_": (("sample", "x"), np.array([500_000.0 + n + along for n in numbers])),
        "y_": (("sample", "y"), np.array([4_000_000.0 + n - along for n in numbers])),
    }
    if modality.optical:
        mask = np.random.default_rng(seed).integers(0, 2, (len(names), SEASONS, SIDE, SIDE))
        data["cloud_mask"] = (("sample", "time", "y", "x"), mask.astype("uint8"))
    coordinates = {"band": list(modality.files), "sample": names, "time": np.arange(SEASONS)}
    axes = {"x": np.arange(SIDE), "y": np.arange(SIDE)}
    return xr.Dataset(data, coords={**coordinates, **axes})


def _names(modality: Modality, numbers: Sequence[int]) -> list[list[str]]:
    ours = next(m for m in V1 if m.sensor == modality.sensor)
    return [[_metadata(ours, n, season)[0] for season in range(SEASONS)] for n in numbers]
