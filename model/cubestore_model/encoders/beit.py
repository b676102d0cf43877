"""A transformer after BEiT: places are told to the attention, by how far patches lie apart.

That of SSL4EO-S12 by data2vec. Its vector of a chip is the mean of the last block's patches,
normed without weights, as its published linear probes are given it: the norm and the head that it
was trained with belong to the training. Source: zhu-xlab/SSL4EO-S12, whose names are kept.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cubestore_model.encoders.encoded import Encoded, refuse_bands, refuse_size
from cubestore_model.encoders.vit import EPSILON, Mlp, PatchEmbed

LAYER_SCALE = 0.1
"""By which what a layer adds is multiplied before training: the published code's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeitConfig:
    """The size of a model."""

    bands: int
    dim: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: int = 4
    patch_size: int = 16
    image_size: int = 224

    @property
    def side(self) -> int:
        """Patches along a chip's side."""
        return self.image_size // self.patch_size


class Attention(nn.Module):
    """Attention of every token to every token, nearer ones preferred as was learnt."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, nearness: Tensor) -> Tensor:
        """Return mixed tokens ``(B, N, D)``; ``nearness`` is ``(H, N, N)``."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        qkv = functional.linear(tokens, self.qkv.weight, bias)  # (B, N, 3 * D)
        parts = qkv.reshape(*tokens.shape[:2], 3, self.heads, -1)  # (B, N, 3, H, d)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # (B, H, N, d) each
        mask = nearness.to(q.dtype)
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed: Tensor = self.proj(found.transpose(1, 2).flatten(2))  # (B, N, D)
        return mixed


class Block(nn.Module):
    """Attention, then an MLP, each scaled and added to the tokens."""

    def __init__(self, config: BeitConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim, eps=EPSILON)
        self.attn = Attention(config.dim, config.heads)
        self.norm2 = nn.LayerNorm(config.dim, eps=EPSILON)
        self.mlp = Mlp(config.dim, config.dim * config.mlp_ratio)
        self.gamma_1 = nn.Parameter(LAYER_SCALE * torch.ones(config.dim))
        self.gamma_2 = nn.Parameter(LAYER_SCALE * torch.ones(config.dim))

    def forward(self, tokens: Tensor, nearness: Tensor) -> Tensor:
        """Return tokens ``(B, N, D)``."""
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


class Beit(nn.Module):
    """The transformer without what only its training needed."""

    def __init__(self, config: BeitConfig) -> None:
        super().__init__()
        self.config = config
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.patch_embed = PatchEmbed(config.bands, config.dim, config.patch_size)
        self.rel_pos_bias = RelativePlaces(config.side, config.heads)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        nn.init.trunc_normal_(self.cls_token, std=0.02)

    def forward(self, pixels: Tensor, **_: object) -> Encoded:
        """Return the normed mean of the patches of chips ``(B, C, H, W)``, and the patches.

        Raises:
            MismatchError: another number of bands, or chips of another size.
        """
        refuse_bands("the model", pixels.shape[1], self.config.bands)
        refuse_size("the model", tuple(pixels.shape), side=self.config.image_size)
        chips = self.cls_token.expand(len(pixels), -1, -1)  # (B, 1, D)
        tokens = torch.cat([chips, self.patch_embed(pixels)], dim=1)  # (B, 1 + L, D)
        nearness = self.rel_pos_bias()
        for block in self.blocks:
            tokens = block(tokens, nearness)
        patches = tokens[:, 1:]
        mean = functional.layer_norm(patches.mean(dim=1), (self.config.dim,), eps=EPSILON)
        return Encoded(mean, patches)
