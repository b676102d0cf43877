"""From archives to cubes: search, plan, build; and the command line.

    import cubestore_pipelines

    cubestore_pipelines.build(
        "STORE", catalog="earth-search", sensor="sentinel-2-l2a", tile="31UDQ",
        datetime="2023-06/2023-08", select="least-cloudy-per-month",
    )

Every option has the name that it has on the command line.
"""

from cubestore.face import offer

offer(__name__)
