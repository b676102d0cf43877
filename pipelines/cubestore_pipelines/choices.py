"""What the user wants built: one frozen thing, checked when it is made, saved with its result."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import shapely

from cubestore_pipelines import place
from cubestore_pipelines.errors import PlanError
from cubestore_pipelines.products import MAPS
from cubestore_pipelines.providers import providers
from cubestore_pipelines.read import RESAMPLING
from cubestore_pipelines.search import interval
from cubestore_pipelines.select import Selection, parse

Words = str | Iterable[str]
"""One, or several; commas separate too."""

File = str | PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user wants built; saved with its result."""

    catalog: str
    """A provider's name, an address or a path."""

    sensors: tuple[str, ...]
    tiles: tuple[str, ...] = ()
    area: shapely.Geometry | None = None
    """In lon/lat, in parts at the antimeridian; None: the whole of the tiles."""

    datetime: str = ""
    """``A/B``, in UTC; "": all times."""

    bands: tuple[str, ...] = ()
    """Of the cubes that are created; none: the standard ones, or those that a cube has."""

    layers: tuple[str, ...] = ()
    """Optional layers of the cubes that are created."""

    lossless: bool = False
    """Whether cubes that are created keep every bit of float pixels."""

    max_cloud: float | None = None
    """Percent, as providers tell of whole products."""

    max_nodata: float | None = None
    """The same; where they do not tell, of the place, by the footprints."""

    max_measured_cloud: float | None = None
    """Percent of the pixels that were read."""

    max_measured_nodata: float | None = None
    select: tuple[str, ...] = ("all",)
    """A rule for all sensors, and ``SENSOR=RULE`` for some."""

    seed: int = 0
    """Of what is drawn at random."""

    collections: tuple[str, ...] = ()
    skip_items: tuple[str, ...] = ()
    dn_offset: int | None = None
    """The user's word on what must be added to the digital numbers."""

    resampling: str = ""
    """Of pixels that are not the cube's own; "": as the sensor has it."""

    view_angles: bool = False
    """Whether Sentinel-2's view angles are read from the granules' metadata."""

    ocean_zero: bool = False
    """Whether the sea has a height of zero where there is no sheet of the elevation model."""

    profile: str = ""
    """Path of a profile, or a provider's name."""

    allow: tuple[str, ...] = ()
    """Hosts and folders that items of a remote catalogue may point to."""

    timeout: float = 30.0
    """Seconds that a server may take to answer."""

    checksums: bool = True

    def __post_init__(self) -> None:
        if not self.sensors:
            raise PlanError("No sensor", expected="--sensor", remedy="see `cubestore sensors`")
        if not self.catalog and not self.profile:
            raise PlanError(
                "No catalogue", expected="--catalog, or a profile with a url", remedy="give one"
            )
        if not self.tiles and self.area is None:
            raise PlanError(
                "No place", expected="--tile, --tiles, --bbox or --aoi", remedy="give one of these"
            )
        if self.resampling not in {"", *RESAMPLING}:
            raise PlanError(
                f"The resampling {self.resampling!r}",
                expected=f"one of {', '.join(RESAMPLING)}",
                remedy="choose one of these with --resampling",
            )
        self._refuse_strange_rules()
        self._refuse_strange_limits()
        try:
            interval(self.datetime)
        except ValueError:
            raise PlanError(
                f"The datetime {self.datetime!r}",
                expected="A/B, each a year, a month, a day, a moment or ..",
                remedy="for example --datetime 2023-06-01/2023-08-31",
            ) from None

    def _refuse_strange_rules(self) -> None:
        named = {rule.partition("=")[0] for rule in self.select if "=" in rule}
        if strange := sorted(named - set(self.sensors)):
            raise PlanError(
                f"A rule of selection for {', '.join(strange)}",
                expected=f"for one of {', '.join(self.sensors)}",
                remedy="name the sensor with --sensor too, or leave out its rule",
            )
        for sensor_id in self.sensors:
            self.selection(sensor_id)

    def _refuse_strange_limits(self) -> None:
        for name in ("max_cloud", "max_nodata", "max_measured_cloud", "max_measured_nodata"):
            limit = getattr(self, name)
            if limit is not None and not 0 <= limit <= 100:  # noqa: PLR2004 - percent
                raise PlanError(
                    f"--{name.replace('_', '-')} {limit:g}",
                    expected="percent, from 0 to 100",
                    remedy="leave it out for no limit",
                )

    def selection(self, sensor_id: str) -> Selection:
        """Return the rule of a sensor: its own, else that of all; maps of no day are taken whole.

        Raises:
            PlanError: there is no such rule, or there are two.
        """
        own = [rule.partition("=")[2] for rule in self.select if rule.startswith(f"{sensor_id}=")]
        common = [rule for rule in self.select if "=" not in rule]
        if len(own) > 1 or len(common) > 1:
            raise PlanError(
                f"The rules of selection {', '.join(self.select)}",
                expected="one for all sensors, and one for each of some, as SENSOR=RULE",
                remedy="leave out what --select says twice",
            )
        whole = ["all"] if sensor_id in MAPS else common
        return parse(next(iter(own or whole), "all"))


def choices(  # noqa: PLR0913 - the options of the command line
    *,
    catalog: str = "",
    sensor: Words = (),
    tile: Words = (),
    tiles: File | None = None,
    bbox: Sequence[float] | None = None,
    aoi: File | shapely.Geometry | None = None,
    datetime: str = "",
    bands: Words = (),
    layers: Words = (),
    lossless: bool = False,
    max_cloud: float | None = None,
    max_nodata: float | None = None,
    max_measured_cloud: float | None = None,
    max_measured_nodata: float | None = None,
    select: Words = "all",
    seed: int = 0,
    collection: Words = (),
    skip_item: Words = (),
    dn_offset: int | None = None,
    resampling: str = "",
    view_angles: bool = False,
    ocean_zero: bool = False,
    profile: File | None = None,
    allow: Words = (),
    timeout: float = 30.0,
    checksums: bool = True,
) -> Choices:
    """Return the choices that the options of the command line make.

    Args:
        catalog: a provider (planetary-computer, earth-search, usgs, linz, cdse), or the URL or
            path of a STAC API, catalogue, ItemCollection, item, folder or stac-geoparquet file.
        sensor: one or several ids.
        tile: one or several ids.
        tiles: a file of tiles.
        bbox: west, south, east, north in degrees; west > east crosses the antimeridian.
        aoi: a vector file, or a geometry in lon/lat.
        datetime: ``A/B`` in UTC.
        bands: of the cubes that are created.
        layers: optional layers of the cubes that are created.
        lossless: keep every bit of float pixels in cubes that are created.
        max_cloud: percent, as providers tell.
        max_nodata: the same.
        max_measured_cloud: percent of the pixels that were read.
        max_measured_nodata: the same.
        select: the rule of selection; several as ``SENSOR=RULE``.
        seed: of what rules draw at random.
        collection: where to search.
        skip_item: ids of items to leave out.
        dn_offset: Sentinel-2: what must be added to the digital numbers.
        resampling: of pixels that are not the cube's own; "": as the sensor has it.
        view_angles: read Sentinel-2's from the granules' metadata where items do not tell them.
        ocean_zero: a height of zero where there is no sheet of the elevation model.
        profile: a YAML file, or a provider whose collections the catalogue has.
        allow: hosts and folders, not public, that items of a remote catalogue may point to.
        timeout: seconds that a server may take to answer.
        checksums: hold files on this machine, and small ones, against their items' checksums.

    Raises:
        PlanError: choices that contradict each other, or make no sense.
    """
    areas = [place.box(*bbox)] if bbox is not None else []
    if aoi is not None:
        areas.append(aoi if isinstance(aoi, shapely.Geometry) else place.area(Path(aoi)))
    return Choices(
        catalog=catalog,
        sensors=words(sensor),
        tiles=(*words(tile), *(place.tiles(Path(tiles)) if tiles is not None else ())),
        area=shapely.union_all(areas) if areas else None,
        datetime=datetime,
        bands=words(bands),
        layers=words(layers),
        lossless=lossless,
        max_cloud=max_cloud,
        max_nodata=max_nodata,
        max_measured_cloud=max_measured_cloud,
        max_measured_nodata=max_measured_nodata,
        select=((select,) if isinstance(select, str) else tuple(select)) or ("all",),
        seed=seed,
        collections=words(collection),
        skip_items=words(skip_item),
        dn_offset=dn_offset,
        resampling=resampling,
        view_angles=view_angles,
        ocean_zero=ocean_zero,
        profile="" if profile is None else _profile(profile),
        allow=words(allow),
        timeout=timeout,
        checksums=checksums,
    )


def _profile(given: File) -> str:
    """Return a provider's name as it is, anything else as the path that it is from here."""
    return str(given) if str(given) in providers() else str(Path(given).absolute())


def words(given: Words) -> tuple[str, ...]:
    """Return the words of an option; commas separate them too."""
    some = (given,) if isinstance(given, str) else given
    return tuple(part for word in some for part in word.split(",") if part)
