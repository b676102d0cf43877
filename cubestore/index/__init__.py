"""The chip index: what every chip of a store holds, as GeoParquet, and questions to it.

``build`` brings the files up to date from what is committed (``tally`` counts pixels by ``rules``,
``rows`` makes a table of them, ``file`` keeps it, ``split`` splits it); ``query`` asks them.
"""

from cubestore.index.build import Indexed, index_store
from cubestore.index.query import chips, scan, stale
from cubestore.index.split import SplitRule

__all__ = ["Indexed", "SplitRule", "chips", "index_store", "scan", "stale"]
