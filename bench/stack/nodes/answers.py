"""How nginx gives answers of many sizes, after a delay, with faults, or as gRPC: parts of its configuration.

Which answer a request gets is decided by ``split_clients`` from nginx's own random request id. Delays need
its JavaScript (njs): a timer, so that waiting costs the node nothing but the timer.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from bench.stack.nodes.pages import heading
from bench.stack.protocol import NodeBehaviour

DELAYS = "delays.js"
_GRPC_PREFIX = 5
_POSTED = "/egress-bench-posted/"
"""Where what is answered lies once more, for requests that are no question: a file is nothing that can be
posted to, and where nginx would say so, it answers as it would to a GET."""
_RESET = 444
"""What nginx calls a closed connection; with ``reset_timedout_connection`` it is reset."""

_PLAIN = """\
        location / {
            root html;
            index index.html index.htm;
            error_page 405 =200 /index.html;
        }
"""
_SCRIPT = """\
// Written by egress-bench: waits as long as one of the delays, drawn by their shares, then lets nginx answer.
const delays = %s;

function wait(r) {
    let rest = Math.random();
    let ms = delays[delays.length - 1][0];
    for (let at = 0; at < delays.length; at++) {
        if (rest < delays[at][1]) { ms = delays[at][0]; break; }
        rest -= delays[at][1];
    }
    const answer = () => r.internalRedirect('@answer');
    if (ms > 0) { setTimeout(answer, ms); } else { answer(); }
}

export default {wait};
"""


def mixtures_of(behaviour: NodeBehaviour) -> str:
    """What is kept beside the server: which request gets which size and which fault."""
    parts = []
    if behaviour.sizes:
        *others, (last, _) = behaviour.sizes
        shares = " ".join(f"{share:.2%} {size};" for size, share in others)
        parts.append(f'    split_clients "size $request_id" $answer_size {{ {shares} * {last}; }}')
    if behaviour.faults:
        shares = " ".join(f"{share:.2%} {status or _RESET};" for status, share in behaviour.faults)
        parts.append(f'    split_clients "fault $request_id" $answer_fault {{ {shares} * 0; }}')
        parts.append("    reset_timedout_connection on;")
    if behaviour.delays:
        parts.append(f"    js_import delays from {DELAYS};")
    return "\n".join(["", *parts])


def locations_of(behaviour: NodeBehaviour) -> str:
    """The locations that answer."""
    if not (behaviour.sizes or behaviour.faults or behaviour.delays or behaviour.protocol == "grpc"):
        return _PLAIN
    name = "@answer" if behaviour.delays else "/"
    lines = []
    if behaviour.delays:
        lines += ["        location / {", "            js_content delays.wait;", "        }"]
    lines += [f"        location {name} {{", "            root html;"]
    for status, _ in behaviour.faults:
        code = status or _RESET
        lines.append(f"            if ($answer_fault = {code}) {{ return {code}; }}")
    file = "index.html"
    if behaviour.sizes:
        file = f"size-{behaviour.sizes[0][0]}.bin" if len(behaviour.sizes) == 1 else "size-$answer_size.bin"
    is_grpc = behaviour.protocol == "grpc"
    if is_grpc and not behaviour.sizes:
        file = "message.bin"
    lines += [
        f"            error_page 405 =200 {_POSTED}{file};",
        f"            rewrite ^ /{file} break;",
        "        }",
        f"        location {_POSTED} {{",
        "            internal;",
        "            alias html/;",
    ]
    if is_grpc:
        lines += [
            "            types { }",
            "            default_type application/grpc;",
            "            add_trailer grpc-status 0;",
        ]
    lines.append("        }")
    return "\n".join([*lines, ""])


def write_answers(folder: Path, behaviour: NodeBehaviour, word: str) -> None:
    """Write what the configuration names: bodies below ``html``, and the script of the delays.

    *word* is that of the node's page, with which bodies of a size begin, too.
    """
    pages = folder / "html"
    is_grpc = behaviour.protocol == "grpc"
    for size in {size for size, _ in behaviour.sizes}:
        (pages / f"size-{size}.bin").write_bytes(_message(size) if is_grpc else body_of(size, word))
    if is_grpc:
        (pages / "message.bin").write_bytes(_message(0))
    if behaviour.delays:
        (folder / DELAYS).write_text(_SCRIPT % json.dumps(behaviour.delays), encoding="utf-8")


def answer_digest(size: int, word: str) -> str:
    """SHA-256 (hex) of a body of *size* bytes, as a node with *word* on its page serves it."""
    return hashlib.sha256(body_of(size, word)).hexdigest()


def body_of(size: int, word: str) -> bytes:
    """A body of *size* bytes that begins with the heading of the node's page, as far as that fits."""
    begin = heading(word).encode()
    return (begin + filler(max(0, size - len(begin))))[:size]


def filler(size: int) -> bytes:
    """A body of *size* bytes: binary, and the same every time, so that its digest is known."""
    block = bytes(range(256))
    return (block * (size // len(block) + 1))[:size]


def _message(size: int) -> bytes:
    """A gRPC message with *size* bytes."""
    return b"\0" + size.to_bytes(_GRPC_PREFIX - 1, "big") + filler(size)
