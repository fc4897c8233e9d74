"""The Docker engine: reach it, and say clearly why it cannot be reached."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

import docker
import requests
from docker import DockerClient
from docker.errors import APIError, DockerException

from bench.errors import StackError

_TIMEOUT_S = 60
_ADVICE = "Start Docker, or leave `--stack docker` out: the local stack needs no engine."


def connect() -> DockerClient:
    """A client of the engine that ``DOCKER_HOST`` names, else of this machine's.

    Raises:
        StackError: no engine answers, this user may not talk to it, or it runs in a machine of its own.
    """
    try:
        client = docker.from_env(timeout=_TIMEOUT_S)
    except DockerException as error:
        raise _unreachable(error) from error
    except ValueError as error:
        raise StackError(
            f"DOCKER_HOST is not an address of an engine: {error}.", remedy="Correct it."
        ) from error
    with engine_errors_explained():
        facts = client.info()
    _require_local(facts)
    return client


def _require_local(facts: dict[str, object]) -> None:
    """Containers must see this machine's folders, and this machine the containers' addresses."""
    system = str(facts.get("OperatingSystem", ""))
    options = facts.get("SecurityOptions") or []
    is_rootless = any("name=rootless" in str(option) for option in options if option)  # type: ignore[attr-defined]
    host = os.environ.get("DOCKER_HOST", "")
    if "Docker Desktop" in system:
        problem = f"the engine is {system}, whose containers' addresses this machine cannot reach"
    elif host.startswith(("tcp://", "ssh://", "http")):
        problem = f"the engine is elsewhere ({host}) and does not see this machine's folders"
    elif is_rootless:
        problem = "the engine is rootless: its containers' addresses lie in a network of their own"
    else:
        return
    raise StackError(f"{problem}.", remedy="Use an engine on this Linux machine, or the local stack.")


@contextlib.contextmanager
def engine_errors_explained(doing: str = "") -> Iterator[None]:
    """Turn what the SDK raises into ``StackError``; *doing* says what failed, as in ``starting egress``."""
    try:
        yield
    except APIError as error:
        what = f"{doing}: " if doing else ""
        said = str(error.explanation or error).strip().rstrip(".")
        raise StackError(f"{what}the Docker engine says: {said}.") from error
    except (DockerException, requests.exceptions.RequestException) as error:
        raise _unreachable(error) from error


def _unreachable(error: Exception) -> StackError:
    where = os.environ.get("DOCKER_HOST", "/var/run/docker.sock")
    match _error_number(error):
        case errno.EACCES | errno.EPERM:
            return StackError(
                "this user may not talk to the Docker engine.",
                where=where,
                remedy="Add the user to the group docker and log in again, or use the local stack.",
            )
        case errno.ENOENT:
            return StackError("there is no Docker engine on this machine.", where=where, remedy=_ADVICE)
        case errno.ECONNREFUSED:
            return StackError("no Docker engine answers.", where=where, remedy=_ADVICE)
        case _:
            return StackError(f"no Docker engine answers ({error}).", where=where, remedy=_ADVICE)


def _error_number(error: BaseException) -> int | None:
    """The number of the operating system's error below what requests and urllib3 wrap around it."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        # requests' own errors are OSErrors without a number.
        if isinstance(each, OSError) and isinstance(each.errno, int):
            return each.errno
        beneath = (*each.args, each.__cause__, each.__context__, getattr(each, "reason", None))
        waiting += [inner for inner in beneath if isinstance(inner, BaseException)]
    return None
