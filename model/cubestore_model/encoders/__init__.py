"""Encoders: a registry of them, and one module for each architecture."""

from cubestore_model.encoders.encoded import Encoded
from cubestore_model.encoders.entry import Entry, Expected
from cubestore_model.encoders.registry import encoders, entry, register_encoder

__all__ = ["Encoded", "Entry", "Expected", "encoders", "entry", "register_encoder"]
