"""Models on cubes: batches as tensors.

    loader = cubestore_model.loader("STORE", sensor="sentinel-2-l2a", num_workers=2)
    for batch in loader:
        batch["pixels"]          # a tensor (32, bands, 256, 256) of the stored integers

Encoders, embeddings and training come into this package.
"""

from cubestore_model.loader import ChipDataset, Loader, loader

__all__ = ["ChipDataset", "Loader", "loader"]
