"""The nginx configuration of one node, as in the walkthrough: everything inside its own folder."""

from __future__ import annotations

import grp
import os
import pwd
import resource
from collections.abc import Mapping
from types import MappingProxyType

from bench.headers import ID_HEADER, NODE_HEADER
from bench.placement import Address
from bench.stack.binaries import Binary
from bench.stack.nodes.answers import locations_of, mixtures_of
from bench.stack.protocol import PLAIN_NODE, NodeBehaviour, NodeTls, NodeTlsOptions

BACKLOG = 4096
READY_PATH = "/egress-bench-ready"
"""Where a node without TLS answers the question whether it is up."""
_ID = f"$http_{ID_HEADER.replace('-', '_')}"
"""The request's id, as nginx calls the header."""
ACCESS_LOG = "access.log"
FLUSH_INTERVAL_S = 0.2
"""An access log line is in its file after at most this long."""
SHUTDOWN_S = 1.0
"""An old worker is gone at most this long after a reload; requests in flight have so much time to end."""

ACCESS_LOG_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "time": "$msec",
        "node": "",
        "id": _ID,
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
        "worker": "$pid",
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
    # Whatever is posted is read and thrown away.
    client_max_body_size 0;
{keepalive_time}{mixtures}
    server {{
        listen {ip}:{port}{ssl} backlog={backlog};
{http2}        server_name localhost;
        add_header {node_header} "{name}" always;
        add_header {id_header} {request_id} always;

{locations}
{tls}
        error_page 500 502 503 504 /50x.html;
        location = /50x.html {{
            root html;
        }}
    }}
}}
"""


_SERVER_TLS = """\
        ssl_certificate "{server}/server.crt";
        ssl_certificate_key "{server}/server.key";
        # The default changed between releases; written out, every build offers the same.
        ssl_protocols {versions};
{sessions}"""
_TLS: Mapping[NodeTls, str] = MappingProxyType(
    {
        # Whether it answers is asked without a line in the access log.
        "none": f"""\
        location = {READY_PATH} {{{{
            access_log off;
            return 204;
        }}}}
""",
        "simple": _SERVER_TLS,
        "mutual": _SERVER_TLS
        + """\
        ssl_client_certificate "{trust}/ca.crt";
        ssl_verify_client on;
        ssl_verify_depth {verify_depth};
""",
    }
)


def render_node(
    *,
    name: str,
    address: Address,
    tls: NodeTls,
    server: str,
    trust: str,
    binary: Binary,
    is_contained: bool = False,
    options: NodeTlsOptions | None = None,
    behaviour: NodeBehaviour = PLAIN_NODE,
) -> str:
    """The nginx configuration of one node; relative paths in it count from the node's folder.

    In a container the user and the number of open files are the container's affair.

    Args:
        name: of the node.
        address: where it listens.
        tls: what it speaks.
        server: folder of ``server.crt`` and ``server.key``, as the node sees it.
        trust: folder of ``ca.crt``, as the node sees it.
        binary: the nginx that will run.
        is_contained: whether it runs in a container.
        options: how it speaks TLS; None: as an untuned nginx.
        behaviour: how it answers.
    """
    chosen = options or NodeTlsOptions()
    temp_paths = "\n".join(
        f"    {directive} temp/{directive.removesuffix('_temp_path')};"
        for directive, module in _TEMP_PATHS.items()
        if module is None or not binary.lacks(module)
    )
    http2, has_directive = behaviour.is_http2, binary.is_at_least(1, 25, 1)
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
        request_id=_ID,
        ssl=("" if tls == "none" else " ssl") + (" http2" if http2 and not has_directive else ""),
        http2="        http2 on;\n" if http2 and has_directive else "",
        mixtures=mixtures_of(behaviour),
        locations=locations_of(behaviour),
        tls=_TLS[tls].format(
            server=server,
            trust=trust,
            versions=" ".join(chosen.versions),
            sessions=_sessions(chosen, server),
            verify_depth=chosen.verify_depth,
        ),
    )


def _sessions(options: NodeTlsOptions, server: str) -> str:
    """The directives that differ from nginx's own defaults."""
    lines = []
    if options.curves is not None:
        lines.append(f"ssl_ecdh_curve {options.curves};")
    if not options.tickets:
        lines.append("ssl_session_tickets off;")
    if options.ticket_key is not None:
        lines.append(f'ssl_session_ticket_key "{server}/{options.ticket_key}";')
    if options.session_cache:
        lines.append("ssl_session_cache shared:sessions:10m;")
    return "".join(f"        {line}\n" for line in lines)


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
