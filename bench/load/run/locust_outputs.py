"""What Locust itself shows and writes of a load, beside our own result: web UI, CSV, HTML."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from bench.errors import InputError

WEB_PORT: Final = 8089
"""Locust's own default."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens on this machine."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, *, port: int, option: str) -> Self:
        """Read ``HOST``, ``HOST:PORT``, ``:PORT`` or ``PORT``; not said: loopback, and *port*.

        Raises:
            InputError: it is none of them.
        """
        host, colon, number = text.rpartition(":")
        if not colon:
            host, number = ("", text) if text.isdigit() else (text, str(port))
        if not (text and number.isascii() and number.isdigit() and 0 < int(number) <= 65535) or ":" in host:
            raise InputError(f"{option} {text!r} is not HOST:PORT.", remedy=f"For example 127.0.0.1:{port}.")
        return cls(host or "127.0.0.1", int(number))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def check(self, option: str) -> None:
        """See that one can listen there now.

        Raises:
            InputError: the port is taken, or the address is none of this machine.
        """
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self.host, self.port))
                probe.listen()
        except OSError as error:
            raise InputError(
                f"{option} {self}: cannot listen there ({error.strerror or error}).",
                remedy="Name an address of this machine and a free port.",
            ) from error


@dataclass(frozen=True, slots=True)
class LocustOutputs:
    """Locust's own outputs. Their figures keep Locust's rounding, and hold the warm-up, too."""

    csv: Path | None = None
    """Prefix, to which Locust appends ``_stats.csv``, ``_stats_history.csv``, ``_failures.csv`` and so on."""
    html: Path | None = None
    web: Address | None = None
    """Where the web UI listens while load runs; None: no web UI."""

    def __bool__(self) -> bool:
        return self != NO_LOCUST_OUTPUTS

    def for_trial(self, name: str) -> LocustOutputs:
        """The same for one of several loads: *name*, fit for a file, becomes part of each file's name."""
        return replace(
            self,
            csv=self.csv.with_name(f"{self.csv.name}-{name}") if self.csv is not None else None,
            html=self.html.with_stem(f"{self.html.stem}-{name}") if self.html is not None else None,
        )

    def check(self) -> None:
        """See that all of it can be had, before anything starts.

        Raises:
            InputError: a folder cannot be written, or the web UI's port is taken.
        """
        for option, path in (("--locust-csv", self.csv), ("--locust-html", self.html)):
            if path is not None:
                _make_folder_of(path, option)
        if self.web is not None:
            self.web.check("--web-bind")

    def options(self) -> list[str]:
        """The options that make Locust do so. It runs in another folder: paths are made absolute."""
        options = ["--only-summary"]
        if self.web is None:
            options += ["--headless"]
        else:
            options += ["--autostart", "--web-host", self.web.host, "--web-port", str(self.web.port)]
        if self.csv is not None:
            options += ["--csv", str(self.csv.absolute())]
        if self.html is not None:
            options += ["--html", str(self.html.absolute())]
        return options


NO_LOCUST_OUTPUTS: Final = LocustOutputs()


def _make_folder_of(path: Path, option: str) -> None:
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(0, "is a folder")
        if not os.access(path.absolute().parent, os.W_OK):
            raise PermissionError(0, "no permission")
    except OSError as error:
        raise InputError(
            f"{option} {path} cannot be written ({error.strerror}).",
            remedy="Name a file in your folders.",
        ) from error
