"""Write the report of a finished run."""

from __future__ import annotations

from pathlib import Path


def write_report(folder: Path) -> Path:
    """See ``bench.report.build.write_report``.

    The libraries that draw are imported here, when everything is measured: they take seconds that no request
    has to wait for, and memory that no load has to share.
    """
    from bench.report.build import write_report as build  # noqa: PLC0415

    return build(folder)
