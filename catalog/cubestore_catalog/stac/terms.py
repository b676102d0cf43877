"""Who made what a sensor's cubes hold, and where its terms can be read: what collections tell.

Names, roles and addresses are those of the collections that the archives publish themselves: the
Planetary Computer's, for Sentinel-2 the Copernicus Data Space's, for New Zealand LINZ's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cubestore_catalog.stac.records import Json, link

PDF, HTML = "application/pdf", "text/html"


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a sensor's product."""

    providers: tuple[Json, ...]
    """In the words of STAC; whoever hosts a cube is not among them."""

    address: str = ""
    """Of the terms; "" where the license has an identifier that says all."""

    media: str = HTML

    def links(self, title: str) -> list[Json]:
        """Return the link to the terms, if they need one.

        Args:
            title: what they are called.
        """
        return [link("license", self.address, self.media, title=title)] if self.address else []


def _provider(name: str, url: str, *roles: str) -> Json:
    return {"name": name, "roles": list(roles), "url": url}


_ESA = _provider("ESA", "https://sentinels.copernicus.eu/web/sentinel/home", "producer")
_NASA = _provider("NASA", "https://landsat.gsfc.nasa.gov/", "producer", "licensor")

_SENTINEL_2 = Terms(
    (_ESA, _provider("European Commission", "https://commission.europa.eu/", "licensor")),
    "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
    PDF,
)
_LANDSAT = Terms(
    (
        _NASA,
        _provider("USGS", "https://www.usgs.gov/landsat-missions", "producer", "processor"),
    ),
    "https://www.usgs.gov/core-science-systems/hdds/data-policy",
)

OF: Mapping[str, Terms] = {
    "sentinel-2-l2a": _SENTINEL_2,
    "sentinel-2-l1c": _SENTINEL_2,
    "sentinel-1-rtc": Terms(
        (
            _ESA,
            _provider("Catalyst", "https://catalyst.earth", "processor"),
            _provider("Microsoft", "https://planetarycomputer.microsoft.com", "licensor"),
        )
    ),
    "landsat-c2-l2": _LANDSAT,
    "landsat-c2-l1": _LANDSAT,
    "modis-09a1": Terms(
        (
            _provider(
                "NASA LP DAAC at the USGS EROS Center",
                "https://lpdaac.usgs.gov/",
                *("producer", "licensor", "processor"),
            ),
        ),
        "https://lpdaac.usgs.gov/data/data-citation-and-policies/",
    ),
    "naip": Terms(
        (
            _provider(
                "USDA Farm Service Agency",
                "https://www.fsa.usda.gov/programs-and-services/aerial-photography/imagery-programs/naip-imagery/",
                *("producer", "licensor"),
            ),
        ),
        "https://www.fsa.usda.gov/help/policies-and-links/",
    ),
    "linz": Terms(
        (
            _provider(
                "Toitū Te Whenua Land Information New Zealand",
                "https://www.linz.govt.nz/",
                *("processor", "licensor"),
            ),
        )
    ),
    "cop-dem-glo-30": Terms(
        (
            _provider("European Space Agency", "https://www.esa.int/", "licensor"),
            _provider(
                "Sinergise",
                "https://registry.opendata.aws/copernicus-dem/",
                "producer",
                "processor",
            ),
        ),
        "https://spacedata.copernicus.eu/documents/20126/0/CSCDA_ESA_Mission-specific+Annex.pdf",
        PDF,
    ),
    "esa-worldcover": Terms(
        (
            _provider("ESA", "https://esa-worldcover.org", "licensor", "producer"),
            _provider("ESA WorldCover Consortium", "https://esa-worldcover.org", "processor"),
        )
    ),
}
"""Sensor -> its terms."""
