"""CloudSEN12: 49,400 images of 509 pixels with clouds drawn by hand, and eight algorithms' labels.

Two layouts are read: memmaps (`memmaps`: a ``.dat`` a band, of which ``metadata.csv`` tells how
many patches it has) and a folder a patch (`geotiffs`, `headers`). Which file holds what stands in
`files` and `labels`, where the image lies in its canvas of 512 in `padding`, the table in
`metadata`, splits drawn anew in `resplit`. Both layouts are a `source`; `sets` (with `describe` and
`columns`) makes a set of some. `importing` finds and writes them, `exporting` writes memmaps again.

A set holds the images of 509 pixels: the padding is cut off, so no pixel of it has a label or
counts as valid. What was around the images is kept in the set's attributes, for the way back.
"""

from cubestore_pipelines.benchmarks.cloudsen12.exporting import export_cloudsen12
from cubestore_pipelines.benchmarks.cloudsen12.importing import import_cloudsen12
from cubestore_pipelines.benchmarks.cloudsen12.resplit import resplit

__all__ = ["export_cloudsen12", "import_cloudsen12", "resplit"]
