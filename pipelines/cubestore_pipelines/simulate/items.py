"""The records of a simulated archive, in the shapes that the Planetary Computer publishes.

There are two of them: ``ESRI``, who processed what was acquired until 2021, and ``MSFT``, under
newer versions of STAC's extensions.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyproj
from numpy.typing import NDArray

from cubestore import grids
from cubestore_pipelines.simulate import published, sky
from cubestore_pipelines.simulate.assets import (
    ACCOUNT,
    COLLECTION,
    CONTAINER,
    SERVICE,
    Json,
    assets,
    centre,
    described,
)
from cubestore_pipelines.simulate.granules import SCL_GSD, Granule, stamp
from cubestore_pipelines.simulate.plane import lattice, part

_CLASSES = {
    "saturated_defective_pixel": 1,
    "dark_features": 2,
    "cloud_shadow": 3,
    "vegetation": 4,
    "not_vegetated": 5,
    "water": 6,
    "unclassified": 7,
    "medium_proba_clouds": 8,
    "high_proba_clouds": 9,
    "thin_cirrus": 10,
}
"""The properties ``s2:…_percentage`` and the classes of SCL that they count."""

_CLOUDY = (8, 9, 10)
_SNOW = 11

_SCHEMAS = "https://stac-extensions.github.io"

_EXTENSIONS = {
    "ESRI": ("eo/v1.0.0", "sat/v1.0.0", "projection/v1.0.0"),
    "MSFT": (
        "sentinel-2/v1.0.0",
        "eo/v1.1.0",
        "sat/v1.0.0",
        "projection/v1.1.0",
        "processing/v1.2.0",
        "product/v0.1.0",
    ),
}


def item(granule: Granule, classes: NDArray[np.uint8]) -> Json:
    """Return the item of a granule.

    Args:
        granule: the granule.
        classes: its scene classification, at least where there are data.
    """
    ring = _outline(granule)
    return {
        "id": granule.item_id,
        "bbox": _box(ring),
        "type": "Feature",
        "links": _links(granule),
        "assets": assets(granule),
        "geometry": {"type": "Polygon", "coordinates": [ring.tolist()]},
        "collection": COLLECTION,
        "properties": _properties(granule, classes),
        "stac_extensions": [
            f"{_SCHEMAS}/{name}/schema.json" for name in _EXTENSIONS[centre(granule)]
        ],
        "stac_version": "1.0.0",
    }


def collection(items: Sequence[Json]) -> Json:
    """Return the collection that holds some items."""
    return {
        "id": COLLECTION,
        "type": "Collection",
        "links": [],
        "title": "Sentinel-2 Level-2A",
        "assets": {},
        "extent": published.extent(items),
        "license": "proprietary",
        "keywords": ["Sentinel", "Copernicus", "ESA", "Reflectance"],
        "providers": [{"name": "A simulation", "roles": ["producer", "host"]}],
        "description": "Simulated scenes in the shape of Sentinel-2 L2A: no satellite saw them.",
        "item_assets": described(),
        "stac_version": "1.0.0",
        "msft:container": CONTAINER,
        "stac_extensions": [f"{_SCHEMAS}/item-assets/v1.0.0/schema.json"],
        "msft:storage_account": ACCOUNT,
    }


def _outline(granule: Granule) -> NDArray[np.float64]:
    grid = granule.grid(10)
    corners = [(grid.affine.c + x, grid.affine.f - y) for x, y in granule.swath.corners()]
    to_degrees = pyproj.Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    return np.array([to_degrees.transform(x, y) for x, y in corners]).round(7)


def _links(granule: Granule) -> list[Json]:
    root = f"{SERVICE}/stac/v1"
    collection = f"{root}/collections/{COLLECTION}"
    shown = f"{SERVICE}/data/v1/item/map?collection={COLLECTION}&item={granule.item_id}"
    own = f"{collection}/items/{granule.item_id}"
    terms = "https://sentinel.esa.int/documents/247904/690755/Sentinel_Data_Legal_Notice"
    return [
        {"rel": "collection", "type": "application/json", "href": collection},
        {"rel": "parent", "type": "application/json", "href": collection},
        {"rel": "root", "type": "application/json", "href": f"{root}/"},
        {"rel": "self", "type": "application/geo+json", "href": own},
        {"rel": "license", "href": terms},
        {"rel": "preview", "href": shown, "title": "Map of item", "type": "text/html"},
    ]


def _properties(granule: Granule, classes: NDArray[np.uint8]) -> Json:
    esri = centre(granule) == "ESRI"
    own = _of_esri(granule) if esri else _of_msft(granule)
    shares = _percentages(granule, classes)
    snow = shares.pop("snow")
    return {
        "datetime": _written(granule.time),
        "platform": f"Sentinel-{granule.platform}",
        "proj:epsg": grids.tile(granule.tile).crs.epsg,
        "instruments": ["msi"],
        "constellation": "Sentinel 2",
        "s2:datatake_id": f"GS{granule.platform}_{stamp(granule.time)}_{_suffix(granule)}",
        "s2:product_uri": f"{granule.product}.SAFE",
        "s2:datastrip_id": _operator(granule, "DS")
        + f"_S{stamp(granule.strip)}_N{granule.baseline}",
        "sat:orbit_state": "descending",
        "s2:datatake_type": "INS-NOBS",
        "sat:relative_orbit": granule.relative_orbit,
        "s2:degraded_msi_data_percentage": 0.0,
        "s2:reflectance_conversion_factor": _sun_distance(granule.time),
        ("s2:snow_ice_percentage" if esri else "eo:snow_cover"): snow,
        **shares,
        **own,
    }


def _of_esri(granule: Granule) -> Json:
    zenith, azimuth = _sun(granule)
    return {
        "s2:mgrs_tile": granule.tile,
        "s2:granule_id": f"{_operator(granule, 'TL')}_A{_suffix(granule, 'T' + granule.tile)}",
        "s2:product_type": "S2MSI2A",
        "s2:generation_time": f"{granule.generated:%Y-%m-%dT%H:%M:%S}.833Z",
        "s2:mean_solar_zenith": zenith,
        "s2:mean_solar_azimuth": azimuth,
        "s2:processing_baseline": granule.baseline,
    }


def _of_msft(granule: Granule) -> Json:
    return {
        "s2:tile_id": f"{_operator(granule, 'TL')}_A{_suffix(granule, 'T' + granule.tile)}",
        "product:type": "S2MSI2A",
        "processing:datetime": f"{granule.generated:%Y-%m-%dT%H:%M:%S}.14490Z",
        "processing:version": granule.baseline,
    }


def _operator(granule: Granule, kind: str) -> str:
    return f"S{granule.platform}_OPER_MSI_L2A_{kind}_{centre(granule)}_{stamp(granule.generated)}"


def _suffix(granule: Granule, *middle: str) -> str:
    return "_".join([f"{granule.orbit:06}", *middle, f"N{granule.baseline}"])


def _percentages(granule: Granule, classes: NDArray[np.uint8]) -> dict[str, float]:
    """Return the shares of the scene classification: of the valid pixels, but for no data."""
    counts = np.bincount(classes.ravel(), minlength=_SNOW + 1)
    valid = counts[1:].sum()
    percent = (100 * counts / max(valid, 1)).round(6).tolist()
    tile = math.prod(granule.grid(SCL_GSD).shape)
    return {
        "eo:cloud_cover": round(sum(percent[one] for one in _CLOUDY), 6),
        "s2:nodata_pixel_percentage": round(100 * (1 - float(valid) / tile), 6),
        **{f"s2:{name}_percentage": percent[value] for name, value in _CLASSES.items()},
        "snow": percent[_SNOW],
    }


def _sun(granule: Granule) -> tuple[float, float]:
    """Return the sun's zenith and azimuth in the middle of the swath, degrees."""
    rows, columns = granule.window(60)
    middle = (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2
    row, column = (slice(one, one + 1) for one in middle)
    pixel = part(granule.grid(60), (row, column))
    here = sky.sun(lattice(pixel).nodes, granule.time)
    zenith, azimuth = (np.degrees(angle).mean() % 360 for angle in (here.zenith, here.azimuth))
    return float(zenith), float(azimuth)


def _sun_distance(time: datetime) -> float:
    """Return the square of the mean over the actual distance of the sun."""
    day = time.timetuple().tm_yday
    return (1 + 0.0167 * math.cos(2 * math.pi * (day - 4) / 365)) ** 2


def _box(ring: NDArray[np.float64]) -> list[float]:
    return [*ring.min(axis=0).tolist(), *ring.max(axis=0).tolist()]


def _written(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
