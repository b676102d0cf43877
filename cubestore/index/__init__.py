"""The chip index: what every chip of a store holds, as GeoParquet, and questions to it.

``build`` brings the files up to date from what is committed (``tally`` counts pixels by ``rules``,
``rows`` makes a table of them, ``file`` keeps it); ``query`` puts questions to them.
"""

from cubestore.index.build import Indexed, index_store
from cubestore.index.query import chips, scan, stale

__all__ = ["Indexed", "chips", "index_store", "scan", "stale"]
