"""Commands that put load on a path: run, drive, faults, worker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.exporting import conclude, exporting
from bench.cli.help import LOAD, PATH, TARGET
from bench.cli.options import (
    DEFAULT_SCENARIO,
    AsJson,
    ConfigSourceName,
    LedgerLevelName,
    LocustCsv,
    LocustHtml,
    MeshMtls,
    Out,
    Quiet,
    ScenarioFolder,
    Stack,
    StackKind,
    WebBind,
    WebUi,
)
from bench.cli.parts import (
    as_typed,
    each_image,
    make_backend,
    make_console,
    make_locust_outputs,
    make_master_bind,
    read_scenario,
)
from bench.report import Exports


@exporting()
def run(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    stack: Stack = StackKind.LOCAL,
    rate: Annotated[
        float | None,
        typer.Option(help="Requests per second instead of the scenario's.", rich_help_panel=LOAD),
    ] = None,
    measure: Annotated[
        float | None,
        typer.Option(help="Seconds of each trial instead of the scenario's.", rich_help_panel=LOAD),
    ] = None,
    blocks: Annotated[
        int | None,
        typer.Option(
            help="Blocks of a static and an EDS trial instead of the scenario's.", rich_help_panel=LOAD
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Locust worker processes instead of the scenario's.", rich_help_panel=LOAD),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Key type of the certificates instead of the scenario's.", rich_help_panel=PATH),
    ] = None,
    config_source: Annotated[
        list[ConfigSourceName] | None,
        typer.Option(
            help="Where Envoy gets its configuration from; several: compared, the first is the baseline; "
            "one: compared with static. Handshakes and capacity run with the last. Default: static and eds.",
            show_default=False,
            rich_help_panel=PATH,
        ),
    ] = None,
    handshake: Annotated[
        bool | None,
        typer.Option(
            "--handshake/--no-handshake",
            help="Measure TLS handshakes; by default if the scenario has a section on them.",
            show_default=False,
        ),
    ] = None,
    envoy_image: Annotated[
        list[str] | None,
        typer.Option(
            help="Envoy image of `--stack docker`; several: one run with each, for comparison.",
            rich_help_panel=PATH,
        ),
    ] = None,
    mix_matrix: Annotated[
        bool,
        typer.Option(
            "--mix-matrix", help="Make a tenth of the load the request matrix.", rich_help_panel=LOAD
        ),
    ] = False,
    ledger: Annotated[
        LedgerLevelName,
        typer.Option(help="counters: what each hop counted; full: every request id matched across all logs."),
    ] = LedgerLevelName.COUNTERS,
    locust_csv: LocustCsv = None,
    locust_html: LocustHtml = None,
    web_ui: WebUi = False,
    web_bind: WebBind = None,
    mesh_mtls: MeshMtls = False,
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    exports: Exports,
) -> None:
    """Do the main job: translate, start, verify, load, measure, report."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.environment import process_age_s
        from bench.experiment.options import RunOptions, chosen_sources
        from bench.experiment.run import run as run_experiment
        from bench.preparation import begin_keys

        loaded = read_scenario(
            scenario,
            rate=rate,
            measure_s=measure,
            blocks=blocks,
            workers=workers,
            key=key,
            mesh_mtls=mesh_mtls,
        )
        locust_outputs = make_locust_outputs(
            locust_csv, locust_html, web_ui=web_ui, web_bind=web_bind, stack=stack
        )
        codes: list[int] = []
        for image in each_image(stack, envoy_image, as_json=as_json):
            began = time.monotonic() - (0.0 if codes else process_age_s())
            keys = begin_keys(loaded)
            options = RunOptions(
                out=out,
                command=as_typed(),
                backend=make_backend(stack, loaded, console, envoy_image=image),
                began=began,
                keys=keys,
                sources=chosen_sources([each.value for each in config_source or ()]),
                with_handshake=handshake,
                ledger=ledger.value,
                mix_matrix=mix_matrix,
                locust_outputs=locust_outputs,
            )
            finished = run_experiment(loaded, options, console)
            codes.append(conclude(finished, console, exports))
        raise typer.Exit(max(codes))


@exporting()
def drive(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    target: Annotated[
        str, typer.Option(help="http://HOST:PORT or https://HOST:PORT.", rich_help_panel=TARGET)
    ],
    rate: Annotated[
        float | None,
        typer.Option(help="Requests per second instead of the scenario's.", rich_help_panel=LOAD),
    ] = None,
    measure: Annotated[
        float | None, typer.Option(help="Seconds of load instead of the scenario's.", rich_help_panel=LOAD)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Locust worker processes instead of the scenario's.", rich_help_panel=LOAD),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="CA bundle of the target's certificate.", rich_help_panel=TARGET)
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Client certificate for the target.", rich_help_panel=TARGET)
    ] = None,
    private_key: Annotated[Path | None, typer.Option(help="Its key.", rich_help_panel=TARGET)] = None,
    server_name: Annotated[
        str | None, typer.Option(help="Name to ask for and to check.", rich_help_panel=TARGET)
    ] = None,
    admin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=URL",
            help="Envoy's admin API of a proxy on the way, such as a port-forward: its counters are held "
            "against the client's; several, also for replicas of one.",
            rich_help_panel=TARGET,
        ),
    ] = None,
    locust_csv: LocustCsv = None,
    locust_html: LocustHtml = None,
    web_ui: WebUi = False,
    web_bind: WebBind = None,
    remote_workers: Annotated[
        int,
        typer.Option(
            min=0, help="Workers of other machines to wait for: `egress-bench worker`.", rich_help_panel=LOAD
        ),
    ] = 0,
    master_bind: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]", help="Address of this machine where they join.", rich_help_panel=LOAD
        ),
    ] = None,
    await_workers: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for them.", rich_help_panel=LOAD)
    ] = 600,
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    exports: Exports,
) -> None:
    """Put the scenario's load on a system that runs elsewhere, and verify every answer."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.drive import DriveOptions
        from bench.experiment.drive import drive as drive_target

        loaded = read_scenario(scenario, rate=rate, measure_s=measure, workers=workers)
        options = DriveOptions(
            target=target,
            out=out,
            command=as_typed(),
            ca=ca,
            certificate=certificate,
            private_key=private_key,
            server_name=server_name,
            locust_outputs=make_locust_outputs(locust_csv, locust_html, web_ui=web_ui, web_bind=web_bind),
            remote_workers=remote_workers,
            master_bind=make_master_bind(master_bind),
            await_workers_s=await_workers,
            admin=tuple(admin or ()),
        )
        finished = drive_target(loaded, options, console)
        raise typer.Exit(conclude(finished, console, exports))


@exporting()
def faults(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    clean: Annotated[int, typer.Option(min=0, help="Loads without a fault, which must raise no alarm.")] = 2,
    stack: Stack = StackKind.LOCAL,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this fault; may be given several times.")
    ] = None,
    config_source: Annotated[
        ConfigSourceName,
        typer.Option("--config-source", help="Where Envoy has its configuration from.", rich_help_panel=PATH),
    ] = ConfigSourceName.EDS,
    key: Annotated[
        str, typer.Option(help="Key type of the certificates.", rich_help_panel=PATH)
    ] = "ecdsa-p256",
    mesh_mtls: MeshMtls = False,
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    exports: Exports,
) -> None:
    """Inject faults into a running load and see whether each is noticed and named."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.faults import FaultsOptions, prove

        loaded = read_scenario(scenario, key=key, mesh_mtls=mesh_mtls)
        options = FaultsOptions(
            out=out,
            command=as_typed(),
            backend=make_backend(stack, loaded, console),
            clean=clean,
            only=tuple(only or ()),
            config_source=config_source.value,
        )
        finished = prove(loaded, options, console)
        raise typer.Exit(conclude(finished, console, exports))


@exporting()
def update(
    scenario: ScenarioFolder = DEFAULT_SCENARIO,
    *,
    stack: Stack = StackKind.LOCAL,
    config_source: Annotated[
        list[ConfigSourceName] | None,
        typer.Option(
            help="Only this source; may be given several times. Default: all.",
            show_default=False,
            rich_help_panel=PATH,
        ),
    ] = None,
    hot_restart: Annotated[
        bool | None,
        typer.Option(
            "--hot-restart/--no-hot-restart",
            help="Change static by hot restarts of Envoy, too; default: with processes, each kind once.",
            show_default=False,
        ),
    ] = None,
    drain_time: Annotated[
        int, typer.Option(min=1, help="Seconds over which a restarted Envoy drains; it ends one later.")
    ] = 2,
    changes: Annotated[
        int | None,
        typer.Option(min=1, help="Changes on each source, in rounds; by default each kind once."),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=1, help="Requests per second during the changes.", rich_help_panel=LOAD)
    ] = 200,
    spacing: Annotated[
        float, typer.Option(min=0.05, help="Seconds from one change to the next.", rich_help_panel=LOAD)
    ] = 1.5,
    key: Annotated[
        str, typer.Option(help="Key type of the certificates.", rich_help_panel=PATH)
    ] = "ecdsa-p256",
    out: Out = Path("reports"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    exports: Exports,
) -> None:
    """Change the gateway's configuration under load: what happens to each request, by config source."""
    with make_console(quiet=quiet, as_json=as_json) as console:
        from bench.experiment.update import UpdateOptions, chosen_ways, measure_updates

        loaded = read_scenario(scenario, key=key)
        backend = make_backend(stack, loaded, console)
        options = UpdateOptions(
            out=out,
            command=as_typed(),
            backend=backend,
            ways=chosen_ways(
                [each.value for each in config_source or ()],
                with_hot_restart=hot_restart,
                drain_s=drain_time,
                backend=backend,
                is_each_kind_once=changes is None,
            ),
            changes=changes,
            arrival_rate=rate,
            spacing_s=spacing,
        )
        finished = measure_updates(loaded, options, console)
        raise typer.Exit(conclude(finished, console, exports))


def worker(
    *,
    master: Annotated[str, typer.Option(help="Host on which a run waits for workers.")],
    token: Annotated[str, typer.Option(envvar="EGRESS_BENCH_TOKEN", help="The token that the run prints.")],
    port: Annotated[int | None, typer.Option(help="Its port, if not the usual one.")] = None,
    processes: Annotated[int, typer.Option(help="Worker processes to start here.")] = 1,
    wait: Annotated[
        float, typer.Option(min=1, help="Seconds after which it gives up if no run takes it.")
    ] = 60,
) -> None:
    """Join a run that another machine coordinates."""
    from bench.load.run import MASTER_PORT, run_worker

    run_worker(master, token=token, port=port or MASTER_PORT, processes=processes, wait_s=wait)
