"""How a container ended: the engine reports the end before it reports that memory was the reason."""

from types import SimpleNamespace

import pytest

from bench.errors import OutOfMemoryError
from bench.stack.compose.containers import Container


def container(tmp_path, states, **more):
    """A container whose state is the next of *states* each time that the engine is asked, then the last."""
    answers = iter(states)
    last = {}

    def inspect(_):
        last.update(next(answers, {}))
        return {"State": {"Status": "exited", "ExitCode": 137, **last}}

    api = SimpleNamespace(inspect_container=inspect, logs=lambda *_, **__: b"")
    return Container("egress", "1", tmp_path / "log", SimpleNamespace(api=api), **more)


def test_news_of_a_lack_of_memory_that_come_late_are_waited_for(tmp_path):
    late = container(tmp_path, [{"OOMKilled": False}] * 3 + [{"OOMKilled": True}], memory_limit=32 << 20)

    error = late.died()

    assert isinstance(error, OutOfMemoryError)
    assert "egress ran out of memory: it needed more than its limit of 32 MiB" in str(error)


@pytest.mark.parametrize("more", [{}, {"memory_limit": 32 << 20}])
def test_who_is_killed_otherwise_is_not_said_to_lack_memory(tmp_path, more, monkeypatch):
    monkeypatch.setattr("bench.stack.compose.containers._OOM_NEWS_S", 0.1)

    error = container(tmp_path, [], **more).died()

    assert not isinstance(error, OutOfMemoryError)
    assert "egress was ended by SIGKILL" in str(error)
