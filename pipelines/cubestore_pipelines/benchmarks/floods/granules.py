"""The names of C2S-MS' chips: a product's, and which part of the event's ground the chip shows.

``S2B_MSIL1C_20200711T042709_N0209_R133_T46RCN_20200711T065209_04096-05120`` and
``S1A_IW_GRDH_1SDV_20200711T235449_20200711T235514_033412_03DF11_8A3B_04096-05120`` show the same.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.products import sentinel1, sentinel2

REMEDY = "give the folder its published name again, or leave it out of the source"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalGranule:
    """What the name of a chip of Sentinel-2 tells."""

    product: str
    """Of Level-1C, without its ending."""

    position: str
    """What a chip has in common with that of the other sensor."""

    platform: str
    datatake: str
    """When it began, as the products of all levels have it in their names."""

    baseline: str
    """``02.09``, or "" where an old name does not tell."""

    relative_orbit: int
    tile: str

    @property
    def time(self) -> datetime:
        """When the datatake began, UTC."""
        return _moment(self.datatake)

    def is_shown_by(self, one: Acquisition) -> bool:
        """Whether an acquisition of Level-2A on the tile is of this granule's datatake."""
        first = one.scenes[0]
        return (first.platform, first.datatake) == (self.platform, self.datatake)


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarGranule:
    """What the name of a chip of Sentinel-1 tells."""

    product: str
    position: str
    platform: str
    start: str

    @property
    def time(self) -> datetime:
        """When the frame began, UTC."""
        return _moment(self.start)

    @property
    def corrected(self) -> str:
        """The id that its terrain-corrected product has: the name but for its checksum."""
        return f"{self.product.rpartition('_')[0]}_rtc"


def optical(name: str, where: str) -> OpticalGranule:
    """Return what the name of a chip of Sentinel-2 tells.

    Args:
        name: of its folder.
        where: for errors: the folder's path.

    Raises:
        DatasetError: it is none.
    """
    product, _, position = name.rpartition("_")
    match = sentinel2.PRODUCT.fullmatch(product)
    if match is None or match["level"] != "L1C" or not position:
        raise _unfit(where, "S2x_MSIL1C_…, then the chip's position")
    digits = match["baseline"] or ""
    return OpticalGranule(
        product=product,
        position=position,
        platform=f"sentinel-2{match['platform'][-1].lower()}",
        datatake=match["datatake"],
        baseline=f"{digits[:2]}.{digits[2:]}" if digits else "",
        relative_orbit=int(match["orbit"]),
        tile=match["tile"],
    )


def radar(name: str, where: str) -> RadarGranule:
    """Return what the name of a chip of Sentinel-1 tells. See :func:`optical`.

    Raises:
        DatasetError: it is none.
    """
    product, _, position = name.rpartition("_")
    match = sentinel1.PRODUCT.match(product)
    checksum = product[match.end() :] if match else ""
    if match is None or match["kind"] != "GRD" or checksum[:1] != "_" or not position:
        raise _unfit(where, "S1x_IW_GRDH_…, then the chip's position")
    return RadarGranule(
        product=product,
        position=position,
        platform=f"sentinel-1{match['platform'][-1].lower()}",
        start=match["start"],
    )


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def _unfit(where: str, expected: str) -> DatasetError:
    return DatasetError(f"{where} has no name of a chip", expected=expected, remedy=REMEDY)
