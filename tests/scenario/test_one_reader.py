"""One reader of a folder: every command gives the same answer, whatever the folder looks like."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bench.commands.check import check_sources
from bench.commands.explanation import explain_folder
from bench.commands.translation import write_translation
from bench.errors import InputError
from bench.istio.files import find_files
from bench.istio.load import survey_folder, survey_text
from bench.scenario.load import load_scenario
from bench.scenario.read import read_folder, read_sources
from tests.support.command import run_main
from tests.support.waiting import PATIENCE_S

SHIPPED = Path("scenarios/egress-mtls")
URL = "http://nginx.external.svc.cluster.local/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "scenario"))


def answers(folder: Path, out: Path) -> tuple[str | None, ...]:
    """What check, explain, translate and run say of *folder*: None for fine, else where the fault is."""

    def place(error: InputError) -> str:
        return str(error.where) if error.where is not None else str(error).split("\n")[1].split(" ")[2]

    def asked(command) -> str | None:
        try:
            command()
        except InputError as error:
            return place(error).rstrip(":")
        return None

    def checked() -> None:
        report = check_sources([folder])
        if not report.is_readable:
            raise InputError("", where=report.findings[0].position)

    return (
        asked(checked),
        asked(lambda: explain_folder(folder, URL)),
        asked(lambda: write_translation(folder, role="egress", config_source="static", out=out)),
        asked(lambda: load_scenario(folder)),
    )


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_every_command_reads_every_spelling_of_the_names(folder: Path, tmp_path: Path, suffix: str) -> None:
    for file in [folder / "scenario.yaml", *(folder / "istio").iterdir()]:
        text = file.read_text()
        if suffix == ".json":
            documents = [each for each in yaml.safe_load_all(text) if each]
            text = json.dumps(documents[0]) if len(documents) == 1 else json.dumps(as_list(documents))
        file.unlink()
        file.with_suffix(suffix).write_text(text)

    assert answers(folder, tmp_path / "out") == (None,) * 4


def as_list(documents: list[object]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "items": documents}


def break_syntax(folder: Path) -> None:
    with (folder / "scenario.yaml").open("a") as file:
        file.write("nodes: [\n")


def repeat_a_key(folder: Path) -> None:
    with (folder / "scenario.yaml").open("a") as file:
        file.write("name: twice\n")


def misspell_a_field(folder: Path) -> None:
    path = folder / "scenario.yaml"
    path.write_text(
        path.read_text().replace("warm_up_s", "warmup_s").replace("arrival_rate", "arival_rate", 1)
    )


def break_a_resource(folder: Path) -> None:
    (folder / "istio" / "gateway.yaml").write_text("kind: [\n")


def write_a_document_that_is_no_resource(folder: Path) -> None:
    (folder / "istio" / "more.yml").write_text("a: 1\n")


def repeat_a_key_in_a_resource(folder: Path) -> None:
    with (folder / "istio" / "destination-rule.yaml").open("a") as file:
        file.write("kind: DestinationRule\n")


def rename_the_istio_folder(folder: Path) -> None:
    (folder / "istio").rename(folder / "mesh")


def add_an_inventory(folder: Path) -> None:
    (folder / "inventory.yaml").write_text("proxies: {}\n")


def make_the_scenario_a_folder_link(folder: Path) -> None:
    (folder / "scenario.yaml").unlink()
    (folder / "scenario.yaml").symlink_to("scenario.yaml")


@pytest.mark.parametrize(
    "spoil",
    [
        break_syntax,
        repeat_a_key,
        misspell_a_field,
        break_a_resource,
        write_a_document_that_is_no_resource,
        repeat_a_key_in_a_resource,
        rename_the_istio_folder,
        add_an_inventory,
        make_the_scenario_a_folder_link,
    ],
)
def test_every_command_refuses_the_same_at_the_same_place(folder: Path, tmp_path: Path, spoil) -> None:
    spoil(folder)

    reported = answers(folder, tmp_path / "out")

    assert None not in reported
    assert len(set(reported)) == 1


def test_the_istio_folder_of_a_scenario_may_be_named_itself(folder: Path, tmp_path: Path) -> None:
    (folder / "istio").rename(folder / "mesh")
    scenario = folder / "scenario.yaml"
    scenario.write_text(f"istio: mesh\n{scenario.read_text()}")

    whole, part = read_folder(folder), read_folder(folder / "mesh")

    assert part.inventory == whole.inventory is not None
    assert [each.title for each in part.resources] == [each.title for each in whole.resources]


def test_the_istio_of_a_scenario_may_be_one_file_or_the_text_of_a_link(folder: Path) -> None:
    whole = read_folder(folder)
    text = "\n---\n".join(file.read_text() for file in sorted((folder / "istio").iterdir()))
    shutil.rmtree(folder / "istio")
    (folder / "istio").write_text(text)

    one = read_folder(folder)

    assert {each.title for each in one.resources} == {each.title for each in whole.resources}
    (folder / "istio").rename(folder / "elsewhere.yaml")
    (folder / "istio").write_text("./elsewhere.yaml\n")
    assert [each.title for each in read_folder(folder).resources] == [each.title for each in one.resources]
    (folder / "elsewhere.yaml").unlink()
    with pytest.raises(InputError, match=r"only the words \./elsewhere\.yaml"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ({"http2": True}, "protocol: http/2"),
        ({"delay_ms": 20}, "delay: it is in milliseconds"),
        ({"latency": 20}, "delay: it is in milliseconds"),
        ({"siez": 20}, "Did you mean size"),
    ],
)
def test_a_word_of_others_for_what_a_node_does_is_answered_with_ours(
    folder: Path, written: dict[str, object], shown: str
) -> None:
    file = folder / "scenario.yaml"
    document = yaml.safe_load(file.read_text())
    next(iter(document["nodes"].values())).update(written)
    file.write_text(yaml.safe_dump(document))

    (fault,) = read_folder(folder).faults

    assert shown in str(fault)


def test_files_folders_and_standard_input_are_read_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gateway,) = [file for file in (folder / "istio").iterdir() if "kind: Gateway" in file.read_text()]
    given = gateway.read_bytes()
    gateway.unlink()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))

    together = read_sources([folder, Path("-")])

    assert {each.title for each in together.resources} == {
        each.title for each in read_folder(SHIPPED).resources
    }
    (named,) = together.resources.gateways
    assert str(named.position()).startswith("stdin:")
    entry = folder / "istio" / "service-entry.yaml"
    assert [each.title for each in read_sources([entry]).resources] == ["ServiceEntry default/se"]


def test_json_may_write_signs_beyond_the_basic_plane_as_pairs() -> None:
    from bench.istio.files import _joined_surrogates  # noqa: PLC0415

    assert json.loads(_joined_surrogates(r'"\\ud83d"')) == r"\ud83d"
    survey = survey_text(
        _joined_surrogates(
            json.dumps(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"b": "😀"}}}
            )
        ),
        "a.json",
    )
    assert survey.resources.namespaces[0].labels == {"b": "😀"}


def test_what_is_not_a_file_is_named_and_never_opened(tmp_path: Path) -> None:
    """A pipe would keep the reader forever, /dev/zero would fill the memory."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "lost.yaml").symlink_to("nowhere")
    (tmp_path / "ring.yaml").symlink_to("ring.yaml")
    (tmp_path / ".#locked.yaml").symlink_to("user@host.123:456")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "folder.yaml" / "a.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")

    survey = survey_folder(tmp_path)

    assert [each.title for each in survey.resources] == ["Namespace a"]
    assert {Path(each.where.file).name: each.what for each in survey.resources.warnings} == {
        "lost.yaml": "it is a link that leads nowhere.",
        "pipe.yaml": "it is a pipe, not a file.",
        "ring.yaml": "it is a link that leads back to itself.",
        "zero.yaml": "it is a device, not a file.",
    }


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
def test_a_scenario_that_is_not_a_file_is_an_error_and_no_hang(folder: Path, kind: str) -> None:
    scenario = folder / "scenario.yaml"
    scenario.unlink()
    match kind:
        case "pipe":
            os.mkfifo(scenario)
        case "device":
            scenario.symlink_to("/dev/zero")
        case "folder":
            scenario.mkdir()
        case "loop":
            scenario.symlink_to(scenario)

    with pytest.raises(InputError):
        load_scenario(folder)


def test_a_named_pipe_without_a_writer_is_an_error_and_one_of_the_shell_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a pipe, not a file"):
        read_sources([tmp_path / "pipe"])

    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m bench check <(cat {SHIPPED}/istio/service.yaml)"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "no Istio resource" in done.stderr
    assert done.returncode == 2


ALIASES = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 5000 + "]" * 5000,
        "".join("  " * depth + "a:\n" for depth in range(3000)),
        ALIASES,
        "a: !!binary aGFsbG8=",
        "a: !!python/object/apply:os.system [id]",
        "a: !<tag:x> 1",
        "? {a: 1}\n: 2",
        "\0",
        "%YAML 9.9\n---\na: 1",
    ],
    ids=["flow", "block", "aliases", "binary", "python", "verbatim", "key", "nul", "version"],
)
@pytest.mark.parametrize("name", ["scenario.yaml", "inventory.yaml", "istio/x.yaml"])
def test_hostile_yaml_is_refused_with_its_line_by_every_command(
    folder: Path, tmp_path: Path, name: str, text: str
) -> None:
    if name == "inventory.yaml":
        (folder / "scenario.yaml").unlink()
    (folder / name).write_text(text)

    reported = answers(folder, tmp_path / "out")[:3]

    assert len(set(reported)) == 1
    assert reported[0] is not None
    assert reported[0].startswith(f"{folder / name}:")


def test_thousands_of_unknown_keys_are_counted_and_not_compared_one_by_one() -> None:
    """The number of the named ones is bounded, so that time grows with the text alone."""
    keys = "".join(f"  unknown{n}: 1\n" for n in range(20_000))
    kinds = ("VirtualService", "Gateway", "ServiceEntry", "DestinationRule")
    text = "---\n".join(
        f"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata:\n  name: a\n{keys}spec:\n{keys}"
        for kind in kinds
    )

    survey = survey_text(text, "a.yaml")

    assert len(survey.problems) < 200
    assert any("19980 more" in problem.what for problem in survey.problems)


def test_a_folder_of_scenarios_names_one_of_them(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "one")

    with pytest.raises(InputError, match=str(tmp_path / "one")):
        read_folder(tmp_path)
    assert find_files(tmp_path).others == (tmp_path / "one",)


def test_check_writes_sarif_whatever_it_reads(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "a.yaml").write_text("kind: [\n")
    for place in (tmp_path, tmp_path / "gone"):
        code, out, _ = run_main(monkeypatch, capsys, "check", place, "--sarif")
        log = json.loads(out)
        assert log["runs"][0]["results"][0]["ruleId"] == "EB0012"
        assert code == 2


def test_skipped_kinds_are_reported_once_and_of_the_right_resource(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "s")
    (tmp_path / "s" / "istio" / "more.yaml").write_text(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        "metadata: {name: strict, namespace: shop}\n"
    )

    report = check_sources([tmp_path / "s"])

    (skipped,) = [each for each in report.findings if "PeerAuthentication" in str(each)]
    assert (skipped.code, skipped.level.word) == ("EB0013", "info")
    assert skipped.resource == "PeerAuthentication shop/strict"
    assert skipped.remedy


def test_a_damaged_scenario_is_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    """Without eleven bytes somewhere in it."""
    whole = (SHIPPED / "scenario.yaml").read_bytes()
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "s"))
    for cut in range(0, len(whole), 97):
        (folder / "scenario.yaml").write_bytes(whole[:cut] + whole[cut + 11 :])
        with contextlib.suppress(InputError):
            load_scenario(folder)
