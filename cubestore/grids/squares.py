"""The squares of MGRS: three integers, their five letters, and which of them are tiles.

A square is 100 km wide. Its column counts them from the false origin of easting (5 begins on the
central meridian), its row from the equator northwards (-1 lies just south of it). The letters
are only their spelling; a row belongs to one latitude band as a whole, so each square has one.

ESA's table of the Sentinel-2 tiles has every square that its zone reaches into, but of the two
halves that a zone's edge makes of a square it keeps one, since a tile is wider than its square:
see `columns`, which names the 18 rows in which the table departs from that.
"""

import math
import re
from bisect import bisect_right
from functools import cache
from itertools import product
from typing import NamedTuple

from cubestore.errors import UnknownTileError

TILPAR = "S2A_OPER_GIP_TILPAR_MPC__20151209T095117_V20150622T000000_21000101T000000_B00"
"""ESA's table of the Sentinel-2 tiles, which the rules here reproduce to the last one."""

ID = re.compile("(0[1-9]|[1-5][0-9]|60)([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])")
"""Zone, latitude band, column letter, row letter: NGA.STND.0037 (2014)."""

ZONES = range(1, 61)
"""Of UTM."""

SQUARE = 100_000
"""Side of a square, metres: NGA.STND.0037."""

FALSE_EASTING = 500_000
"""Of the central meridian, metres: NGA.STND.0037."""

COLUMN_LETTERS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
"""Of columns 1 to 8, by zone modulo 3: NGA.STND.0037."""

ROW_LETTERS = "ABCDEFGHJKLMNPQRSTUV"
"""From the equator northwards in odd zones, five letters on in even ones: NGA.STND.0037."""

NORTHERN_BANDS, SOUTHERN_BANDS = "NPQRSTUVWX", "MLKJHGFEDC"
"""From the equator to the pole: NGA.STND.0037."""

BAND_STARTS = (0, 9, 18, 27, 35, 44, 53, 62, 71, 80)
"""Rows in which a band starts: the northings of 0°, 8° … 72° on the central meridian, rounded."""

EARTH_RADIUS = 6_371_008.8
"""Mean radius R1, metres: Moritz (2000), "Geodetic Reference System 1980"."""

ROWS = range(-93, 94)
"""The rows of `TILPAR`, 83.8° S to 84.7° N."""

SLIVER = 50_000
"""A column that a zone reaches less far into is left to its neighbour, metres: from `TILPAR`."""

SVALBARD = {31: (3, 6), 33: (6, 6), 35: (6, 6), 37: (6, 3)}
"""Degrees west and east of the central meridian in band X, and no 32, 34, 36: NGA.STND.0037."""

SVALBARD_ROW = 79
"""The first row that reaches beyond 72° N, where band X starts."""

DEPARTURES = {
    **dict.fromkeys(product([31], range(63, 70)), range(3, 6)),  # 31V ends at 3° E …
    **dict.fromkeys(product([32], range(63, 71)), range(2, 7)),  # … and 32V begins there: Norway
    **dict.fromkeys(product([32, 34, 36], [SVALBARD_ROW]), range(5, 7)),  # 31, 33, 35 reach over
}
"""Columns by zone and row where `TILPAR` departs from the rule."""


class Square(NamedTuple):
    """One 100 km square."""

    zone: int
    column: int
    row: int

    @property
    def id(self) -> str:
        """The five characters: ``31UDQ``."""
        column = COLUMN_LETTERS[self.zone % 3][self.column - 1]
        return f"{self.zone:02}{_band(self.row)}{column}{_row_letter(self.zone, self.row)}"


@cache
def columns(zone: int, row: int) -> range:
    """Return the columns of a zone's row that are Sentinel-2 tiles.

    They are those that the zone reaches into along the row's wider edge, but the westernmost is
    left out where that is less than a `SLIVER`: the last tile of the zone before covers it. At
    the antimeridian it is the other way round: zone 1 keeps its slivers, zone 60 has none.
    """
    if row not in ROWS or (row > SVALBARD_ROW and zone in (32, 34, 36)):
        return range(0)
    if (zone, row) in DEPARTURES:
        return DEPARTURES[zone, row]
    degrees_west, degrees_east = SVALBARD.get(zone, (3, 3)) if row >= SVALBARD_ROW else (3, 3)
    west = FALSE_EASTING - degrees_west * _degree(row) + (SLIVER if zone != ZONES[0] else 0)
    east = FALSE_EASTING + degrees_east * _degree(row) - (SLIVER if zone == ZONES[-1] else 0)
    return range(math.floor(west / SQUARE), math.ceil(east / SQUARE))


def read(square_id: str) -> Square:
    """Return the square of five well-formed letters, if it is a tile.

    Raises:
        UnknownTileError: the letters name no square, or one that ESA made no tile of.
    """
    zone, band, column_letter, row_letter = _letters(square_id)
    letters = COLUMN_LETTERS[zone % 3]
    if column_letter not in letters:
        raise _unknown(square_id, f"a column letter of {letters} in zone {zone:02}")
    rows = _rows(band)
    letter = ROW_LETTERS.index(row_letter) - _first_letter(zone)
    row = rows.start + (letter - rows.start) % len(ROW_LETTERS)
    tiled = columns(zone, row)
    if row not in rows:
        known = "".join(_row_letter(zone, one) for one in rows)
        raise _unknown(square_id, f"a row letter of {known} in {zone:02}{band}")
    square = Square(zone, letters.index(column_letter) + 1, row)
    if square.column not in tiled:
        ids = ", ".join(Square(zone, one, row).id for one in tiled)
        raise _unknown(square_id, f"in its row {ids or 'no tile'}")
    return square


def _letters(square_id: str) -> tuple[int, str, str, str]:
    match = ID.fullmatch(square_id)
    if match is None:
        raise _unknown(square_id, "zone, band, column and row as in 31UDQ")
    zone, band, column, row = match.groups()
    return int(zone), band, column, row


def _unknown(square_id: str, expected: str) -> UnknownTileError:
    return UnknownTileError(
        f"There is no such Sentinel-2 tile as {square_id!r}",
        expected=expected,
        remedy="look the tiles of a place up with `cubestore tiles --point LON LAT`",
    )


def _band(row: int) -> str:
    away = _rows_from_equator(row)
    return (NORTHERN_BANDS if row >= 0 else SOUTHERN_BANDS)[bisect_right(BAND_STARTS, away) - 1]


def _rows(band: str) -> range:
    """Return the rows of a latitude band, from the south."""
    number = (NORTHERN_BANDS + SOUTHERN_BANDS).index(band) % len(BAND_STARTS)
    start, end = (*BAND_STARTS, ROWS.stop)[number : number + 2]
    return range(start, end) if band in NORTHERN_BANDS else range(-end, -start)


def _rows_from_equator(row: int) -> int:
    return row if row >= 0 else -1 - row


def _row_letter(zone: int, row: int) -> str:
    return ROW_LETTERS[(row + _first_letter(zone)) % len(ROW_LETTERS)]


def _first_letter(zone: int) -> int:
    return 0 if zone % 2 else 5


def _degree(row: int) -> float:
    """Return the length in metres of a degree of longitude on a row's edge nearer the equator."""
    latitude = _rows_from_equator(row) * SQUARE / EARTH_RADIUS
    return math.radians(EARTH_RADIUS) * math.cos(latitude)
