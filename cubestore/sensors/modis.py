"""MODIS on Terra and Aqua: surface reflectance, eight days, 500 m (MOD09A1, MYD09A1).

A passband is what NASA's specification gives it from and to; centre and width follow. The
published items (stactools, Planetary Computer) print the widths ten times too large, and
call b05 lwir12, which is a thermal name: STAC has none for 1.24 micrometres.
"""

import numpy as np

from cubestore.sensors.definition import Band, Flag, Layer, Sensor

_SPECIFICATION = "NASA GSFC, MODIS Specifications, table of bandwidths"
_GUIDE = "NASA, MODIS Surface Reflectance User's Guide, Collections 6 and 6.1"

TILE_EDGE = 20_015_109.354 / 18
"""Metres: NASA's own extent of its grid, half the sphere's circumference to the millimetre."""

TILE_PIXELS = 2400
"""Pixels along a tile's edge."""

NOMINAL_GSD = 500
"""Metres. Bands 1 and 2 were seen at 250 m, but the product holds their averages."""

_BANDS = (
    Band(
        name="sur_refl_b01",
        common_name="red",
        center_wavelength=0.645,
        full_width_half_max=0.050,
        gsd=NOMINAL_GSD,
        source=_SPECIFICATION,
    ),
    Band(
        name="sur_refl_b02",
        common_name="nir08",
        center_wavelength=0.8585,
        full_width_half_max=0.035,
        gsd=NOMINAL_GSD,
        source=_SPECIFICATION,
    ),
    Band(
        name="sur_refl_b03",
        common_name="blue",
        center_wavelength=0.469,
        full_width_half_max=0.020,
        gsd=NOMINAL_GSD,
        source=_SPECIFICATION,
    ),
    Band(
        name="sur_refl_b04",
        common_name="green",
        center_wavelength=0.555,
        full_width_half_max=0.020,
        gsd=NOMINAL_GSD,
        source=_SPECIFICATION,
    ),
    Band(
        name="sur_refl_b05",
        center_wavelength=1.240,
        full_width_half_max=0.020,
        gsd=NOMINAL_GSD,
        source=_SPECIFICATION,
    ),
    Band(
        name="sur_refl_b06",
        common_name="swir16",
        center_wavelength=1.640,
        full_width_half_max=0.024,
        gsd=NOMINAL_GSD,
        source=_SPECIFICATION,
    ),
    Band(
        name="sur_refl_b07",
        common_name="swir22",
        center_wavelength=2.130,
        full_width_half_max=0.050,
        gsd=NOMINAL_GSD,
        source=_SPECIFICATION,
    ),
)

_BAND_QUALITY = {
    0b0000: "highest_quality",
    0b0111: "noisy_detector",
    0b1000: "dead_detector",
    0b1001: "solar_zenith_86_or_more",
    0b1010: "solar_zenith_85_to_86",
    0b1011: "missing_input",
    0b1100: "climatology_replaced_by_constant",
    0b1101: "constrained_to_extreme_value",
    0b1110: "faulty_l1b",
    0b1111: "not_processed",
}


def _band_quality(number: int) -> tuple[Flag, ...]:
    """Return the four bits that the quality mask gives to a band, counted from 1."""
    shift = 2 + 4 * (number - 1)
    return tuple(
        Flag(meaning=f"b{number:02}_{meaning}", mask=0b1111 << shift, value=value << shift)
        for value, meaning in _BAND_QUALITY.items()
    )


_QUALITY = Layer(
    name="quality",
    dtype=np.dtype(np.uint32),
    nodata=2**32 - 1,
    long_name="band quality (sur_refl_qc_500m)",
    flags=(
        Flag(meaning="ideal_quality_all_bands", mask=3, value=0),
        Flag(meaning="less_than_ideal_quality_some_or_all_bands", mask=3, value=1),
        Flag(meaning="not_produced_cloud", mask=3, value=2),
        Flag(meaning="not_produced_other_reason", mask=3, value=3),
        *(flag for number in range(1, 8) for flag in _band_quality(number)),
        Flag(meaning="atmospheric_correction_performed", mask=1 << 30, value=1 << 30),
        Flag(meaning="adjacency_correction_performed", mask=1 << 31, value=1 << 31),
    ),
    source=f"{_GUIDE}, table 10: 500 m band quality (32-bit)",
)

_STATE = Layer(
    name="state",
    dtype=np.dtype(np.uint16),
    nodata=65535,
    long_name="state of the pixel (sur_refl_state_500m)",
    flags=(
        Flag(meaning="clear", mask=3, value=0),
        Flag(meaning="cloudy", mask=3, value=1),
        Flag(meaning="mixed", mask=3, value=2),
        Flag(meaning="not_set_assumed_clear", mask=3, value=3),
        Flag(meaning="cloud_shadow", mask=1 << 2, value=1 << 2),
        Flag(meaning="shallow_ocean", mask=7 << 3, value=0 << 3),
        Flag(meaning="land", mask=7 << 3, value=1 << 3),
        Flag(meaning="ocean_coastlines_and_lake_shorelines", mask=7 << 3, value=2 << 3),
        Flag(meaning="shallow_inland_water", mask=7 << 3, value=3 << 3),
        Flag(meaning="ephemeral_water", mask=7 << 3, value=4 << 3),
        Flag(meaning="deep_inland_water", mask=7 << 3, value=5 << 3),
        Flag(meaning="continental_or_moderate_ocean", mask=7 << 3, value=6 << 3),
        Flag(meaning="deep_ocean", mask=7 << 3, value=7 << 3),
        Flag(meaning="aerosol_climatology", mask=3 << 6, value=0 << 6),
        Flag(meaning="aerosol_low", mask=3 << 6, value=1 << 6),
        Flag(meaning="aerosol_average", mask=3 << 6, value=2 << 6),
        Flag(meaning="aerosol_high", mask=3 << 6, value=3 << 6),
        Flag(meaning="cirrus_none", mask=3 << 8, value=0 << 8),
        Flag(meaning="cirrus_small", mask=3 << 8, value=1 << 8),
        Flag(meaning="cirrus_average", mask=3 << 8, value=2 << 8),
        Flag(meaning="cirrus_high", mask=3 << 8, value=3 << 8),
        Flag(meaning="internal_cloud", mask=1 << 10, value=1 << 10),
        Flag(meaning="internal_fire", mask=1 << 11, value=1 << 11),
        Flag(meaning="mod35_snow_or_ice", mask=1 << 12, value=1 << 12),
        Flag(meaning="adjacent_to_cloud", mask=1 << 13, value=1 << 13),
        Flag(meaning="salt_pan", mask=1 << 14, value=1 << 14),
        Flag(meaning="internal_snow", mask=1 << 15, value=1 << 15),
    ),
    source=f"{_GUIDE}, table 13: state QA (16-bit)",
)

_DAY_OF_YEAR = Layer(
    name="day_of_year",
    dtype=np.dtype(np.uint16),
    nodata=65535,
    long_name="day of the year on which the pixel was seen (sur_refl_day_of_year)",
    valid_range=(1, 366),
    source=f"{_GUIDE}, science data sets of MOD09A1",
)


def _angle(name: str, long_name: str, product: str, valid_range: tuple[int, int]) -> Layer:
    return Layer(
        name=name,
        dtype=np.dtype(np.int16),
        nodata=0,
        long_name=f"{long_name} ({product})",
        units="degree",
        scale_factor=0.01,
        add_offset=0.0,
        masked=True,
        valid_range=valid_range,
        source=f"{_GUIDE}, science data sets of MOD09A1",
    )


_ANGLES = (
    _angle("solar_zenith_angle", "solar zenith angle", "sur_refl_szen", (0, 18_000)),
    _angle("view_zenith_angle", "view zenith angle", "sur_refl_vzen", (0, 18_000)),
    _angle("relative_azimuth_angle", "azimuth of sun to view", "sur_refl_raz", (-18_000, 18_000)),
)

MODIS_09A1 = Sensor(
    id="modis-09a1",
    title="MODIS surface reflectance 8-day 500 m (MOD09A1, MYD09A1)",
    grid="sin",
    gsd=TILE_EDGE / TILE_PIXELS,
    pixels=Layer(
        name="reflectance",
        dtype=np.dtype(np.int16),
        nodata=-28672,
        long_name="surface reflectance",
        units="1",
        scale_factor=1e-4,
        add_offset=0.0,
        masked=True,
        valid_range=(-100, 16000),
        source=f"{_GUIDE}, science data sets of MOD09A1",
    ),
    bands=_BANDS,
    layers=(_QUALITY, _STATE, _DAY_OF_YEAR),
    optional_layers=_ANGLES,
    composite=True,
    constellation="eos",
    instruments=("modis",),
    level="L3",
    license="no restrictions (NASA LP DAAC)",
    attribution="MODIS data courtesy of NASA's Land Processes DAAC at the USGS EROS Center",
    source="NASA LP DAAC, MOD09A1 v061 and MYD09A1 v061, doi:10.5067/MODIS/MOD09A1.061",
)
