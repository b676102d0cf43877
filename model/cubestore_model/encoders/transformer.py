"""What the vision transformers have in common: chips as tokens, and blocks that mix them.

Those of SSL4EO-S12 differ in how patches are told their places. Source: zhu-xlab/SSL4EO-S12, whose
names, those of timm, are kept.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cubestore_model.encoders.encoded import refuse_bands, refuse_size

EPSILON = 1e-6
"""Added to variances in norms: in all of these, other than torch's own."""

TOKEN_STD = 0.02
"""Of tokens before training: the published code's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """The size of a model."""

    bands: int
    dim: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: int = 4
    patch_size: int = 16
    image_size: int = 224
    """Pixels along a chip's side: the places of its patches were learnt."""

    @property
    def side(self) -> int:
        """Patches along a chip's side."""
        return self.image_size // self.patch_size


class Attention(nn.Module):
    """Attention of every token to every token."""

    def __init__(self, dim: int, heads: int, *, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, nearness: Tensor | None = None) -> Tensor:
        """Return mixed tokens ``(B, N, D)``; ``nearness``, ``(H, N, N)``, is what is preferred."""
        qkv = self.projected(tokens)  # (B, N, 3 * D)
        parts = qkv.reshape(*tokens.shape[:2], 3, self.heads, -1)  # (B, N, 3, H, d)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # (B, H, N, d) each
        mask = None if nearness is None else nearness.to(q.dtype)
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed: Tensor = self.proj(found.transpose(1, 2).flatten(2))  # (B, N, D)
        return mixed

    def projected(self, tokens: Tensor) -> Tensor:
        """Return queries, keys and values side by side, ``(B, N, 3 * D)``."""
        made: Tensor = self.qkv(tokens)
        return made


class Mlp(nn.Module):
    """Two linear layers on each token."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``(B, N, D)``."""
        made: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return made


class Block(nn.Module):
    """Attention, then an MLP, each on normed tokens and added to them."""

    attention: type[Attention] = Attention

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim, eps=EPSILON)
        self.attn = self.attention(config.dim, config.heads)
        self.norm2 = nn.LayerNorm(config.dim, eps=EPSILON)
        self.mlp = Mlp(config.dim, config.dim * config.mlp_ratio)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``(B, N, D)``."""
        tokens = tokens + self.attn(self.norm1(tokens))
        made: Tensor = tokens + self.mlp(self.norm2(tokens))
        return made


class PatchEmbed(nn.Module):
    """From pixels to patches."""

    def __init__(self, bands: int, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, dim, patch_size, stride=patch_size)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return patches ``(B, L, D)`` of pixels ``(B, C, H, W)``."""
        patches: Tensor = self.proj(pixels).flatten(2).mT
        return patches


class Transformer(nn.Module):
    """A transformer's tokens and blocks, without a head."""

    block: type[Block] = Block

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.patch_embed = PatchEmbed(config.bands, config.dim, config.patch_size)
        self.blocks = nn.ModuleList(self.block(config) for _ in range(config.depth))
        nn.init.trunc_normal_(self.cls_token, std=TOKEN_STD)

    def tokens(self, pixels: Tensor) -> Tensor:
        """Return the tokens of chips ``(B, C, H, W)``: ``(B, 1 + L, D)``, the chip's the first.

        Raises:
            MismatchError: another number of bands, or chips of another size.
        """
        refuse_bands("the model", pixels.shape[1], self.config.bands)
        refuse_size("the model", tuple(pixels.shape), side=self.config.image_size)
        chips = self.cls_token.expand(len(pixels), -1, -1)  # (B, 1, D)
        return torch.cat([chips, self.patch_embed(pixels)], dim=1)
