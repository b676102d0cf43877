"""Spectral indices: a row of a table each, of arrays of NumPy, CuPy or torch alike.

    ndvi = spectral_index("ndvi", red=red, nir=nir)     # reflectance 0 to 1, floating point

Bands are called by STAC's common names. Where a denominator is 0 the result is NaN or infinite.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature

import numpy as np

from cubestore.errors import MismatchError
from cubestore_model.arrays.modules import Array


@dataclass(frozen=True, slots=True)
class SpectralIndex:
    """A formula, and who published it."""

    formula: Callable[..., Array]
    """Its arguments are the bands, by their common names."""

    source: str

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands it needs."""
        return tuple(signature(self.formula).parameters)


INDICES: Mapping[str, SpectralIndex] = {
    "ndvi": SpectralIndex(
        lambda nir, red: (nir - red) / (nir + red),
        "Rouse et al. 1974, Monitoring vegetation systems in the Great Plains with ERTS, SP-351",
    ),
    "evi": SpectralIndex(
        lambda nir, red, blue: 2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1),
        "Huete et al. 2002, Remote Sensing of Environment 83, 195-213",
    ),
    "evi2": SpectralIndex(
        lambda nir, red: 2.5 * (nir - red) / (nir + 2.4 * red + 1),
        "Jiang et al. 2008, Remote Sensing of Environment 112, 3833-3845",
    ),
    "savi": SpectralIndex(
        lambda nir, red: 1.5 * (nir - red) / (nir + red + 0.5),
        "Huete 1988, Remote Sensing of Environment 25, 295-309, with L = 0.5",
    ),
    "ndre": SpectralIndex(
        lambda nir, rededge071: (nir - rededge071) / (nir + rededge071),
        "Barnes et al. 2000, Proc. 5th Int. Conf. on Precision Agriculture, 16-19",
    ),
    "ndwi": SpectralIndex(
        lambda green, nir: (green - nir) / (green + nir),
        "McFeeters 1996, International Journal of Remote Sensing 17, 1425-1432: open water",
    ),
    "mndwi": SpectralIndex(
        lambda green, swir16: (green - swir16) / (green + swir16),
        "Xu 2006, International Journal of Remote Sensing 27, 3025-3033",
    ),
    "ndmi": SpectralIndex(
        lambda nir, swir16: (nir - swir16) / (nir + swir16),
        "Wilson and Sader 2002, Remote Sensing of Environment 80, 385-396",
    ),
    "nbr": SpectralIndex(
        lambda nir, swir22: (nir - swir22) / (nir + swir22),
        "Key and Benson 2006, FIREMON, USDA RMRS-GTR-164-CD: landscape assessment",
    ),
    "ndbi": SpectralIndex(
        lambda swir16, nir: (swir16 - nir) / (swir16 + nir),
        "Zha, Gao and Ni 2003, International Journal of Remote Sensing 24, 583-594",
    ),
    "ndsi": SpectralIndex(
        lambda green, swir16: (green - swir16) / (green + swir16),
        "Hall, Riggs and Salomonson 1995, Remote Sensing of Environment 54, 127-140: snow",
    ),
}
"""By name."""


def spectral_index(name: str, **bands: Array) -> Array:
    """Return an index of bands.

    Args:
        name: one of `INDICES`.
        bands: reflectance by common name, floating point, all of one shape; more than it needs.

    Raises:
        MismatchError: no such index, a band that it needs and that is not there, or integers, of
            which differences below 0 would begin anew at the top.
    """
    index = INDICES.get(name)
    absent = [] if index is None else [band for band in index.bands if band not in bands]
    if index is None or absent:
        raise MismatchError(
            f"{name} of {', '.join(bands) or 'no bands'}",
            expected=f"one of {', '.join(INDICES)}"
            if index is None
            else f"{', '.join(index.bands)}: {', '.join(absent)} is not there",
            remedy="name bands by their common names, such as nir and swir16",
        )
    taken = {band: bands[band] for band in index.bands}
    _refuse_integers(taken)
    with np.errstate(divide="ignore", invalid="ignore"):
        return index.formula(**taken)


def _refuse_integers(bands: Mapping[str, Array]) -> None:
    odd = [f"{name} of {one.dtype}" for name, one in bands.items() if "float" not in str(one.dtype)]
    if odd:
        raise MismatchError(
            f"Bands as they are stored: {', '.join(odd)}",
            expected="reflectance, 0 to 1 in floating point",
            remedy="multiply by the cube's scale_factor, 0.0001 of Sentinel-2, with nodata as NaN",
        )
