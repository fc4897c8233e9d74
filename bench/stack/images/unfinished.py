"""What builds that were killed leave: images without a name, known by the process that built them."""

from __future__ import annotations

import contextlib
import os

from docker import DockerClient
from docker.errors import APIError, NotFound

from bench.stack.engine import engine_errors_explained
from bench.stack.runs import ProcessMark

BUILDER_LABEL = "egress-bench.builder"
"""On every image of a build from its first step on: process id and start of who builds."""
FINISHED_LABEL = "egress-bench.build"
"""On an image whose build came to its end, with what it was built from; the last step of a build sets it."""


def builder_label() -> str:
    """The value for this process."""
    mark = ProcessMark.of(os.getpid(), "builder")
    return f"{os.getpid()} {mark.started if mark is not None else 0}"


def remove_unfinished(client: DockerClient) -> list[str]:
    """Remove images that no name and no living builder holds; ids of what was removed.

    Raises:
        StackError: the engine does not answer.
    """
    removed = []
    with engine_errors_explained():
        found = client.images.list(filters={"dangling": True, "label": BUILDER_LABEL})
    for image in found:
        # A finished one lost its name to a newer build: a run that began with it still needs it.
        if FINISHED_LABEL in image.labels or _is_being_built(image.labels.get(BUILDER_LABEL, "")):
            continue
        # Somebody else removes it, or a container was made of it.
        with contextlib.suppress(NotFound, APIError):
            client.api.remove_image(str(image.id))
            removed.append(str(image.id))
    return removed


def _is_being_built(label: str) -> bool:
    pid, _, started = label.partition(" ")
    try:
        mark = ProcessMark(int(pid), float(started), "builder")
    except ValueError:
        return False
    return mark.pid != os.getpid() and mark.is_running()
