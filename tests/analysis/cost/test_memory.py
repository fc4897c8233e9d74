"""Memory for each connection: a line through what was held, with its interval."""

import pytest

from bench.analysis.cost import MemoryWindow, fit_memory
from bench.errors import MeasurementError


def test_the_slope_is_what_one_connection_takes():
    windows = [MemoryWindow(count, 5_000_000 + 20_000 * count) for count in (0, 64, 128, 256)]

    model = fit_memory("egress", windows)

    assert (model.part, model.each, model.most) == ("egress", "connection", 256)
    assert model.bytes_for_each == pytest.approx(20_000)
    assert model.base_bytes == pytest.approx(5_000_000)
    assert model.low == pytest.approx(model.high)


def test_the_interval_holds_the_truth_where_readings_are_uneven():
    uneven = (40_000, -30_000, 10_000, -20_000, 0)
    windows = [
        MemoryWindow(count, 5_000_000 + 20_000 * count + off)
        for count, off in zip((0, 64, 128, 192, 256), uneven, strict=True)
    ]

    model = fit_memory("egress", windows)

    assert model.low < 20_000 < model.high
    assert model.high - model.low < 2_000


def test_two_sizes_make_no_line_that_could_be_wrong():
    with pytest.raises(MeasurementError, match="three different numbers of clusters"):
        fit_memory("egress", [MemoryWindow(0, 1), MemoryWindow(8, 9)], each="cluster")
