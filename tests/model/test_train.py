"""Trainings: that they go on exactly, keep what they say, and refuse what cannot be."""

import csv
import importlib.util
import itertools
import json

import numpy as np
import pytest
import safetensors.torch
import torch

import cubestore
import cubestore_model
from cubestore.errors import DamagedError, LockedError, MismatchError, NoIndexError
from cubestore_model import Training, train, untrained
from cubestore_model.errors import DivergedError
from cubestore_model.training.masking import Drawing
from cubestore_model.training.optimizer import adamw
from tests.model import learning

BANDS = ["B02", "B03", "B04"]
SMALL = {"chip_size": 32, "batch_size": 4, "seed": 3}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = learning.store(tmp_path_factory.mktemp("train") / "store", radar=True)
    rule = cubestore.index.SplitRule(rule="block:1km", shares="train=0.7,val=0.3")
    cubestore.index_store(made, sensors=[learning.SENSOR], chip_size=128, split=rule)
    return made


def model(seed=3):
    return untrained("clay-tiny", config=learning.SIZES, seed=seed)


def trained(store, out, *, stop=None, encoder=None, checkpoint_every=2, **changes):
    training = Training(**{"steps": 6, **SMALL, **changes})
    encoder = encoder or model()
    steps = train(
        store.path, encoder, out=out, training=training, checkpoint_every=checkpoint_every
    )
    done = list(itertools.islice(steps, stop))
    steps.close()
    return done


def rows(out):
    with (out / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    """A training that nothing interrupted."""
    out = tmp_path_factory.mktemp("train") / "whole"
    trained(store, out, encoder=model())
    return out


@pytest.mark.parametrize("stop", [1, 2, 5])  # before, at and behind a checkpoint
def test_a_training_that_was_stopped_ends_with_the_same_weights(store, whole, tmp_path, stop):
    first = trained(store, tmp_path / "out", stop=stop)
    again = trained(store, tmp_path / "out")
    assert [step.number for step in first] == list(range(1, stop + 1))
    assert [step.number for step in again] == list(range(stop - stop % 2 + 1, 7))
    same = (tmp_path / "out" / "weights.safetensors").read_bytes()
    assert same == (whole / "weights.safetensors").read_bytes()
    lines, expected = rows(tmp_path / "out"), rows(whole)
    assert [line["step"] for line in lines] == [str(n) for n in range(1, 7)]
    assert [line["loss"] for line in lines] == [line["loss"] for line in expected]


def test_an_epoch_that_ends_between_is_no_bar(store, tmp_path):
    question = {"chip_size": 128, "batch_size": 8, "sensors": (learning.RADAR,)}  # four an epoch
    trained(store, tmp_path / "whole", **question)
    trained(store, tmp_path / "out", stop=5, checkpoint_every=3, **question)
    trained(store, tmp_path / "out", checkpoint_every=3, **question)
    made = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "out")]
    assert made[0] == made[1]


def test_a_training_that_is_done_does_nothing(store, whole):
    before = (whole / "metrics.csv").read_bytes()
    assert trained(store, whole) == []
    assert (whole / "metrics.csv").read_bytes() == before


def test_the_weights_are_those_of_an_encoder(store, whole):
    encoder = cubestore_model.load_encoder("clay-tiny", weights=whole / "weights.safetensors")
    assert encoder.config.dim == 64
    last = whole / "checkpoints" / "step-00000006" / "weights.safetensors"
    assert last.read_bytes() == (whole / "weights.safetensors").read_bytes()
    filled = cubestore_model.embed(
        store.path, encoder, sensor=[learning.SENSOR], options=cubestore_model.Options(chip_size=64)
    )
    assert next(iter(filled)).chips > 0


def test_batches_are_of_each_sensor_and_told_apart(whole):
    assert sorted(path.name for path in (whole / "checkpoints").iterdir()) == [
        "step-00000004",  # the last and one before it
        "step-00000006",
    ]
    told = rows(whole)
    assert set(told[0]) >= {"step", "loss", "lr", "chips_per_second", "loss_sentinel-1-rtc"}
    came = [
        {name for name, cell in row.items() if name.startswith("loss_") and cell} for row in told
    ]
    assert all(len(names) == 1 for names in came)
    assert set.union(*came) == {"loss_sentinel-1-rtc", "loss_sentinel-2-l2a"}


def test_validation_is_of_its_own_split_and_no_matter_to_what_is_learnt(store, tmp_path):
    split = {"split": ("train",), "sensors": (learning.SENSOR,), "steps": 4, "chip_size": 128}
    split |= {"max_nodata": 0.1}
    trained(store, tmp_path / "a", **split)
    done = trained(store, tmp_path / "b", **split, validation=("val",), validate_every=2)
    weights = [safetensors.torch.load_file(tmp_path / n / "weights.safetensors") for n in "ab"]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert [bool(step.validation) for step in done] == [False, True, False, True]
    encoder = cubestore_model.load_encoder("clay-tiny", weights=tmp_path / "b/weights.safetensors")
    losses = [
        encoder.loss(**cubestore_model.inputs(encoder, batch)).detach()
        for batch in cubestore_model.loader(
            store.path, sensor=learning.SENSOR, chip_size=128, split="val", max_nodata=0.1
        )
    ]
    mean = float(torch.cat(losses).mean())
    assert done[-1].validation[learning.SENSOR] == pytest.approx(mean, rel=1e-4)


def test_a_sensor_that_nobody_published_numbers_of_is_learnt_by_the_stores_own(tmp_path):
    level = "sentinel-2-l1c"
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube("31UDQ", level, bands=BANDS)
    pixels = np.random.default_rng(0).integers(500, 3000, (3, 740, 740)).astype("int16")
    cube.append(
        cubestore.Slot(time="2023-04-10", item_id="a"),
        {"reflectance": pixels},
        origin=(10240, 10240),
    )
    before = cube.root()
    trained(store, tmp_path / "out", sensors=(level,), steps=2)
    assert cube.root() == before  # it is read alone
    found = cubestore_model.load_encoder("clay-tiny", weights=tmp_path / "out/weights.safetensors")
    row = found.entry.expected(level)
    assert row.mean == pytest.approx(pixels.mean(axis=(1, 2)), rel=1e-4)
    assert row.std == pytest.approx(pixels.std(axis=(1, 2)), rel=1e-4)
    assert row.wavelengths == pytest.approx((0.4924, 0.5598, 0.6646), abs=0.01)
    options = cubestore_model.Options(chip_size=64)
    (filled,) = cubestore_model.embed(store.path, found, sensor=[level], options=options)
    assert filled.chips > 100


def test_heights_have_no_wavelengths_to_be_told_apart_by(tmp_path):
    store = cubestore.create_store(tmp_path / "store")
    cube = store.create_cube("31UDQ", "cop-dem-glo-30")
    heights = {"elevation": np.ones((1, 1612, 1612), "float32")}
    cube.append(cubestore.Slot(time="2021-04-22", item_id="a"), heights, origin=(2048, 2048))
    with pytest.raises(MismatchError, match="bands without wavelengths"):
        trained(store, tmp_path / "out", sensors=("cop-dem-glo-30",))


def test_steps_are_shown_by_tensorboard_where_it_is_installed(store, tmp_path):
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(MismatchError, match="pip install tensorboard"):
            next(train(store.path, model(), out=tmp_path / "out", tensorboard=True))
        assert not (tmp_path / "out").exists()
        return
    told = {"training": Training(steps=3, **SMALL), "tensorboard": True}
    steps = [one.loss for one in train(store.path, model(), out=tmp_path / "out", **told)]
    events = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")

    shown = events.EventAccumulator(str(tmp_path / "out/tensorboard")).Reload()
    assert [one.value for one in shown.Scalars("loss")] == pytest.approx(steps)


def test_half_precision_learns_nearly_the_same(store, tmp_path):
    whole = trained(store, tmp_path / "a", steps=3)
    half = trained(store, tmp_path / "b", steps=3, precision="bf16")
    assert [s.loss for s in half] == pytest.approx([s.loss for s in whole], rel=0.02)
    assert [s.loss for s in half] != [s.loss for s in whole]
    kept = safetensors.torch.load_file(tmp_path / "b" / "weights.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}
    record = tmp_path / "b" / "training.json"  # as earlier versions called it
    record.write_text(record.read_text().replace('"bf16"', '"bfloat16"'))
    assert trained(store, tmp_path / "b", steps=3, precision="bf16") == []


def test_a_loss_that_is_no_number_stops_the_training_and_the_checkpoint_stays(store, tmp_path):
    with pytest.raises(DivergedError, match=r"Step \d: a loss of") as raised:
        trained(store, tmp_path, lr=1e30, warmup=0.75, clip=0.0, steps=20, checkpoint_every=1)
    assert "a lower lr" in raised.value.remedy
    kept = sorted((tmp_path / "checkpoints").glob("step-*"))
    assert kept
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lr": 5e-4}, "a training with lr 0.001, which is now to have lr 0.0005"),
        ({"steps": 7}, "steps 6"),  # its rates would have been others
        ({"sensors": (learning.RADAR,)}, "sensors"),
        ({"encoder": "another"}, "begun_with"),
    ],
)
def test_another_training_in_the_same_folder_is_refused(store, whole, changes, said):
    encoder = model(4) if changes.pop("encoder", "") else model()
    before = {path: path.read_bytes() for path in whole.rglob("*.safetensors")}
    with pytest.raises(MismatchError, match=said):
        trained(store, whole, encoder=encoder, **changes)
    assert {path: path.read_bytes() for path in whole.rglob("*.safetensors")} == before


def test_a_store_that_has_grown_is_another(tmp_path):
    store = learning.store(tmp_path / "store", months=(4,))
    trained(store, tmp_path / "out", stop=3)
    pixels = {"reflectance": np.full((10, 740, 740), 500, "int16")}
    pixels |= {name: np.zeros((740, 740), "uint8") for name in ("quality", "cloud_class")}
    slot = cubestore.Slot(time="2023-09-01", item_id="later")
    store.cube(learning.TILE, learning.SENSOR).append(slot, pixels, origin=(10240, 10240))
    with pytest.raises(MismatchError, match="a store that has grown is another"):
        trained(store, tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (MismatchError, {"encoder": "rcf"}, "reconstructs no pixels"),
        (MismatchError, {"chip_size": 36}, "a multiple of 8"),
        (MismatchError, {"chip_size": 8}, "some patches not masked"),  # there is one patch
        (MismatchError, {"sensors": ("esa-worldcover",)}, "are classes"),
        (MismatchError, {"batch_size": 5000}, "choose a smaller batch_size"),
        (NoIndexError, {"chip_size": 64, "validation": ("val",)}, "index"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_written(
    store, tmp_path, kind, changes, said
):
    told = {**changes}
    encoder = cubestore_model.load_encoder("rcf") if told.pop("encoder", "") else model()
    with pytest.raises((kind, cubestore.errors.UnknownCubeError), match=said):
        trained(store, tmp_path / "out", encoder=encoder, **told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "odd",
    [
        {"mask_ratio": 1.0},
        {"untold": 20},  # percent
        {"no_bands": 0.6, "half_bands": 0.6},
        {"steps": 0},
        {"warmup": 500},  # steps
        {"precision": "float16"},
    ],
)
def test_choices_that_cannot_be_are_refused(odd):
    with pytest.raises(MismatchError, match=r"for 20 % give 0\.2"):
        Training(**odd)


def test_one_process_trains_in_a_folder(store, tmp_path):
    steps = train(store.path, model(), out=tmp_path, training=Training(steps=2, **SMALL))
    next(steps)
    with pytest.raises(LockedError):
        trained(store, tmp_path, steps=2)
    steps.close()


def test_a_checkpoint_that_was_cut_is_named_and_the_one_before_can_be_gone_on_with(
    store, whole, tmp_path
):
    trained(store, tmp_path, stop=5)
    last = tmp_path / "checkpoints" / "step-00000004"
    state = last / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(DamagedError, match="remove its folder") as raised:
        trained(store, tmp_path)
    assert str(last) in str(raised.value)
    for path in last.iterdir():
        path.unlink()
    last.rmdir()
    assert trained(store, tmp_path)[0].number == 3
    assert (tmp_path / "weights.safetensors").read_bytes() == (
        whole / "weights.safetensors"
    ).read_bytes()


def test_what_is_hidden_is_drawn_for_each_chip_by_its_place_in_the_epoch():
    training = Training(batch_size=2000, no_bands=0.1, half_bands=0.2, untold=0.2)
    drawn = Drawing.of(training, 0, 0, shape=(2000, 16, 10))
    assert (drawn.order.sort(dim=1).values == torch.arange(16)).all()
    masked = torch.bincount(drawn.order[:, :12].flatten(), minlength=16) / 2000
    assert masked.sub(0.75).abs().max() < 0.05
    assert float(drawn.told.float().mean()) == pytest.approx(0.8, abs=0.03)
    count = drawn.bands.sum(dim=1)
    assert set(count.tolist()) == {0, 5, 10}
    assert (count[~drawn.told] == 10).all()  # nothing is hidden of those, as in Clay
    of_told = count[drawn.told]
    assert float((of_told == 0).float().mean()) == pytest.approx(0.1, abs=0.03)
    assert float((of_told == 5).float().mean()) == pytest.approx(0.2, abs=0.03)
    small = Training(batch_size=1000, no_bands=0.1, half_bands=0.2, untold=0.2)
    parts = [Drawing.of(small, 0, n, shape=(1000, 16, 10)) for n in range(2)]
    assert torch.equal(torch.cat([one.order for one in parts]), drawn.order)
    assert not torch.equal(Drawing.of(training, 1, 0, shape=(2000, 16, 10)).order, drawn.order)


def test_matrices_decay_and_nothing_else():
    optimizer = adamw(model().network, weight_decay=0.05, betas=(0.9, 0.95))
    decay, none = optimizer.param_groups
    assert {one.ndim for one in decay["params"]} == {2}
    assert all(one.numel() == max(one.shape) for one in none["params"])
    assert (decay["weight_decay"], none["weight_decay"]) == (0.05, 0.0)


def test_what_is_trained_is_kept_beside_it(whole):
    told = json.loads((whole / "training.json").read_bytes())
    assert (told["model"], told["dim"], told["seed"], told["mask_ratio"]) == (
        "clay-tiny",
        64,
        3,
        0.75,
    )
