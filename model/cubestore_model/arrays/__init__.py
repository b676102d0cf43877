"""What is computed of pixels and vectors, on NumPy's arrays and on CuPy's, by one name.

    stored = arrays.of_tensor(batch["pixels"])          # NumPy's or CuPy's, the same memory
    bytes_ = arrays.mean_two_std(stored, mean, std)     # where the pixels are
    pixels = Scaling(...)(batch["pixels"])              # the same, of torch's tensors

The one switch is the array itself: ``modules`` tells whose it is, and passes it to torch and back
without a copy. On the CPU the rules are the store's own (`cubestore.quantise`, `cubestore.norms`,
`cubestore.embeddings`) and compiled loops; on a GPU each is one kernel that goes through memory
once, with the same steps in the same precision, so that every integer is the same.
"""

from cubestore_model.arrays.indices import INDICES, spectral_index
from cubestore_model.arrays.modules import as_tensor, has_cupy, module_of, of_tensor
from cubestore_model.arrays.rules import decibels, mean_two_std, steps_of, ten_thousandths
from cubestore_model.arrays.scaling import Scaling

__all__ = [
    "INDICES",
    "Scaling",
    "as_tensor",
    "decibels",
    "has_cupy",
    "mean_two_std",
    "module_of",
    "of_tensor",
    "spectral_index",
    "steps_of",
    "ten_thousandths",
]
