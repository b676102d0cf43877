"""What simulated archives hold: Sentinel-2 alone for the demo, or something of every sensor."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

from cubestore import grids
from cubestore_pipelines.simulate.footprints import TILT, Footprint, footprint
from cubestore_pipelines.simulate.granules import ALIGNED, Granule, Swath
from cubestore_pipelines.simulate.landsat import RawScene, ScannerItem, SurfaceScene
from cubestore_pipelines.simulate.linz import Sheet, Survey
from cubestore_pipelines.simulate.maps import CoverTile, DemTile, cover_tiles, dem_tiles
from cubestore_pipelines.simulate.modis import Composite
from cubestore_pipelines.simulate.naip import Quad
from cubestore_pipelines.simulate.rasters import Square
from cubestore_pipelines.simulate.scenes import Scene
from cubestore_pipelines.simulate.sentinel1 import Frame

PLACE = (6.5, 49.05)
"""Longitude and latitude of the middle; four shards of 31UGQ meet 1.5 km from it."""

TILE, NEIGHBOUR = "31UGQ", "32ULV"

SIDE = 18_000
"""Metres of ground that the demo's archive shows."""

TINY = 3_000
"""Metres of ground that a test's archive shows."""

CROSSING = (6.5774, 49.0446)
"""Longitude and latitude of what the other sensors show: there four shards of 31UGQ meet."""

WIDE = 12_000
"""Metres of ground that the archive of all sensors shows."""

COAST = (-3.5, 50.0)
"""Longitude and latitude in the English Channel, south of Devon; on tile 30UVA."""

SEA = (49, -4)
"""The degree south of it, of which there are no heights."""

CLOSE, TINY_CLOSE = 1_500, 480
"""Metres of ground that aeroplanes show: of the archive of all sensors, and of a test's."""

COARSE = 100_000
"""Metres of ground that MODIS shows."""

HARBOUR = (174.697365, -41.282759)
"""Longitude and latitude of a place in Wellington, New Zealand; on tile 60GUV."""

PLAINS = (-98.788367, 38.664247)
"""Longitude and latitude of a place in Kansas; four shards of 1 m of 14SNH meet there."""

WRS = (184_980, 179_970)
"""Metres of a scene of Landsat, across the track and along it."""

FRAME = (250_000, 180_000)
"""Metres of a frame of Sentinel-1, across the track and along it."""

Planned = Granule | Scene
"""What a plan is made of."""

_SENSING = timedelta(seconds=13)
"""From the start of a datatake to that of its first datastrip with this place."""

_OVERLAP = 600
"""Metres that are in both of two datastrips."""


def demo_plan(side: int = SIDE, place: tuple[float, float] = PLACE) -> tuple[Granule, ...]:
    """Return the granules of the demo: two years, and what makes real archives hard.

    Args:
        side: metres of ground, in both directions.
        place: longitude and latitude of its middle.
    """
    shown = Square(*place, side)
    autumn = _granule("2021-10-16", "03.01", 0.25, shown)
    summer = _granule("2021-07-18", "03.01", 0.1, shown)
    seasons = [("01-19", 0.3), ("04-19", 0.2), ("07-18", 0.1), ("10-16", 0.25)]
    later = [_granule(f"2023-{day}", "05.09", cloudiness, shown) for day, cloudiness in seasons]
    cloudy = _granule("2023-05-14", "05.09", 0.9, shown, platform="2B")
    partial = replace(cloudy, swath=replace(cloudy.swath, slant=0.25))
    return (
        summer,
        _reprocessed(summer),
        autumn,
        *later,
        _on_neighbour(later[2], shown),
        *_strips(_granule("2023-08-27", "05.09", 0.15, shown)),
        partial,
    )


def tiny_plan(side: int = TINY, place: tuple[float, float] = PLACE) -> tuple[Granule, ...]:
    """Return what tests need of the demo's granules, on a small patch of ground.

    It is a scene with and one without the offset, the latter reprocessed too, the two datastrips
    of a datatake, and a scene on the neighbouring zone's tile.
    """
    summer, again, *_, july, _, neighbour, north, south, _ = demo_plan(side, place)
    return summer, again, july, neighbour, north, south


def everything_plan(side: int = WIDE, close: int = CLOSE) -> tuple[Planned, ...]:
    """Return scenes of every sensor, each with what makes its archive hard.

    Args:
        side: metres of ground of the satellites' scenes, in both directions.
        close: the same of an aeroplane's; below 1000, sheets are cut smaller too.
    """
    return (*tiny_plan(side, CROSSING), *_others(side, close))


def tiny_everything_plan(side: int = TINY) -> tuple[Planned, ...]:
    """Return the same on a small patch of ground, for tests."""
    return everything_plan(side, TINY_CLOSE)


def shown_plan() -> tuple[Planned, ...]:
    """Return the granules of the demo, and the scenes of every other sensor beside them."""
    return (*demo_plan(place=CROSSING), *_others(WIDE, CLOSE))


def _others(side: int, close: int) -> Iterator[Planned]:
    """Yield what all sensors but Sentinel-2 show."""
    shown = Square(*CROSSING, side)
    yield from _radar(shown)
    yield from _landsat(shown)
    yield from _modis()
    yield from _aerial(close)
    yield from _maps()


def _radar(shown: Square) -> Iterator[Frame]:
    """Yield a pass cut into two frames that meet here, a swath that ends here, and others.

    One shows a corner alone, and that in the neighbouring zone; one shows all.
    """
    width, length = FRAME
    tenth, quarter = 0.1 * shown.side, 0.25 * shown.side
    pass_ = datetime(2023, 7, 15, 17, 33, 11, 504_213, tzinfo=UTC)
    south = _frame(pass_, "ascending", 88, shown, (0, tenth - 300 + length / 2))
    north = _frame(pass_, "ascending", 88, shown, (0, tenth + 300 - length / 2))
    yield replace(north, start=pass_ + timedelta(seconds=25), slice_number=5)
    yield south
    edge = datetime(2023, 7, 19, 5, 50, 2, 118_764, tzinfo=UTC)
    yield _frame(edge, "descending", 37, shown, (width / 2 - 1.5 * tenth, 0))
    corner = datetime(2023, 7, 22, 17, 25, 3, 903_311, tzinfo=UTC)
    beyond = (width / 2 + quarter, length / 2 + quarter)
    yield _frame(corner, "ascending", 15, shown, beyond, zone=32)
    whole = datetime(2021, 7, 17, 5, 49, 21, 731_002, tzinfo=UTC)
    yield replace(_frame(whole, "descending", 37, shown, (0, 0)), platform="1B")


def _frame(
    time: datetime,
    orbit_state: str,
    orbit: int,
    shown: Square,
    at: tuple[float, float],
    zone: int = 31,
) -> Frame:
    tilt = TILT if orbit_state == "descending" else -TILT
    return Frame(
        start=time,
        seconds=25.0,
        taken=time,
        orbit_state=orbit_state,
        relative_orbit=orbit,
        zone=zone,
        footprint=footprint(shown.on(f"EPSG:326{zone}"), at, FRAME, multiple=10, tilt=tilt),
        shown=shown,
    )


def _landsat(shown: Square) -> Iterator[Scene]:
    """Yield two rows of a path, the path beside it in its own zone, and a scene of the south.

    The first of them is there at Level 1 too, and so is what an older scanner saw.
    """
    width, length = WRS
    shown = replace(shown, side=max(shown.side, WIDE))
    tenth, quarter = 0.1 * shown.side, 0.25 * shown.side
    first = datetime(2023, 7, 14, 10, 23, 5, 191_402, tzinfo=UTC)
    second = first + timedelta(seconds=23.894)
    north, south = (0, tenth + 900 - length / 2), (0, length / 2 - tenth - 900)
    upper = _surface(first, 197, 25, 31, shown, north, 0.2)
    lower = replace(_surface(second, 197, 26, 31, shown, south, 0.2), taken=first)
    yield upper
    yield lower
    beside = datetime(2023, 7, 15, 10, 17, 22, 730_118, tzinfo=UTC)
    west = (quarter - width / 2, 0)
    yield replace(_surface(beside, 196, 26, 32, shown, west, 0.5), number=8)
    south_sea = datetime(2022, 1, 11, 22, 6, 48, 205_931, tzinfo=UTC)
    abroad = _surface(south_sea, 72, 89, 60, Square(*HARBOUR, shown.side), (0, 0), 0.3)
    yield replace(abroad, number=8, correction="L2SR", category="T2")
    same = {field.name: getattr(upper, field.name) for field in fields(RawScene)}
    yield RawScene(**{**same, "correction": "L1TP"})
    yield ScannerItem(datetime(1987, 7, 9, 9, 50, 14, 88_001, tzinfo=UTC), shown)


def _surface(
    time: datetime,
    path: int,
    row: int,
    zone: int,
    shown: Square,
    at: tuple[float, float],
    cloudiness: float,
) -> SurfaceScene:
    return SurfaceScene(
        time=time,
        taken=time,
        path=path,
        row=row,
        zone=zone,
        footprint=footprint(shown.on(f"EPSG:326{zone}"), at, WRS, multiple=30),
        shown=shown,
        cloudiness=cloudiness,
        processed=time + timedelta(days=2, hours=7, minutes=11),
    )


def _modis() -> Iterator[Composite]:
    """Yield what both satellites saw in the same days, and eight days that end in January."""
    shown = Square(*CROSSING, COARSE)
    summer, turn = datetime(2023, 7, 12, tzinfo=UTC), datetime(2022, 12, 27, tzinfo=UTC)
    for product, start in (("MOD09A1", summer), ("MYD09A1", summer), ("MOD09A1", turn)):
        yield Composite(
            product=product,
            start=start,
            produced=start + timedelta(days=9, hours=3, minutes=46, seconds=38),
            column=18,
            row=4,
            cloudiness=0.35,
            shown=shown,
        )


def _aerial(close: int) -> Iterator[Scene]:
    """Yield pictures of Kansas in two years, and of Wellington in two surveys."""
    yield from _quads(close)
    yield from _sheets(1000 if close >= 1000 else 500)  # noqa: PLR2004 - scales


def _quads(close: int) -> Iterator[Quad]:
    """Yield two neighbours of one flight, which overlap, one years later, and a newer item.

    The file of the third takes near infrared for alpha.
    """
    east, north = (6 * round(one / 6) for one in Square(*PLAINS, close).on("EPSG:26914"))
    lap, half = 60, close // 12 * 6
    size = (half + lap, 2 * half)
    older, newer = datetime(2015, 7, 4, tzinfo=UTC), datetime(2021, 7, 18, tzinfo=UTC)
    west = Quad(
        taken=older,
        quarter="nw",
        corner=(east - half, north + half),
        size=size,
        zone=14,
        issued="20151012",
    )
    yield west
    yield replace(west, quarter="ne", corner=(east - lap, north + half))
    fine = replace(west, taken=newer, issued="", centimetres=60, alpha=True)
    yield fine
    last = datetime(2023, 8, 2, 16, tzinfo=UTC)
    yield replace(fine, taken=last, issued="20240103", modern=True, alpha=False)


def _sheets(scale: int) -> Iterator[Sheet]:
    """Yield two neighbours of one survey, and of an older one the sheet of the first's name."""
    east, north = (round(one) for one in Square(*HARBOUR, 0).on("EPSG:2193"))
    captured = Footprint(centre=(east, north - scale // 4), width=scale, length=scale)
    survey = Survey(
        ulid="01JXQ3T4V8Z5M2N7R6B1C0DWFA",
        slug="wellington_2021_0.4m",
        title="Wellington 0.4m Rural Aerial Photos (2021)",
        gsd=0.4,
        start=datetime(2021, 1, 8, 11, tzinfo=UTC),
        end=datetime(2021, 3, 19, 11, tzinfo=UTC),
        captured=captured,
        alpha=False,
    )
    older = replace(
        survey,
        ulid="01GHD4BHWJ4PJAS2T7M5G45JQT",
        slug="wellington_2012-2013_0.5m",
        title="Wellington 0.5m Rural Aerial Photos (2012-2013)",
        gsd=0.5,
        start=datetime(2012, 12, 9, 11, tzinfo=UTC),
        end=datetime(2013, 2, 26, 11, tzinfo=UTC),
        alpha=True,
    )
    first = Sheet(survey=survey, scale=scale, place=(east, north))
    yield first
    yield replace(first, place=(east + 24 * scale // 50, north))
    yield replace(first, survey=older)


def _maps() -> Iterator[DemTile | CoverTile]:
    """Yield heights about the place and on a coast, and both versions of the land cover.

    On the coast two tiles of heights meet, on 50° N, from where on they are wider apart; the
    southern one is sea, so nobody made it.
    """
    shown, coast = (Square(*place, WIDE) for place in (CROSSING, COAST))
    yield from dem_tiles(shown)
    yield from (tile for tile in dem_tiles(coast) if (tile.latitude, tile.longitude) != SEA)
    for year in (2020, 2021):
        yield from cover_tiles(shown, year)


def _granule(
    day: str, baseline: str, cloudiness: float, shown: Square, platform: str = "2A"
) -> Granule:
    time = datetime.fromisoformat(f"{day}T10:30:31.024Z")
    return Granule(
        tile=TILE,
        time=time,
        strip=time + _SENSING,
        generated=time + timedelta(hours=9, minutes=17),
        baseline=baseline,
        cloudiness=cloudiness,
        swath=_swath(TILE, shown),
        platform=platform,
    )


def _reprocessed(granule: Granule) -> Granule:
    """Return the same scene as it was processed again two years later, with the offset."""
    return replace(granule, baseline="05.00", generated=granule.generated + timedelta(days=697))


def _on_neighbour(granule: Granule, shown: Square) -> Granule:
    return replace(granule, tile=NEIGHBOUR, swath=_swath(NEIGHBOUR, shown))


def _strips(granule: Granule) -> tuple[Granule, Granule]:
    """Return the north and the south of a granule as its two datastrips."""
    swath = granule.swath
    middle = (swath.top + swath.bottom) // 2 // ALIGNED * ALIGNED
    overlap = min(_OVERLAP, middle - swath.top)
    north = replace(granule, swath=replace(swath, bottom=middle + overlap))
    south = replace(
        granule,
        swath=replace(swath, top=middle),
        strip=granule.strip + timedelta(minutes=3, seconds=31),
        generated=granule.generated + timedelta(minutes=26, seconds=4),
    )
    return north, south


def _swath(tile: str, shown: Square) -> Swath:
    """Return a square of ground on a tile."""
    box = grids.tile(tile)
    x, y = shown.on(str(box.crs))
    side = shown.side
    left = round((x - box.bounds.left - side / 2) / ALIGNED) * ALIGNED
    top = round((box.bounds.top - y - side / 2) / ALIGNED) * ALIGNED
    return Swath(top=top, bottom=top + side, left=left, right=left + side)
