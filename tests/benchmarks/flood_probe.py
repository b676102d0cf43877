"""Water in real chips: vectors of encoders beside indices, thresholds and raw pixels, one table.

Run ``CUBESTORE_DATA=… python -m tests.benchmarks.flood_probe``. Three experiments:

* Boadella: two Sentinel-2 L2A dates of a reservoir, labels drawn by hand; five strips in turn.
* Spain: the one chip of Sen1Floods11 with both sensors here, L1C and radar; four strips in turn.
* Events: radar of three chips of Sen1Floods11, of Nigeria, Pakistan and Spain: each tests once.

Of each fold a strip (or event) tests, the next validates, the others train. What has a threshold
gets it from its publication, or by Otsu from the training pixels alone. Strips touch, and are of
one scene, so the first two tables flatter whatever learns. Encoders without weights that are here:
random convolutional features, and Clay as it is before any training, as a control.
"""

import json
import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
import torch

import cubestore
import cubestore_model
from cubestore import norms
from cubestore_model.probing import Called, Samples, in_turn, over

CHIP, PATCH = 64, 8
CLASSES = ("land", "water")
NAMES = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
TEN = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
RADAR = ("vv", "vh")
DATES = ("2020-02-02", "2020-06-21")
"""Of Boadella: the third label, of 2020-01-13, is a coarse outline of a hazy scene."""

EVENTS = ("Nigeria_812045", "Pakistan_849790", "Spain_7370579")
"""Paraguay's radar is NaN throughout."""


@dataclass(frozen=True)
class Chips:
    """Chips of one experiment: stored numbers, what is known of them, and their folds."""

    title: str
    sensor: str
    bands: tuple
    pixels: np.ndarray
    """``(chips, band, y, x)``, as a cube of the sensor stores them."""

    truth: np.ndarray
    groups: tuple
    published: np.ndarray | None = None
    """Of each chip, the threshold of VH that was published of its event, dB."""

    def samples(self, vectors):
        names = tuple(map(str, range(len(self.truth))))
        return Samples(
            names=names,
            lonlat=np.zeros((len(names), 2)),
            side=CHIP * 10.0,
            classes=CLASSES,
            labels=self.truth,
            vectors=np.ascontiguousarray(vectors, np.float32),
        )

    def band(self, name):
        return self.pixels[:, self.bands.index(name)].astype("float64")


def cut(image, count):
    """Return squares of an image ``(…, y, x)``, row by row, the rest left out."""
    places = product(range(count[0]), range(count[1]))
    return np.stack(
        [image[..., y * CHIP :, x * CHIP :][..., :CHIP, :CHIP] for y, x in places], axis=0
    )


def read(path):
    with rasterio.open(path) as file:
        return file.read()


def boadella(data):
    folder = data / "sentinel2" / "boadella_l2a_timeseries"
    held = [name for name in NAMES if name != "B10"]
    pixels, truth, groups = [], [], []
    for date in DATES:
        image = read(folder / f"Boadella_{date}.tif")[[held.index(name) for name in TEN]]
        pixels.append(cut(image, (5, 5)))
        truth.append(cut(read(folder / f"Boadella_{date}_water.tif")[0].astype("int64"), (5, 5)))
        groups += [str(n % 5) for n in range(25)]
    return Chips(
        "Boadella", "sentinel-2-l2a", TEN, *map(np.concatenate, (pixels, truth)), tuple(groups)
    )


def floods(data, name, kind):
    """Return the chips of one file, and their labels."""
    folder = data / "sen1floods11"
    image = read(folder / f"{kind}Hand" / f"{name}_{kind}Hand.tif")
    label = read(folder / "LabelHand" / f"{name}_LabelHand.tif")[0].astype("int64")
    return cut(image, (8, 8)), cut(label, (8, 8))


def spain(data, sensor):
    optical = sensor == "sentinel-2-l1c"
    pixels, truth = floods(data, "Spain_7370579", "S2" if optical else "S1")
    groups = tuple(str(n % 8 // 2) for n in range(64))
    title = "Spain, optical" if optical else "Spain, radar"
    if optical:
        return Chips(title, sensor, NAMES, pixels, truth, groups)
    return Chips(
        title, sensor, RADAR, power(pixels), truth, groups, thresholds(data, ["Spain"] * 64)
    )


def events(data):
    found = [floods(data, name, "S1") for name in EVENTS]
    pixels, truth = (np.concatenate(part) for part in zip(*found, strict=True))
    named = [name.partition("_")[0] for name in EVENTS for _ in range(64)]
    whole = np.isfinite(pixels).all(axis=(1, 2, 3)) & (truth >= 0).any(axis=(1, 2))
    named = [name for name, good in zip(named, whole, strict=True) if good]
    made = power(pixels[whole]), truth[whole]
    return Chips(
        "Events, radar", "sentinel-1-rtc", RADAR, *made, tuple(named), thresholds(data, named)
    )


def power(decibels):
    """Return linear power, as a cube of radar holds it."""
    return (10 ** (decibels / 10)).astype("float32")


def thresholds(data, named):
    """Return the VH thresholds that Sen1Floods11 published of events, dB, for its weak labels."""
    rows = json.loads((data / "sen1floods11" / "Sen1Floods11_Metadata.geojson").read_text())
    known = {r["properties"]["location"]: r["properties"]["VH_thresh"] for r in rows["features"]}
    return np.array([known[name] for name in named])


# What is compared.


def index(chips, kind):
    """Return an index that is higher where there is water, ``(chips, y, x)``."""
    if kind == "NDWI":  # McFeeters 1996
        return difference(chips.band("B03"), chips.band("B08"))
    if kind == "MNDWI":  # Xu 2006
        return difference(chips.band("B03"), chips.band("B11"))
    return -10 * np.log10(np.maximum(chips.band("vh"), 1e-10))


def difference(one, other):
    return (one - other) / np.maximum(np.abs(one + other), 1e-6)


def fixed(threshold):
    """Return a method that knows a threshold, and learns nothing."""
    return Called("fixed", lambda _train, _val, _seed: lambda some: sides(some.vectors, threshold))


def by_otsu():
    """Return a method that finds its threshold among the training's pixels, without labels."""
    return Called("otsu", lambda train, _val, _seed: lambda some: sides(some.vectors, otsu(train)))


def sides(vectors, threshold):
    above = vectors[..., :1] - threshold
    return np.concatenate([-above, above], axis=-1).astype("float64")


def otsu(train):
    """Return what parts a histogram into two of the least variance. Source: Otsu 1979."""
    counts, edges = np.histogram(train.vectors, 512)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = counts.sum() - below
    total = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = total / below - (total[-1] - total) / above
        between = np.where(above > 0, below * above * apart**2, 0)
    return middles[np.nanargmax(between)]


def encoded(chips, encoder):
    """Return the vectors of patches, ``(chips, rows, columns, dimensions)``."""
    norm = None
    if not any(row.sensor == chips.sensor for row in encoder.entry.inputs):
        norm = norms.norm("ssl4eo-s12-v1", chips.sensor, chips.bands)
    prepared = cubestore_model.preparation(encoder, chips.sensor, chips.bands, norm=norm)
    nothing = torch.zeros(len(chips.pixels), 4)
    waves = {
        band.name: band.center_wavelength for band in cubestore.sensor(chips.sensor).every_band
    }
    with torch.inference_mode():
        patches = encoder(
            prepared.pixels(torch.from_numpy(chips.pixels)),
            time=nothing,
            latlon=nothing,
            gsd=10.0,
            wavelengths=prepared.expected.wavelengths or [waves[name] for name in chips.bands],
        ).patches
    side = CHIP // PATCH
    return patches.reshape(len(patches), side, side, -1).numpy()


def contestants(chips):
    """Yield name -> vectors and method."""
    optical = "B03" in chips.bands
    for kind in ("NDWI", "MNDWI") if optical else ("VH",):
        values = index(chips, kind)[..., None]
        if optical:
            yield f"{kind} > 0", values, fixed(0.0)
        else:
            own = values + chips.published[:, None, None, None]
            yield "VH < the event's published threshold", own, fixed(0.0)
        yield f"{kind}, Otsu of training pixels", values, by_otsu()
    raw = chips.pixels if optical else 10 * np.log10(np.maximum(chips.pixels, 1e-10))
    yield "raw pixels, logistic regression", np.moveaxis(raw, 1, -1), "linear"
    features = cubestore_model.load_encoder("rcf", config={"patch_size": PATCH})
    yield "rcf (512), linear probe", encoded(chips, features), "linear"
    yield "rcf (512), 20 neighbours", encoded(chips, features), "knn"
    clay = cubestore_model.untrained("clay-tiny")
    yield "clay-tiny, untrained, linear probe", encoded(chips, clay), "linear"


def experiment(chips):
    """Yield the name of each contestant and what came of it."""
    parts = in_turn(chips.groups)
    for name, vectors, method in contestants(chips):
        varies = "which strip or event tests"
        yield name, over(chips.samples(vectors), parts, method=method, varies=varies, model=name)


def main():
    data = Path(os.environ["CUBESTORE_DATA"])
    makers = (
        boadella(data),
        spain(data, "sentinel-2-l1c"),
        spain(data, "sentinel-1-rtc"),
        events(data),
    )
    print("| data | method | IoU of water | 95 % | F1 of water | accuracy | of each fold |")
    print("|---|---|---|---|---|---|---|")
    for chips in makers:
        for name, found in experiment(chips):
            print("| " + " | ".join([chips.title, name, *row(found)]) + " |", flush=True)


def row(found):
    water = found.measure("IoU", "water")
    low, high = water.between
    others = found.measure("F1", "water").mean, found.measure("accuracy").mean
    each = " ".join(f"{value:.3f}" for value in water.known)
    return [f"{water.mean:.3f}", f"{low:.3f} to {high:.3f}", *(f"{v:.3f}" for v in others), each]


if __name__ == "__main__":
    main()
