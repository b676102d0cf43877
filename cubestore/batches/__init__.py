"""Batches of chips: which, in what order, and how they are read.

From a store to a batch: ``opening`` asks for chips and opens what they lie in (``sources``, held at
one commit), ``selection`` keeps them by the file, ``order`` says which batch has which, ``streams``
what a batch tells of them, ``layers`` and ``filling`` read their pixels into buffers.
"""

from cubestore.batches.batches import Batches, batches
from cubestore.batches.loading import Loading
from cubestore.batches.plain import xbatcher_generator

__all__ = ["Batches", "Loading", "batches", "xbatcher_generator"]
