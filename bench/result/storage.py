"""``result.json`` on disk: written as a whole or not at all, read with an error that helps."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.errors import InputError
from bench.result.document import SCHEMA_VERSION, Result

RESULT_FILE = "result.json"


def write_result(folder: Path, result: Result) -> Path:
    """Write ``result.json`` as a whole or not at all, and return its path.

    Raises:
        InputError: the folder cannot be written.
    """
    target = folder / RESULT_FILE
    try:
        # The temporary file lies beside the target: a rename is atomic only within one file system.
        descriptor, name = tempfile.mkstemp(prefix=".result-", suffix=".json", dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(result.model_dump_json(indent=1) + "\n")
                out.flush()
                os.fsync(out.fileno())
            # mkstemp creates 0600; a result is there to be read by others.
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise InputError(
            f"the result cannot be written ({error.strerror}).",
            where=str(target),
            remedy="Choose another folder with --out.",
        ) from error
    return target


def read_result(folder: Path) -> Result:
    """Read the ``result.json`` of a result folder.

    Raises:
        InputError: it is missing, damaged, not ours, or of another schema version.
    """
    path = folder / RESULT_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            "there is no result.",
            where=str(path),
            remedy="Name a folder that `egress-bench run` made, such as one below reports/.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the result cannot be read ({error}).", where=str(path), remedy="Check the file."
        ) from error
    _check_version(path, text)
    try:
        return Result.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{field or 'the document'} is not what schema version {SCHEMA_VERSION} says ({first['msg']}).",
            where=str(path),
            remedy="The file was changed or cut after the run: take the original, or run again.",
        ) from error


def _check_version(path: Path, text: str) -> None:
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise InputError(
            f"this is not JSON ({error}).",
            where=f"{path}:{line}",
            remedy="The file was changed or cut after the run: take the original, or run again.",
        ) from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise InputError(
            "this is not a result of egress-bench: it names no schema_version.",
            where=str(path),
            remedy="Name a folder that `egress-bench run` made.",
        )
    if version != SCHEMA_VERSION:
        remedy = (
            "Install a newer egress-bench."
            if version > SCHEMA_VERSION
            else "Read it with the version of egress-bench that its fingerprint names."
        )
        raise InputError(
            f"the result has schema version {version}, this program reads {SCHEMA_VERSION}.",
            where=str(path),
            remedy=remedy,
        )
