"""One Envoy: its files, its admin API while it starts, and why it refuses."""

from bench.stack.proxies.admin import (
    AdminAddress,
    admin_address,
    epoch_of,
    get,
    is_live,
    listener_addresses,
    refusals,
)
from bench.stack.proxies.epochs import Epoch, choose_base_id, memory_name
from bench.stack.proxies.files import (
    ACCESS_LOG,
    BOOTSTRAP,
    FLUSH_INTERVAL_S,
    ProxyFolder,
    envoy_command,
    socket_fits,
    validation_command,
    write_files,
)
from bench.stack.proxies.refusal import missing_listener_error, plain_reason, reasons_in, refusal_error

__all__ = [
    "ACCESS_LOG",
    "BOOTSTRAP",
    "FLUSH_INTERVAL_S",
    "AdminAddress",
    "Epoch",
    "ProxyFolder",
    "admin_address",
    "choose_base_id",
    "envoy_command",
    "epoch_of",
    "get",
    "is_live",
    "listener_addresses",
    "memory_name",
    "missing_listener_error",
    "plain_reason",
    "reasons_in",
    "refusal_error",
    "refusals",
    "socket_fits",
    "validation_command",
    "write_files",
]
