"""The models that need no weights from anywhere: random convolutional features.

Pixels are normalised by whatever was published of their sensor's bands, so that filters meet
numbers of about the same size in all of them.
"""

from collections.abc import Iterator

from cubestore import norms
from cubestore_model.encoders.entry import Entry, Expected
from cubestore_model.encoders.rcf import RandomFeatures, RcfConfig
from cubestore_model.weights import Layout

SOURCES = ("clay-v1.5", "ssl4eo-s12-v1", "clay-v0")
"""Publications by which bands are normalised: the first that has numbers of one."""

EMPIRICAL = "rcf-empirical"


def _inputs() -> Iterator[Expected]:
    """Yield what was published, sensor by sensor."""
    rows = [norms.known()[name] for name in SOURCES]
    for sensor in dict.fromkeys(sensor for row in rows for sensor in row):
        units = next(row[sensor].units for row in rows if sensor in row)
        numbers: dict[str, tuple[float, float]] = {}
        for name, row in zip(SOURCES, rows, strict=True):
            if sensor in row and row[sensor].units == units:
                bands = row[sensor].bands
                mean, std = (part.tolist() for part in norms.norm(name, sensor, bands))
                numbers = dict(zip(bands, zip(mean, std, strict=True), strict=True)) | numbers
        mean, std = zip(*numbers.values(), strict=True)
        yield Expected(sensor=sensor, bands=tuple(numbers), mean=mean, std=std, units=units)


def _entry(name: str, title: str, made_by: str = "") -> Entry:
    config = RcfConfig()
    return Entry(
        id=name,
        title=title,
        build=RandomFeatures,
        config=config,
        inputs=tuple(_inputs()),
        bands="any",
        dimensions=config.features,
        patch_size=config.patch_size,
        chip_size=256,
        pooling="mean",
        layout=Layout(under=()),
        made_by=made_by,
        architecture="Random Convolutional Features",
        creator="Rolf et al.",
        license="none needed",
        reference="https://doi.org/10.1038/s41467-021-24638-z",
    )


RCF = (
    _entry("rcf", "Random convolutional features, of any bands (MOSAIKS)"),
    _entry(
        EMPIRICAL,
        "The same with filters from one's own chips, whitened",
        "cubestore_model.empirical_rcf",
    ),
)
