"""What is driven: the default scenario's path, or one bare nginx."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.headers import ID_HEADER
from bench.load.engine import REQUEST_ID

NGINX = """
worker_processes 1; master_process off; daemon off;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type text/html;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{tls} backlog=2048; root {folder}/html;
    add_header X-Node nginx01; add_header x-bench-id $http_x_bench_id;
  }}
}}
"""


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
    ca: Path | None = None
    """Of a target that speaks TLS: who signed its certificate."""

    @property
    def url(self) -> str:
        """For clients that take one."""
        return f"http{'s' if self.ca is not None else ''}://127.0.0.1:{self.port}/"

    @property
    def headers(self) -> list[dict[str, str]]:
        """Of each kind of request; all clients send an id, only ours another one each time."""
        always = {ID_HEADER: REQUEST_ID.format(run_id="bench", sequence=0)}
        return [{"Host": self.host, "want": want, **always} for want in self.wants] or [always]


@contextlib.contextmanager
def two_envoys() -> Iterator[Site]:
    """The default scenario's stack: sidecar, egress gateway, two nodes behind mutual TLS."""
    root = Path(__file__).resolve().parents[3]
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
def bare_nginx(
    binary: Path, cores: set[int], *, page_bytes: int = 624, certificates: Path | None = None
) -> Iterator[Site]:
    """A static page from one nginx process on its own core; with *certificates* over TLS."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "html").mkdir()
        folder.chmod(0o755)
        begin, end = "<html><body><h1>v1!</h1>", "</body></html>"
        page = begin + "." * (page_bytes - len(begin) - len(end)) + end
        (folder / "html" / "index.html").write_text(page)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        text = NGINX.format(folder=folder, port=port, tls=" ssl" if certificates is not None else "")
        if certificates is not None:
            keys = (
                f"ssl_certificate {certificates}/server.crt; ssl_certificate_key {certificates}/server.key;"
            )
            text = text.replace("  server {", f"  {keys}\n  server {{")
        (folder / "nginx.conf").write_text(text)
        process = subprocess.Popen(
            [binary, "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"]
        )
        try:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(process.pid, cores)
            _wait_for_port(port, process)
            ca = certificates / "ca.crt" if certificates is not None else None
            yield Site("one bare nginx process on another core", port, process.pid, ca=ca)
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
