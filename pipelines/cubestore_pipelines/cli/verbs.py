"""The verbs of the program: where each stands, and what the program's help says of it.

A verb is imported when it is asked for, so that none pays for what another needs. What is said of
it here is the first paragraph of its own help.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Verb(NamedTuple):
    """A verb that has not been imported."""

    where: str
    """Module of this package, and the function or app in it."""

    help: str
    """The first paragraph of its help; all of it where the verb is an app, which has it here."""


VERBS: Mapping[str, Verb] = {
    "demo": Verb(
        "demo:demo",
        "Go the whole way on a simulated archive: build, verify, embed, find alike, catalogue.",
    ),
    "sensors": Verb(
        "facts:sensors",
        "List the sensors, or the bands and layers of one with wavelength, pixel size and source.",
    ),
    "tiles": Verb("facts:tiles", "List the tiles that cover a place, with EPSG code and bounds."),
    "sample": Verb(
        "sampling:sample",
        "Draw the tiles and places of a data set, as FlatGeobuf or GeoParquet.\n\n"
        "Example: cubestore sample clay-v1 landcover.fgb",
    ),
    "search": Verb(
        "building:search", "List the items of a catalogue that a build would choose from."
    ),
    "plan": Verb(
        "building:plan",
        "Show what a build would do, and write it to a file that `build --plan` takes.",
    ),
    "build": Verb(
        "building:build", "Build or extend cubes; a second run is a no-op, a killed one resumes."
    ),
    "run": Verb(
        "recipes:run",
        "Carry out a recipe: clay-v1, clay-v0, clay-c2sms-floods, ssl4eo-s12, cloudsen12, "
        "or a file.",
    ),
    "import": Verb(
        "importing:importing",
        "Bring a published data set's files into a store.\n\n"
        "Example: cubestore import cloudsen12 SOURCE STORE",
    ),
    "info": Verb(
        "stores:info",
        "Show what a store, a tile, a cube or a patch set holds: slots, dates, size, last commit.",
    ),
    "verify": Verb(
        "stores:verify",
        "Compare every byte of a store with its commit records; name each key that is wrong.",
    ),
    "index": Verb(
        "indexing:index",
        "Bring the chip index up to date: cloud, nodata and land cover of every chip, GeoParquet.",
    ),
    "export": Verb(
        "exporting:export",
        "Write what a store holds for other software.\n\n"
        "Example: cubestore export chips STORE DIR --sensor sentinel-2-l2a --max-cloud 0.1",
    ),
    "nearest": Verb(
        "likeness:nearest",
        "List the chips that are most like the one at a place, by a model's embeddings.",
    ),
    "change": Verb(
        "likeness:change",
        "Tell how far each chip's embedding has moved between two dates: a map of what changed.",
    ),
    "stats": Verb(
        "statistics:stats",
        "Show each band's mean, deviation and percentiles of stored values, nodata left out.",
    ),
    "models": Verb(
        "models:models",
        "List the encoders, or what one takes of each sensor: bands, means, deviations, "
        "wavelengths.",
    ),
    "train": Verb(
        "training:train", "Train a masked autoencoder on the chips of a store, as Clay was trained."
    ),
    "embed": Verb(
        "embedding:embed",
        "Compute a model's vectors of chips into the cubes; only slots that lack them.",
    ),
    "probe": Verb(
        "probing:probe",
        "Fit a probe on a model's vectors and labels of the store, and test it on other ground.",
    ),
    "batches": Verb(
        "batching:batches",
        "Stream a store's batches, as a training would, and print the rate; what is damaged "
        "is named.",
    ),
    "catalog": Verb(
        "publishing:catalog",
        "Describe a store as a STAC catalogue, static JSON and GeoParquet, in STORE/catalog.",
    ),
    "serve": Verb(
        "serving:serve",
        "Serve a store: STAC API, page to browse it, Zarr by byte range, pictures, series, "
        "neighbours.",
    ),
}
