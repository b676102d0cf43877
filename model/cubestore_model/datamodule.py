"""Batches for Lightning: ``trainer.fit(model, datamodule=ChipDataModule(…))``. Needs lightning."""

from typing import Any

from lightning import LightningDataModule

from cubestore_model.loader import Loader


class ChipDataModule(LightningDataModule):
    """Loaders of chips, one for each stage; where they are is saved with what the trainer saves."""

    def __init__(
        self, *, train: Loader | None = None, val: Loader | None = None, test: Loader | None = None
    ) -> None:
        """Take the loaders of the stages that are run, as `cubestore_model.loader` makes them.

        Lightning is to leave them as they are: pass ``use_distributed_sampler=False`` to its
        trainer, and ``rank`` and ``ranks`` to the loaders.
        """
        super().__init__()
        self.loaders = {"train": train, "val": val, "test": test}

    def train_dataloader(self) -> Loader | None:
        """Return the loader of training."""
        return self.loaders["train"]

    def val_dataloader(self) -> Loader | list[Any]:
        """Return the loader of validation, or none."""
        return self.loaders["val"] or []

    def test_dataloader(self) -> Loader | list[Any]:
        """Return the loader of testing, or none."""
        return self.loaders["test"] or []

    def state_dict(self) -> dict[str, Any]:
        """Return where each loader is."""
        return {name: one.state_dict() for name, one in self.loaders.items() if one}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where each loader was.

        Raises:
            MismatchError: it went through other chips, or in another order.
        """
        for name, state in state_dict.items():
            loader = self.loaders[name]
            if loader:
                loader.load_state_dict(state)
