"""One node: nginx behind mutual TLS, configured as in the walkthrough, everything inside its own folder."""

from __future__ import annotations

import grp
import html
import os
import pwd
import re
import resource
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.errors import StackError
from bench.placement import Address
from bench.stack.binaries import Binary
from bench.stack.ports import BACKLOG
from bench.stack.processes import tail

NODE_HEADER = "x-node"
ID_HEADER = "x-bench-id"
ACCESS_LOG = "access.log"
FLUSH_INTERVAL_S = 0.2
"""An access log line is in its file after at most this long."""
SHUTDOWN_S = 1.0
"""An old worker is gone at most this long after a reload; requests in flight have so much time to end."""

ACCESS_LOG_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "time": "$msec",
        "node": "",
        "id": "$http_x_bench_id",
        "status": "$status",
        "method": "$request_method",
        "host": "$http_host",
        "uri": "$request_uri",
        "bytes": "$body_bytes_sent",
        "request_time": "$request_time",
        "connection": "$connection",
        "connection_requests": "$connection_requests",
        "client_verify": "$ssl_client_verify",
        "client_subject": "$ssl_client_s_dn",
        "client_serial": "$ssl_client_serial",
        "tls_version": "$ssl_protocol",
        "cipher": "$ssl_cipher",
        "server_name": "$ssl_server_name",
        "session_reused": "$ssl_session_reused",
    }
)
"""Name in the node's JSON access log -> nginx variable. All values are strings: some can be empty."""

_TEMP_PATHS = {
    "client_body_temp_path": None,
    "proxy_temp_path": "http_proxy_module",
    "fastcgi_temp_path": "http_fastcgi_module",
    "uwsgi_temp_path": "http_uwsgi_module",
    "scgi_temp_path": "http_scgi_module",
}
_MAX_CONNECTIONS = 16_384
_CRASH = re.compile(r"\[alert\].* worker process \d+ exited on signal")
_NAME = re.compile(r"[A-Za-z0-9._-]+")

_CONFIG = """\
# Written by egress-bench for node {name}.
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
# At a reload the old worker closes connections that wait between two requests, and waits for one without any
# request yet: a client that opens one more than it needs would hold the reload up.
worker_shutdown_timeout {shutdown_ms}ms;
{user}pid nginx.pid;
lock_file nginx.lock;
error_log stderr notice;

events {{
    worker_connections {connections};
}}

http {{
{temp_paths}
    types {{ text/html html; }}
    default_type text/html;
    log_format account escape=json '{log_format}';
    access_log {access_log} account buffer=64k flush={flush_ms}ms;

    # A load test decides itself when a connection ends: nginx would close it after 1000 requests, after 75 s
    # without one, after a minute without a first one, or after an hour.
    client_header_timeout 1h;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
{keepalive_time}
    server {{
        listen {ip}:{port} ssl backlog={backlog};
        server_name localhost;
        add_header {node_header} "{name}" always;
        add_header {id_header} $http_x_bench_id always;

        location / {{
            root html;
            index index.html index.htm;
        }}

        ssl_certificate "{certificates}/server.crt";
        ssl_certificate_key "{certificates}/server.key";
        ssl_client_certificate "{certificates}/ca.crt";
        ssl_verify_client on;
        ssl_verify_depth 10;
        # The default changed between releases; written out, every build offers the same.
        ssl_protocols TLSv1.2 TLSv1.3;

        error_page 500 502 503 504 /50x.html;
        location = /50x.html {{
            root html;
        }}
    }}
}}
"""

_PAGE = """\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
    body {{
        width: 35em;
        margin: 0 auto;
        font-family: Tahoma, Verdana, Arial, sans-serif;
    }}
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<h1>{word}!</h1>
<p>If you see this page, the nginx web server is successfully installed and
working. Further configuration is required.</p>

<p>For online documentation and support please refer to
<a href="http://nginx.org/">nginx.org</a>.<br/>
Commercial support is available at
<a href="http://nginx.com/">nginx.com</a>.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
"""

_ERROR_PAGE = """\
<!DOCTYPE html>
<html>
<head><title>Error</title></head>
<body>
<h1>An error occurred.</h1>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """Where one node's files lie."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.path / "nginx.conf"

    @property
    def log(self) -> Path:
        """What nginx says: its error log."""
        return self.path / "output.log"

    @property
    def access_log(self) -> Path:
        """One JSON object for each request, fields as in ``ACCESS_LOG_FIELDS``."""
        return self.path / ACCESS_LOG


def write_node(
    folder: NodeFolder,
    *,
    name: str,
    page: str,
    address: Address,
    certificates: Path,
    binary: Binary,
    seen: Path | None = None,
) -> None:
    """Write configuration and pages of one node.

    Args:
        folder: where to.
        name: of the node.
        page: the word on its welcome page.
        address: where it listens.
        certificates: folder with ``ca.crt``, ``server.crt`` and ``server.key``.
        binary: the nginx that will run.
        seen: the same folder as a node in a container sees it; None: the node is a process beside this one.

    Raises:
        StackError: certificates are missing, or a file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise StackError(
            f"{name!r} cannot name a node.", remedy="Use letters, digits, dots, dashes and underscores."
        )
    for needed in ("ca.crt", "server.crt", "server.key"):
        if not (certificates / needed).is_file():
            raise StackError(
                f"{name} needs {needed} and it is not there.",
                where=str(certificates),
                remedy="Write the certificates before the stack is started.",
            )
    pages = folder.path / "html"
    for needed_folder in (folder.path, pages, folder.path / "temp"):
        needed_folder.mkdir(mode=0o700)
    (pages / "index.html").write_text(_PAGE.format(word=html.escape(page)), encoding="utf-8")
    (pages / "50x.html").write_text(_ERROR_PAGE, encoding="utf-8")
    folder.config.write_text(
        render_node(
            name=name,
            address=address,
            certificates=seen or certificates,
            binary=binary,
            is_contained=seen is not None,
        ),
        encoding="utf-8",
    )


def render_node(
    *, name: str, address: Address, certificates: Path, binary: Binary, is_contained: bool = False
) -> str:
    """The nginx configuration of one node; relative paths in it count from the node's folder.

    In a container the user and the number of open files are the container's affair.
    """
    temp_paths = "\n".join(
        f"    {directive} temp/{directive.removesuffix('_temp_path')};"
        for directive, module in _TEMP_PATHS.items()
        if module is None or not binary.lacks(module)
    )
    fields = ",".join(
        f'"{field}":"{name if field == "node" else variable}"'
        for field, variable in ACCESS_LOG_FIELDS.items()
    )
    return _CONFIG.format(
        name=name,
        user="" if is_contained else _user_line(),
        descriptors=_descriptor_limit(),
        # Log files and the listening socket need descriptors too.
        connections=min(_MAX_CONNECTIONS, _descriptor_limit() - 32),
        temp_paths=temp_paths,
        # Older ones have no such limit.
        keepalive_time="    keepalive_time 24h;\n" if binary.is_at_least(1, 19, 10) else "",
        log_format=f"{{{fields}}}",
        access_log=ACCESS_LOG,
        flush_ms=round(FLUSH_INTERVAL_S * 1000),
        shutdown_ms=round(SHUTDOWN_S * 1000),
        ip=address[0],
        port=address[1],
        backlog=BACKLOG,
        node_header=NODE_HEADER,
        id_header=ID_HEADER,
        certificates=certificates,
    )


def node_command(folder: NodeFolder, binary: Binary) -> list[str]:
    """The command that runs one node in the foreground."""
    command = [str(binary.path), "-p", f"{folder.path}/", "-c", str(folder.config)]
    # Until it has read its configuration, nginx logs where it was built to: maybe to a file of root's.
    return [*command, "-e", "stderr"] if binary.is_at_least(1, 19, 5) else command


def inherit(descriptor: int) -> dict[str, str]:
    """The environment by which nginx takes over an open listening socket.

    The way nginx hands its sockets to its successor when it is upgraded in place; the address in ``listen``
    must be the socket's own. So the system chooses the port, and no other program can take it in between.
    https://nginx.org/en/docs/control.html#upgrade
    """
    return {"NGINX": f"{descriptor};"}


def answers(address: Address, timeout_s: float) -> bool:
    """Whether a worker completes a TLS handshake there. Leaves no line in the access log.

    The socket listens before nginx runs, so a connection alone proves nothing. Nothing is verified here: a
    node with a wrong certificate is up too, and finding that out is the verification's job.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(address, timeout_s) as raw,
            context.wrap_socket(raw, server_hostname="localhost"),
        ):
            return True
    except OSError:
        return False


def crash_in(log: Path) -> str | None:
    """The line in which the master tells of a worker that was ended by a signal; None if there is none.

    The master makes a new worker at once, so a crash is easily missed, and spoils a measurement.
    """
    return next((line for line in tail(log, 50).splitlines() if _CRASH.search(line)), None)


def _user_line() -> str:
    """Keep the worker the user that started it: the folder is closed to everybody else.

    Only root's nginx changes its user, to ``nobody`` or ``www-data``.
    """
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name};\n"


def _descriptor_limit() -> int:
    """As many as the system allows: a shell's usual 1024 would refuse connections in the middle of a load."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _MAX_CONNECTIONS
    return wanted if hard == resource.RLIM_INFINITY else max(128, min(wanted, hard))
