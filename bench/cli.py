"""The command line: a door, not a room. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import BenchError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.console import Console
    from bench.experiment.backend import Backend
    from bench.scenario.load import LoadedScenario
    from bench.stack.binaries import Binary

# rich's help pages cost a quarter of a second; `--help` has 0.3 s in all.
app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)

images_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Images of `--stack docker`.")
app.add_typer(images_app, name="images")


class StackKind(StrEnum):
    """Where Envoy and nginx run."""

    LOCAL = "local"
    DOCKER = "docker"


class ConfigSourceName(StrEnum):
    """Where Envoy learns its endpoints."""

    STATIC = "static"
    EDS = "eds"


class FailOnName(StrEnum):
    """Which findings make a check fail."""

    ERROR = "error"
    WARNING = "warning"


class LedgerLevelName(StrEnum):
    """How closely requests are accounted for."""

    COUNTERS = "counters"
    FULL = "full"


class RoleName(StrEnum):
    """Which proxy of the path."""

    SIDECAR = "sidecar"
    EGRESS = "egress"


DEFAULT_SCENARIO = Path("scenarios/egress-mtls")

Out = Annotated[Path, typer.Option("--out", help="Folder in which the result folder is made.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only the final lines.")]
Stack = Annotated[StackKind, typer.Option("--stack", help="Where Envoy and nginx run.")]
ScenarioFolder = Annotated[Path, typer.Argument(metavar="[SCENARIO]", help="Folder with a scenario.yaml.")]


@app.command()
def run(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    stack: Stack = StackKind.LOCAL,
    rate: Annotated[float | None, typer.Option(help="Requests per second instead of the scenario's.")] = None,
    measure: Annotated[float | None, typer.Option(help="Seconds of each trial, likewise.")] = None,
    blocks: Annotated[int | None, typer.Option(help="Blocks of a static and an EDS trial, likewise.")] = None,
    workers: Annotated[int | None, typer.Option(help="Locust worker processes, likewise.")] = None,
    key: Annotated[str | None, typer.Option(help="Key type of the certificates, likewise.")] = None,
    handshake: Annotated[bool, typer.Option(help="Measure TLS handshakes.")] = True,
    envoy_image: Annotated[
        list[str] | None,
        typer.Option(help="Envoy image of `--stack docker`; several: one run with each, for comparison."),
    ] = None,
    mix_matrix: Annotated[
        bool, typer.Option("--mix-matrix", help="Let a tenth of the load be the request matrix.")
    ] = False,
    ledger: Annotated[
        LedgerLevelName,
        typer.Option(help="counters: what each hop counted; full: every request id matched across all logs."),
    ] = LedgerLevelName.COUNTERS,
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Do the main job: translate, start, verify, load, measure, report."""
    with _console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.run import RunOptions
        from bench.experiment.run import run as run_experiment
        from bench.scenario.load import load_scenario
        from bench.scenario.overrides import override

        loaded = override(
            load_scenario(scenario), rate=rate, measure_s=measure, blocks=blocks, workers=workers, key=key
        )
        codes = []
        for image in _each_image(stack, envoy_image, as_json=as_json):
            options = RunOptions(
                out=out,
                command=shlex.join(["egress-bench", *sys.argv[1:]]),
                backend=_backend(stack, loaded, console, envoy_image=image),
                with_handshake=handshake,
                ledger=ledger.value,
                mix_matrix=mix_matrix,
            )
            finished = run_experiment(loaded, options, console)
            codes.append(console.finish(finished.result, finished.report))
        raise typer.Exit(max(codes))


@app.command()
def translate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of Istio YAML and inventory.")],
    *,
    role: Annotated[RoleName, typer.Option(help="Which proxy of the path.")],
    config_source: Annotated[ConfigSourceName, typer.Option(help="Where endpoints come from.")],
    out: Annotated[Path, typer.Option(help="Folder for the Envoy files.")],
    proxy: Annotated[str | None, typer.Option(help="Proxy of the inventory, if a role has several.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the Envoy configuration files for a folder of Istio resources."""
    with _console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.translation import write_translation

        written = write_translation(
            folder, role=role.value, proxy=proxy, config_source=config_source.value, out=out
        )
        for warning in written.warnings:
            console.note(f"warning: {warning}")
        console.say(written.command)
        console.document(written.document())


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of Istio YAML, or of a scenario.")],
    *,
    fail_on: Annotated[FailOnName, typer.Option(help="Findings of this level end with code 1.")] = (
        FailOnName.ERROR
    ),
    as_json: AsJson = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0 on stdout.")] = False,
) -> None:
    """Tell what is wrong with Istio YAML, and what that does to requests, before anything runs."""
    with _console(as_json=as_json or as_sarif) as console:
        from bench.environment import package_version
        from bench.experiment.check import check_folder, exit_code

        report = check_folder(folder)
        console.findings(report.worst_first())
        for note in report.notes:
            console.note(f"note: {note}")
        console.say(report.summary())
        console.document(
            report.sarif(version=package_version("egress-bench")) if as_sarif else report.document()
        )
        raise typer.Exit(exit_code(report.findings, fail_on.value))


@app.command()
def explain(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of Istio YAML and inventory.")],
    *,
    url: Annotated[str, typer.Option(help="What the client calls.")],
    header: Annotated[list[str] | None, typer.Option("--header", "-H", help="'name: value'.")] = None,
    method: Annotated[str, typer.Option(help="HTTP method.")] = "GET",
    proxy: Annotated[str | None, typer.Option("--from", help="Proxy beside the client.")] = None,
    as_json: AsJson = False,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid drawing.")] = False,
) -> None:
    """Tell the way of one request: listener, route, cluster, endpoint, and why."""
    with _console(as_json=as_json) as console:
        from bench.experiment.explanation import explain_folder
        from bench.explain.document import document
        from bench.explain.mermaid import mermaid
        from bench.explain.tree import tree

        journey = explain_folder(folder, url, headers=header or (), method=method, proxy=proxy)
        console.say(mermaid(journey) if as_mermaid else tree(journey, width=console.width))
        console.document(document(journey))


@app.command()
def drive(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    target: Annotated[str, typer.Option(help="http://HOST:PORT or https://HOST:PORT.")],
    rate: Annotated[float | None, typer.Option(help="Requests per second instead of the scenario's.")] = None,
    measure: Annotated[float | None, typer.Option(help="Seconds of load, likewise.")] = None,
    workers: Annotated[int | None, typer.Option(help="Locust worker processes, likewise.")] = None,
    ca: Annotated[Path | None, typer.Option(help="CA bundle of the target's certificate.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Client certificate for the target.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    server_name: Annotated[str | None, typer.Option(help="Name to ask for and to check.")] = None,
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put the scenario's load on a system that runs elsewhere, and verify every answer."""
    with _console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.drive import DriveOptions
        from bench.experiment.drive import drive as drive_target
        from bench.scenario.load import load_scenario
        from bench.scenario.overrides import override

        loaded = override(load_scenario(scenario), rate=rate, measure_s=measure, workers=workers)
        options = DriveOptions(
            target=target,
            out=out,
            command=shlex.join(["egress-bench", *sys.argv[1:]]),
            ca=ca,
            certificate=certificate,
            private_key=private_key,
            server_name=server_name,
        )
        finished = drive_target(loaded, options, console)
        raise typer.Exit(console.finish(finished.result, finished.report))


@app.command()
def faults(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    clean: Annotated[int, typer.Option(min=0, help="Loads without a fault, which must raise no alarm.")] = 2,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this fault; may be given several times.")
    ] = None,
    key: Annotated[str, typer.Option(help="Key type of the certificates.")] = "ecdsa-p256",
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Inject faults into a running load and see whether each is noticed and named; processes only."""
    with _console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.faults.run import FaultsOptions, prove
        from bench.scenario.load import load_scenario
        from bench.scenario.overrides import override

        loaded = override(
            load_scenario(scenario), rate=None, measure_s=None, blocks=None, workers=None, key=key
        )
        options = FaultsOptions(
            out=out,
            command=shlex.join(["egress-bench", *sys.argv[1:]]),
            backend=_backend(StackKind.LOCAL, loaded, console),
            clean=clean,
            only=tuple(only or ()),
        )
        finished = prove(loaded, options, console)
        raise typer.Exit(console.finish(finished.result, finished.report))


@app.command()
def worker(
    *,
    master: Annotated[str, typer.Option(help="Host on which a run awaits workers.")],
    port: Annotated[int | None, typer.Option(help="Its port, if not the usual one.")] = None,
    processes: Annotated[int, typer.Option(help="Worker processes to start here.")] = 1,
) -> None:
    """Join a run that another machine conducts."""
    from bench.load.starting import MASTER_PORT
    from bench.load.worker import run_worker

    raise typer.Exit(run_worker(master, port=port or MASTER_PORT, processes=processes))


@app.command()
def up(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    stack: Stack = StackKind.LOCAL,
    config_source: Annotated[
        ConfigSourceName, typer.Option(help="Where endpoints come from.")
    ] = ConfigSourceName.EDS,
    quiet: Quiet = False,
) -> None:
    """Stand the stack up for work by hand, until Ctrl-C or `egress-bench down`."""
    with _console(quiet=quiet) as console:
        from bench.experiment.standing import stand
        from bench.scenario.load import load_scenario

        loaded = load_scenario(scenario)
        stand(loaded, config_source.value, _backend(stack, loaded, console).make_stack, console)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Tell which stacks stand on this machine, and what a killed run left behind."""
    with _console(as_json=as_json) as console:
        from bench.experiment.standing import describe_runs

        found = describe_runs()
        console.say(found.text)
        console.document(found.document)


@app.command()
def down(*, as_json: AsJson = False) -> None:
    """End every stack of yours on this machine and clear what killed runs left behind."""
    with _console(as_json=as_json) as console:
        from bench.experiment.standing import end_runs

        ended = end_runs()
        console.say(ended.text)
        console.document(ended.document)


@app.command()
def logs(
    part: Annotated[str | None, typer.Argument(help="Proxy or node; default: all of them.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Print what the parts of the standing stacks say."""
    with _console() as console:
        from bench.experiment.output import lines_of

        for line in lines_of(part, follow=follow):
            console.say(line)


@images_app.command("build")
def build_images(*, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Build the images of `--stack docker` from what is installed here; needs no registry."""
    with _console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.images import build_all

        built = build_all(console.note)
        console.say("\n".join(f"{image.role:<10} {image.reference}  {image.id}" for image in built))
        console.document([{"role": i.role, "reference": i.reference, "id": i.id} for i in built])


@app.command()
def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT...", help="Result folders.")],
    *,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Rebuild the report of a result folder, on any machine."""
    with _console(quiet=quiet, as_json=as_json) as console:
        from bench.report.build import write_report

        written = [str(write_report(folder)) for folder in results]
        console.say("\n".join(written))
        console.document({"reports": written})


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Tell what this machine has, lacks and limits."""
    with _console(as_json=as_json) as console:
        from bench.environment import doctor as examine
        from bench.stack.binaries import find_envoy, find_nginx
        from bench.stack.watches import known_watches

        findings = examine(
            envoy=_path_of(find_envoy), nginx=_path_of(find_nginx), file_watches=known_watches()
        )
        for finding in findings:
            advice = f"  {finding.advice}" if finding.advice else ""
            console.say(f"{finding.verdict:<8} {finding.name:<18} {finding.value}{advice}")
        console.document([asdict(finding) for finding in findings])
        raise typer.Exit(int(any(finding.verdict == "missing" for finding in findings)))


def _console(*, quiet: bool = False, as_json: bool = False) -> Console:
    from bench.console import Console

    return Console(quiet=quiet, as_json=as_json)


def _each_image(kind: StackKind, images: list[str] | None, *, as_json: bool) -> list[str | None]:
    """The Envoy images to run with, one after the other; None: the scenario's, or the suite's own."""
    if not images:
        return [None]
    if kind is not StackKind.DOCKER:
        raise InputError("--envoy-image is for containers.", remedy="Add --stack docker.")
    if as_json and len(images) > 1:
        raise InputError("--json prints one result.", remedy="Run each --envoy-image by itself.")
    return list(images)


def _backend(
    kind: StackKind, loaded: LoadedScenario, console: Console, *, envoy_image: str | None = None
) -> Backend:
    from bench.experiment.backend import docker_backend, local_backend

    match kind:
        case StackKind.LOCAL:
            return local_backend()
        case StackKind.DOCKER:
            return docker_backend(loaded.scenario, console.note, envoy_image=envoy_image)


def _path_of(find: Callable[[], Binary]) -> Path | None:
    try:
        return find().path
    except BenchError:
        return None


def main() -> None:
    """Run one command; see the errors for exit code 2."""
    from bench.stack.interrupts import terminations_raise

    try:
        # `kill` ends a run as Ctrl-C does: everything is stopped, what was measured is kept.
        with terminations_raise():
            app()
    except BenchError as error:
        _console(as_json="--json" in sys.argv).error(error)
        raise SystemExit(error.exit_code) from None
