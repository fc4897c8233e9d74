"""The same numbers in the forms that other programs read.

    JUnit XML             CI servers: each call, limit, account and subset is a test case
    Markdown summary      ``$GITHUB_STEP_SUMMARY``
    Prometheus textfile   node_exporter's textfile collector, in OpenMetrics' text form
    Fortio JSON           Fortio's browser (``fortio report``)
    CSV                   spreadsheets: a row for each trial and subset

HDR logs and percentile tables lie in ``samples/`` of every result folder. The face of the package: what
writes a form is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError, InputError

if TYPE_CHECKING:
    from bench.check import Finding
    from bench.report.exports.cases import Suite
    from bench.result import Result

__all__ = ["Exports"]


@dataclass(frozen=True, slots=True)
class Exports:
    """Files to write beside the report; None: not asked for."""

    junit: Path | None = None
    summary: Path | None = None
    prometheus: Path | None = None
    fortio: Path | None = None
    csv: Path | None = None

    def __bool__(self) -> bool:
        return any(path is not None for path in self._paths())

    def check(self) -> None:
        """See that each file can be written, before anything is measured.

        Raises:
            InputError: one cannot be.
        """
        for path in self._paths():
            if path is None:
                continue
            if path.is_dir():
                raise InputError(
                    "this is a folder, and a file is to be written.",
                    where=str(path),
                    remedy="Name a file in it.",
                )
            if not path.parent.is_dir():
                raise InputError(
                    "the folder of this file does not exist.",
                    where=str(path),
                    remedy="Make the folder, or name a file elsewhere.",
                )

    def write(self, result: Result, folder: Path | None) -> None:
        """Write every file that was asked for; *folder* holds the samples of *result*.

        Raises:
            InputError: a file cannot be written.
            MeasurementError: the samples are damaged.
        """
        if not self:
            return
        from bench.report.exports.cases import suites_of  # noqa: PLC0415 - see above

        if self.junit is not None:
            self._write_junit(self.junit, suites_of(result))
        if self.summary is not None:
            from bench.report.exports.summary import summary_of  # noqa: PLC0415 - see above

            _append(self.summary, summary_of(result))
        if self.prometheus is not None:
            from bench.report.exports.prometheus import metrics_of  # noqa: PLC0415 - see above

            _replace(self.prometheus, metrics_of(result))
        if self.csv is not None:
            from bench.report.exports.csv_table import table_of  # noqa: PLC0415 - see above

            _replace(self.csv, table_of(result))
        if self.fortio is not None:
            from bench.report.exports.fortio import fortio_of  # noqa: PLC0415 - see above

            _replace(self.fortio, fortio_of(result, folder))

    def write_findings(self, findings: Sequence[Finding], *, fails_on_warning: bool) -> None:
        """Write what ``check`` found as JUnit and summary; the other forms have nothing to hold.

        Raises:
            InputError: a form was asked for that holds measurements only, or a file cannot be written.
        """
        if not self:
            return
        from bench.report.exports.cases import suite_of_findings  # noqa: PLC0415 - see above

        suite = suite_of_findings(findings, fails_on_warning=fails_on_warning)
        if self.junit is not None:
            self._write_junit(self.junit, (suite,))
        if self.summary is not None:
            from bench.report.exports.summary import summary_of_findings  # noqa: PLC0415 - see above

            _append(self.summary, summary_of_findings(findings))

    def write_error(self, error: BenchError) -> None:
        """Write that a command could not do its job: a CI server shows why instead of nothing."""
        if not self:
            return
        from bench.report.exports.cases import suite_of_error  # noqa: PLC0415 - see above

        if self.junit is not None:
            self._write_junit(self.junit, (suite_of_error(error),))
        if self.summary is not None:
            from bench.report.exports.summary import summary_of_error  # noqa: PLC0415 - see above

            _append(self.summary, summary_of_error(error))

    def _paths(self) -> tuple[Path | None, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    @staticmethod
    def _write_junit(path: Path, suites: Sequence[Suite]) -> None:
        from bench.report.exports.junit import junit_of  # noqa: PLC0415 - see above

        _replace(path, junit_of(suites))


def _replace(path: Path, text: str) -> None:
    from bench.report.files import replace_file  # noqa: PLC0415 - see above

    replace_file(path, text)


def _append(path: Path, text: str) -> None:
    """A step summary is one file for all commands of a step."""
    try:
        with path.open("a", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise InputError(
            f"the summary cannot be written ({error.strerror}).",
            where=str(path),
            remedy="Name a file that you may write.",
        ) from error
