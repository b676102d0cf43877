"""A recipe a published data set: YAML that `cubestore run` carries out; see `recipe`."""
