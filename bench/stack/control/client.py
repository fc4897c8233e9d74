"""The door of the control plane, seen from the process that runs the stack."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc

from bench.errors import StackError
from bench.stack.control.names import DOOR
from bench.stack.protocol import ControlState

_TIMEOUT_S = 60.0


class ControlDoor:
    """Calls through one channel; raises ``StackError`` where the control plane does not answer."""

    def __init__(self, door: Path) -> None:
        self._channel = grpc.insecure_channel(
            f"unix:{door}", options=[("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
        )
        self._publish: Any = self._channel.unary_unary(f"/{DOOR}/Publish")
        self._state: Any = self._channel.unary_unary(f"/{DOOR}/State")

    def publish(self, proxy: str, folder: Path, kinds: Sequence[str]) -> None:
        """Let *proxy* have what the files of *kinds* in *folder* say now."""
        answer = self._call(self._publish, {"proxy": proxy, "folder": str(folder), "kinds": list(kinds)})
        if "error" in answer:
            raise StackError(f"the control plane cannot serve the files of {proxy}: {answer['error']}.")

    def state(self, since: int = 0) -> ControlState:
        """Who is connected, and what has happened after event *since*."""
        answer = self._call(self._state, {"since": since})
        return ControlState(tuple(answer["streams"]), tuple(answer["events"]))

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            self._state(b'{"since": 1000000000}', timeout=1.0)
        except grpc.RpcError:
            return False
        return True

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _call(self, method: Any, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(method(json.dumps(request).encode(), timeout=_TIMEOUT_S))
        except grpc.RpcError as error:
            raise StackError(f"the control plane does not answer: {error.code().name}.") from error
        return answer
