"""Folders in CloudSEN12's memmap layout, of noise and as small as can be: for any test."""

import csv

import numpy as np

CANVAS, IMAGE = 512, 509
BAND, LABEL = "L1C_B04", "manual_hq"


def canvases(count, *, dtype="int16", high=4000, origin=(1, 1), around=255, seed=0):
    """Return images of noise in their canvases, ``(count, 512, 512)``."""
    rng = np.random.default_rng(seed)
    made = np.full((count, CANVAS, CANVAS), around, "int16").astype(dtype)
    top, left = origin
    made[:, top : top + IMAGE, left : left + IMAGE] = rng.integers(
        0, high, (count, IMAGE, IMAGE), "int16"
    )
    return made


def row(number, **cells):
    """Return what the table tells of an image, five of them a region."""
    return {
        "roi_id": f"ROI_{number // 5:04d}",
        "s2_id_gee": f"20190601T10503{number % 5}_T31UDP",
        "s2_date": f"2019-06-0{number % 5 + 1} 10:50:31",
        "proj_epsg": "32631",
        "proj_centroid": f"POINT ({3 + number / 10} 48.5)",
        "difficulty": str(number % 5),
        **cells,
    }


def write_table(path, rows):
    """Write ``metadata.csv``."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def folder(path, count=2, *, files=None, rows=None, **options):
    """Write a band, a label drawn by hand and the table; return what is in the files."""
    made = {BAND: canvases(count, **options)}
    made[LABEL] = canvases(count, **{**options, "dtype": "int8", "high": 4, "seed": 1})
    made |= files or {}
    path.mkdir(parents=True)
    for name, values in made.items():
        (path / f"{name}.dat").write_bytes(values.tobytes())
    write_table(path / "metadata.csv", rows or [row(number) for number in range(count)])
    return made
