"""Names and shapes of published checkpoints, and checkpoints of them in small sizes."""

import zlib

import torch


def vit(bands, *, dim, depth, patch, image, mlp=4):
    """Those of timm's vision transformers, which DINO, MoCo v3 and MAE publish."""
    count = (image // patch) ** 2
    shapes = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, 1 + count, dim),
        "patch_embed.proj.weight": (dim, bands, patch, patch),
        "patch_embed.proj.bias": (dim,),
        "norm.weight": (dim,),
        "norm.bias": (dim,),
    }
    for k in range(depth):
        shapes |= {
            f"blocks.{k}.{name}": shape for name, shape in block(dim, mlp, bias="qkv.bias").items()
        }
    return shapes


def block(dim, mlp, bias=None):
    shapes = {
        **{f"norm{n}.{part}": (dim,) for n in (1, 2) for part in ("weight", "bias")},
        "attn.qkv.weight": (3 * dim, dim),
        "attn.proj.weight": (dim, dim),
        "attn.proj.bias": (dim,),
        "mlp.fc1.weight": (mlp * dim, dim),
        "mlp.fc1.bias": (mlp * dim,),
        "mlp.fc2.weight": (dim, mlp * dim),
        "mlp.fc2.bias": (dim,),
    }
    return shapes | ({f"attn.{bias}": (3 * dim,)} if bias else {})


def beit(bands, *, dim, depth, heads, patch, image, mlp=4):
    """Those of data2vec's transformer, without what only its training needed."""
    side = image // patch
    shapes = {
        "cls_token": (1, 1, dim),
        "patch_embed.proj.weight": (dim, bands, patch, patch),
        "patch_embed.proj.bias": (dim,),
        "rel_pos_bias.relative_position_bias_table": ((2 * side - 1) ** 2 + 3, heads),
    }
    for k in range(depth):
        own = {"attn.q_bias": (dim,), "attn.v_bias": (dim,), "gamma_1": (dim,), "gamma_2": (dim,)}
        shapes |= {
            f"blocks.{k}.{name}": shape for name, shape in {**block(dim, mlp), **own}.items()
        }
    return shapes


def resnet(bands, blocks, *, bottleneck):
    """Those of torchvision's residual networks, without fc."""
    shapes = {"conv1.weight": (64, bands, 7, 7), **norm("bn1", 64)}
    channels = 64
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        wide = width * (4 if bottleneck else 1)
        for k in range(count):
            at = f"layer{stage + 1}.{k}"
            sizes = (
                [(width, channels, 1), (width, width, 3), (wide, width, 1)]
                if bottleneck
                else [(width, channels, 3), (width, width, 3)]
            )
            for n, (out, came, side) in enumerate(sizes, start=1):
                shapes[f"{at}.conv{n}.weight"] = (out, came, side, side)
                shapes |= norm(f"{at}.bn{n}", out)
            if k == 0 and (stage or bottleneck):
                shapes[f"{at}.downsample.0.weight"] = (wide, channels, 1, 1)
                shapes |= norm(f"{at}.downsample.1", wide)
            channels = wide
    return shapes


def norm(name, size):
    parts = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{name}.{part}": (size,) for part in parts}, f"{name}.num_batches_tracked": ()}


def filled(shapes):
    """Return tensors of those shapes, random, each drawn by its name."""
    return {name: drawn(name, shape) for name, shape in shapes.items()}


def drawn(name, shape):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    made = 0.1 * torch.randn(shape, generator=generator)
    return made.abs() + 0.5 if name.endswith("running_var") else made
