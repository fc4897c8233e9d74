"""`make benchmark-generator` looks for what it needs before it measures, and reports what it measured."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import StackError
from tests.benchmarks.generator import __main__ as benchmark
from tests.benchmarks.generator.clients import Measured
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
