"""How an experiment ends: whatever stops it, what was measured until then is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.disks import refusal
from bench.errors import BenchError, StackError
from bench.measure.run_record import RunRecord
from bench.report import write_report as write_real_report
from bench.result import Result


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over."""

    result: Result
    folder: Path
    report: Path | None


class InterruptedRunError(BenchError):
    """The user stopped the run; what was measured until then is kept."""

    exit_code = 130
    """As shells report an end by Ctrl-C."""


@contextlib.contextmanager
def kept(record: RunRecord, *, write_report: Callable[[Path], Path] = write_real_report) -> Iterator[None]:
    """Whatever stops what is done within: result and report of what there is are on disk.

    Raises:
        InterruptedRunError: Ctrl-C or SIGTERM.
        StackError: the operating system refused something: the disk can be full at any moment.
    """
    try:
        yield
    except KeyboardInterrupt:
        _keep(record, "interrupted by the user", write_report)
        raise InterruptedRunError(
            "interrupted; everything is stopped.", remedy=f"What was measured is in {record.folder}."
        ) from None
    except BenchError as error:
        _keep(record, str(error), write_report)
        raise
    except OSError as error:
        explained = StackError(
            f"the system refuses: {refusal(error, record.folder)}.",
            where=str(error.filename) if error.filename is not None else None,
            remedy="Make room on the disk, or name another folder with --out or TMPDIR.",
        )
        _keep(record, str(explained), write_report)
        raise explained from error
    except Exception as error:
        # A defect of ours: what was measured is none, and the one who called says what it is.
        _keep(record, f"a defect of egress-bench: {type(error).__name__}: {error}", write_report)
        raise


def _keep(record: RunRecord, reason: str, write_report: Callable[[Path], Path]) -> None:
    """Write result and report of an aborted run; a second failure here must not hide the first.

    Where the disk is full the result stays as it was written before: aborted, and with all trials until then.
    """
    with contextlib.suppress(Exception):
        record.abort(reason)
        if record.has_findings:
            write_report(record.folder)
