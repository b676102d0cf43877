"""C2S-MS floods: a folder an event, in it one a sensor, in it one a chip, with a file a band.

``chips/{event}/s1/{product}_{position}/VV.tif VH.tif LabelWater.tif`` and
``chips/{event}/s2/{product}_{position}/B1.tif … B12.tif LabelWater.tif``. Chips of one position
show the same ground. Numbers are Level-1C's and decibels; labels are 0, 1, and 255 (some
copies -1) where nobody could tell.

Source: Cloud to Street, Microsoft, Radiant Earth Foundation (2022), A global flood events and cloud
cover dataset, version 1.0.
"""

from collections.abc import Mapping
from pathlib import Path

from cubestore_pipelines import offset
from cubestore_pipelines.benchmarks.floods import granules
from cubestore_pipelines.benchmarks.floods.chips import Chip
from cubestore_pipelines.benchmarks.floods.granules import OpticalGranule
from cubestore_pipelines.errors import DatasetError

SENSORS = ("s1", "s2")
OPTICAL_FILES = tuple(
    f"{name}.tif"
    for name in ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
)
RADAR_FILES = ("VV.tif", "VH.tif")
LABEL_FILE = "LabelWater.tif"
CODES: Mapping[int, int] = {0: 0, 1: 1, 255: 255, -1: 255}
MASKS: tuple[str, ...] = ("water_s2", "water_s1")


def root(source: Path) -> Path | None:
    """Return the folder of the events, in a source or itself; None where it has none."""
    for folder in (source, source / "chips", source / "c2smsfloods" / "chips"):
        if any(folder.glob("*/s[12]")):
            return folder
    return None


def chips(source: Path, *, incomplete: bool) -> tuple[list[Chip], list[str]]:
    """Return the chips by event and position, and what is left out of those that lack a sensor.

    Args:
        source: the folder of the events, or one that holds it.
        incomplete: leave those out, else they are refused.

    Raises:
        DatasetError: a folder without a chip's name, or a chip that the other sensor lacks.
    """
    found: list[Chip] = []
    lacking: list[str] = []
    for event in sorted(path for path in (root(source) or source).iterdir() if path.is_dir()):
        radars, opticals = (_of_sensor(event / sensor) for sensor in SENSORS)
        for position in sorted(radars.keys() | opticals.keys()):
            if position in radars and position in opticals:
                found.append(_chip(event, opticals[position], radars[position]))
            else:
                lacking.append(_alone(event, position, radars, opticals))
    if lacking and not incomplete:
        raise DatasetError(
            lacking[0] + (f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""),
            expected="a chip of s1 and one of s2 for each position",
            remedy="complete the source, or leave such chips out with --incomplete",
        )
    return found, lacking


def _of_sensor(folder: Path) -> Mapping[str, Path]:
    """Return the chips of a sensor by position."""
    found: dict[str, Path] = {}
    for path in sorted(one for one in folder.glob("*") if one.is_dir()):
        position = path.name.rpartition("_")[2]
        if position in found:
            raise DatasetError(
                f"{path} shows the position {position} again, as {found[position].name} does",
                expected="one chip of a sensor for each position of an event",
                remedy="leave one of them out of the source",
            )
        found[position] = path
    return found


def _chip(event: Path, optical: Path, radar: Path) -> Chip:
    seen = granules.optical(optical.name, str(optical))
    lit = granules.radar(radar.name, str(radar))
    dn_offset, rule = _offset(seen)
    return Chip(
        id=f"{event.name}/{seen.position}",
        event=event.name,
        optical=tuple(optical / name for name in OPTICAL_FILES),
        radar=tuple(radar / name for name in RADAR_FILES),
        labels=dict(zip(MASKS, (optical / LABEL_FILE, radar / LABEL_FILE), strict=True)),
        dn_offset=dn_offset,
        granules=(seen, lit),
        columns={
            "position": seen.position,
            "time": seen.time,
            "item_id": seen.product,
            "platform": seen.platform,
            "processing_baseline": seen.baseline,
            "relative_orbit": seen.relative_orbit,
            "dn_offset_source": rule,
            "time_s1": lit.time,
            "item_id_s1": lit.product,
            "platform_s1": lit.platform,
        },
    )


def _offset(granule: OpticalGranule) -> tuple[int, str]:
    """Return what takes the offset out of a product's numbers, and the rule that says so."""
    if not granule.baseline:
        return 0, "published before there was an offset"
    told = tuple(map(int, granule.baseline.split(".")))
    return offset.OFFSET if told >= offset.SINCE else 0, f"processing baseline {granule.baseline}"


def _alone(
    event: Path, position: str, radars: Mapping[str, Path], opticals: Mapping[str, Path]
) -> str:
    mine, other = (radars, "s2") if position in radars else (opticals, "s1")
    return f"{mine[position]} of patch {event.name}/{position} has no partner in {event / other}"
