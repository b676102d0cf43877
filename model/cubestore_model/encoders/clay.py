"""Clay: a masked autoencoder that takes any bands, by their wavelengths.

The weights of the first and of the last layer are generated from the bands' wavelengths; to each
patch its place in the chip, scaled by the pixel size, and the chip's time and place are added.

Source: Clay-foundation/model, claymodel (v1 and v1.5), whose names and formulas are kept, odd ones
too: checkpoints depend on them. Wavelengths are micrometres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cubestore.errors import MismatchError
from cubestore_model.encoders.encoded import Encoded, refuse_size

WAVE_DIM = 128
"""Numbers that a wavelength becomes; as many tokens stand before them."""

WAVE_HEADS = 4
TOLD = 8
"""Numbers of a chip's time and place: sine and cosine of week, hour, latitude and longitude."""

TEMPERATURE = 10_000
"""Of the sines of places and wavelengths: that of the first transformers."""

GENERATED = 0.02
"""By which the generated weights are multiplied."""

LONGEST = 100.0
"""Micrometres: beyond lie numbers in nanometres, and a radar's true wavelength."""

MASK_RATIO = 0.75
"""The part of the patches that is masked in training: Clay's specification."""

SEEDS = (0, 1, 2, 3)
"""Drawings of masked patches that a loss is averaged over; Clay's own has one."""

SMALLEST_VARIANCE = 1e-6
"""Added to a patch's variance before it is divided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClayConfig:
    """The size of a model; Clay's own names."""

    dim: int
    depth: int
    heads: int
    dim_head: int = 64
    mlp_ratio: int = 4
    decoder_dim: int = 512
    decoder_depth: int = 4
    decoder_heads: int = 4
    decoder_dim_head: int = 64
    decoder_mlp_ratio: int = 4
    patch_size: int = 8
    norm_pix_loss: bool = False
    """Whether the loss compares patches that are each normalised."""

    def __post_init__(self) -> None:
        if any((size - TOLD) % 4 or size < 2 * TOLD for size in (self.dim, self.decoder_dim)):
            raise MismatchError(
                f"A Clay model of dim {self.dim} and decoder_dim {self.decoder_dim}",
                expected=f"multiples of four, from {2 * TOLD} on: sines and cosines along x and y",
                remedy="choose other sizes",
            )


@dataclass(frozen=True, slots=True)
class Scene:
    """What is told of a batch of chips beside their pixels."""

    told: Tensor  # (B, 8)
    gsd: Tensor  # ()
    waves: Tensor  # (C,)

    def encoding(self, side: int, dim: int) -> Tensor:
        """Return what is added to patches, ``(B, side * side, dim)``."""
        places = positions(side, dim - TOLD, self.gsd)  # (L, dim - 8)
        count = len(self.told), len(places)
        told = self.told[:, None].expand(*count, TOLD)  # (B, L, 8)
        return torch.cat([places.expand(*count, dim - TOLD), told], dim=-1)  # (B, L, dim)


def positions(side: int, dim: int, gsd: Tensor) -> Tensor:
    """Return sines and cosines of the places of patches, ``(side * side, dim)``.

    The exponent is divided by ``dim`` a second time, so that all frequencies are nearly ``gsd``:
    it is so in the published code.
    """
    steps = torch.arange(side, device=gsd.device)
    part = torch.arange(dim // 4, device=gsd.device) / (dim // 4 - 1)
    omega = 1.0 / (TEMPERATURE ** (2 * part / dim)) * gsd  # (dim / 4,)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    across, down = x.flatten()[:, None] * omega, y.flatten()[:, None] * omega  # (L, dim / 4)
    return torch.cat([across.sin(), across.cos(), down.sin(), down.cos()], dim=1)


def wave_encoding(waves: Tensor) -> Tensor:
    """Return sines and cosines of wavelengths, ``(C, 128)``."""
    half = WAVE_DIM // 2
    omega = 1.0 / TEMPERATURE ** (torch.arange(half, device=waves.device) / (half - 1))
    scaled = waves[:, None] * omega  # (C, 64)
    return torch.cat([scaled.sin(), scaled.cos()], dim=1)


class Attention(nn.Module):
    """Attention of every token to every token."""

    def __init__(self, dim: int, heads: int, dim_head: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * dim_head, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what is added to tokens ``(B, N, D)``."""
        qkv = self.to_qkv(self.norm(tokens)).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, H, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, H, N, d) each
        found = functional.scaled_dot_product_attention(q, k, v)  # (B, H, N, d)
        mixed: Tensor = self.to_out(found.transpose(1, 2).flatten(2))  # (B, N, D)
        return mixed


class FeedForward(nn.Module):
    """Two linear layers on each token."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        layers = nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)
        self.net = nn.Sequential(*layers)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what is added to tokens ``(B, N, D)``."""
        made: Tensor = self.net(tokens)
        return made


class Transformer(nn.Module):
    """Blocks of attention and feed-forward layers, each added to what it was given."""

    def __init__(self, dim: int, depth: int, heads: int, dim_head: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.layers = nn.ModuleList(
            nn.ModuleList([Attention(dim, heads, dim_head), FeedForward(dim, dim * mlp_ratio)])
            for _ in range(depth)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``(B, N, D)``."""
        for pair in self.layers:
            assert isinstance(pair, nn.ModuleList)  # noqa: S101 - made above
            for layer in pair:
                tokens = layer(tokens) + tokens
        normed: Tensor = self.norm(tokens)
        return normed


class Mixing(nn.Module):
    """Two linear layers on the wavelengths' numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.l1, self.l2 = nn.Linear(WAVE_DIM, WAVE_DIM), nn.Linear(WAVE_DIM, WAVE_DIM)

    def forward(self, waves: Tensor) -> Tensor:
        """Return ``(C, 128)``."""
        return waves + functional.gelu(self.l2(functional.gelu(self.l1(waves))))


class WeightGenerator(nn.Module):
    """A small transformer that makes weights of wavelengths."""

    def __init__(self, weights: int, biases: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            WAVE_DIM, WAVE_HEADS, dropout=0, activation="gelu", batch_first=True
        )
        self.weight_tokens = nn.Parameter(0.02 * torch.randn(WAVE_DIM, WAVE_DIM))
        self.bias_token = nn.Parameter(0.02 * torch.randn(1, WAVE_DIM))
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.fc_weight = nn.Linear(WAVE_DIM, weights)
        self.fc_bias = nn.Linear(WAVE_DIM, biases) if biases else None

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return weights ``(C, weights)`` of bands, and biases where there are."""
        tokens = torch.cat([self.weight_tokens, waves, self.bias_token])  # (128 + C + 1, 128)
        found = self.encoder(tokens)
        bands = slice(WAVE_DIM, -1)
        bias = None if self.fc_bias is None else self.fc_bias(found[-1])
        return self.fc_weight(found[bands] + tokens[bands]), bias


class DynamicLayer(nn.Module):
    """A layer whose weights are generated for the bands that come."""

    def __init__(self, dim: int, patch_size: int, *, biased: bool) -> None:
        super().__init__()
        self.dim, self.patch_size = dim, patch_size
        self.weight_generator = WeightGenerator(patch_size**2 * dim, dim if biased else 0)
        self.fclayer = Mixing()
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def generated(self, waves: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the layer's weights ``(C, patch_size ** 2 * dim)`` and biases."""
        encoded = wave_encoding(waves).to(self.fclayer.l1.weight.dtype)
        weight, bias = self.weight_generator(self.fclayer(encoded))
        return GENERATED * weight, bias


class PatchEmbedding(DynamicLayer):
    """From pixels to patches."""

    def forward(self, pixels: Tensor, waves: Tensor) -> Tensor:
        """Return patches ``(B, L, D)`` of pixels ``(B, C, H, W)``."""
        weight, bias = self.generated(waves)
        side = self.patch_size
        kernel = weight.reshape(len(waves), self.dim, side, side).transpose(0, 1)  # (D, C, P, P)
        return functional.conv2d(pixels, kernel, bias, stride=side).flatten(2).mT


class PixelEmbedding(DynamicLayer):
    """From tokens back to pixels."""

    def forward(self, tokens: Tensor, waves: Tensor) -> Tensor:
        """Return pixels ``(B, N, C * P * P)`` of tokens ``(B, N, D)``."""
        weight, bias = self.generated(waves)
        return functional.linear(tokens, weight.reshape(-1, self.dim), bias)


class ClayEncoder(nn.Module):
    """From pixels to a class token and the patches that are not masked."""

    def __init__(self, config: ClayConfig) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, config.dim))
        self.patch_embedding = PatchEmbedding(config.dim, config.patch_size, biased=True)
        self.transformer = Transformer(
            config.dim, config.depth, config.heads, config.dim_head, config.mlp_ratio
        )

    def forward(self, pixels: Tensor, scene: Scene, kept: Tensor | None = None) -> Tensor:
        """Return tokens ``(B, 1 + K, D)``: of the chip, and of the ``kept`` patches (all: None).

        ``kept`` is ``(K,)``, the same patches of every chip, or ``(B, K)``.
        """
        patches = self.patch_embedding(pixels, scene.waves)  # (B, L, D)
        side = round(patches.shape[1] ** 0.5)
        patches = patches + scene.encoding(side, patches.shape[-1]).to(patches.dtype)
        if kept is not None:
            patches = patches.gather(1, _each(kept, patches))  # (B, K, D)
        chips = self.cls_token.expand(len(patches), -1, -1)  # (B, 1, D)
        tokens: Tensor = self.transformer(torch.cat([chips, patches], dim=1))
        return tokens


class ClayDecoder(nn.Module):
    """From the encoder's tokens to the pixels of all patches."""

    def __init__(self, config: ClayConfig) -> None:
        super().__init__()
        dim = config.decoder_dim
        self.mask_patch = nn.Parameter(torch.randn(dim))
        self.enc_to_dec = nn.Identity() if dim == config.dim else nn.Linear(config.dim, dim)
        self.transformer = Transformer(
            dim,
            config.decoder_depth,
            config.decoder_heads,
            config.decoder_dim_head,
            config.decoder_mlp_ratio,
        )
        self.embed_to_pixels = PixelEmbedding(dim, config.patch_size, biased=False)

    def forward(self, tokens: Tensor, scene: Scene, kept: Tensor, side: int) -> Tensor:
        """Return pixels ``(B, L, C * P * P)`` of tokens ``(B, 1 + K, D)`` of ``kept`` patches.

        ``kept`` is ``(K,)``, the same patches of every chip, or ``(B, K)``.
        """
        tokens = self.enc_to_dec(tokens)  # (B, 1 + K, d)
        count, dim = len(tokens), tokens.shape[-1]
        patches = self.mask_patch.to(tokens.dtype).expand(count, side**2, dim)
        patches = patches.scatter(1, _each(kept, patches), tokens[:, 1:])
        patches = patches + scene.encoding(side, dim).to(patches.dtype)  # (B, L, d)
        found = self.transformer(torch.cat([tokens[:, :1], patches], dim=1))
        pixels: Tensor = self.embed_to_pixels(found, scene.waves)[:, 1:]
        return pixels


class Clay(nn.Module):
    """Encoder and decoder; the teacher that Clay was trained with is not needed."""

    decoder: ClayDecoder | None

    def __init__(self, config: ClayConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ClayEncoder(config)
        self.decoder = ClayDecoder(config)

    def forward(
        self,
        pixels: Tensor,
        *,
        time: Tensor | None = None,
        latlon: Tensor | None = None,
        gsd: float | Tensor | None = None,
        wavelengths: Sequence[float] | Tensor | None = None,
    ) -> Encoded:
        """Return the class token and the patches of chips.

        Args:
            pixels: ``(B, C, H, W)``, normalised; H = W, a multiple of the patch size.
            time: ``(B, 4)``, sine and cosine of week and hour; None: unknown, zeros, as a fifth
                of the chips were trained.
            latlon: ``(B, 4)``, sine and cosine of latitude and longitude; None: as of time.
            gsd: metres.
            wavelengths: of each band, micrometres.

        Raises:
            MismatchError: any of those that the model cannot take.
        """
        scene = self.scene(pixels, time, latlon, gsd, wavelengths)
        tokens = self.encoder(pixels, scene)  # (B, 1 + L, D)
        return Encoded(tokens[:, 0], tokens[:, 1:])

    def scene(
        self,
        pixels: Tensor,
        time: Tensor | None = None,
        latlon: Tensor | None = None,
        gsd: float | Tensor | None = None,
        wavelengths: Sequence[float] | Tensor | None = None,
    ) -> Scene:
        """Return what is told of chips, as tensors beside their pixels; see `forward`."""
        refuse_size("Clay", tuple(pixels.shape), multiple=self.config.patch_size)
        parts = [_told(pixels, part, what) for part, what in ((time, "time"), (latlon, "latlon"))]
        told = torch.cat(parts, dim=-1)  # (B, 8)
        return Scene(told, _pixel_size(pixels, gsd), _waves(pixels, wavelengths))

    def reconstruct(self, pixels: Tensor, scene: Scene, kept: Tensor) -> Tensor:
        """Return the pixels ``(B, L, C * P * P)`` that ``kept`` patches tell of the whole chip.

        Raises:
            MismatchError: the weights came without a decoder.
        """
        if self.decoder is None:
            raise MismatchError(
                "Pixels reconstructed, of weights without a decoder",
                expected="a checkpoint that holds a decoder",
                remedy="load the published checkpoint, or leave the loss out",
            )
        tokens = self.encoder(pixels, scene, kept)  # (B, 1 + K, D)
        side = pixels.shape[-1] // self.config.patch_size
        made: Tensor = self.decoder(tokens, scene, kept, side)
        return made

    def loss_metric(self, seeds: Sequence[int] = SEEDS, mask_ratio: float = MASK_RATIO) -> str:
        """Return the name of what `loss` measures; "" where the weights came without a decoder."""
        if self.decoder is None:
            return ""
        norm = ", each patch normalised" if self.config.norm_pix_loss else ""
        drawn = f"{mask_ratio:.0%} masked, mean of {len(seeds)} drawings"
        return f"mean absolute error of normalised pixels{norm}, {drawn}"

    def loss(
        self,
        pixels: Tensor,
        *,
        seeds: Sequence[int] = SEEDS,
        mask_ratio: float = MASK_RATIO,
        **told: Any,  # noqa: ANN401 - of forward
    ) -> Tensor:
        """Return how badly masked patches are reconstructed, ``(B,)``, averaged over drawings.

        The patches that are masked are drawn by each seed, the same in every chip, so that a
        chip's loss does not depend on the batch that it came in.

        Args:
            pixels: see `forward`.
            seeds: one of each drawing.
            mask_ratio: the part of the patches that is masked.
            told: ``time``, ``latlon``, ``gsd``, ``wavelengths``; see `forward`.

        Raises:
            MismatchError: the weights came without a decoder, or what `forward` refuses.
        """
        total = torch.zeros(len(pixels), device=pixels.device)
        count = (pixels.shape[-1] // self.config.patch_size) ** 2
        _refuse_drawing(seeds, mask_ratio, count)
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            order = torch.randperm(count, generator=generator).to(pixels.device)
            total = total + self.masked_error(pixels, order, mask_ratio=mask_ratio, **told)
        return total / len(seeds)

    def masked_error(
        self,
        pixels: Tensor,
        order: Tensor,
        *,
        shown: Tensor | None = None,
        mask_ratio: float = MASK_RATIO,
        **told: Any,  # noqa: ANN401 - of forward
    ) -> Tensor:
        """Return how badly the first patches of an order are reconstructed, ``(B,)``.

        Args:
            pixels: see `forward`.
            order: of the patches, ``(L,)``, the same in every chip, or ``(B, L)``.
            shown: what the encoder sees in place of ``pixels``, such as fewer bands.
            mask_ratio: the part of the patches that is masked.
            told: ``time``, ``latlon``, ``gsd``, ``wavelengths``; see `forward`.

        Raises:
            MismatchError: the weights came without a decoder, or what `forward` refuses.
        """
        scene = self.scene(pixels, **told)
        masked, kept = order.tensor_split([int(mask_ratio * order.shape[-1])], dim=-1)
        made = self.reconstruct(pixels if shown is None else shown, scene, kept)
        apart = (made - self._patches(pixels)).float().abs().mean(dim=-1)  # (B, L)
        return apart.gather(1, masked.expand(len(apart), -1)).mean(dim=1)

    def _patches(self, pixels: Tensor) -> Tensor:
        """Return the pixels of each patch, ``(B, L, C * P * P)``, as the decoder gives them."""
        side = self.config.patch_size
        count, bands, height, _ = pixels.shape
        grid = height // side
        parts = pixels.reshape(count, bands, grid, side, grid, side)  # (B, C, h, P, w, P)
        patches = parts.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        if not self.config.norm_pix_loss:
            return patches
        centred = patches - patches.mean(dim=-1, keepdim=True)
        spread: Tensor = (patches.var(dim=-1, keepdim=True) + SMALLEST_VARIANCE) ** 0.5
        normed: Tensor = centred / spread
        return normed


def _each(kept: Tensor, tokens: Tensor) -> Tensor:
    """Return the places of ``kept`` patches for each number of tokens, ``(B, K, D)``."""
    return kept.expand(len(tokens), -1)[..., None].expand(-1, -1, tokens.shape[-1])


def _refuse_drawing(seeds: Sequence[int], mask_ratio: float, count: int) -> None:
    if seeds and 0 < int(mask_ratio * count) < count:
        return
    raise MismatchError(
        f"{len(seeds)} drawings of {mask_ratio:g} of {count} patches",
        expected="a seed at least, and some but not all patches masked",
        remedy="leave seeds and mask_ratio out",
    )


def _told(pixels: Tensor, part: Tensor | None, what: str) -> Tensor:
    if part is None:
        return torch.zeros(len(pixels), TOLD // 2, device=pixels.device)
    told = torch.as_tensor(part).to(pixels.device, torch.float32)
    if told.shape != (len(pixels), TOLD // 2) or not bool(torch.isfinite(told).all()):
        raise MismatchError(
            f"{what} of shape {tuple(told.shape)}, {int(torch.isnan(told).sum())} of them NaN",
            expected=f"({len(pixels)}, 4): two angles, each as sine and cosine",
            remedy=f"pass `{what}` of a batch, or leave it out where it is not known",
        )
    return told


def _pixel_size(pixels: Tensor, gsd: float | Tensor | None) -> Tensor:
    size = torch.as_tensor(torch.nan if gsd is None else gsd, dtype=torch.float32)
    if size.numel() != 1 or not float(size) > 0:
        raise MismatchError(
            f"A gsd of {gsd}",
            expected="one size of pixels, metres",
            remedy="pass `gsd` of a batch",
        )
    return size.reshape(()).to(pixels.device)


def _waves(pixels: Tensor, wavelengths: Sequence[float] | Tensor | None) -> Tensor:
    waves = torch.as_tensor([] if wavelengths is None else wavelengths, dtype=torch.float32)
    told, bands = waves.flatten().tolist(), pixels.shape[1]
    if len(told) != bands or not all(wave > 0 for wave in told):
        raise MismatchError(
            f"Wavelengths {[round(wave, 4) for wave in told]} of {bands} bands",
            expected="one of each band, micrometres",
            remedy="name those that are missing; of radar Clay knows vv as 3.5 and vh as 4.0",
        )
    if max(told) > LONGEST:
        raise MismatchError(
            f"A wavelength of {max(told):g} micrometres",
            expected="micrometres, such as 0.665; of radar Clay's own 3.5 (vv) and 4.0 (vh)",
            remedy="divide nanometres by 1000",
        )
    return waves.to(pixels.device)
