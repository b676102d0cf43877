"""Contestants that need a torchvision, in an environment of their own; see `batches`."""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from batches_contestants import BATCH, main

torch.set_num_threads(1)


def litdata_raw(home, size):
    """litdata's streaming dataset of raw pixels."""
    import litdata

    assert size == 256
    folder = home / "litdata"
    if not folder.exists():
        chips = np.memmap(home / "chips.dat", "int16", "r").reshape(-1, 10, size, size)
        litdata.optimize(
            fn=_sample,
            inputs=[(str(home / "chips.dat"), k) for k in range(len(chips))],
            output_dir=str(folder),
            chunk_bytes="64MB",
            num_workers=1,
        )
    chips = litdata.StreamingDataset(str(folder), shuffle=True)
    loader = litdata.StreamingDataLoader(chips, batch_size=BATCH, num_workers=0)
    while True:
        for batch in loader:
            yield batch.numpy().reshape(-1, 10, size, size)
        yield None


def _sample(told):
    path, number = told
    chips = np.memmap(path, "int16", "r").reshape(-1, 10, 256, 256)
    return torch.from_numpy(chips[number].copy())


def torchgeo_grid(home, size):
    """torchgeo's samplers over GeoTIFF: every chip of a grid, a date after the other."""
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    class Scenes(RasterDataset):
        filename_glob = "2024*.tif"
        filename_regex = r"(?P<date>\d{8})"
        date_format = "%Y%m%d"
        separate_files = False
        dtype = torch.int16

    loaders = []
    for path in sorted(home.glob("2024*.tif")):
        scenes = Scenes(str(path))
        side = 4096 // size * size * 10
        roi = None if 4096 % size == 0 else _corner(scenes, side)
        sampler = GridGeoSampler(scenes, size=size, stride=size, roi=roi)
        loaders.append(
            torch.utils.data.DataLoader(
                scenes, sampler=sampler, batch_size=BATCH, collate_fn=stack_samples
            )
        )
    while True:
        for loader in loaders:
            for batch in loader:
                yield batch["image"].numpy()
        yield None


def _corner(scenes, side):
    import shapely

    left, _, _, top = scenes.index.total_bounds
    return shapely.box(left, top - side, left + side, top)


CONTESTANTS = {"litdata, raw": litdata_raw, "torchgeo GridGeoSampler + DataLoader": torchgeo_grid}
ON_THE_GRID = ("litdata, raw",)

if __name__ == "__main__":
    main(CONTESTANTS)
