"""What of a stack goes into the result folder before the stack goes: files that ran, output, access logs.

Private keys lie elsewhere in the run folder and are never looked at.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.errors import InputError
from bench.stack.protocol import Component, Stack


def keep_configuration(folder: Path, name: str, stack: Stack, public: Sequence[Path] = ()) -> None:
    """Copy every part's configuration to ``config/<name>/<part>/``, and the *public* certificates.

    Raises:
        InputError: the result folder cannot be written any more.
    """
    for part in stack.components():
        if part.config is not None:
            _copy(part.config, folder / "config" / name / part.name)
    for certificate in public:
        _copy(certificate, folder / "config" / "certificates")


def keep_logs(folder: Path, name: str, stack: Stack, *, access_logs: bool = False) -> None:
    """Copy every part's output to ``logs/<name>/``, with *access_logs* those too; errors as above."""
    for part in stack.components():
        home = folder / "logs" / name
        for log, kind in _logs(part, access_logs=access_logs):
            if log.is_file():
                _copy(log, home, f"{part.name}.{kind}")


def _logs(part: Component, *, access_logs: bool) -> list[tuple[Path, str]]:
    found = [(part.log, "log")]
    if access_logs and part.access_log is not None:
        found.append((part.access_log, "access.log"))
    return found


def _copy(source: Path, home: Path, name: str | None = None) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, home, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, home / (name or source.name))
    except OSError as error:
        raise InputError(
            f"cannot keep {source.name} there: {error.strerror or error}.",
            where=str(home),
            remedy="Make room on the disk, or choose another folder with --out.",
        ) from error
