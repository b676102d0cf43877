"""Small patch sets of noise, with two sensors on two grids and a label: for any test."""

import numpy as np

import cubestore
from cubestore.patches import PatchDescription, Pixels
from cubestore.sensors import Flag, Layer

NAME = "noise/train"
SEASONS = ("winter", "summer")
CLASSES = Layer(
    name="label",
    dtype=np.dtype("uint8"),
    nodata=255,
    long_name="what was drawn",
    flags=(Flag(meaning="water", value=0), Flag(meaning="land", value=1)),
    source="random numbers",
)


def description(*, size=20, name=NAME, **changes):
    """Return Sentinel-2 in two seasons with its mask, Sentinel-1 on half the grid, and a label."""
    optical = Pixels.of(
        "sentinel-2-l2a", size=size, bands=("B04", "B08"), seasons=SEASONS, layers=("quality",)
    )
    radar = Pixels.of("sentinel-1-rtc", size=size // 2, suffix="s1")
    known = {"title": "Noise", "attribution": "nobody", "license": "CC0-1.0"}
    known |= {"pixels": (optical, radar), "labels": (CLASSES,)}
    return PatchDescription(name=name, **{**known, **changes})


def patches(count, *, size=20, first=0):
    """Return the pixels and the columns of some patches, found from their numbers alone."""
    made = [_pixels(number, size) for number in range(first, first + count)]
    pixels = {name: np.stack([one[name] for one in made]) for name in made[0]}
    numbers = np.arange(first, first + count)
    days = np.datetime64("2020-01-01", "us") + numbers.astype("m8[D]")
    columns = {
        "patch_id": [f"patch-{n:04d}" for n in numbers],
        "longitude": 3.0 + numbers / 1000,
        "latitude": 50.0 - numbers / 1000,
        "crs": [f"EPSG:{32631 + n % 2}" for n in numbers],
        "transform": [[10.0, 0.0, 500_000.0 + n, 0.0, -10.0, 5_000_000.0] for n in numbers],
        "split": ["train" if n % 4 else "val" for n in numbers],
        "time": np.stack([days, days + np.timedelta64(180, "D")], axis=1),
        "item_id": [[f"a-{n}", f"b-{n}"] for n in numbers],
        "time_s1": days,
        "orbit_state_s1": ["ascending"] * count,
        "difficulty": numbers.astype("int16"),
    }
    return pixels, columns


def _pixels(number, size):
    rng = np.random.default_rng(number)
    half = size // 2
    return {
        "reflectance": rng.integers(-100, 9000, (2, 2, size, size)).astype("int16"),
        "quality": rng.integers(0, 12, (2, size, size)).astype("uint8"),
        "backscatter_s1": rng.gamma(2, 0.1, (2, half, half)).astype("float32"),
        "label": rng.integers(0, 2, (size, size)).astype("uint8"),
    }


def patch_set(store, count=6, *, size=20, batch=4, name=NAME):
    """Write a patch set in batches; return it."""
    with store.create_patches(description(size=size, name=name)) as writer:
        for first in range(0, count, batch):
            pixels, columns = patches(min(batch, count - first), size=size, first=first)
            writer.append(pixels, columns)
    return store.patches(name)


def in_directory(path, **options):
    """Write a patch set into a store at ``path``, which is made; return it."""
    return patch_set(cubestore.create_store(path), **options)
