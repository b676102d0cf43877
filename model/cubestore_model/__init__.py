"""Models on cubes: batches as tensors, and encoders that make vectors of them.

loader = cubestore_model.loader("STORE", sensor="sentinel-2-l2a", num_workers=2)
encoder = cubestore_model.load_encoder("clay-v1.5", weights="clay-v1.5.ckpt")
for batch in loader:
    batch["pixels"]          # a tensor (32, bands, 256, 256) of the stored integers
    out = encoder(**cubestore_model.inputs(encoder, batch))
    out.embedding            # (32, 1024)
for slot in cubestore_model.embed("STORE", encoder):
    print(slot)              # each slot that got its vectors: embedding_clay_v1_5 beside the pixels
for step in cubestore_model.train("STORE", "clay-tiny", out="DIR"):
    print(step.loss)         # and DIR/weights.safetensors at the end
cubestore_model.probe("STORE", model="clay-v1.5", labels="esa-worldcover").to_pandas()
"""

from cubestore_model.computation import Options
from cubestore_model.embed import CubeEmbedding, Filled, embed
from cubestore_model.embed_array import embed_array
from cubestore_model.embed_patches import FilledPatches, embed_patches
from cubestore_model.encoder import Encoder, empirical_rcf, load_encoder, untrained
from cubestore_model.encoders import Encoded, Entry, Expected, encoders, register_encoder
from cubestore_model.inputs import Preparation, inputs, preparation
from cubestore_model.loader import ChipDataset, Loader, loader
from cubestore_model.probing import Probed, Samples, Tuning, load_tuned, probe
from cubestore_model.scan import Scan
from cubestore_model.training import Step, Training, train
from cubestore_model.weights import save

__all__ = [
    "ChipDataset",
    "CubeEmbedding",
    "Encoded",
    "Encoder",
    "Entry",
    "Expected",
    "Filled",
    "FilledPatches",
    "Loader",
    "Options",
    "Preparation",
    "Probed",
    "Samples",
    "Scan",
    "Step",
    "Training",
    "Tuning",
    "embed",
    "embed_array",
    "embed_patches",
    "empirical_rcf",
    "encoders",
    "inputs",
    "load_encoder",
    "load_tuned",
    "loader",
    "preparation",
    "probe",
    "register_encoder",
    "save",
    "train",
    "untrained",
]
