"""One control plane for all tests of a module: each has a proxy of its own."""

import itertools
import os
from pathlib import Path

import pytest

from bench.stack.control import ControlPlane
from bench.stack.runs import RunFolder
from tests.stack.control.raw import RawStream
from tests.support.waiting import wait_until

_PROXIES = itertools.count(1)


@pytest.fixture(scope="module")
def plane():
    with RunFolder.create("control") as folder:
        started = ControlPlane(folder, lambda _, is_ready: wait_until(is_ready))
        try:
            yield started
        finally:
            started.close()
            started.process.end()


@pytest.fixture
def proxy():
    """The name of a proxy that nothing else uses."""
    return f"proxy-{os.getpid()}-{next(_PROXIES)}"


@pytest.fixture
def connect(plane, proxy):
    """Open streams; they are closed at the end."""
    opened = []

    def make(*, is_delta: bool, node: str = proxy) -> RawStream:
        opened.append(RawStream(Path(plane.folder.socket), node, is_delta=is_delta))
        return opened[-1]

    yield make
    for each in opened:
        each.close()
