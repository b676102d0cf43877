"""Chips of cubes, as the chip index lists them: their vectors, and what covers the land in them.

Vectors that the cubes hold are taken; where no cube holds any of the model, they are computed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

import cubestore
from cubestore import embeddings, index
from cubestore.cube import Cube
from cubestore.embeddings import Held, variable_name
from cubestore.errors import MismatchError
from cubestore.index.landcover import CLASSES
from cubestore.sensors.worldcover import ESA_WORLDCOVER
from cubestore_model.encoders.registry import entry
from cubestore_model.probing.asked import WORLDCOVER, Asked
from cubestore_model.probing.codes import Codes, decided
from cubestore_model.probing.reading import Batch, Read, Wanted, read
from cubestore_model.probing.samples import Samples, fractions

Holders = Mapping[str, Held]
"""Tile -> the vectors that its cube holds."""

LAND = Codes(tuple(CLASSES.values()), tuple(name.removeprefix("class_") for name in CLASSES))

SIDE_BY_SIDE = 32
"""Chips in a batch."""


def of_cubes(asked: Asked) -> Samples:
    """Return the chips of a sensor's cubes with vectors and labels.

    Raises:
        NoIndexError: the store has no index of chips of that size.
        MismatchError: no cube that the model takes, no such labels, or no vectors of patches.
    """
    sensor, tiles = _sensor(asked)
    held = {} if asked.own or asked.tuned else _holders(asked, sensor, tiles)
    size = _chip_size(asked, held)
    table = index.scan(asked.store, sensor=sensor, tile=list(held) or tiles, chip_size=size)
    table = _with_vectors(table, held) if held else table
    if not len(table):
        raise _nothing(asked, f"no chips of {size} pixels of {sensor} in its index")
    codes = LAND if asked.labels == WORLDCOVER else _codes(asked, sensor, tiles)
    by_index = asked.labels == WORLDCOVER and not asked.maps
    found = None if held and by_index else _read(asked, table, sensor, codes, by_index, bool(held))
    vectors = _stored(asked, table, held, sensor) if held or found is None else found.vectors
    middles = shapely.centroid(shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False)))
    masks = None if found is None else found.masks
    return Samples(
        names=tuple(table["chipid"].to_pylist()),
        lonlat=np.stack([shapely.get_x(middles), shapely.get_y(middles)], axis=1),
        side=cubestore.sensor(sensor).gsd * size,
        classes=codes.classes,
        labels=_land(table, asked) if masks is None else labels_of(masks, asked),
        vectors=vectors,
        told={} if found is None else found.told,
        chips=table,
    )


def labels_of(masks: NDArray[Any], asked: Asked) -> NDArray[Any]:
    """Return labels of what was kept of masks: maps of classes, or shares of them."""
    return masks if asked.maps else decided(masks, asked.present)


def kept(values: NDArray[Any], codes: Codes, *, maps: bool) -> NDArray[Any]:
    """Return what is kept of masks ``(chips, y, x)``: maps of classes, or shares of them."""
    numbers = codes.numbers(values)
    if maps:
        return numbers.astype(np.int16)
    return fractions(numbers, (1, 1), len(codes.classes))[:, 0, 0]


def _sensor(asked: Asked) -> tuple[str, list[str]]:
    """Return the sensor, and the tiles of its cubes."""
    there = [o for o in asked.store.cubes() if not asked.tile or o[0] in asked.tile]
    for sensor in asked.sensors:
        tiles = [tile for tile, name in there if name == sensor]
        if tiles:
            return sensor, tiles
    raise _nothing(asked, f"no cube of {' or '.join(asked.sensors)}")


def _holders(asked: Asked, sensor: str, tiles: list[str]) -> dict[str, Held]:
    """Return the cubes that hold vectors of the model."""
    name = variable_name(asked.model)
    every = {tile: embeddings.listed(asked.store.cube(tile, sensor)) for tile in tiles}
    found = {t: one for t, some in every.items() for one in some if one.embedding.variable == name}
    if asked.maps:
        lacking = [tile for tile, one in found.items() if not one.embedding.patch_size]
        found = {} if lacking else found
    return found


def _chip_size(asked: Asked, held: Holders) -> int:
    sizes = sorted({one.embedding.chip_size for one in held.values()})
    if len(sizes) > 1:
        raise _nothing(asked, f"vectors of chips of {sizes} pixels")
    return sizes[0] if sizes else (asked.own.entry if asked.own else entry(asked.model)).chip_size


def _with_vectors(table: pa.Table, held: Holders) -> pa.Table:
    """Return the chips of slots that are complete."""
    parts = []
    for tile, one in held.items():
        of_tile = pc.equal(table["tile"], tile)
        complete = pc.is_in(table["slot"], value_set=pa.array(sorted(one.slots), pa.int32()))
        parts.append(table.filter(pc.and_(of_tile, complete)))
    return pa.concat_tables(parts)


def _stored(asked: Asked, table: pa.Table, held: Holders, sensor: str) -> NDArray[np.float32]:
    """Return the vectors that the cubes hold, in the table's order."""
    found = []
    tiles = table["tile"].to_numpy(zero_copy_only=False)
    places = [table[n].to_numpy() for n in ("slot", "chip_index_y", "chip_index_x")]
    for tile, one in held.items():
        cube = asked.store.cube(tile, sensor)
        slot, row, column = (part[tiles == tile].astype(np.int64) for part in places)
        if not asked.maps:
            found.append(embeddings.of_chips(cube, asked.model, slot, row, column))
            continue
        found.append(_patches(cube, asked.model, one.embedding.patches, (slot, row, column)))
    return np.concatenate(found)


def _patches(
    cube: Cube, model: str, side: int, chips: tuple[NDArray[np.int64], ...]
) -> NDArray[np.float32]:
    """Return the vectors of chips' patches, NaN beyond the tile's edge.

    Args:
        cube: that holds them.
        model: whose they are.
        side: patches along a chip.
        chips: slot, row and column of each.

    Returns:
        ``(chips, side, side, dimensions)``.
    """
    slot, row, column = (part[:, None, None] for part in chips)
    down, right = np.mgrid[:side, :side]
    places = np.broadcast_arrays(slot, row * side + down, column * side + right)
    _, rows, columns, dimensions = embeddings.read(cube, model, dense=True).shape
    there = (places[1] < rows) & (places[2] < columns)
    vectors = np.full((*there.shape, dimensions), np.nan, np.float32)
    vectors[there] = embeddings.of_chips(cube, model, *(p[there] for p in places), dense=True)
    return vectors


def _read(
    asked: Asked,
    table: pa.Table,
    sensor: str,
    codes: Codes,
    by_index: bool,  # noqa: FBT001 - whether the index has the labels
    held: bool,  # noqa: FBT001 - whether the cubes have the vectors
) -> Read:
    """Read what neither the index nor the cubes' vectors tell, in the table's order."""
    land = asked.labels == WORLDCOVER

    def mask(batch: Batch) -> NDArray[Any]:
        values = batch[WORLDCOVER]["pixels"][:, 0] if land else batch[asked.labels]
        return kept(values, codes, maps=asked.maps)

    batches = cubestore.batches(
        asked.store,
        sensor=sensor,
        chips=table,
        chip_size=table["chip_size"][0].as_py(),
        variables=() if land else (asked.labels,),
        beside=(WORLDCOVER,) if land and not by_index else (),
        batch_size=SIDE_BY_SIDE,
        shuffle=False,
    )
    wanted = Wanted(
        encoder=None if held else asked.encoder,
        dense=asked.maps,
        tuned=asked.tuned,
        use=asked.use,
        mask=None if by_index else mask,
    )
    return read(batches, wanted).ordered(table["chipid"].to_pylist())


def _codes(asked: Asked, sensor: str, tiles: list[str]) -> Codes:
    """Return the classes of a variable of the cubes.

    Raises:
        MismatchError: there is no such variable, or it has no classes.
    """
    data = asked.store.cube(tiles[0], sensor).open(mask_and_scale=False)
    flagged = [str(n) for n, array in data.data_vars.items() if "flag_values" in array.attrs]
    if asked.labels not in flagged:
        raise MismatchError(
            f"Labels {asked.labels!r} of {tiles[0]} {sensor}",
            expected=f"{WORLDCOVER}, or one of {', '.join(flagged) or 'no variables with classes'}",
            remedy="name a variable with flag_values, or build the tile's WorldCover cube",
        )
    return Codes.of(data[asked.labels].attrs)


def _land(table: pa.Table, asked: Asked) -> NDArray[Any]:
    shares = np.stack([table[name].to_numpy(zero_copy_only=False) for name in CLASSES], axis=1)
    if np.isnan(shares.astype(float)).all():
        raise MismatchError(
            "The index knows no land cover of these chips",
            expected=f"a cube of {ESA_WORLDCOVER.id} on their tiles",
            remedy="build it (--sensor esa-worldcover), then `cubestore index` again",
        )
    return decided(shares.astype(np.float64), asked.present)


def _nothing(asked: Asked, what: str) -> MismatchError:
    return MismatchError(
        f"{asked.store.path}: {what}",
        expected=f"chips of {asked.model}, of one size",
        remedy="see `cubestore info`; compute vectors with `cubestore embed` or name a sensor",
    )
