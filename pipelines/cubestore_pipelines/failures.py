"""What could not be used, and why: in the words of the error that says so."""

from dataclasses import dataclass
from typing import Self

from cubestore.errors import CubestoreError
from cubestore_pipelines.coverage import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An item that is not built from, and why."""

    item: str
    found: str
    expected: str = ""
    remedy: str = ""
    tile: str = ""
    """Of the cube that lacks it, where that is known."""

    sensor: str = ""

    @classmethod
    def of(cls, item: str, error: CubestoreError) -> Self:
        """Return the refusal of an item that an error tells of."""
        return cls(item=item, found=error.found, expected=error.expected, remedy=error.remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be used, and why."""

    item: str
    asset: str
    found: str
    expected: str = ""
    remedy: str = ""
    shard: Shard | None = None

    @classmethod
    def of(
        cls, item: str, error: CubestoreError, *, asset: str = "", shard: Shard | None = None
    ) -> Self:
        """Return the failure that an error tells of."""
        return cls(
            item=item,
            asset=asset,
            found=error.found,
            expected=error.expected,
            remedy=error.remedy,
            shard=shard,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An acquisition whose pixels are cloudier, or fewer, than was wanted."""

    item: str
    shards: tuple[Shard, ...]
    """On which it was measured."""

    cloud: float | None
    """Percent of the pixels whose class is known that are not clear; None: none is known."""

    nodata: float
    """Percent of the pixels."""

    def beyond(self, max_cloud: float | None, max_nodata: float | None) -> bool:
        """Whether it is cloudier, or emptier, than what is wanted."""
        cloudy = max_cloud is not None and self.cloud is not None and self.cloud > max_cloud
        return cloudy or (max_nodata is not None and self.nodata > max_nodata)
