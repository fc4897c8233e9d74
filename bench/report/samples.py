"""The ``samples/`` of a result folder: HDR logs, percentile files, one row for each second.

    <experiment>-<trial>/<subset>.hlog          three tagged lines: response_time, service_time, lag
    <experiment>-<trial>/<subset>.<clock>.hgrm  percentile table for HdrHistogram's plotter
    timeseries.csv                              one row for each second of each stage
    parts.csv                                   CPU and memory of each part, about once a second

Every HdrHistogram tool reads the first two. Values are microseconds throughout.
"""

from __future__ import annotations

import contextlib
import csv
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from pathlib import Path
from typing import Literal

from bench.analysis.latency import merge
from bench.errors import InputError, MeasurementError
from bench.report.folder import slug
from bench.report.hgrm import percentile_table
from bench.result import PartRow, SecondRow, SubsetOutcome, TrialResult

Clock = Literal["response_time", "service_time", "lag"]
CLOCKS: tuple[Clock, ...] = ("response_time", "service_time", "lag")


def samples_folder(folder: Path, trial: TrialResult) -> Path:
    """Where the samples of *trial* lie in a result folder."""
    return folder / "samples" / f"{trial.experiment}-{slug(trial.name)}"


def write_samples(
    folder: Path,
    trial: TrialResult,
    subsets: Sequence[SubsetOutcome],
    seconds: Iterable[SecondRow] = (),
    parts: Iterable[PartRow] = (),
) -> None:
    """Store what was recorded in the measured stage of *trial*, and its seconds.

    Raises:
        InputError: the folder cannot be written.
        MeasurementError: the trial was stored before, or a histogram is damaged.
    """
    home = samples_folder(folder, trial)
    with _write_errors_explained(home):
        try:
            home.mkdir(parents=True)
        except FileExistsError as error:
            raise MeasurementError(
                "the samples of this trial are stored already.",
                where=str(home),
                remedy="Two trials of one run must not have the same name.",
            ) from error
        for subset in subsets:
            stem = _stem(subset.name)
            (home / f"{stem}.hlog").write_text(_log(trial, subset), encoding="utf-8")
            for clock in CLOCKS:
                table = percentile_table(merge([getattr(subset, clock)]))
                (home / f"{stem}.{clock}.hgrm").write_text(table, encoding="utf-8")
        _append(folder / "samples" / "timeseries.csv", SecondRow, seconds)
        # Of a path that is not ours nothing was looked at.
        if looks := tuple(parts):
            _append(folder / "samples" / "parts.csv", PartRow, looks)


@contextlib.contextmanager
def _write_errors_explained(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"samples cannot be written ({error.strerror}).",
            where=str(error.filename or home),
            remedy="Free some space or choose another folder with --out.",
        ) from error


def _stem(subset: str) -> str:
    """A file name for a subset. ``v1`` and ``V1`` differ even where the file system ignores case."""
    plain = slug(subset)
    return plain if plain == subset else f"{plain}-{zlib.crc32(subset.encode()):08x}"


def _log(trial: TrialResult, subset: SubsetOutcome) -> str:
    """HdrHistogram log format 1.2; hdrh's own writer knows no tags and rounds the maximum to whole units."""
    start = datetime.fromisoformat(trial.started_at).timestamp()
    lines = [
        f"#[subset {subset.name} of {trial.experiment}, {trial.name}; microseconds]",
        "#[Histogram log format version 1.2]",
        f"#[StartTime: {start:.3f} (seconds since epoch), {trial.started_at}]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for clock in CLOCKS:
        blob = getattr(subset, clock)
        maximum = merge([blob]).maximum or 0
        lines.append(f"Tag={clock},{start:.3f},{trial.duration_s:.3f},{maximum:.3f},{blob}")
    return "\n".join(lines) + "\n"


def write_seconds(folder: Path, seconds: Iterable[SecondRow]) -> None:
    """Store the seconds of a load that is no trial of its own.

    Raises:
        InputError: the folder cannot be written.
    """
    path = folder / "samples" / "timeseries.csv"
    with _write_errors_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, SecondRow, seconds)


def _append(path: Path, form: type[SecondRow | PartRow], rows: Iterable[SecondRow | PartRow]) -> None:
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        if is_new:
            writer.writerow([field.name for field in fields(form)])
        writer.writerows(astuple(row) for row in rows)


def read_blobs(folder: Path, trial: TrialResult, subset: str, clock: Clock) -> tuple[str, ...]:
    """The histograms of one subset and clock of a trial; empty if none were stored.

    Raises:
        InputError: the log cannot be read.
    """
    path = samples_folder(folder, trial) / f"{_stem(subset)}.hlog"
    if not path.exists():
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the samples cannot be read ({error}).", where=str(path), remedy="Check the file."
        ) from error
    return tuple(line.rsplit(",", 1)[1] for line in lines if line.startswith(f"Tag={clock},"))
