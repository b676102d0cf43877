"""Statistics of pixels, counted or published, to normalise them by.

``survey`` counts a store's cubes, into ``histogram`` and ``statistics``; ``norms`` has what Clay
and SSL4EO-S12 published, in the units that cubes store.
"""

from cubestore.stats import norms
from cubestore.stats.statistics import Statistics
from cubestore.stats.survey import stats

__all__ = ["Statistics", "norms", "stats"]
