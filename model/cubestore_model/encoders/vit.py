"""Vision transformers with a class token and a learnt or fixed place for each patch.

Those of SSL4EO-S12 by DINO, MoCo v3 and MAE, which differ in how they were trained and in nothing
that is computed here.
"""

import torch
from torch import Tensor, nn

from cubestore_model.encoders.encoded import Encoded
from cubestore_model.encoders.transformer import (
    EPSILON,
    TOKEN_STD,
    Transformer,
    TransformerConfig,
)


class VisionTransformer(Transformer):
    """A vision transformer without a head."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.side**2, config.dim))
        self.norm = nn.LayerNorm(config.dim, eps=EPSILON)
        nn.init.trunc_normal_(self.pos_embed, std=TOKEN_STD)

    def forward(self, pixels: Tensor, **_: object) -> Encoded:
        """Return the class token and the patches of chips ``(B, C, H, W)``.

        Raises:
            MismatchError: another number of bands, or chips of another size.
        """
        tokens = self.norm(self._layers(pixels)[-1])  # (B, 1 + L, D)
        return Encoded(tokens[:, 0], tokens[:, 1:])

    def class_tokens(self, pixels: Tensor, last: int = 4) -> Tensor:
        """Return the class tokens of the last blocks side by side, ``(B, last * D)``.

        DINO's linear probes are given those of the last four.
        """
        return torch.cat([self.norm(layer)[:, 0] for layer in self._layers(pixels)[-last:]], dim=-1)

    def _layers(self, pixels: Tensor) -> list[Tensor]:
        """Return the tokens behind each block, ``(B, 1 + L, D)``."""
        layers = [self.tokens(pixels) + self.pos_embed]
        for block in self.blocks:
            layers.append(block(layers[-1]))
        return layers
