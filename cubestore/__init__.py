"""Analysis-ready Earth-observation cubes: one per tile and sensor, in plain Zarr.

A STORE is a directory. In it each CUBE is a Zarr v3 group ``GRID/TILE/SENSOR`` that plain
``xarray.open_zarr`` opens: dims ``(time, band, y, x)`` on the sensor's own pixel grid over the
whole TILE, with masks, wavelengths and the origin of every SLOT (one acquisition) beside the
pixels. What was not ingested is not stored.

A cube changes by COMMITS, one writer at a time. The group's ``zarr.json`` tells how long the cube
is and is replaced last, by a rename: whoever reads sees the cube before or after, and no crash
leaves it between. A shard that was committed is never written again; a better version of a scene
is a new slot that supersedes the old. Every byte is vouched for by a commit record.

    store = cubestore.create_store("STORE")
    cube = store.create_cube("31UDQ", "sentinel-2-l2a")
    cube.append(cubestore.Slot(time=..., item_id=...), {"reflectance": ..., ...})
    cube.open()                                  # xarray.Dataset

Sensors stand in ``sensors/``, a module per instrument; tiles in ``grids/``; bytes in ``layout``
and ``encoding``; the protocol in ``commit``. Several sensors come onto one grid in ``align``, and
reflectance is adjusted in ``adjust``, both when it is read. Vectors that a model made of chips lie
in the cubes (``embeddings``), and chips that look alike are found by them (``similarity``); data
sets that come as patches lie beside the cubes (``patches``).
"""

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
