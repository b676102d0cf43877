"""Which device computes: the one that is named, if it is there, or the best of this machine."""

import torch

from cubestore.errors import MismatchError


def device(name: str = "") -> torch.device:
    """Return a device that is there.

    Args:
        name: torch's: ``cuda``, ``cuda:1``, ``cpu`` …; "": the first GPU, or the CPU where there is
            none.

    Raises:
        MismatchError: no device is called so, or it is not there.
    """
    try:
        found = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise MismatchError(
            f"The device {name!r} cannot be used: {str(error).partition(chr(10))[0]}",
            expected=f"one of {', '.join(there())}",
            remedy="leave the device out for the first GPU, or the CPU where there is none",
        ) from error
    return found


def there() -> list[str]:
    """Return the names of the devices of this machine that encoders run on."""
    return ["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
