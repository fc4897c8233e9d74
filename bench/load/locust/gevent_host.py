"""gevent's loop as an engine's host."""

from __future__ import annotations

import sys
from typing import cast

from gevent import monkey
from gevent.hub import get_hub

from bench.load.engine.host import EventLoop, Host


def gevent_host() -> Host:
    """The loop of this thread."""
    # Locust's monkey patching takes epoll out of the select module.
    new_epoll = monkey.get_original("select", "epoll") if sys.platform == "linux" else None
    return Host(cast("EventLoop", get_hub().loop), new_epoll)
