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

from cubestore.face import offer

offer(__name__)
