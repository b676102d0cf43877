"""A transformer after BEiT: places are told to the attention, by how far patches lie apart.

That of SSL4EO-S12 by data2vec. Its vector of a chip is the mean of the last block's patches,
normed without weights, as its published linear probes are given it: the norm and the head that it
was trained with belong to the training. Source: zhu-xlab/SSL4EO-S12, whose names are kept.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cubestore_model.encoders import transformer
from cubestore_model.encoders.encoded import Encoded
from cubestore_model.encoders.transformer import EPSILON, Transformer, TransformerConfig

LAYER_SCALE = 0.1
"""By which what a layer adds is multiplied before training: the published code's own."""


class Attention(transformer.Attention):
    """Attention whose queries and values have biases, and whose keys have none."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))

    def projected(self, tokens: Tensor) -> Tensor:
        """Return queries, keys and values side by side, ``(B, N, 3 * D)``."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        return functional.linear(tokens, self.qkv.weight, bias)


class Block(transformer.Block):
    """Attention, then an MLP, each scaled and added to the tokens."""

    attention = Attention

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.gamma_1 = nn.Parameter(LAYER_SCALE * torch.ones(config.dim))
        self.gamma_2 = nn.Parameter(LAYER_SCALE * torch.ones(config.dim))

    def forward(self, tokens: Tensor, nearness: Tensor | None = None) -> Tensor:
        """Return tokens ``(B, N, D)``; ``nearness``, ``(H, N, N)``, is what each head prefers."""
        tokens = tokens + self.gamma_1 * self.attn(self.norm1(tokens), nearness)
        made: Tensor = tokens + self.gamma_2 * self.mlp(self.norm2(tokens))
        return made


class RelativePlaces(nn.Module):
    """What each head prefers, for every way that two patches can lie to one another."""

    def __init__(self, side: int, heads: int) -> None:
        super().__init__()
        self.side = side
        ways = (2 * side - 1) ** 2 + 3
        self.relative_position_bias_table = nn.Parameter(torch.zeros(ways, heads))

    def forward(self) -> Tensor:
        """Return what is added to attention, ``(H, N, N)``, N = 1 + side ** 2."""
        table = self.relative_position_bias_table
        return table[relative_ways(self.side).to(table.device)].permute(2, 0, 1)


def relative_ways(side: int) -> Tensor:
    """Return the row of the table for each two tokens, ``(N, N)``; the chip's token is the first.

    Rows count by how far down, then by how far right; the last three are of the chip's token to
    patches, of patches to it, and of it to itself.
    """
    steps = torch.arange(side)
    places = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).flatten(1)  # (2, L)
    down, right = places[:, :, None] - places[:, None] + side - 1  # (L, L) each
    ways, span = torch.empty(1 + side**2, 1 + side**2, dtype=torch.int64), 2 * side - 1
    ways[1:, 1:] = down * span + right
    ways[0], ways[:, 0] = span**2, span**2 + 1
    ways[0, 0] = span**2 + 2
    return ways


class Beit(Transformer):
    """The transformer without what only its training needed."""

    block = Block

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.rel_pos_bias = RelativePlaces(config.side, config.heads)

    def forward(self, pixels: Tensor, **_: object) -> Encoded:
        """Return the normed mean of the patches of chips ``(B, C, H, W)``, and the patches.

        Raises:
            MismatchError: another number of bands, or chips of another size.
        """
        tokens, nearness = self.tokens(pixels), self.rel_pos_bias()
        for block in self.blocks:
            tokens = block(tokens, nearness)
        patches = tokens[:, 1:]
        mean = functional.layer_norm(patches.mean(dim=1), (self.config.dim,), eps=EPSILON)
        return Encoded(mean, patches)
