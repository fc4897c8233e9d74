"""One Envoy: its files, its admin API while it starts, and why it refuses."""

from bench.stack.proxies.admin import AdminAddress, admin_address, get, is_live, listener_addresses, refusals
from bench.stack.proxies.files import (
    ACCESS_LOG,
    BOOTSTRAP,
    FLUSH_INTERVAL_S,
    ProxyFolder,
    envoy_command,
    socket_fits,
    write_files,
)
from bench.stack.proxies.refusal import missing_listener_error, plain_reason, reasons_in, refusal_error

__all__ = [
    "ACCESS_LOG",
    "BOOTSTRAP",
    "FLUSH_INTERVAL_S",
    "AdminAddress",
    "ProxyFolder",
    "admin_address",
    "envoy_command",
    "get",
    "is_live",
    "listener_addresses",
    "missing_listener_error",
    "plain_reason",
    "reasons_in",
    "refusal_error",
    "refusals",
    "socket_fits",
    "write_files",
]
