"""Every error on the way from a catalogue to a cube, drawn as a tree.

CubestoreError
├── CatalogError (ConnectionError)          a catalogue that cannot be searched
├── NothingFoundError (LookupError)         a search that found nothing to build from
├── ProfileError (ValueError)               a profile that cannot be understood
├── PlanError (ValueError)                  a plan file that is none, or choices that contradict
├── RecipeError (ValueError)                a recipe that cannot be understood, or lacks something
├── DatasetError (ValueError)               a published file that is not as it was published
├── ItemError (ValueError)                  an item that cannot be used
│   ├── OtherProductError                   … since it is of another product or platform
│   └── OffsetError                         … since nobody can tell which offset is in its pixels
└── AssetError (OSError)                    a file that cannot be read
    ├── RefusedAddressError                 … since nobody allowed its address
    └── HeaderError                         … since it is not what its item declares

Each says what was found, what was expected and what to do, and crosses process borders.
"""

from cubestore.errors import CubestoreError


class CatalogError(CubestoreError, ConnectionError):
    """The catalogue cannot be reached, or does not answer as one."""


class NothingFoundError(CubestoreError, LookupError):
    """The search found nothing to build from."""


class ProfileError(CubestoreError, ValueError):
    """The profile cannot be understood."""


class PlanError(CubestoreError, ValueError):
    """The plan file is none, or the choices contradict each other."""


class RecipeError(CubestoreError, ValueError):
    """The recipe cannot be understood, or lacks what it needs; names file, line and step."""


class DatasetError(CubestoreError, ValueError):
    """A file of a published data set is not as it was published; names file and row."""


class ItemError(CubestoreError, ValueError):
    """The item cannot be used."""


class OtherProductError(ItemError):
    """The item is of another product or platform: a collection may hold several."""


class OffsetError(ItemError):
    """Which offset the item's pixels carry is not decided, or contradicted."""


class AssetError(CubestoreError, OSError):
    """A file of the item cannot be read."""


class RefusedAddressError(AssetError):
    """The address is one that nobody allowed."""


class HeaderError(AssetError):
    """The file is not what its item declares."""
