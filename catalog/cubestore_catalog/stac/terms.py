"""Who made what a sensor's cubes hold, and where its terms can be read: what collections tell.

Names, roles and addresses are those of the collections that the archives publish themselves: the
Planetary Computer's, for Sentinel-2 the Copernicus Data Space's, for New Zealand LINZ's own. A DOI
is the one by which the publisher asks to cite the data set: USGS, NASA's LP DAAC, ESA for the
Copernicus DEM, the WorldCover consortium on Zenodo for each version. ESA has one for Sentinel-2's
Collection 1 alone (10.5270/S2_-znk9xsj), and no name of a scene tells whether it is of that.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cubestore_catalog.stac.records import Json, link

PDF, HTML = "application/pdf", "text/html"

CITE = "cite-as"
"""How a link to a DOI is called: RFC 8574."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a sensor's product."""

    providers: tuple[Json, ...]
    """In the words of STAC; whoever hosts a cube is not among them."""

    address: str = ""
    """Of the terms; "" where the license has an identifier that says all."""

    media: str = HTML

    dois: Mapping[str, str] = field(default_factory=dict)
    """What the names of a data set's scenes begin with, as a pattern -> its DOI."""

    def links(self, title: str) -> list[Json]:
        """Return the link to the terms, if they need one.

        Args:
            title: what they are called.
        """
        return [link("license", self.address, self.media, title=title)] if self.address else []

    def dois_of(self, scenes: Iterable[str]) -> list[str]:
        """Return the DOIs of the data sets that scenes are of; "" among them where one has none.

        Args:
            scenes: their ids.
        """
        return sorted({self._doi(scene) for scene in scenes})

    def _doi(self, scene: str) -> str:
        known = (doi for start, doi in self.dois.items() if re.match(start, scene))
        return next(known, "")


def doi_told(dois: Collection[str]) -> Json:
    """Return the field of the DOI that all of some pixels share, if they do."""
    (shared,) = dois if len(dois) == 1 else [""]
    return {"sci:doi": shared} if shared else {}


def doi_links(dois: Iterable[str]) -> list[Json]:
    """Return links to what is to be cited."""
    known = filter(None, dois)
    return [link(CITE, f"https://doi.org/{doi}", HTML, title=f"doi:{doi}") for doi in known]


def _provider(name: str, url: str, *roles: str) -> Json:
    return {"name": name, "roles": list(roles), "url": url}


_ESA = _provider("ESA", "https://sentinels.copernicus.eu/web/sentinel/home", "producer")
_NASA = _provider("NASA", "https://landsat.gsfc.nasa.gov/", "producer", "licensor")

_SENTINEL_2 = Terms(
    (_ESA, _provider("European Commission", "https://commission.europa.eu/", "licensor")),
    "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice",
    PDF,
)


def _landsat(doi: str) -> Terms:
    usgs = _provider("USGS", "https://www.usgs.gov/landsat-missions", "producer", "processor")
    policy = "https://www.usgs.gov/core-science-systems/hdds/data-policy"
    return Terms((_NASA, usgs), policy, dois={"": doi})


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
    "landsat-c2-l2": _landsat("10.5066/P9OGBGM6"),
    "landsat-c2-l1": _landsat("10.5066/P975CC9B"),
    "modis-09a1": Terms(
        (
            _provider(
                "NASA LP DAAC at the USGS EROS Center",
                "https://lpdaac.usgs.gov/",
                *("producer", "licensor", "processor"),
            ),
        ),
        "https://lpdaac.usgs.gov/data/data-citation-and-policies/",
        dois={
            rf"{product}\..*\.061\.": f"10.5067/MODIS/{product}.061"
            for product in ("MOD09A1", "MYD09A1")
        },
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
        dois={"": "10.5270/ESA-c5d3d65"},
    ),
    "esa-worldcover": Terms(
        (
            _provider("ESA", "https://esa-worldcover.org", "licensor", "producer"),
            _provider("ESA WorldCover Consortium", "https://esa-worldcover.org", "processor"),
        ),
        dois={
            "ESA_WorldCover_10m_2020_v100": "10.5281/zenodo.5571936",
            "ESA_WorldCover_10m_2021_v200": "10.5281/zenodo.7254221",
        },
    ),
}
"""Sensor -> its terms."""
