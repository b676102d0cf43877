"""Vision transformers with a class token and a learnt or fixed place for each patch.

Those of SSL4EO-S12 by DINO, MoCo v3 and MAE, which differ in how they were trained and in nothing
that is computed here. Source: zhu-xlab/SSL4EO-S12, whose names, those of timm, are kept.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cubestore_model.encoders.encoded import Encoded, refuse_bands, refuse_size

EPSILON = 1e-6
"""Added to variances in norms: in all of these, other than torch's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VitConfig:
    """The size of a model."""

    bands: int
    dim: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: int = 4
    patch_size: int = 16
    image_size: int = 224
    """Pixels along a chip's side: each patch has a place that was learnt."""


class Attention(nn.Module):
    """Attention of every token to every token."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return mixed tokens ``(B, N, D)``."""
        qkv = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, H, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, H, N, d) each
        found = functional.scaled_dot_product_attention(q, k, v)
        mixed: Tensor = self.proj(found.transpose(1, 2).flatten(2))  # (B, N, D)
        return mixed


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

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim, eps=EPSILON)
        self.attn = Attention(config.dim, config.heads)
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


class VisionTransformer(nn.Module):
    """A vision transformer without a head."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        count = (config.image_size // config.patch_size) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + count, config.dim))
        self.patch_embed = PatchEmbed(config.bands, config.dim, config.patch_size)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim, eps=EPSILON)
        for tokens in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(tokens, std=0.02)

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
        refuse_bands("the model", pixels.shape[1], self.config.bands)
        refuse_size("the model", tuple(pixels.shape), side=self.config.image_size)
        patches = self.patch_embed(pixels)  # (B, L, D)
        chips = self.cls_token.expand(len(pixels), -1, -1)  # (B, 1, D)
        layers = [torch.cat([chips, patches], dim=1) + self.pos_embed]
        for block in self.blocks:
            layers.append(block(layers[-1]))
        return layers
