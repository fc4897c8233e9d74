"""The other side: nginx as configured for one node, how it runs, and how it reloads."""

from bench.stack.nodes.answers import answer_digest
from bench.stack.nodes.bytes_node import (
    bytes_command,
    code_path,
    write_bytes_node,
    write_contained_bytes_node,
)
from bench.stack.nodes.config import (
    ACCESS_LOG,
    ACCESS_LOG_FIELDS,
    BACKLOG,
    FLUSH_INTERVAL_S,
)
from bench.stack.nodes.files import NodeFolder, files_needed, write_node
from bench.stack.nodes.pages import page_digest
from bench.stack.nodes.running import answers, crash_in, inherit, node_command
from bench.stack.nodes.workers import await_new_workers, children_of, is_running

__all__ = [
    "ACCESS_LOG",
    "ACCESS_LOG_FIELDS",
    "BACKLOG",
    "FLUSH_INTERVAL_S",
    "NodeFolder",
    "answer_digest",
    "answers",
    "await_new_workers",
    "bytes_command",
    "children_of",
    "code_path",
    "crash_in",
    "files_needed",
    "inherit",
    "is_running",
    "node_command",
    "page_digest",
    "write_bytes_node",
    "write_contained_bytes_node",
    "write_node",
]
