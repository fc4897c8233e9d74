"""What the running parts say of themselves: Envoy's admin API, access logs, CPU and memory."""

from bench.telemetry.access_log import (
    EnvoyEntry,
    LogMark,
    NodeEntry,
    read_envoy_log,
    read_node_log,
    wait_until_flushed,
)
from bench.telemetry.admin import Admin, Snapshot, difference, total
from bench.telemetry.connection_times import CONNECTION_FIELDS, ConnectionEntry, read_connections
from bench.telemetry.containers import (
    MemoryRoom,
    Throttling,
    read_containers,
    read_memory_room,
    read_throttling,
)
from bench.telemetry.crypto_speed import OpensslSpeed, openssl_speed, openssl_version
from bench.telemetry.handshake import GATEWAY_FIELDS, collect_handshakes
from bench.telemetry.lanes import Lane, read_lanes
from bench.telemetry.local_ports import PortUse, read_port_use
from bench.telemetry.machine import MachineReading, read_machine
from bench.telemetry.memory import MemorySampler, PartSample
from bench.telemetry.usage import Usage, cpu_seconds, read_usage

__all__ = [
    "CONNECTION_FIELDS",
    "GATEWAY_FIELDS",
    "Admin",
    "ConnectionEntry",
    "EnvoyEntry",
    "Lane",
    "LogMark",
    "MachineReading",
    "MemoryRoom",
    "MemorySampler",
    "NodeEntry",
    "OpensslSpeed",
    "PartSample",
    "PortUse",
    "Snapshot",
    "Throttling",
    "Usage",
    "collect_handshakes",
    "cpu_seconds",
    "difference",
    "openssl_speed",
    "openssl_version",
    "read_connections",
    "read_containers",
    "read_envoy_log",
    "read_lanes",
    "read_machine",
    "read_memory_room",
    "read_node_log",
    "read_port_use",
    "read_throttling",
    "read_usage",
    "total",
    "wait_until_flushed",
]
