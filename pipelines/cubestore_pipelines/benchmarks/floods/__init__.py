"""Floods: chips of 512 x 512 pixels that both Sentinels saw, with the water that people drew.

Two data sets of one group, Cloud to Street: C2S-MS floods (2022, with Microsoft), a mask of water
for each of both sensors, and Sen1Floods11 (2020), one mask drawn by hand.

    import_floods("c2smsfloods/chips", "STORE")                   # -> c2sms/chips
    import_floods("v1.1/data/flood_events/HandLabeled", "STORE")  # -> sen1floods11/hand
    import_floods("c2smsfloods/chips", "STORE", catalog="planetary-computer")  # -> c2sms/clay

The last is Clay's way: bounds and labels are the chips', the pixels are read anew: the Level-2A
scene of the chip's granule, radar that the benchmark knows, and heights.

``layouts`` says what each data set is and finds which one lies there, ``c2sms`` and
``sen1floods11`` find its chips, ``chips`` reads one, over ``rasters``, a file; ``granules`` reads
names of products. ``clay`` goes Clay's way, over ``scenes``, what a catalogue has; ``importing``
writes.
"""

from cubestore_pipelines.benchmarks.floods.importing import import_floods

__all__ = ["import_floods"]
