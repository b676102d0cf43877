"""The files of a simulated granule: what an item says of them, and where they are.

Names, titles and numbers are those that the Planetary Computer publishes, slips included.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cubestore import grids
from cubestore_pipelines.simulate.granules import Granule, stamp

COLLECTION = "sentinel-2-l2a"
ACCOUNT, CONTAINER = "sentinel2l2a01", "sentinel2-l2"
BLOBS = f"http://{ACCOUNT}.blob.core.windows.net/{CONTAINER}"
"""Where the files are; no https, so that a plain HTTP proxy can serve them."""

SERVICE = "https://planetarycomputer.microsoft.com/api"
"""What is not simulated: links to it stay as they are published."""

Json = dict[str, Any]

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"

_BANDS = {
    "B01": ("Coastal aerosol", "coastal", 0.443, 0.027, 60),
    "B02": ("Blue", "blue", 0.49, 0.098, 10),
    "B03": ("Green", "green", 0.56, 0.045, 10),
    "B04": ("Red", "red", 0.665, 0.038, 10),
    "B05": ("Vegetation red edge 1", "rededge", 0.704, 0.019, 20),
    "B06": ("Vegetation red edge 2", "rededge", 0.74, 0.018, 20),
    "B07": ("Vegetation red edge 3", "rededge", 0.783, 0.028, 20),
    "B08": ("NIR", "nir", 0.842, 0.145, 10),
    "B09": ("Water vapor", "", 0.945, 0.026, 60),
    "B11": ("SWIR (1.6)", "swir16", 1.61, 0.143, 20),
    "B12": ("SWIR (2.2)", "swir22", 2.19, 0.242, 20),
    "B8A": ("Vegetation red edge 4", "rededge", 0.865, 0.033, 20),
}
"""Name, common name, centre, width and pixel size, as published."""

_RASTERS = {
    "AOT": ("Aerosol optical thickness (AOT)", 10),
    "SCL": ("Scene classfication map (SCL)", 20),  # sic
    "WVP": ("Water vapour (WVP)", 10),
}

DOCUMENTS = MappingProxyType(
    {
        "safe-manifest": ("SAFE manifest", "manifest.safe"),
        "granule-metadata": ("Granule metadata", "{granule}/MTD_TL.xml"),
        "inspire-metadata": ("INSPIRE metadata", "INSPIRE.xml"),
        "product-metadata": ("Product metadata", "MTD_MSIL2A.xml"),
        "datastrip-metadata": ("Datastrip metadata", "{strip}/MTD_DS.xml"),
    }
)
"""The records of a product that are no images, and their files."""

FILES = (*_BANDS, *_RASTERS, "visual", "preview", *DOCUMENTS)
"""The assets that have a file."""


def assets(granule: Granule) -> Json:
    """Return the assets of a granule's item."""
    located = {
        key: {"href": f"{BLOBS}/{path(granule, key)}", **_where(granule, one), **one}
        for key, one in described().items()
    }
    return {**located, **_services(granule)}


def described() -> dict[str, Json]:
    """Return what is the same for the assets of every item, as the collection has it."""
    bands = {name: _band_asset(name) for name in _BANDS}
    rasters = {name: _raster(title, gsd) for name, (title, gsd) in _RASTERS.items()}
    visual = _raster("True color image", 10)
    visual["eo:bands"] = [_band(name) for name in ("B04", "B03", "B02")]
    preview = {"type": _COG, "roles": ["thumbnail"], "title": "Thumbnail"}
    documents = {
        key: {"type": "application/xml", "roles": ["metadata"], "title": title}
        for key, (title, _) in DOCUMENTS.items()
    }
    return {**bands, **rasters, "visual": visual, "preview": preview, **documents}


def path(granule: Granule, asset: str) -> str:
    """Return where the file of an asset is in its container."""
    return _folder(granule) + "/" + _file(granule, asset)


def centre(granule: Granule) -> str:
    """Return who processed it: ``ESRI``, or from baseline 05.09 on ``MSFT``."""
    return "MSFT" if granule.baseline >= "05.09" else "ESRI"


def _folder(granule: Granule) -> str:
    zone, band, square = granule.tile[:2], granule.tile[2], granule.tile[3:]
    return f"{zone}/{band}/{square}/{granule.time:%Y/%m/%d}/{granule.product}.SAFE"


def _file(granule: Granule, asset: str) -> str:
    within = f"GRANULE/L2A_T{granule.tile}_A{granule.orbit:06}_{stamp(granule.strip)}"
    name = f"T{granule.tile}_{stamp(granule.time)}"
    if asset in DOCUMENTS:
        strip = f"DATASTRIP/DS_{centre(granule)}_{stamp(granule.generated)}_S{stamp(granule.strip)}"
        return DOCUMENTS[asset][1].format(granule=within, strip=strip)
    if asset == "preview":
        return f"{within}/QI_DATA/{name}_PVI.tif"
    layer, gsd = ("TCI", 10) if asset == "visual" else (asset, _gsd(asset))
    return f"{within}/IMG_DATA/R{gsd}m/{name}_{layer}_{gsd}m.tif"


def _gsd(asset: str) -> int:
    return _BANDS[asset][-1] if asset in _BANDS else _RASTERS[asset][-1]


def _band_asset(name: str) -> Json:
    title, *_, gsd = _BANDS[name]
    number = name.removeprefix("B").removeprefix("0")
    return {**_raster(f"Band {number} - {title} - {gsd}m", gsd), "eo:bands": [_band(name)]}


def _band(name: str) -> Json:
    title, common_name, center, width, _ = _BANDS[name]
    return {
        "name": name,
        **({"common_name": common_name} if common_name else {}),
        "description": f"Band {name.removeprefix('B').removeprefix('0')} - {title}",
        "center_wavelength": center,
        "full_width_half_max": width,
    }


def _raster(title: str, gsd: int) -> Json:
    return {"gsd": float(gsd), "type": _COG, "roles": ["data"], "title": title}


def _where(granule: Granule, asset: Mapping[str, Any]) -> Json:
    if "gsd" not in asset:
        return {}
    grid = granule.grid(int(asset["gsd"]))
    return {
        "proj:bbox": [float(edge) for edge in grids.tile(granule.tile).bounds],
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.affine)[:6],
    }


def _services(granule: Granule) -> Json:
    drawn = (
        f"collection={COLLECTION}&item={granule.item_id}&assets=visual"
        "&asset_bidx=visual%7C1%2C2%2C3&nodata=0&format=png"
    )
    return {
        "tilejson": {
            "title": "TileJSON with default rendering",
            "href": f"{SERVICE}/data/v1/item/tilejson.json?{drawn}",
            "type": "application/json",
            "roles": ["tiles"],
        },
        "rendered_preview": {
            "title": "Rendered preview",
            "rel": "preview",
            "href": f"{SERVICE}/data/v1/item/preview.png?{drawn}",
            "roles": ["overview"],
            "type": "image/png",
        },
    }
