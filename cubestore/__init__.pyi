from cubestore import adjust, align, embeddings, splits
from cubestore.batches import Batches, Loading, batches, xbatcher_generator
from cubestore.cube import Cube
from cubestore.encoding import Array
from cubestore.errors import CubestoreError
from cubestore.grids import Tile, tile
from cubestore.index import Indexed, chips, index_store
from cubestore.items import open_item
from cubestore.patches import Embedded, PatchDescription, PatchSet, PatchWriter, Pixels
from cubestore.sensors import SENSORS, Band, Sensor, sensor
from cubestore.similarity import change, index_embeddings, nearest, neighbours
from cubestore.slot import Slot
from cubestore.staging import Staging
from cubestore.stats import Statistics, norms, stats
from cubestore.store import Store, create_store, open_store, open_tile
from cubestore.verify import Finding, Report
from cubestore.writer import Writer

__all__ = [
    "SENSORS",
    "Array",
    "Band",
    "Batches",
    "Cube",
    "CubestoreError",
    "Embedded",
    "Finding",
    "Indexed",
    "Loading",
    "PatchDescription",
    "PatchSet",
    "PatchWriter",
    "Pixels",
    "Report",
    "Sensor",
    "Slot",
    "Staging",
    "Statistics",
    "Store",
    "Tile",
    "Writer",
    "adjust",
    "align",
    "batches",
    "change",
    "chips",
    "create_store",
    "embeddings",
    "index_embeddings",
    "index_store",
    "nearest",
    "neighbours",
    "norms",
    "open_item",
    "open_store",
    "open_tile",
    "sensor",
    "splits",
    "stats",
    "tile",
    "xbatcher_generator",
]
