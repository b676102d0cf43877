"""Clay's embeddings, v0.1: GeoParquet files, each of the chips of an MGRS tile, into a store.

Clay published ``{MGRS}_{MINDATE}_{MAXDATE}_v{VERSION}.gpq`` with columns ``source_url``, ``date``,
``embeddings``, ``geometry``, and ``index`` in the files themselves. Source: Clay-foundation/model,
docs/clay-v0/model_embeddings.md; cloudnativegeo/geo-embeddings-survey, data/clay.

They disagree about ``date``: the former says acquisition, the latter creation. In the survey's own
sample it is 2022-06-10, as in the file's name and in its addresses, and what wrote the file is of
2023 (geopandas 0.14.1). So it is read as the day of acquisition, and refused where it lies outside
of the days in the name.

Vectors of chips that lie on the chip grid of a cube of that tile, which has a slot of that day
and address, become that cube's embedding. All others become a patch set: Clay's own chips of 512
pixels lie half a pixel off the tile's grid. ``published`` reads the files and checks each row,
``squares`` finds where chips lie, ``homes`` which cube's they are, and ``survey`` goes through all
before anything is written.
"""

from cubestore_pipelines.benchmarks.clay_embeddings.importing import import_clay_embeddings

__all__ = ["import_clay_embeddings"]
