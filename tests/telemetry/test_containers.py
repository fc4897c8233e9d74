"""What containers use, from recorded files and answers."""

import pytest

from bench.errors import MeasurementError
from bench.telemetry.containers import Throttling, parse_stats, read_throttling

V1 = "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n"
V2 = "0::/system.slice/docker-abc.scope\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_throttling_is_read_in_both_versions_of_control_groups(tmp_path):
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    write(proc / "1/cgroup", V1)
    write(proc / "2/cgroup", V2)
    write(cgroups / "cpu/docker/abc/cpu.stat", "nr_periods 40\nnr_throttled 10\nthrottled_time 1500000000\n")
    v2 = "usage_usec 5\nnr_periods 40\nnr_throttled 10\nthrottled_usec 1500000\n"
    write(cgroups / "system.slice/docker-abc.scope/cpu.stat", v2)

    for pid in (1, 2):
        assert read_throttling(pid, proc=proc, cgroups=cgroups) == Throttling(40, 10, 1.5)


def test_unknown_throttling_is_none_and_no_zero(tmp_path):
    write(tmp_path / "proc/1/cgroup", V2)

    assert read_throttling(1, proc=tmp_path / "proc", cgroups=tmp_path) is None
    assert read_throttling(9, proc=tmp_path / "proc", cgroups=tmp_path) is None


def test_a_window_counts_what_came_on_top():
    assert Throttling(50, 15, 2.5).since(Throttling(40, 10, 1.5)) == Throttling(10, 5, 1.0)


@pytest.mark.parametrize("own", [{"rss": 3 << 20, "cache": 9 << 20}, {"anon": 3 << 20, "file": 9 << 20}])
def test_the_engines_answer_counts_cpu_and_the_memory_of_the_processes_alone(own):
    stats = {
        "cpu_stats": {
            "cpu_usage": {"total_usage": 1_250_000_000},
            "throttling_data": {"periods": 4, "throttled_periods": 1, "throttled_time": 5_000_000},
        },
        "memory_stats": {"usage": 12 << 20, "stats": own},
        "pids_stats": {"current": 2},
    }

    read = parse_stats(stats, "egress")

    assert (read.usage.cpu_seconds, read.usage.memory_bytes, read.usage.processes) == (1.25, 3 << 20, 2)
    assert read.throttling == Throttling(4, 1, 0.005)


def test_a_container_that_has_ended_is_not_a_reading():
    with pytest.raises(MeasurementError, match="egress has ended"):
        parse_stats({"cpu_stats": {}, "memory_stats": {}}, "egress")
