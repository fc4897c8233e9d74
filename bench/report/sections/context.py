"""What a reader needs to trust and compare the numbers: generator, limits, warnings, fingerprint, reading."""

from __future__ import annotations

from bench.analysis.machine import IDLE_ENOUGH, OTHERS_LIMIT, STEAL_LIMIT, is_disturbed
from bench.report.document import Facts, Note, Section, Table
from bench.report.folding import fold
from bench.report.text import PERCENTILE_COLUMNS, UNKNOWN, micros, percentile_cells, seconds, share
from bench.result import Result
from bench.units import format_bytes, format_count


def generator(result: Result) -> Section:
    """Signs that the generator was not the bottleneck."""
    lead = "A benchmark must show that its generator did not make the numbers."
    found = result.generator
    if found is None:
        return Section("generator", "Generator", (Note("The generator was not measured in this run."),), lead)
    flight = UNKNOWN
    if found.mean_in_flight is not None:
        by_law = "" if found.little_in_flight is None else f" (Little's law: {found.little_in_flight:.3g})"
        flight = f"{found.mean_in_flight:.3g}{by_law}"
    return Section(
        "generator",
        "Generator",
        (
            Table(
                columns=("", *PERCENTILE_COLUMNS),
                rows=(
                    ("lag", *percentile_cells(found.lag)),
                    *(
                        [("of it: no connection was free", *percentile_cells(found.waited))]
                        if found.waited is not None
                        else ()
                    ),
                    *(
                        [("of it: the generator's own", *percentile_cells(found.own_lag))]
                        if found.own_lag is not None
                        else ()
                    ),
                    *(
                        [("null-target baseline", *percentile_cells(found.null_target_baseline))]
                        if found.null_target_baseline is not None
                        else ()
                    ),
                ),
                caption="Microseconds. Lag: how late requests left, because no connection was free (the path"
                " was full, or the connections too few), or because the generator itself was late."
                " Null-target baseline: response time of the same load on a stub that answers at once, which"
                " is what the generator adds by itself.",
            ),
            Facts(
                (
                    ("workers", format_count(found.workers)),
                    ("CPU of each worker", f"{share(found.cpu_share)} of a core"),
                    ("CPU per request", f"{micros(found.cpu_us_per_request)} µs"),
                    ("connections opened", format_count(found.connects)),
                    ("of these in place of an earlier one", format_count(found.reconnects)),
                    ("involuntary context switches", format_count(found.involuntary_context_switches)),
                    ("mean requests in flight", flight),
                    ("mean requests waiting for a connection", _mean(found.mean_queued)),
                    ("connections", format_count(found.connections)),
                    ("connections that this rate needs", format_count(found.connections_needed)),
                )
            ),
        ),
        lead,
    )


def machine(result: Result) -> Section:
    """Whose the machine was while each trial was measured."""
    lead = (
        "What others take from the machine makes every time longer. A trial is disturbed where they use"
        f" more than {OTHERS_LIMIT:.0%} of all processors and under {IDLE_ENOUGH:.0%} stays idle, or where"
        f" the host takes more than {STEAL_LIMIT:.0%} away."
    )
    known = [(trial, trial.machine) for trial in result.trials if trial.machine is not None]
    if not known:
        return Section("machine", "Machine", (Note("Who else used the machine was not measured."),), lead)
    disturbed = [is_disturbed(use) for _, use in known]
    table = Table(
        columns=("trial", "ours", "others", "idle", "stolen", "tasks that waited", "disturbed"),
        rows=tuple(
            (
                trial.name,
                *(
                    share(part)
                    for part in (
                        use.ours_share,
                        use.others_share,
                        use.idle_share,
                        use.steal_share,
                        use.waiting_share,
                    )
                ),
                "yes" if is_bad else "no",
            )
            for (trial, use), is_bad in zip(known, disturbed, strict=True)
        ),
        marks=tuple("bad" if is_bad else "good" for is_bad in disturbed),
        caption="Shares of all processors; of tasks that waited for one: share of the time.",
    )
    summary = f"{sum(disturbed)} of {len(known)} trials were disturbed by others"
    return Section("machine", "Machine", fold(table, summary), lead)


def _mean(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3g}"


def limits(result: Result) -> Section:
    """Each limit of the scenario."""
    if not result.limits:
        return Section(
            "limits",
            "Limits",
            (Note("The scenario sets no limit, or the run ended before it could be judged."),),
        )
    table = Table(
        columns=("limit", "bound", "measured", "met"),
        rows=tuple(
            (check.name, check.limit, check.measured, "✓" if check.passed else "✗") for check in result.limits
        ),
        marks=tuple("good" if check.passed else "bad" for check in result.limits),
        numbers_from=1,
        mark_column=3,
    )
    return Section("limits", "Limits", (table,), "What was not measured does not pass.")


def warnings(result: Result) -> Section:
    """What a reader of the numbers must know."""
    if not result.warnings:
        return Section("warnings", "Warnings", (Note("None."),))
    return Section(
        "warnings",
        "Warnings",
        tuple(Note(f"{warning.message} {warning.advice}", "bad") for warning in result.warnings),
    )


def fingerprint(result: Result) -> Section:
    """Machine, versions and hashes."""
    found = result.fingerprint
    run = (
        ("run", result.run_id),
        ("command", result.command),
        ("started", result.started_at),
        ("finished", result.finished_at or UNKNOWN),
        ("duration", seconds(result.duration_s)),
        ("semantics", result.semantics),
        ("stack", found.stack),
        ("key type", found.key or UNKNOWN),
        *((f"{name} ready after", seconds(value)) for name, value in result.stack_ready_s.items()),
        ("first verified request after", seconds(result.first_verified_s)),
        ("peak memory of all processes", format_bytes(result.peak_memory_bytes)),
    )
    hashes = (("scenario", found.scenario_hash), *found.config_hashes.items())
    return Section(
        "fingerprint",
        "Fingerprint",
        (
            Facts(run, caption="Run"),
            Facts(tuple(found.machine.items()), caption="Machine"),
            Facts(tuple(found.versions.items()), caption="Versions"),
            Facts(tuple((name, value or UNKNOWN) for name, value in hashes), caption="Hashes"),
        ),
        "Two results can be compared only where these agree, or differ in what was to be tried.",
    )


def reading() -> Section:
    """How to read the numbers."""
    return Section(
        "reading",
        "Reading the numbers",
        (
            Facts(
                (
                    (
                        "open loop",
                        (
                            "Requests are due by a schedule and do not wait for answers, as users do not."
                            " A stall"
                            " delays every request that was due meanwhile, and all of them count."
                        ),
                    ),
                    (
                        "response time",
                        "From the moment a request was due to the last byte of its answer. For limits.",
                    ),
                    (
                        "service time",
                        "From the moment it was really sent. Shorter by lag and queueing before the path.",
                    ),
                    ("lag", "Sent minus due: how late the generator or its connections were."),
                    (
                        "percentiles",
                        (
                            "p99 is the smallest recorded value that at least 99 % of the samples do not"
                            " exceed,"
                            " right to 0.1 %. None is given with fewer than ten samples beyond it."
                        ),
                    ),
                    (UNKNOWN, "Not known, or too few samples. Never zero."),
                    (
                        "misroute rate, 95 %",
                        (
                            "The exact (Clopper-Pearson) upper bound: with 95 % confidence the true rate of"
                            " misroutes lies below it. Without a misroute in n answers it is about 3/n."
                        ),
                    ),
                    (
                        "block",
                        "A static and an EDS trial, one after the other, in alternating order.",
                    ),
                )
            ),
        ),
    )
