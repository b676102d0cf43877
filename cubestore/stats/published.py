"""Means and deviations that were published, row by row, by our bands' names. See `norms`."""

from dataclasses import dataclass, field

STORED, DECIBELS = "stored", "dB"
"""The units that there are: those of a cube, and ``10 * log10`` of them."""

PB04 = 1000
"""What Sentinel-2's digital numbers have too much since baseline 04.00; cubes do not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """The means and deviations of one sensor's bands in one publication."""

    id: str
    sensor: str
    bands: tuple[str, ...]
    """Our names."""

    mean: tuple[float, ...] = field(repr=False)
    """As published."""

    std: tuple[float, ...] = field(repr=False)
    units: str = STORED
    too_much: float = 0.0
    """What the published means have too much for our cubes."""

    note: str = ""
    """How the numbers differ from what a cube holds."""

    source: str


_CLAY = "Clay-foundation/model, configs/metadata.yaml"
_CLAY_V0 = "Clay-foundation/model, docs/clay-v0, which swaps the labels of vv and vh"
_SSL4EO = "zhu-xlab/SSL4EO-S12 (v1), ssl4eo_dataset.py, of 50,000 places"
_SSL4EO_V11 = "DLR-MF-DAS/SSL4EO-S12-v1.1, zarr_dataset.py, which says that they include the +1000"
_GRD = "of GRD sigma nought, not terrain corrected; a cube holds gamma nought, terrain corrected"
_HARMONISED = "published with the +1000 of baseline 04.00 in every mean; 1000 is taken off here"

_LANDSAT = ("B4", "B3", "B2", "B5", "B6", "B7")
_TENS = tuple(f"B0{number}" for number in range(2, 9))
_L1C = ("B01", *_TENS, "B8A", "B09", "B10", "B11", "B12")
_L2A = tuple(name for name in _L1C if name != "B10")
_MSI = (*_TENS, "B8A", "B11", "B12")
_MODIS = tuple(f"sur_refl_b0{number}" for number in range(1, 8))


def _clay(version: str) -> tuple[Norm, ...]:
    """Return the rows that v1.0 and v1.5 have in common."""
    name, source = f"clay-{version}", f"{_CLAY}, {version}"
    return (
        Norm(
            id=name,
            sensor="sentinel-2-l2a",
            bands=_MSI,
            mean=(1105, 1355, 1552, 1887, 2422, 2630, 2743, 2785, 2388, 1835),
            std=(1809, 1757, 1888, 1870, 1732, 1697, 1742, 1648, 1470, 1379),
            source=source,
        ),
        Norm(
            id=name,
            sensor="landsat-c2-l1",
            bands=_LANDSAT,
            mean=(10678, 10563, 11083, 14792, 12276, 10114),
            std=(6025, 5411, 5468, 6746, 5897, 4850),
            source=source,
        ),
        Norm(
            id=name,
            sensor="landsat-c2-l2",
            bands=_LANDSAT,
            mean=(13705, 13310, 12474, 17801, 14615, 12701),
            std=(9578, 9408, 10144, 8277, 5300, 4522),
            source=source,
        ),
        Norm(
            id=name,
            sensor="naip",
            bands=("red", "green", "blue", "nir"),
            mean=(110.16, 115.41, 98.15, 139.04),
            std=(47.23, 39.82, 35.43, 49.86),
            source=source,
        ),
        Norm(
            id=name,
            sensor="linz",
            bands=("red", "green", "blue"),
            mean=(89.96, 99.46, 89.51),
            std=(41.83, 36.96, 31.45),
            source=source,
        ),
    )


NORMS: tuple[Norm, ...] = (
    *_clay("v1.5"),
    Norm(
        id="clay-v1.5",
        sensor="sentinel-1-rtc",
        bands=("vv", "vh"),
        mean=(-12.113, -18.673),
        std=(8.314, 8.017),
        units=DECIBELS,
        source=f"{_CLAY}, v1.5",
    ),
    Norm(
        id="clay-v1.5",
        sensor="modis-09a1",
        bands=_MODIS,
        mean=(1072, 1624, 931, 1023, 1599, 1404, 1051),
        std=(1643, 1878, 1449, 1538, 1763, 1618, 1396),
        source=f"{_CLAY}, v1.5",
    ),
    *_clay("v1.0"),
    Norm(
        id="clay-v1.0",
        sensor="sentinel-1-rtc",
        bands=("vv", "vh"),
        mean=(0.123273, 0.027337),
        std=(1.492154, 0.122182),
        note="of linear power",
        source=f"{_CLAY}, v1.0",
    ),
    Norm(
        id="clay-v1.0",
        sensor="modis-09a1",
        bands=_MODIS,
        mean=(
            1072.471882,
            1624.482782,
            931.892947,
            1023.849436,
            1599.963956,
            1404.271537,
            1051.350204,
        ),
        std=(
            1643.113109,
            1878.537956,
            1449.024803,
            1538.677198,
            1763.359331,
            1618.157770,
            1396.227168,
        ),
        source=f"{_CLAY}, v1.0",
    ),
    Norm(
        id="clay-v0",
        sensor="sentinel-2-l2a",
        bands=_MSI,
        mean=(
            1369.03,
            1597.68,
            1741.10,
            2053.58,
            2569.82,
            2763.01,
            2858.43,
            2893.86,
            2303.00,
            1807.79,
        ),
        std=(
            2026.96,
            2011.88,
            2146.35,
            2138.96,
            2003.27,
            1962.45,
            2016.38,
            1917.12,
            1679.88,
            1568.06,
        ),
        source=_CLAY_V0,
    ),
    Norm(
        id="clay-v0",
        sensor="sentinel-1-rtc",
        bands=("vh", "vv"),
        mean=(0.026, 0.118),
        std=(0.118, 0.873),
        note="of linear power",
        source=_CLAY_V0,
    ),
    Norm(
        id="clay-v0",
        sensor="cop-dem-glo-30",
        bands=("elevation",),
        mean=(499.46,),
        std=(880.35,),
        source=_CLAY_V0,
    ),
    Norm(
        id="ssl4eo-s12-v1",
        sensor="sentinel-2-l2a",
        bands=_L2A,
        mean=(
            752.40087073,
            884.29673756,
            1144.16202635,
            1297.47289228,
            1624.90992062,
            2194.6423161,
            2422.21248945,
            2517.76053101,
            2581.64687018,
            2645.51888987,
            2368.51236873,
            1805.06846033,
        ),
        std=(
            1108.02887453,
            1155.15170768,
            1183.6292542,
            1368.11351514,
            1370.265037,
            1355.55390699,
            1416.51487101,
            1474.78900051,
            1439.3086061,
            1582.28010962,
            1455.52084939,
            1343.48379601,
        ),
        source=_SSL4EO,
    ),
    Norm(
        id="ssl4eo-s12-v1",
        sensor="sentinel-2-l1c",
        bands=_L1C,
        mean=(
            1605.57504906,
            1390.78157673,
            1314.8729939,
            1363.52445545,
            1549.44374991,
            2091.74883118,
            2371.7172463,
            2299.90463006,
            2560.29504086,
            830.06605044,
            22.10351321,
            2177.07172323,
            1524.06546312,
        ),
        std=(
            786.78685367,
            850.34818441,
            875.06484736,
            1138.84957046,
            1122.17775652,
            1161.59187054,
            1274.39184232,
            1248.42891965,
            1345.52684884,
            577.31607053,
            51.15431158,
            1336.09932639,
            1136.53823676,
        ),
        source=_SSL4EO,
    ),
    Norm(
        id="ssl4eo-s12-v1",
        sensor="sentinel-1-rtc",
        bands=("vv", "vh"),
        mean=(-12.54847273, -20.19237134),
        std=(5.25697717, 5.91150917),
        units=DECIBELS,
        note=_GRD,
        source=_SSL4EO,
    ),
    Norm(
        id="ssl4eo-s12-v1.1",
        sensor="sentinel-2-l2a",
        bands=_L2A,
        mean=(
            1793.243,
            1924.863,
            2184.553,
            2340.936,
            2671.402,
            3240.082,
            3468.412,
            3563.244,
            3627.704,
            3711.071,
            3416.714,
            2849.625,
        ),
        std=(
            1160.144,
            1201.092,
            1219.943,
            1397.225,
            1400.035,
            1373.136,
            1429.17,
            1485.025,
            1447.836,
            1652.703,
            1471.002,
            1365.307,
        ),
        too_much=PB04,
        note=_HARMONISED,
        source=_SSL4EO_V11,
    ),
    Norm(
        id="ssl4eo-s12-v1.1",
        sensor="sentinel-2-l1c",
        bands=_L1C,
        mean=(
            2607.345,
            2393.068,
            2320.225,
            2373.963,
            2562.536,
            3110.071,
            3392.832,
            3321.154,
            3583.77,
            1838.712,
            1021.753,
            3205.112,
            2545.798,
        ),
        std=(
            786.523,
            849.702,
            875.318,
            1143.578,
            1126.248,
            1161.98,
            1273.505,
            1246.79,
            1342.755,
            576.795,
            45.626,
            1340.347,
            1145.036,
        ),
        too_much=PB04,
        note=_HARMONISED,
        source=_SSL4EO_V11,
    ),
    Norm(
        id="ssl4eo-s12-v1.1",
        sensor="sentinel-1-rtc",
        bands=("vv", "vh"),
        mean=(-12.577, -20.265),
        std=(5.179, 5.872),
        units=DECIBELS,
        note=_GRD,
        source=_SSL4EO_V11,
    ),
)
"""Every row; a publication has one for each sensor."""
