"""LINZ: surveys of New Zealand from the air, as a static catalogue of relative addresses.

Of one survey the files declare 255 as nodata, of the other they have an alpha band: LINZ
publishes both. Sheets of one name are in either. The files are cut as LINZ cuts them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import published, rasters, scenes
from cubestore_pipelines.simulate.aerial import picture
from cubestore_pipelines.simulate.footprints import Footprint
from cubestore_pipelines.simulate.published import OPEN, Json
from cubestore_pipelines.simulate.rasters import Layers, Patch

HOST = "nz-imagery.s3-ap-southeast-2.amazonaws.com"
CATALOG = "catalog.json"

CRS = "EPSG:2193"
BANDS = ("red", "green", "blue")
BLACK, NODATA = 1, 0
"""What a cube has for a black pixel, and for none."""

WHITE = 255
"""Declared as nodata; or of alpha, opaque."""

SHEET = (24_000, 36_000)
"""Metres of a sheet of Topo50, east and south."""

ORIGIN = (988_000, 6_234_000)
"""Metres: where sheet AS00 would begin, in the north-west."""

ROWS = tuple(f"{a}{b}" for a in "ABC" for b in "ABCDEFGHJKLMNPQRSTUVWXYZ")
"""Letters of the sheets' rows, without I and O."""

FIRST_ROW = "AS"
DIVISIONS = 50_000
"""Of a sheet's side, by the scale: 50 at 1:1000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One collection."""

    ulid: str
    """The collection's id."""
    slug: str
    """The folder: ``wellington_2021_0.4m``."""
    title: str
    gsd: float
    start: datetime
    end: datetime
    captured: Footprint
    """Metres of New Zealand's grid."""
    alpha: bool

    @property
    def folder(self) -> str:
        """Where its documents and files are."""
        return f"wellington/{self.slug}/rgb/2193"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One file of a survey."""

    survey: Survey
    scale: int
    """1000 or 500: how finely sheets of Topo50 are cut."""
    place: tuple[int, int]
    """A place on it: metres east and north."""
    sensor = "linz"

    @property
    def collection(self) -> str:
        """The survey."""
        return self.survey.ulid

    @property
    def item_id(self) -> str:
        """The sheet of Topo50, the scale, the row and the column: ``BQ31_1000_1922``."""
        name, (row, column) = self._topo50, self._cut
        digits = len(str(DIVISIONS // self.scale))
        return f"{name}_{self.scale}_{row + 1:0{digits}}{column + 1:0{digits}}"

    @property
    def patch(self) -> Patch:
        """Its pixels, all written."""
        width, height = (one * self.scale // DIVISIONS for one in SHEET)
        gsd, (west, north) = self.survey.gsd, self._corner
        shape = (round(height / gsd), round(width / gsd))
        whole = GeoBox(shape, Affine(gsd, 0, west, 0, -gsd, north), CRS)
        return Patch(whole, (slice(0, shape[0]), slice(0, shape[1])))

    def pixels(self, some: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return some of its pixels as a cube has them."""
        values = picture(some, self.survey.start, scenes.bands_of(self.sensor, bands))
        values = np.maximum(values, np.uint8(BLACK))
        values[:, ~self.survey.captured.covers(some)] = NODATA
        return {"brightness": values}

    def numbers(self, some: GeoBox) -> NDArray[np.uint8]:
        """Return what the file holds on some of its pixels, alpha included."""
        values = picture(some, self.survey.start, BANDS)
        missing = ~self.survey.captured.covers(some)
        if not self.survey.alpha:
            values[:, missing] = WHITE
            return values
        values[:, missing] = 0
        alpha = np.where(missing, np.uint8(0), np.uint8(WHITE))
        return np.concatenate([values, alpha[None]])

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return what a cube must hold."""
        nodata = scenes.nodata(self.sensor)
        return rasters.seen(self.patch, grid, lambda some: self.pixels(some, bands), nodata)

    def write(self, directory: Path) -> Json:
        """Write the file and the item beside it, and return the item."""
        folder = home(directory) / self.survey.folder
        path, patch = folder / f"{self.item_id}.tiff", self.patch
        profile: dict[str, Any] = {"photometric": "RGB", "compress": "webp", "webp_lossless": True}
        profile |= {"predictor": 1, "alpha": "YES"} if self.survey.alpha else {"predictor": 1}
        nodata = None if self.survey.alpha else WHITE
        rasters.write(path, self.numbers(patch.whole), patch, nodata=nodata, **profile)
        item = self._item(_checksum(path))
        rasters.write_text(folder / f"{self.item_id}.json", json.dumps(item, indent=2))
        return item

    def gathered(self, items: Sequence[Json]) -> Json:
        """Return the collection."""
        survey = self.survey
        document = published.collection(
            "linz",
            items,
            id=survey.ulid,
            title=survey.title,
            description=f"Simulated orthophotography in the shape of LINZ's {survey.title}.",
            gsd=survey.gsd,
            created="2024-05-02T01:11:05Z",
            updated="2024-05-02T01:11:05Z",
        )
        own = {"linz:slug": survey.slug, "linz:geographic_description": "Wellington"}
        return {**document, **own}

    @property
    def _topo50(self) -> str:
        column = (self.place[0] - ORIGIN[0]) // SHEET[0]
        row = (ORIGIN[1] - self.place[1]) // SHEET[1]
        return f"{ROWS[ROWS.index(FIRST_ROW) + row]}{column:02}"

    @property
    def _cut(self) -> tuple[int, int]:
        """Return row and column within the sheet, from the north-west."""
        width, height = (one * self.scale // DIVISIONS for one in SHEET)
        row = (ORIGIN[1] - self.place[1]) % SHEET[1] // height
        return row, (self.place[0] - ORIGIN[0]) % SHEET[0] // width

    @property
    def _corner(self) -> tuple[int, int]:
        width, height = (one * self.scale // DIVISIONS for one in SHEET)
        west = ORIGIN[0] + (self.place[0] - ORIGIN[0]) // width * width
        return west, ORIGIN[1] - (ORIGIN[1] - self.place[1]) // height * height

    def _item(self, checksum: str) -> Json:
        survey = self.survey
        names = {"id": self.item_id, "survey": survey.ulid}
        times = {"start_datetime": survey.start, "end_datetime": survey.end}
        properties = {name: f"{time:%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items()}
        ring = rasters.outline(rasters.box(self.patch.bounds), CRS)
        item = published.item("linz", names, ring, properties)
        item["assets"]["visual"]["file:checksum"] = checksum
        return item


def home(directory: Path) -> Path:
    """Return the folder of the catalogue in that of an archive."""
    return directory / OPEN / HOST


def write_catalog(directory: Path, collections: Sequence[tuple[Survey, Json]]) -> None:
    """Write the catalogue of some surveys, whose items are there, and their collections."""
    root = home(directory)
    links: list[Json] = [{"rel": "self", "href": f"./{CATALOG}", "type": "application/json"}]
    for survey, collection in collections:
        folder = root / survey.folder
        sheets = sorted(path for path in folder.glob("*.json") if path.name != "collection.json")
        items = [
            {
                "href": f"./{path.name}",
                "rel": "item",
                "type": "application/geo+json",
                "file:checksum": _checksum(path),
            }
            for path in sheets
        ]
        area = folder / "capture-area.geojson"
        rasters.write_text(area, json.dumps(_capture_area(survey)))
        own = {"file:checksum": _checksum(area), "file:size": area.stat().st_size}
        document = {**collection, "links": [*collection["links"], *items]}
        document["assets"] = {"capture_area": {**collection["assets"]["capture_area"], **own}}
        rasters.write_text(folder / "collection.json", json.dumps(document, indent=2))
        links.append({"rel": "child", "href": f"./{survey.folder}/collection.json"})
        links[-1] |= {"title": survey.title, "type": "application/json"}
    catalog = {
        "stac_version": "1.0.0",
        "type": "Catalog",
        "id": "nz-imagery",
        "description": "Simulated aerial imagery in the shape of LINZ's catalogue.",
        "links": links,
    }
    rasters.write_text(root / CATALOG, json.dumps(catalog, indent=2))


def _capture_area(survey: Survey) -> Json:
    ring = [list(one) for one in rasters.outline(survey.captured.corners(), CRS)]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": geometry, "properties": {}}
    return {"type": "FeatureCollection", "features": [feature]}


def _checksum(path: Path) -> str:
    """Return a multihash: 12 and 20 say that it is SHA-256, and of 32 bytes."""
    return "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
