"""Runs the engine alone, without Locust: a plan on each line of stdin, outcome or error on each of stdout."""

from __future__ import annotations

import dataclasses
import json
import sys
import time

import gevent.event  # noqa: TID251 - this process belongs to the engine

from bench.errors import BenchError
from bench.load import LoadPlan
from bench.load.engine.arrivals import Share
from bench.load.engine.engine import Engine
from bench.load.locust.gevent_host import gevent_host
from bench.load.run.merge import Merger

HOST = gevent_host()
if "--portable" in sys.argv:
    # As on a system that has neither epoll nor timerfd.
    HOST = dataclasses.replace(HOST, new_epoll=None)


def run(text: str) -> str:
    plan = LoadPlan.model_validate_json(text)
    merger = Merger(plan)
    merger.add_worker("engine", Share())
    over = gevent.event.Event()
    errors = []

    def fail(error) -> None:
        errors.append(error)
        over.set()

    try:
        engine = Engine(
            plan,
            Share(),
            HOST,
            on_ready=lambda: engine.start(time.monotonic() + 0.02),
            on_delta=lambda delta: merger.add("engine", delta),
            on_done=over.set,
            on_fatal=fail,
        )
        engine.connect()
        over.wait()
        if errors:
            raise errors[0]
        return merger.outcome().model_dump_json()
    except BenchError as error:
        return json.dumps({"error": str(error)})


for line in sys.stdin:
    sys.stdout.write(run(line) + "\n")
    sys.stdout.flush()
