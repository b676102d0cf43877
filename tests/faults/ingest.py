"""What catalogues, files and servers do on bad days: never nodata in silence, never a secret.

Each row of a table spoils one scene of a catalogue that has many. One build meets them all: what
is sound is committed and true, what is not is told, with its item and why. Once nothing is wrong
any more the same command completes the cube, and after that it finds nothing to do.
"""

import hashlib
import json
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

from cubestore_pipelines.simulate.archive import Archive
from cubestore_pipelines.simulate.failures import LOGIN
from cubestore_pipelines.simulate.faults import Fault, Kind
from cubestore_pipelines.simulate.granules import Granule, stamp
from cubestore_pipelines.simulate.server import serving
from tests.faults import site
from tests.faults.site import Json
from tests.faults.table import Row

SECRET = 4242
"""The value of every pixel of a raster that no item may lead to."""

LIFE = 3.0
"""Seconds that a token lives: less than a build."""

Item = Callable[[Json], Any]
File = Callable[[Path], Any]
Place = tuple[str, str, str, str]


def _left(_: Any) -> None:
    """Leave it as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoilt:
    """A scene, and what is wrong with its item, its file of B02 or the way to it."""

    name: str
    told: str = ""
    """What the record of it must say; "": the slot must be there all the same."""

    item: Item = _left
    file: File = _left
    faults: tuple[Fault, ...] = ()
    asset: str = "B02"
    """What the record names; "": the item as such is refused."""

    large: bool = False
    """Whether the file must be larger than what is asked for first."""

    checksum: bool = False
    """Whether the item declares its file's."""


# Files.


def truncated(path: Path) -> None:
    """Cut a file in the middle."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    """Flip a bit near the end, where the pixels are."""
    data = bytearray(path.read_bytes())
    data[-64] ^= 1
    path.write_bytes(data)


def virtual(path: Path) -> None:
    """Put a VRT there, whose pixels are those of a secret raster on this machine."""
    hidden = secret(path)
    with rasterio.open(hidden) as dataset:
        size = f'rasterXSize="{dataset.width}" rasterYSize="{dataset.height}"'
        place = ", ".join(map(str, dataset.transform.to_gdal()))
        srs = f"<SRS>EPSG:{dataset.crs.to_epsg()}</SRS><GeoTransform>{place}</GeoTransform>"
    source = f'<SourceFilename relativeToVRT="0">{hidden}</SourceFilename>'
    band = f"<SimpleSource>{source}<SourceBand>1</SourceBand></SimpleSource>"
    band = f'<VRTRasterBand dataType="UInt16" band="1">{band}</VRTRasterBand>'
    path.write_text(f"<VRTDataset {size}>{srs}{band}</VRTDataset>")


def secret(path: Path) -> Path:
    """Write a raster beside a file, on its grid, all of one value; return its path."""
    hidden = path.parent / "secret.tif"
    if not hidden.exists():
        with rasterio.open(path) as dataset:
            profile = {**dataset.profile, "sparse_ok": True}
        with rasterio.open(hidden, "w", **profile) as writer:
            part = Window(5120, 5632, 1024, 1024)
            writer.write(np.full((1, 1024, 1024), SECRET, "uint16"), window=part)
    return hidden


def claiming(width: int, height: int, block: int) -> File:
    """Return what makes a file claim so many pixels, in blocks of so many."""

    def write(path: Path) -> None:
        with rasterio.open(path) as dataset:
            place = {"crs": dataset.crs, "transform": dataset.transform}
        path.unlink()
        tiles = {"tiled": True, "blockxsize": block, "blockysize": block, "compress": "deflate"}
        shape = {"width": width, "height": height, "count": 1, "dtype": "uint16"}
        with rasterio.open(path, "w", "GTiff", **shape, **place, **tiles, sparse_ok=True):
            pass

    return write


def lying(path: Path) -> None:
    """Change the width in the header of a file to two thousand million pixels."""
    data = bytearray(path.read_bytes())
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, entry)[0] == 256:
            struct.pack_into("<HIL"[:3], data, entry + 2, 4, 1)
            struct.pack_into("<I", data, entry + 8, 2_000_000_000)
    path.write_bytes(data)


# Items.


def b02(**fields: Any) -> Item:
    """Return what changes the asset's fields."""
    named = {name.replace("__", ":"): value for name, value in fields.items()}
    return lambda item: item["assets"]["B02"].update(named)


def properties(**fields: Any) -> Item:
    """Return what changes the item's properties."""
    named = {name.replace("__", ":"): value for name, value in fields.items()}
    return lambda item: item["properties"].update(named)


def _moved(item: Json) -> None:
    item["assets"]["B02"]["proj:transform"][2] += 60


def _without(asset: str) -> Item:
    return lambda item: item["assets"].pop(asset)


def _elsewhere(item: Json) -> str:
    """Return an item's time as clocks show it two hours east of Greenwich."""
    time = datetime.fromisoformat(item["properties"]["datetime"])
    return time.astimezone(timezone(timedelta(hours=2))).isoformat()


CONTENT = (
    Spoilt(name="sound"),
    Spoilt(name="a truncated file", told="truncated|ends at|cannot be read", file=truncated),
    Spoilt(name="an empty file", told="is empty", file=lambda path: path.write_bytes(b"")),
    Spoilt(name="a page in HTML", told="a page", file=lambda path: path.write_bytes(LOGIN)),
    Spoilt(name="no file", told="404|No such file", file=Path.unlink),
    Spoilt(name="a VRT that leads to a secret", told="a document of markup", file=virtual),
    Spoilt(
        name="a header of 3600 million pixels",
        told="claims 60000 x 60000",
        file=claiming(60_000, 60_000, 2048),
    ),
    Spoilt(
        name="a block of two gigabytes",
        told="claims 32768 x 32768",
        file=claiming(32_768, 32_768, 32_768),
    ),
    Spoilt(name="a width that is a lie", told="claims|cannot be read", file=lying),
    Spoilt(
        name="an item without the asset",
        told="has no asset for B02",
        item=_without("B02"),
        asset="",
    ),
    Spoilt(
        name="an item without the mask",
        told="has no asset for quality",
        item=_without("SCL"),
        asset="",
    ),
    Spoilt(
        name="another EPSG in the item",
        told="in EPSG:32631",
        item=properties(proj__epsg=32632),
    ),
    Spoilt(
        name="an EPSG that there is not",
        told="CRS",
        item=properties(proj__epsg=999_999),
        asset="",
    ),
    Spoilt(name="another transform in the item", told="on the grid", item=_moved),
    Spoilt(
        name="another shape in the item",
        told="10980 x 10980",
        item=b02(proj__shape=[10_980, 5_490]),
    ),
    Spoilt(
        name="another dtype in the item",
        told="of uint16",
        item=b02(raster__bands=[{"data_type": "float32"}]),
    ),
    Spoilt(
        name="another nodata in the item",
        told="nodata 0",
        item=b02(raster__bands=[{"nodata": 65_535}]),
    ),
    Spoilt(name="another size in the item", told="bytes", item=b02(file__size=12_345)),
    Spoilt(
        name="an offset that contradicts the baseline",
        told="declare an offset of 0",
        item=b02(raster__bands=[{"scale": 0.0001, "offset": 0.0}]),
        asset="",
    ),
    Spoilt(
        name="a time in another zone",
        item=lambda item: item["properties"].update(datetime=_elsewhere(item)),
    ),
)
"""What is wrong whether the file lies on a disk or on a server."""

TRANSPORT = (
    Spoilt(name="503 twice", faults=(Fault("", Kind.STATUS, times=2),)),
    Spoilt(
        name="429 with Retry-After",
        faults=(Fault("", Kind.STATUS, status=429, retry_after="1"),),
    ),
    Spoilt(name="a dropped connection", faults=(Fault("", Kind.RESET),)),
    Spoilt(name="a connection dropped midway", faults=(Fault("", Kind.RESET_MIDWAY),)),
    Spoilt(name="a body that ends too soon", faults=(Fault("", Kind.TRUNCATE),)),
    Spoilt(name="a short answer", faults=(Fault("", Kind.SHORT),)),
    Spoilt(name="a stall, once", faults=(Fault("", Kind.STALL),)),
    Spoilt(name="a token refused, once", faults=(Fault("", Kind.STATUS, status=403),)),
    Spoilt(name="a server without ranges", faults=(Fault("", Kind.IGNORE_RANGE, times=None),)),
    Spoilt(
        name="a login page, always",
        told="a page",
        faults=(Fault("", Kind.LOGIN_PAGE, times=None),),
    ),
    Spoilt(
        name="503 for ever",
        told="answers 503",
        faults=(Fault("", Kind.STATUS, times=None),),
    ),
    Spoilt(
        name="403 for ever",
        told="answers 403",
        faults=(Fault("", Kind.STATUS, status=403, times=None),),
    ),
    Spoilt(
        name="dropped for ever", told="is not given", faults=(Fault("", Kind.RESET, times=None),)
    ),
    Spoilt(
        name="ranges of other bytes",
        told="gives|Content-Range|bytes",
        faults=(Fault("", Kind.WRONG_RANGE, times=None, after=1),),
        large=True,
    ),
    Spoilt(
        name="replaced while it is read",
        told="no longer the version",
        faults=(Fault("", Kind.STATUS, status=412, times=None, after=1),),
        large=True,
    ),
    Spoilt(
        name="another ETag while it is read",
        told="no longer the version|while it is read",
        faults=(Fault("", Kind.OTHER_ETAG, times=None, after=1),),
        large=True,
    ),
)
"""What servers and networks do."""

FLIPPED = Spoilt(name="a flipped bit, with a checksum", told="sha256", file=flipped, checksum=True)
"""Without a checksum nobody can tell: deflate has none of its own."""

SLOW = (
    Spoilt(
        name="a stall, always", told="is not given", faults=(Fault("", Kind.STALL, times=None),)
    ),
    Spoilt(
        name="a trickle",
        told="bytes came in|answers 403",  # or its token ends before the tries do
        faults=(Fault("", Kind.TRICKLE, times=None, seconds=9.0),),
    ),
    Spoilt(
        name="429 for ever, with Retry-After of an hour",
        told="answers 429",
        faults=(Fault("", Kind.STATUS, status=429, retry_after="3600", times=None),),
    ),
)
"""What takes its time. The first two belong with ``--timeout 1``."""


# The campaign.


@dataclass(slots=True)
class Case:
    """A catalogue with one spoilt scene a row of a table."""

    base: Path
    table: Sequence[Spoilt]
    sound: Archive
    spoilt: Archive
    granules: tuple[Granule, ...]
    faults: list[Fault]
    area: site.Part = site.BOTH

    @property
    def store(self) -> Path:
        """Where it is built."""
        return self.base / "store"


def case(base: Path, table: Sequence[Spoilt], place: Place = site.PLACE) -> Case:
    """Make an archive, and another that is spoilt."""
    base.mkdir(parents=True, exist_ok=True)
    small, large = (site.scenes(len(table), side=s) for s in (site.SMALL, site.LARGE))
    plan = tuple(b if one.large else a for one, a, b in zip(table, small, large, strict=True))
    sound = site.archive(base / "sound", plan)
    site.rewrite(sound, list(map(_declared, table, sound.items, plan, [sound] * len(plan))))
    bad = site.copied(sound, base / "spoilt")
    items = bad.items
    faults = []
    for one, item, granule in zip(table, items, plan, strict=True):
        one.item(item)
        one.file(site.file_of(bad, granule))
        glob = f"*{granule.tile}_{stamp(granule.time)}_B02_10m.tif"
        faults += [_at(fault, glob) for fault in one.faults]
    site.rewrite(bad, items)
    area = site.NORTHERN if place is site.NORTH else site.BOTH
    return Case(base, table, sound, bad, plan, faults, area)


def _at(fault: Fault, path: str) -> Fault:
    names = ("kind", "times", "after", "status", "retry_after", "seconds", "location")
    return Fault(path, **{name: getattr(fault, name) for name in names})


def _declared(one: Spoilt, item: Json, granule: Granule, made: Archive) -> Json:
    """Let an item declare the checksum of its file, where that is wanted."""
    if one.checksum:
        digest = hashlib.sha256(site.file_of(made, granule).read_bytes()).hexdigest()
        b02(file__checksum=f"1220{digest}")(item)
    return item


def over_http(
    base: Path,
    table: Sequence[Spoilt],
    name: str,
    *options: object,
    place: Place = site.PLACE,
    again: Sequence[bool] = (True, False),
) -> Row:
    """Build from a server that does all of that, then from one that does not. See `on_disk`."""
    one, row = case(base, table, place), Row(name)
    with serving(one.spoilt, token_lifetime=LIFE) as server:
        server.faults.inject(*one.faults)
        first = site.build(
            one.store, server.stac_url, *options, server=server, workers=2, place=place
        )
        refused_secret(row, server.requests)
    judge(row, one, first)
    with serving(one.sound) as server:
        for anything in again:
            done = site.build(one.store, server.stac_url, server=server, place=place)
            judge_again(row, one, done, _missing(one) if anything else 0)
    return row.done()


def on_disk(
    base: Path,
    table: Sequence[Spoilt],
    name: str,
    *,
    place: Place = site.PLACE,
    again: Sequence[bool] = (True, False),
) -> Row:
    """Build from a catalogue on this machine that is spoilt, then from one that is not.

    Args:
        base: where.
        table: what is wrong.
        name: the row's.
        place: a box.
        again: a build of the sound one each; whether it finds anything to do.
    """
    one, row = case(base, table, place), Row(name)
    judge(row, one, site.build(one.store, site.on_disk(one.spoilt), workers=2, place=place))
    for anything in again:
        done = site.build(one.store, site.on_disk(one.sound), place=place)
        judge_again(row, one, done, _missing(one) if anything else 0)
    return row.done()


def expiring(base: Path, *, place: Place = site.PLACE) -> Row:
    """Build for longer than a token lives."""
    one, row = case(base, [Spoilt(name="sound", large=True)] * 3, place), Row("tokens that expire")
    with serving(one.sound, token_lifetime=1.0, latency=0.4) as server:
        done = site.build(one.store, server.stac_url, server=server, place=place)
        judge(row, one, done)
        refused = sum(status in {403, 409} for _, _, status in server.requests)
        issued = sum("/sas/" in path for _, path, _ in server.requests)
    if issued < 2:  # one would have outlived the build
        row.failures.append("no token expired")
    row.note = f"{issued} tokens, {refused} refusals"
    return row.done()


def spellings(base: Path) -> Row:
    """Build from a catalogue that lists one scene twice, the second time as others spell it."""
    one, row = case(base, [Spoilt(name="sound")]), Row("a scene in two spellings")
    (item,) = one.spoilt.items
    other = json.loads(json.dumps(item)) | {"id": "S2A_31UGQ_20230718_0_L2A"}
    other["properties"] |= {"datetime": _elsewhere(item), "platform": "sentinel-2a"}
    site.rewrite(one.spoilt, [other, item])
    judge(row, one, site.build(one.store, site.on_disk(one.spoilt)))
    if len(site.slots(one.store)) != 1:
        row.failures.append(f"slots of {list(site.slots(one.store))}")
    judge_again(row, one, site.build(one.store, site.on_disk(one.spoilt)), 0)
    return row.done()


def refused_secret(row: Row, requests: Sequence[tuple[str, str, int]]) -> None:
    """Note requests that no item may bring about."""
    row.failures += [f"asked for {path}" for _, path, _ in requests if "secret" in path]


def _missing(one: Case) -> int:
    return sum(bool(spoilt.told) for spoilt in one.table)


def judge(row: Row, one: Case, done: site.Done) -> None:
    """Hold what a build has made, and told, against the table."""
    in_part = 3 if _missing(one) else 0
    row.failures += done.problems
    if done.status != in_part:
        row.failures.append(f"exit status {done.status}: {done.stderr[-600:]}")
    there, lines = site.slots(one.store), site.ledger(one.store)
    for spoilt, granule in zip(one.table, one.granules, strict=True):
        wrong = list(_misjudged(spoilt, granule, there, lines))
        row.see("new" if granule.item_id in there else "old", wrong, spoilt.name)
    row.failures += site.wrong(one.store, one.sound, one.area)
    row.torn += len(site.damage(one.store))


def _misjudged(
    spoilt: Spoilt, granule: Granule, there: dict[str, np.datetime64], lines: Sequence[Json]
) -> Iterator[str]:
    """Yield what is wrong with a slot, or with what is told of its lack."""
    told = [line for line in lines if line["item"] == granule.item_id]
    if (granule.item_id in there) == bool(spoilt.told):
        yield "is in the cube" if spoilt.told else f"is missing: {[t['found'] for t in told]}"
    if granule.item_id in there:
        utc = np.datetime64(granule.time.replace(tzinfo=None), "ns")
        if there[granule.item_id] != utc:
            yield f"is at {there[granule.item_id]}"
    if spoilt.told and not any(_says(line, spoilt) for line in told):
        yield f"is recorded as {[(t.get('asset'), t['found']) for t in told]}"


def _says(line: Json, spoilt: Spoilt) -> bool:
    named = line.get("asset", "") == spoilt.asset
    return named and bool(line["remedy"]) and bool(re.search(spoilt.told, line["found"]))


def judge_again(row: Row, one: Case, done: site.Done, committed: int) -> None:
    """Hold what a build has made when nothing was wrong any more against the truth."""
    row.failures += done.problems
    found = done.report.get("committed") if done.stdout else None
    if (done.status, found) != (0, committed):
        row.failures.append(f"{committed} to commit: status {done.status}, {done.stderr[-600:]}")
    missing = {granule.item_id for granule in one.granules} - site.slots(one.store).keys()
    row.compare(
        [f"no {item}" for item in missing] + site.wrong(one.store, one.sound, one.area), "again"
    )


def faults(base: Path) -> Iterator[Row]:
    """Spoil scenes in every way."""
    yield on_disk(base / "disk", [*CONTENT, FLIPPED], "bad files and items, on a disk")
    yield over_http(base / "http", CONTENT, "bad files and items, over HTTP")
    yield over_http(base / "transport", TRANSPORT, "bad servers", "--timeout", 2)
    yield over_http(base / "slow", SLOW[:2], "stalls and trickles", "--timeout", 1)
    yield over_http(base / "wait", SLOW[2:], "told to wait an hour")
    yield expiring(base / "tokens")
    yield spellings(base / "spellings")
