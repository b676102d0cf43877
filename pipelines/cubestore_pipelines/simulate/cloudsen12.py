"""A small CloudSEN12 in the published memmap layout, with the clouds of the simulated sky.

Regions of five images lie beside one another on the simulated ground. The files, their dtypes and
padding are as the data set's card describes them, and ``metadata.csv`` has the columns of
`metadata_creator` in cloudsen12/dataset, utils.R.
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from cubestore.cloud import UNKNOWN
from cubestore_pipelines.simulate.landscape import Scene

CANVAS, IMAGE = 512, 509
"""Pixels of a canvas, and of the image in it: csaybar/CloudSEN12-high."""

IN_REGION = 5
"""Images of a region: Aybar et al. 2022."""

COVERAGES = ("cloud-free", "almost-clear", "low-cloudy", "mid-cloudy", "cloudy")
CLOUDINESS = (0.0, 0.15, 0.35, 0.55, 0.9)

L1C = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
L2A = tuple(band for band in L1C if band != "B10")
KAPPA, FMASK = (1, 4, 3, 2, 0), (0, 4, 4, 2, 255)
"""Codes of the algorithms for clear, thick, thin, shadow and unknown."""

Pixels = np.ndarray[Any, np.dtype[Any]]


def make_folder(
    path: Path,
    regions: Sequence[int],
    *,
    manual: str = "manual_hq",
    origin: tuple[int, int] = (1, 1),
    around: int = 255,
    bands: Sequence[str] = L1C,
) -> Path:
    """Write a folder of memmaps: five images of each region, and their table.

    Args:
        path: the folder, ``high/train``.
        regions: their numbers, which tell where they lie.
        manual: the label drawn by hand: manual_hq, manual_sc, or "" for none.
        origin: rows above and columns left of an image in its canvas.
        around: what is there; in a signed byte 255 is -1.
        bands: of L1C and L2A; all other files are written whatever they are.
    """
    path.mkdir(parents=True)
    images = [(region, number) for region in regions for number in range(IN_REGION)]
    for region, number in images:
        for name, pixels in _files(region, number, manual, bands).items():
            canvas = np.full((CANVAS, CANVAS), around, "int16").astype(pixels.dtype)
            top, left = origin
            canvas[top : top + IMAGE, left : left + IMAGE] = pixels
            with (path / f"{name}.dat").open("ab") as file:
                file.write(canvas.tobytes())
    _table(path / "metadata.csv", [_row(*image, manual) for image in images])
    return path


def _grid(region: int) -> GeoBox:
    west, north = 500_000 + 6_000 * region, 5_400_000
    return GeoBox.from_bbox(
        (west, north - 10 * IMAGE, west + 10 * IMAGE, north),
        "EPSG:32631",
        resolution=10,
        tight=True,
    )


def _time(region: int, number: int) -> datetime:
    return datetime(2019, 6, 1, 10, 50, 31, tzinfo=UTC) + timedelta(days=10 * number + region)


def _files(region: int, number: int, manual: str, bands: Sequence[str]) -> dict[str, Pixels]:
    time = _time(region, number)
    view = Scene(item_id="", time=time, cloudiness=CLOUDINESS[number]).view(_grid(region))
    scl = view.quality()
    l1c = dict(zip(L1C, view.reflectance(L1C), strict=True))
    files = {f"L1C_{_short(b)}": l1c[b] for b in L1C if b in bands}
    files |= {f"L2A_{_short(b)}": l1c[b] - 20 for b in L2A if b in bands}
    files |= {f"L2A_{name}": (scl * 3).astype("int16") for name in ("AOT", "WVP")}
    files |= {
        f"L2A_TCI_{c}": (l1c[b] // 40).astype("int16")
        for c, b in zip("RGB", ("B04", "B03", "B02"), strict=True)
    }
    radar = np.log10(1 + view.light) - 12
    files |= {"S1_VV": radar, "S1_VH": radar - 7, "S1_angle": np.full_like(radar, 38.5)}
    files |= _extra(view.kind)
    return files | _labels(scl, view.density, manual)


def _extra(kind: Pixels) -> dict[str, Pixels]:
    names = ("CDI", "Shwdirection", "elevation", "ocurrence", "lc100", "lc10")
    return {f"EXTRA_{name}": kind.astype("int16") * 10 + 10 for name in names}


def _labels(scl: Pixels, density: Pixels, manual: str) -> dict[str, Pixels]:
    classes = np.select([scl == 3, scl == 10, scl >= 8], [3, 2, 1], 0)  # noqa: PLR2004 - SCL
    percent = np.rint(100 * density).astype("int8")
    files = {
        "fmask": np.array(FMASK, "int16")[classes],
        "sen2cor": scl.astype("int8"),
        "qa60": np.array([0, 1024, 2048, 0], "int16")[classes],
        "s2cloudless": percent,
        "cd_fcnn_rgbi": percent,
        "cd_fcnn_rgbi_swir": percent,
        "kappamask_L1C": np.array(KAPPA, "int8")[classes],
        "kappamask_L2A": np.array(KAPPA, "int8")[classes],
    }
    if manual:
        drawn = classes.astype("int8")
        if manual == "manual_sc":
            drawn[density.shape[0] // 8 :] = np.uint8(UNKNOWN).view("int8")
        files[manual] = drawn
    return {f"LABEL_{name}": pixels for name, pixels in files.items()}


def _short(band: str) -> str:
    """Return ``B4`` for B04, as most copies spell it."""
    return band.replace("B0", "B")


def _row(region: int, number: int, manual: str) -> Mapping[str, object]:
    grid, time = _grid(region), _time(region, number)
    west, _, _, north = grid.boundingbox.bbox
    (longitude, latitude), *_ = grid.extent.centroid.to_crs("EPSG:4326").coords
    stamp = time.strftime("%Y%m%dT%H%M%S")
    return {
        "roi_id": f"ROI_{region:04d}",
        "s2_id_gee": f"{stamp}_{stamp}_T31UDP",
        "s2_id": f"S2A_MSIL1C_{stamp}_N0207_R051_T31UDP",
        "s2_date": f"{time:%Y-%m-%d %H:%M:%S}",
        "s2_sen2cor_version": "02.08",
        "s2_view_sun_azimuth": 150.25 + number,
        "s2_view_sun_elevation": 60.5,
        "s1_id": f"S1A_IW_GRDH_1SDV_{stamp}",
        "s1_date": f"{time + timedelta(hours=7):%Y-%m-%d %H:%M:%S}",
        "radar_coverage": 1 - number / 10,
        "land_cover": 40,
        "label_type": {"manual_hq": "high", "manual_sc": "scribble"}.get(manual, "nolabel"),
        "cloud_coverage": COVERAGES[number],
        "difficulty": number + 1 if manual else "",
        "proj_epsg": 32631,
        "proj_shape": IMAGE,
        "proj_centroid": f"POINT ({longitude} {latitude})",
        "proj_transform": f"10, 0, {west:.0f}, 0, -10, {north:.0f}",
    }


def _table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
