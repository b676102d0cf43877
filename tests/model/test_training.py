"""A training loop as users write it, on real patches: optical, with land cover to learn."""

import importlib

import pytest
import torch

import cubestore
import cubestore_model
from tests.cubestore import patch_sets, worldcereal


def test_a_model_learns_the_land_cover_of_real_patches(shared_data, tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    patches = worldcereal.patch_set(store, shared_data / worldcereal.SAMPLE)
    loader = cubestore_model.loader(
        store.path,
        patches=patches.name,
        sensor="reflectance",
        variables=["LC"],
        chip_size=64,
        crop=32,
        flips=True,
        rotations=True,
        batch_size=16,
    )
    classes = torch.unique(next(iter(loader))["LC"].long())
    assert len(classes) > 1
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(10, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 64, 1)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(3):
        for batch in loader:
            pixels = batch["pixels"].float() / 10_000
            labels = torch.searchsorted(classes, batch["LC"].long())
            every = torch.nn.functional.cross_entropy(model(pixels), labels, reduction="none")
            loss = every[batch["valid"]].mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    assert sum(losses[-5:]) / 5 < 0.6 * sum(losses[:2]) / 2


@pytest.fixture
def lightning():
    """Lightning, whose import takes seconds: those who only collect the tests do without."""
    return importlib.import_module("lightning")


def mean_model(lightning):
    class Mean(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.mean, self.seen = torch.nn.Parameter(torch.zeros(1)), []

        def training_step(self, batch, _):
            self.seen += batch["chipid"]
            return (batch["pixels"].float().mean() / 1000 - self.mean).square().sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Mean()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # lightning's advice
def test_lightning_trains_on_the_loaders_and_keeps_where_they_are(lightning, tmp_path):
    datamodule = importlib.import_module("cubestore_model.datamodule")
    store = cubestore.create_store(tmp_path / "store")
    patch_sets.patch_set(store, 8)
    options = {"patches": patch_sets.NAME, "sensor": "reflectance", "chip_size": 20}
    data = datamodule.ChipDataModule(
        train=cubestore_model.loader(store.path, batch_size=4, **options)
    )
    model = mean_model(lightning)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        use_distributed_sampler=False,
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        **quiet,
    )
    trainer.fit(model, datamodule=data)
    assert len(model.seen) == 2 * 16
    assert len(set(model.seen)) == 16
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert saved["ChipDataModule"]["train"]["epoch"] == 2
