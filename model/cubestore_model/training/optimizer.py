"""AdamW as it is used here: weights decay, biases, norms and tokens do not."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

STATE = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW knows of a parameter."""


def adamw(
    network: nn.Module, *, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.AdamW:
    """Return an optimizer of those parameters of a network that are learnt.

    Args:
        network: the model.
        weight_decay: of matrices.
        betas: of its means.
    """
    learnt = [one for one in network.parameters() if one.requires_grad]
    matrices = [one for one in learnt if one.squeeze().ndim > 1]
    others = [one for one in learnt if one.squeeze().ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([one for one in groups if one["params"]], betas=betas, fused=True)


def state_of(optimizer: torch.optim.AdamW, network: nn.Module) -> dict[str, Tensor]:
    """Return what an optimizer knows of each parameter, by the parameter's name."""
    return {
        f"{part}.{name}": optimizer.state[parameter][part].contiguous()
        for name, parameter in network.named_parameters()
        if parameter in optimizer.state
        for part in STATE
    }


def restore(optimizer: torch.optim.AdamW, network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give an optimizer what another knew: it goes on as that would have."""
    for name, parameter in network.named_parameters():
        if f"{STATE[0]}.{name}" in state:
            own = {part: state[f"{part}.{name}"].to(parameter.device) for part in STATE}
            optimizer.state[parameter] = own
