"""The kernel's books on the whole machine."""

import pytest

from bench.telemetry.machine import read_machine


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "stat").write_text("cpu  100 10 50 1000 40 5 5 30 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text(
        "some avg10=1.00 avg60=0.50 avg300=0.00 total=2500000\nfull x\n"
    )
    return tmp_path


def test_busy_idle_steal_and_waiting_are_distinguished(proc, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 100)

    found = read_machine(proc)

    reported = (found.busy_s, found.idle_s, found.steal_s, found.waiting_s)
    assert reported == pytest.approx((1.7, 10.4, 0.3, 2.5))


def test_a_kernel_without_pressure_reports_the_rest(proc):
    (proc / "pressure" / "cpu").unlink()

    assert read_machine(proc).waiting_s is None
    assert read_machine(proc).busy_s > 0


@pytest.mark.parametrize("text", ["", "cpu 1 2", "cpu a b c d e f g h", "intr 1 2 3 4 5 6 7 8 9"])
def test_what_is_not_these_books_is_unknown(proc, text):
    (proc / "stat").write_text(text)

    assert read_machine(proc) is None


def test_no_books_are_unknown_and_never_zero(tmp_path):
    assert read_machine(tmp_path) is None
