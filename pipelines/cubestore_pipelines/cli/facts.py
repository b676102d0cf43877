"""Verbs that need no store: which sensors there are, which tiles cover a place."""

from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import LimitedChoice

from cubestore.sensors import SENSORS, Sensor
from cubestore.sensors import sensor as sensor_of
from cubestore_pipelines.cli.output import Json, show_json, show_table

PLACE = Group("Place (one of these)", validator=LimitedChoice(1, 1))
Box = Annotated[tuple[float, float, float, float] | None, Parameter(group=PLACE)]
Point = Annotated[tuple[float, float] | None, Parameter(group=PLACE)]


def sensors(sensor: str | None = None, /, *, json: Json = False) -> None:
    """List the sensors, or the bands and layers of one with wavelength, pixel size and source.

    Example: cubestore sensors sentinel-2-l2a

    Args:
        sensor: a sensor's id; without it, all are listed.
        json: print one JSON object.
    """
    if sensor is None:
        rows = [_summary(known) for known in SENSORS.values()]
        _show("sensors", rows, json=json)
    else:
        known = sensor_of(sensor)
        told = {"bands": _bands(known), "layers": _layers(known)}
        if json:
            show_json({name: rows for name, rows in told.items() if rows})
            return
        for rows in filter(None, told.values()):
            show_table(list(rows[0]), [list(row.values()) for row in rows])


def _bands(known: Sensor) -> list[dict[str, Any]]:
    return [
        {
            "band": band.name,
            "common_name": band.common_name,
            "wavelength_um": _number(band.center_wavelength),
            "width_um": _number(band.full_width_half_max),
            "gsd_m": band.gsd,
            "standard": band in known.bands,
            "source": band.source,
        }
        for band in known.every_band
    ]


def _layers(known: Sensor) -> list[dict[str, Any]]:
    """Return what lies beside the pixels; what is not standard is asked for with --layers."""
    return [
        {
            "layer": layer.name,
            "dtype": layer.dtype.name,
            "what": layer.long_name,
            "standard": layer in known.layers,
            "source": layer.source,
        }
        for layer in known.every_layer
    ]


def tiles(
    *,
    bbox: Box = None,
    point: Point = None,
    grid: Literal["mgrs", "sin"] = "mgrs",
    json: Json = False,
) -> None:
    """List the tiles that cover a place, with EPSG code and bounds.

    Example: cubestore tiles --point 2.35 48.85

    Args:
        bbox: west, south, east and north in degrees; west > east crosses the antimeridian.
        point: longitude and latitude in degrees.
        grid: mgrs (Sentinel-2's) or sin (MODIS sinusoidal).
        json: print one JSON object.
    """
    from cubestore import grids  # noqa: PLC0415 - geometry, which sensors do without

    found = grids.tiles_in(*bbox, grid=grid) if bbox else []
    found += grids.tiles_at(*point, grid=grid) if point else []
    rows = [
        {
            "tile": tile.id,
            "crs": f"EPSG:{tile.crs.epsg}" if tile.crs.epsg else "MODIS sinusoidal",
            "bounds": [round(edge, 3) for edge in tile.bounds.bbox],
        }
        for tile in found
    ]
    _show("tiles", rows, json=json)


def _summary(sensor: Sensor) -> dict[str, Any]:
    return {
        "sensor": sensor.id,
        "variable": sensor.pixels.name,
        "dtype": sensor.pixels.dtype.name,
        "gsd_m": sensor.gsd,
        "grid": sensor.grid,
        "bands": " ".join(band.name for band in sensor.bands),
        "title": sensor.title,
    }


def _number(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124 - NaN has no JSON


def _show(name: str, rows: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        show_json({name: rows})
    elif rows:
        show_table(list(rows[0]), [list(row.values()) for row in rows])
