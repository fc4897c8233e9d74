"""What containers are given of this program, and in which order they end."""

import subprocess
import sys
import time
from types import SimpleNamespace

from docker.errors import APIError

from bench.stack.compose import containers
from bench.stack.compose.containers import Container, end_in_order
from bench.stack.compose.folders import write_code

ENTRIES = (
    "bench.verify.calls",
    "bench.contained",
    "bench.load.locust.process",
    "bench.load.locust.coordinator",
    "bench.load.locust.participant",
    "bench.stack.nodes.bytes_server",
)


def test_all_that_runs_in_containers_imports_nothing_of_this_program_that_they_are_not_given(tmp_path):
    write_code(tmp_path / "code")

    imports = f"import sys; sys.path.insert(0, {str(tmp_path / 'code')!r}); import {', '.join(ENTRIES)}"
    shows = "print(*{sys.modules[name].__file__ for name in sys.modules if name.startswith('bench')})"
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}; {shows}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    files = done.stdout.split()
    assert len(files) > 50
    assert all(file.startswith(str(tmp_path)) for file in files)


def test_what_only_this_machine_needs_is_not_copied(tmp_path):
    write_code(tmp_path / "code")

    assert not (tmp_path / "code/bench/report").exists()
    assert not (tmp_path / "code/bench/translate").exists()


class Engine:
    """Containers that end a moment after they are asked to, unless they are stubborn or frozen."""

    def __init__(self, stubborn=(), frozen=(), gone=()):
        self.stubborn, self.frozen, self.gone = stubborn, frozen, gone
        self.asked, self.waited = [], []
        self.api = SimpleNamespace(inspect_container=self._inspect, kill=self._kill, wait=self._wait)

    def _inspect(self, name):
        if name in self.gone:
            answer = SimpleNamespace(status_code=404, reason="", url="")
            raise APIError("no such container", response=answer)
        return {"State": {"Status": "paused" if name in self.frozen else "running", "Pid": 0}}

    def _kill(self, name, signal):
        assert signal == "SIGTERM"
        self.asked.append(name)

    def _wait(self, name, timeout):
        self.waited.append(name)
        if name in self.stubborn:
            time.sleep(0.05)
            raise OSError("timed out")


def containers_on(engine, *names, tmp_path):
    return [Container(name, name, tmp_path / name, engine) for name in names]


def test_each_group_is_asked_to_end_after_the_one_before_it_and_nobody_is_waited_for_who_cannot_obey(
    tmp_path,
):
    engine = Engine(frozen=["frozen"], gone=["gone"])
    first = containers_on(engine, "client", "frozen", tmp_path=tmp_path)
    second = containers_on(engine, "gone", "a", "b", tmp_path=tmp_path)

    end_in_order([first, second], grace_s=3)

    assert engine.asked == ["client", "a", "b"]
    assert engine.waited == ["client", "a", "b"]


def test_whoever_does_not_obey_keeps_the_others_no_longer_than_the_grace(tmp_path, monkeypatch):
    """Its process can be seen, and goes on."""
    engine = Engine()
    monkeypatch.setattr(Container, "_visible", lambda *_: 1)
    looks = []
    monkeypatch.setattr(containers, "is_running", lambda pid: not looks.append(pid))

    end_in_order(
        [
            containers_on(engine, "stubborn", tmp_path=tmp_path),
            containers_on(engine, "next", tmp_path=tmp_path),
        ],
        grace_s=0.05,
    )

    assert engine.asked == ["stubborn", "next"]
    assert len(looks) >= 2
    assert engine.waited == []


def test_the_engine_has_taken_the_networks_apart_before_anything_is_removed(tmp_path, monkeypatch):
    """A container removed in between leaves an endpoint, and its network stays for good."""
    engine = Engine()
    monkeypatch.setattr(Container, "_visible", lambda *_: 1)
    monkeypatch.setattr(containers, "is_running", lambda pid: False)

    end_in_order(
        [containers_on(engine, "client", tmp_path=tmp_path), containers_on(engine, "a", tmp_path=tmp_path)],
        grace_s=3,
    )

    assert engine.asked == ["client", "a"]
    assert engine.waited == ["client", "a"]
