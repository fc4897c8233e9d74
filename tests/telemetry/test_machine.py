"""The kernel's books on the whole machine."""

import pytest

from bench.telemetry.machine import read_machine

TWO_PROCESSORS = """\
cpu  100 10 50 1000 40 5 5 30 0 0
cpu0 1 1 1 1 1 1 1 1 0 0
cpu1 1 1 1 1 1 1 1 1 0 0
intr 1
"""


@pytest.fixture
def proc(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 100)
    monkeypatch.setattr("bench.telemetry.machine.time.monotonic", lambda: 10.0)
    folder = tmp_path / "proc"
    (folder / "pressure").mkdir(parents=True)
    (folder / "stat").write_text(TWO_PROCESSORS)
    (folder / "pressure" / "cpu").write_text("some avg10=1.00 avg60=0.50 avg300=0.00 total=2500000\nfull x\n")
    return folder


@pytest.fixture
def accounts(tmp_path):
    folder = tmp_path / "cpuacct"
    folder.mkdir()
    (folder / "cgroup.sane_behavior").write_text("0\n")
    (folder / "cpuacct.usage").write_text("6500000000\n")
    return folder


def schedstat(*ran_ns):
    rows = (f"cpu{i} 0 0 0 0 0 0 {ran} 999 17\ndomain0 3 0 0 0 0 0 0 9 9" for i, ran in enumerate(ran_ns))
    return "\n".join(("version 15", "timestamp 4295600000", *rows, ""))


def parts(found):
    return (found.busy_s, found.idle_s, found.steal_s, found.waiting_s)


def test_busy_idle_steal_and_waiting_are_distinguished(proc, tmp_path):
    found = read_machine(proc, tmp_path / "none")

    assert parts(found) == pytest.approx((1.7, 10.4, 0.3, 2.5))


def test_what_the_scheduler_booked_goes_before_ticks(proc, tmp_path):
    (proc / "schedstat").write_text(schedstat(3_000_000_000, 4_250_000_000))

    found = read_machine(proc, tmp_path / "none")

    assert parts(found) == pytest.approx((7.25, 2 * 10 - 7.25 - 0.3, 0.3, 2.5))


@pytest.mark.parametrize("text", [None, schedstat(0, 0), "cpu0 1 2\n", "cpu0 a b c d e f g h\n"])
def test_without_those_books_the_top_of_the_groups_is_read(proc, accounts, text):
    if text is not None:
        (proc / "schedstat").write_text(text)

    found = read_machine(proc, accounts)

    assert parts(found) == pytest.approx((6.5, 2 * 10 - 6.5 - 0.3, 0.3, 2.5))


def test_the_account_of_a_container_is_not_that_of_the_machine(proc, accounts):
    (accounts / "cgroup.sane_behavior").unlink()

    assert read_machine(proc, accounts).busy_s == pytest.approx(1.7)


@pytest.mark.parametrize("text", ["", "0\n", "many\n"])
def test_an_account_that_is_not_kept_leaves_the_ticks(proc, accounts, text):
    (accounts / "cpuacct.usage").write_text(text)

    assert read_machine(proc, accounts).busy_s == pytest.approx(1.7)


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
