"""`make benchmark-generator` looks for what it needs before it measures, and reports what it measured."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import StackError
from tests.benchmarks.generator import __main__ as benchmark
from tests.benchmarks.generator.clients import WORDS, Measured
from tests.benchmarks.generator.sites import Site


@contextlib.contextmanager
def path():
    yield Site("the path", 1)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    made: list[str] = []

    def client(site, connections, seconds):
        made.append(site.label)
        return Measured("egress-bench", 100, 1.0, 0.002)

    monkeypatch.setattr(benchmark, "clients", lambda: {"egress-bench": client})
    monkeypatch.setattr(benchmark, "two_envoys", path)
    monkeypatch.setattr(benchmark, "find_envoy", lambda: None)
    monkeypatch.setattr(benchmark, "find_nginx", lambda: SimpleNamespace(path=Path("/nginx")))
    monkeypatch.setattr(sys, "argv", ["benchmark", "--path", "--rounds", "2", "--out", str(tmp_path)])
    return made


@pytest.mark.parametrize("program", ["find_nginx", "find_envoy"])
def test_what_is_missing_is_reported_before_anything_is_measured(monkeypatch, calls, program) -> None:
    def missing():
        raise StackError("it is missing.")

    monkeypatch.setattr(benchmark, program, missing)
    with pytest.raises(SystemExit, match="it is missing"):
        benchmark.main()
    assert calls == []


def test_what_was_measured_is_printed_whatever_follows(monkeypatch, calls, capsys, tmp_path) -> None:
    def broken(binary, cores):
        raise SystemExit("nginx did not start")

    monkeypatch.setattr(benchmark, "bare_nginx", broken)
    with pytest.raises(SystemExit, match="did not start"):
        benchmark.main()

    assert calls == ["the path"] * 2
    assert "| egress-bench | 20.0 µs |" in capsys.readouterr().out
    assert "target: the path" in (tmp_path / "generator.md").read_text()


def test_whole_rounds_of_a_broken_comparison_are_kept(monkeypatch, calls, capsys) -> None:
    def client(site, connections, seconds):
        calls.append(site.label)
        if len(calls) == 2:
            raise SystemExit("the client broke")
        return Measured("egress-bench", 100, 1.0, 0.002)

    monkeypatch.setattr(benchmark, "clients", lambda: {"egress-bench": client})
    with pytest.raises(SystemExit, match="the client broke"):
        benchmark.main()

    assert "| egress-bench | 20.0 µs |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("client", "said", "requests", "seconds"),
    [
        pytest.param(
            "wrk", "  310000 requests in 3.10s, 1MB read\nRequests/sec: 100000.00", 310_000, 3.1, id="wrk"
        ),
        pytest.param(
            "hey",
            "Requests/sec:\t1000.0\n  [200]\t2000 responses\n  [200]\t1100 responses",
            3100,
            3.1,
            id="hey",
        ),
        pytest.param(
            "h2load",
            "finished in 3.10s, 1000.00 req/s, 1MB/s\nrequests: 3101 total, 3101 started, 3100 done",
            3100,
            3.1,
            id="h2load",
        ),
        pytest.param("k6", "http_reqs......: 3100  1000.0/s", 3100, 3.1, id="k6"),
    ],
)
def test_a_client_is_held_to_the_time_that_it_took(client, said, requests, seconds) -> None:
    """It is wrk that often goes on for a tenth of a second more than it was asked for."""
    assert WORDS[client].read(said) == (requests, pytest.approx(seconds))


@pytest.mark.parametrize("said", ["", "0 requests in 3.00s\nRequests/sec: 0.00", "12 requests in 3.00s"])
def test_a_client_that_says_too_little_is_not_read(said) -> None:
    assert WORDS["wrk"].read(said) is None
