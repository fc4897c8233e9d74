"""The folder of one proxy, its files, and the command that runs Envoy on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.disks import refusal
from bench.errors import StackError
from bench.placement import ConfigFile
from bench.stack.binaries import Binary
from bench.stack.proxies.epochs import NO_EPOCHS, Epoch

BOOTSTRAP = "bootstrap.yaml"
_SOCKET_PATH_LIMIT = 107
ACCESS_LOG = "access.log"
FLUSH_INTERVAL_S = 0.2
"""An access log line is in its file after at most this long."""


@dataclass(frozen=True, slots=True)
class ProxyFolder:
    """Where one proxy's files lie."""

    path: Path

    @property
    def config_root(self) -> Path:
        """The rendered files; Envoy watches this tree."""
        return self.path / "config"

    @property
    def staging(self) -> Path:
        """Where a file is written before it is renamed into place: same file system, not watched."""
        return self.path / "staging"

    @property
    def log_root(self) -> Path:
        """Envoy's access logs."""
        return self.path / "logs"

    @property
    def log(self) -> Path:
        """What Envoy says."""
        return self.path / "output.log"

    @property
    def admin_socket(self) -> Path:
        """The admin API: reachable through this folder alone, which is closed to others."""
        return self.path / "admin.sock"

    @property
    def admin_address(self) -> Path:
        """The file into which Envoy writes the address of its admin API."""
        return self.path / "admin.address"

    def make(self) -> None:
        """Create the folders."""
        for folder in (self.path, self.config_root, self.staging, self.log_root):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def socket_fits(path: Path) -> bool:
    """Whether the kernel takes the path of a Unix socket: 107 bytes, ``sun_path`` without its end."""
    return len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT


def write_files(
    folder: ProxyFolder,
    proxy: str,
    files: Sequence[ConfigFile],
    *,
    owner: Callable[[Path], None] = lambda _: None,
) -> None:
    """Write files in the given order, each by one rename, so that Envoy sees all of a file or nothing.

    Raises:
        StackError: a path leaves the configuration folder, or a file cannot be written.
    """
    for file in files:
        target = folder.config_root / file.path
        if Path(file.path).is_absolute() or ".." in Path(file.path).parts:
            raise StackError(f"{proxy} may not write {file.path!r}: it is outside its folder.")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            staged = folder.staging / target.name
            staged.write_text(file.text, encoding="utf-8")
            owner(staged)
            staged.replace(target)
        except OSError as error:
            raise StackError(
                f"{proxy}: {file.path} cannot be written: {refusal(error, target)}.",
                where=str(folder.config_root),
                remedy="Make room on the disk, or set TMPDIR to a folder that has it.",
            ) from error


def validation_command(folder: ProxyFolder, binary: Binary) -> list[str]:
    """The command that looks into the files of one Envoy and ends, with code 0 if it would start on them."""
    return [
        str(binary.path),
        *("--mode", "validate"),
        *("--config-path", str(folder.config_root / BOOTSTRAP)),
        *NO_EPOCHS,
        *("--log-level", "warning"),
    ]


def envoy_command(
    folder: ProxyFolder, binary: Binary, *, concurrency: int, epoch: Epoch | None = None
) -> list[str]:
    """The command that runs one Envoy in the foreground.

    Args:
        folder: its files.
        binary: Envoy.
        concurrency: worker threads.
        epoch: which one of several that follow each other it is; None: the only one.
    """
    return [
        str(binary.path),
        "--config-path",
        str(folder.config_root / BOOTSTRAP),
        "--concurrency",
        str(concurrency),
        "--admin-address-path",
        str(folder.admin_address),
        *(epoch.arguments() if epoch is not None else NO_EPOCHS),
        # A misspelt field in a file is otherwise dropped in silence.
        "--reject-unknown-dynamic-fields",
        "--file-flush-interval-msec",
        str(round(FLUSH_INTERVAL_S * 1000)),
        "--log-level",
        "warning",
    ]
