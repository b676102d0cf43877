"""One sample of WorldCereal as it is published, in netCDF, as a patch set."""

from pathlib import Path

import numpy as np
import xarray as xr
from pyproj import Transformer

from cubestore.patches import PatchDescription, Pixels
from cubestore.sensors import Band, Layer

SAMPLE = "multisensor/worldcereal_patches/00002806639B424A"
SIZE = 64
OPTICAL = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
LANDSAT = ("B02", "B03", "B04", "B05", "B06", "B07")
RADAR = ("VV", "VH")
CRS = "EPSG:32631"
LABELS = {"LC": "land cover", "CT": "crop type", "IRR": "irrigation"}
SOURCE = "WorldCereal training patches"


def product(folder, kind):
    """Return one file of a sample as it is stored, its times decoded."""
    (path,) = Path(folder).glob(f"{kind}_*.nc")
    with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as data:
        return data.load()


def description(*, optical, radar, landsat):
    """Return the set that a sample makes, with so many dates of each sensor."""
    bands = [Band(name=name, gsd=30, source=SOURCE) for name in LANDSAT]
    radar_bands = [Band(name=name, gsd=20, source=SOURCE) for name in RADAR]
    packed = {"dtype": np.dtype("uint16"), "nodata": 0, "scale_factor": 1e-4, "masked": True}
    decibels = {**packed, "dtype": np.dtype("int32"), "units": "dB", "source": SOURCE}
    reflectance = {**packed, "units": "1", "source": SOURCE, "long_name": "reflectance"}
    return PatchDescription(
        name="worldcereal/sample",
        title="WorldCereal, one training patch",
        pixels=(
            Pixels.of(
                "sentinel-2-l2a",
                size=SIZE,
                bands=OPTICAL,
                seasons=optical,
                layers=("quality",),
                **packed,
            ),
            Pixels(
                layer=Layer(name="backscatter_s1", long_name="sigma nought", **decibels),
                bands=tuple(radar_bands),
                size=SIZE // 2,
                seasons=radar,
                suffix="s1",
                sensor="sentinel-1-grd",
            ),
            Pixels(
                layer=Layer(name="reflectance_l8", **reflectance),
                bands=tuple(bands),
                size=SIZE,
                seasons=landsat,
                suffix="l8",
                sensor="landsat-8-sr",
            ),
        ),
        labels=tuple(
            Layer(name=name, dtype=np.dtype("uint16"), nodata=0, long_name=text, source=SOURCE)
            for name, text in LABELS.items()
        ),
        attribution="Copernicus Sentinel data; USGS Landsat 8; WorldCereal",
        license="MIT",
    )


def read(folder):
    """Return a sample's pixels and columns; what has pixels of 20 m is repeated onto 10 m."""
    fine, coarse = product(folder, "S2_L2A_10m"), product(folder, "S2_L2A_20m")
    radar, landsat = product(folder, "S1_GRD-ASCENDING_20m"), product(folder, "L8_SR_10m")
    labels = product(folder, "OUTPUT_POLY-110_10m")
    optical = [fine[n] if n in fine else twice(coarse[n]) for n in OPTICAL]
    pixels = {
        "reflectance": np.stack(optical, axis=1)[None],
        "quality": twice(coarse["SCL"])[None],
        "backscatter_s1": np.stack([radar[n] for n in RADAR], axis=1)[None],
        "reflectance_l8": np.stack([landsat[n] for n in LANDSAT], axis=1)[None],
        **{name: labels[name].values[None] for name in LABELS},
    }
    west, north = float(fine.x[0]) - 5, float(fine.y[0]) + 5
    to_degrees = Transformer.from_crs(CRS, "OGC:CRS84", always_xy=True)
    longitude, latitude = to_degrees.transform(west + 5 * SIZE, north - 5 * SIZE)
    columns = {
        "patch_id": [Path(folder).name],
        "longitude": [longitude],
        "latitude": [latitude],
        "crs": [CRS],
        "transform": [[10.0, 0.0, west, 0.0, -10.0, north]],
        "time": fine.timestamp.values[None],
        "sun_azimuth": coarse.sunAzimuthAngles.values[None],
        "time_s1": radar.timestamp.values[None],
        "time_l8": landsat.timestamp.values[None],
    }
    return pixels, columns


def twice(band):
    """Repeat pixels of 20 m onto 10 m."""
    return band.values.repeat(2, axis=-2).repeat(2, axis=-1)


def patch_set(store, folder):
    """Write the sample in ``folder`` into a store as a patch set; return it."""
    pixels, columns = read(folder)
    names = {"optical": "reflectance", "radar": "backscatter_s1", "landsat": "reflectance_l8"}
    dates = {sensor: pixels[name].shape[1] for sensor, name in names.items()}
    with store.create_patches(description(**dates)) as writer:
        writer.append(pixels, columns)
    return store.patches("worldcereal/sample")
