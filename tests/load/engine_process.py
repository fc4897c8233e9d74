"""Runs the engine alone, without Locust: plan on stdin, outcome or error on stdout."""

from __future__ import annotations

import json
import sys
import time

import gevent.event  # noqa: TID251 - this process belongs to the engine
from gevent.hub import get_hub  # noqa: TID251

from bench.errors import BenchError
from bench.load.arrivals import Share
from bench.load.engine import Engine
from bench.load.merge import Merger
from bench.load.plan import LoadPlan


def main() -> None:
    plan = LoadPlan.model_validate_json(sys.stdin.read())
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
            get_hub().loop,
            on_ready=lambda: engine.start(time.monotonic() + 0.02),
            on_delta=lambda delta: merger.add("engine", delta),
            on_done=over.set,
            on_fatal=fail,
        )
        engine.connect()
        over.wait()
        if errors:
            raise errors[0]
        sys.stdout.write(merger.outcome().model_dump_json())
    except BenchError as error:
        sys.stdout.write(json.dumps({"error": str(error)}))


main()
