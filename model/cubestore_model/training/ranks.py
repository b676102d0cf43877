"""Several processes that train together, as ``torchrun`` starts them.

    torchrun --nproc-per-node 2 --no-python cubestore train STORE --out DIR

Each takes batches of its own, and what they learn from them is averaged at every step.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of the processes this is, and how many they are."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def together(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the processes."""
        if self.count == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel  # noqa: PLC0415 - seconds to import

        return DistributedDataParallel(network)

    def sums(self, numbers: Sequence[float], device: torch.device) -> list[float]:
        """Return the sums of numbers over the processes."""
        if self.count == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float32, device=device)
        distributed.all_reduce(total)
        return [float(number) for number in total.tolist()]

    def wait(self) -> None:
        """Wait until all are here."""
        if self.count > 1:
            distributed.barrier()


def here() -> Ranks:
    """Return this process's part in the group that was joined; alone where there is none."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Ranks()
    return Ranks(distributed.get_rank(), distributed.get_world_size())


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started beside this one, if it did."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield here()
    finally:
        distributed.destroy_process_group()
