"""Rates of learning: those of torch's schedulers, without their state."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cubestore.errors import MismatchError
from cubestore_model.training.schedule import Schedule


def rates_of(scheduler, optimizer, steps):
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("peak", "least", "cycle", "growth"),
    [
        (1e-3, 1e-5, 10, 1),  # Clay's form: as long every time
        (1e-3, 0.0, 7, 2),  # twice as long every time
        (1e-5, 1e-3, 10, 1),  # Clay's own numbers: the least is a hundred times the first
        (1e-3, 1e-5, 40, 1),  # none begins again
    ],
)
def test_rates_are_those_of_torch_with_warm_restarts(peak, least, cycle, growth):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        optimizer, T_0=cycle, T_mult=growth, eta_min=least
    )
    ours = Schedule(peak=peak, least=least, steps=40, cycle=cycle, growth=growth)
    expected = rates_of(theirs, optimizer, 40)
    assert [ours(step) for step in range(40)] == pytest.approx(expected, rel=1e-9)


def test_without_cycles_the_cosine_ends_with_the_training():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30, eta_min=1e-4)
    ours = Schedule(peak=2e-3, least=1e-4, steps=40, warmup=10)
    expected = rates_of(theirs, optimizer, 30)
    assert [ours(10 + step) for step in range(30)] == pytest.approx(expected, rel=1e-9)
    assert [ours(step) for step in range(10)] == pytest.approx([2e-4 * n for n in range(1, 11)])
    assert ours(40) == ours(4000) == pytest.approx(1e-4)


@given(
    peak=st.floats(1e-6, 1),
    share=st.floats(0, 1),
    warmup=st.integers(0, 20),
    cycle=st.integers(0, 9),
    growth=st.integers(1, 3),
    step=st.integers(0, 200),
)
def test_no_rate_is_above_the_peak_or_behind_the_warm_up_below_the_least(
    peak, share, warmup, cycle, growth, step
):
    least = share * peak
    made = Schedule(peak=peak, least=least, steps=100, warmup=warmup, cycle=cycle, growth=growth)
    assert made(step) <= peak * (1 + 1e-12)
    assert step < warmup or made(step) >= least * (1 - 1e-12)


def test_a_group_with_a_scale_learns_so_many_times_as_fast():
    body, head = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [body], "scale": 0.1}, {"params": [head]}], lr=1.0)
    rate = Schedule(peak=1e-3, steps=10).apply(optimizer, 0)
    assert rate == 1e-3
    assert [group["lr"] for group in optimizer.param_groups] == [pytest.approx(1e-4), 1e-3]


@pytest.mark.parametrize(
    "odd",
    [
        {"warmup": 10},  # nothing is left
        {"peak": 0.0},
        {"peak": float("nan")},
        {"least": -1e-4},
        {"cycle": -1},
        {"growth": 0},  # would go on without end
    ],
)
def test_a_schedule_that_cannot_be_is_refused(odd):
    with pytest.raises(MismatchError, match="more steps than the warm-up takes"):
        Schedule(**{"peak": 1e-3, "steps": 10, **odd})
