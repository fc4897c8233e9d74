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
from bench.result.document import Result
from bench.result.history import SCHEMA_VERSION, upgrade

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
    document = _known_version(path, text)
    version = document["schema_version"]
    try:
        if version == SCHEMA_VERSION:
            return Result.model_validate_json(text)
        return Result.model_validate(upgrade(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise _not_as_stated(path, version, field or "the document", first["msg"]) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_as_stated(path, version, "the document", repr(error)) from error


def _not_as_stated(path: Path, version: int, field: str, why: str) -> InputError:
    return InputError(
        f"{field} is not what schema version {version} says ({why}).",
        where=str(path),
        remedy="The file was changed or cut after the run: take the original, or run again.",
    )


def _known_version(path: Path, text: str) -> dict[str, Any]:
    """The document, if it is one of a schema version that can be read."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
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
    if not 1 <= version <= SCHEMA_VERSION:
        known = "Name a folder that `egress-bench run` made."
        raise InputError(
            f"the result has schema version {version}, this program reads 1 to {SCHEMA_VERSION}.",
            where=str(path),
            remedy="Install a newer egress-bench." if version > SCHEMA_VERSION else known,
        )
    return dict(document)
