"""The cost model of `make bench-workers`, by hand."""

import pytest
from bench_workers import BETWEEN, INSIDE, ROUND_BETWEEN, ROUND_INSIDE, cost


def test_the_exchange_of_gradients_by_hand():
    assert cost(10**9, 7, 1) == 0, "one GPU has nobody to exchange them with"
    assert cost(10**9, 1, 2) == pytest.approx(10**9 / INSIDE + 2 * ROUND_INSIDE)
    assert cost(10**9, 7, 8) == pytest.approx(1.75 * 10**9 / INSIDE + 7 * 6 * ROUND_INSIDE)
    # beyond a machine the slowest link counts
    assert cost(10**9, 3, 64) == pytest.approx(2 * 63 / 64 * 10**9 / BETWEEN + 3 * 12 * ROUND_BETWEEN)
