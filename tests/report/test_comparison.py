"""Several results in one document: conditions first, figures with their ratio, no unsupported claim."""

import re
import shutil

import pytest

from bench.analysis.comparable import Difference, IncomparableError
from bench.analysis.conditions import conditions, spoilers
from bench.cli.options import DifferenceName
from bench.errors import InputError
from bench.report.comparison.build import write_comparison as write_comparison_of
from bench.report.comparison.conditions import NOT_INTERLEAVED, likeness
from bench.result import RunWarning, read_result, write_result
from tests.report.synthetic import make_run
from tests.report.test_report import Page


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two runs of the same made-up scenario at two rates."""
    root = tmp_path_factory.mktemp("pair")
    return make_run(root, rate=200, seconds=4, seed=7), make_run(root, rate=100, seconds=4, seed=8)


@pytest.fixture
def folders(pair, tmp_path):
    """Copies that a test may change."""
    return [shutil.copytree(folder, tmp_path / folder.name) for folder in pair]


def write_comparison(folders, out=None):
    """Whatever differs between them."""
    return write_comparison_of(folders, out, Difference)


def change(folder, **changes):
    write_result(folder, read_result(folder).model_copy(update=changes))


def differently(folder, **changes):
    """Change the fingerprint."""
    change(folder, fingerprint=read_result(folder).fingerprint.model_copy(update=changes))


def row(markdown, *begins):
    """The cells of the one row that begins so."""
    found = [
        cells
        for line in markdown.splitlines()
        if line.startswith("|") and (cells := line.strip("| ").split(" | "))[: len(begins)] == list(begins)
    ]
    assert len(found) == 1, (begins, found)
    return found[0][len(begins) :]


def test_each_figure_is_beside_the_other_with_their_ratio(folders, tmp_path):
    page = write_comparison(folders, tmp_path / "out")

    first, second = (read_result(folder) for folder in folders)
    markdown = (page.parent / "comparison.md").read_text()
    for number, name in ((-1, "all"), (0, "v1"), (1, "v2")):
        a, b = first.totals[number].response_time, second.totals[number].response_time
        cells = row(markdown.split("Service time")[0], name, "p50")
        assert cells == [f"{a.p50:,}", f"{b.p50:,}", f"{b.p50 / a.p50:.3f}"]
    a, b = (result.totals[-1] for result in (first, second))
    assert row(markdown, "A", "all")[:6] == [f"{a.due:,}", f"{a.sent:,}", f"{a.answered:,}", "0", "0", "0"]
    assert row(markdown, "B", "all")[0] == f"{b.due:,}"
    mode = second.handshake.mode("full").handshake_time.p50
    assert row(markdown, "full", "TLS, p50")[1] == f"{mode:,}"
    assert len(row(markdown, "egress", "static")) == 3
    memory = row(markdown.split("Peak memory")[1], "sidecar")
    assert ["MiB" in cell for cell in memory] == [True, True, False]


def test_what_makes_them_comparable_comes_first_and_no_significance_is_claimed(folders, tmp_path):
    differently(folders[1], stack="docker", versions={"envoy": "9.9.9", "nginx": "0.0.0"})

    source = write_comparison(folders, tmp_path / "out").read_text()

    page = Page(source)
    text = page.text
    assert page.loads == ["data:,"]
    assert "Conditions differ" in text
    assert "arrival rate, stack, envoy, openssl, locust" in text
    assert NOT_INTERLEAVED in text
    assert text.index("Conditions") < text.index("Correctness") < text.index("Latency")
    assert not re.search(r"(?<!that a difference is )significant", text)
    # What one result does not say is not taken for equal.
    markdown = (tmp_path / "out" / "comparison.md").read_text()
    assert row(markdown, "openssl", "versions") == ["0.0.0", "–"]
    assert row(markdown, "stack", "stack") == ["local", "docker"]
    assert "<details>" in source
    assert row(markdown, "nginx", "versions") == ["0.0.0", "0.0.0"]


def test_equal_conditions_are_reported_so(folders, tmp_path):
    change(folders[1], trials=read_result(folders[0]).trials)
    results = [read_result(folder) for folder in folders]

    assert likeness(results).state == "same conditions"
    assert all(condition.is_equal for condition in conditions(results))
    assert "same-conditions" in write_comparison(folders, tmp_path / "out").read_text()


def test_options_are_a_condition_and_where_the_result_went_is_not(folders):
    """`--key` changes what ran, and no file of the scenario."""
    change(folders[0], command="egress-bench run x --key rsa-4096 --out a --quiet", trials=())
    change(folders[1], command="egress-bench run x --key ecdsa-p256 --out b", trials=())
    results = [read_result(folder) for folder in folders]

    (options,) = [condition for condition in conditions(results) if condition.name == "options"]
    assert options.values == ("x --key rsa-4096", "x --key ecdsa-p256")
    assert likeness(results).state == "conditions differ"


def test_what_no_result_reports_is_not_called_equal(folders):
    change(folders[0], handshake=None)
    change(folders[1], handshake=None)

    reported = conditions([read_result(folder) for folder in folders])
    assert "key type" not in [condition.name for condition in reported]


def test_a_run_whose_figures_are_none_says_so_in_the_headline(folders):
    change(folders[0], state="aborted", reason="Ctrl-C")
    limited = RunWarning(code="lag-high", message="The generator was late.", advice="More cores.")
    change(folders[1], warnings=(limited,))
    results = [read_result(folder) for folder in folders]

    assert spoilers(results)[0] == "was aborted"
    assert spoilers([results[1].model_copy(update={"trials": ()})]) != (None,)
    assert "A was aborted" in likeness(results).sentence


def test_what_one_result_did_not_measure_is_a_dash_and_never_a_ratio(folders, tmp_path):
    change(folders[1], handshake=None, totals=(), trials=(), comparisons=(), generator=None)

    page = write_comparison(folders, tmp_path / "out")

    markdown = (page.parent / "comparison.md").read_text()
    assert row(markdown, "full", "TLS, p50")[1:] == ["–", "–"]
    assert row(markdown.split("Service time")[0], "all", "p50")[1:] == ["–", "–"]
    assert row(markdown, "egress", "static")[1:] == ["–", "–"]
    assert "has no steady trial" in markdown
    Page(page.read_text())


def test_three_results_are_each_divided_by_the_first(folders, tmp_path):
    third = shutil.copytree(folders[0], tmp_path / "third")

    write_comparison([*folders, third], tmp_path / "out")

    cells = row((tmp_path / "out" / "comparison.md").read_text(), "full", "TLS, p50")
    assert (cells[0], cells[4]) == (cells[2], "1.000")


def test_it_lies_beside_the_first_result_if_no_place_is_named(folders):
    page = write_comparison(folders)

    assert page == folders[0].parent / "comparison-seed7-seed8" / "comparison.html"
    assert sorted(path.name for path in page.parent.iterdir()) == ["comparison.html", "comparison.md"]


def test_a_result_against_itself_and_a_folder_without_one_are_refused(folders, tmp_path):
    with pytest.raises(InputError, match="named twice"):
        write_comparison([folders[0], folders[0]])
    with pytest.raises(InputError, match="no result"):
        write_comparison([folders[0], tmp_path])
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="comparison cannot be written"):
        write_comparison(folders, tmp_path / "file" / "below")


def fingerprint(folder, **entries):
    """Change entries within the fingerprint's tables, or its texts."""
    found = read_result(folder).fingerprint
    differently(
        folder,
        **{
            name: {**getattr(found, name), **value} if isinstance(value, dict) else value
            for name, value in entries.items()
        },
    )


@pytest.mark.parametrize(
    ("differs", "difference"),
    [
        ({"machine": {"cpu": "another CPU"}}, Difference.MACHINE),
        ({"versions": {"envoy": "9.9.9"}}, Difference.ENVOY),
        ({"versions": {"envoy image": "envoyproxy/envoy:v9"}}, Difference.ENVOY),
        ({"versions": {"openssl": "9.9.9"}}, Difference.NODES),
        ({"versions": {"locust": "9.9.9"}}, Difference.GENERATOR),
        ({"scenario_hash": "f" * 16}, Difference.SCENARIO),
        ({"config_hashes": {"egress eds": "f" * 16}}, Difference.CONFIG),
        ({"stack": "docker"}, Difference.STACK),
        ({"key": "rsa-2048"}, Difference.KEY),
    ],
)
def test_results_that_differ_in_what_was_not_to_be_compared_are_refused(
    folders, tmp_path, differs, difference
):
    change(folders[1], trials=read_result(folders[0]).trials)
    fingerprint(folders[1], **differs)

    with pytest.raises(IncomparableError) as refused:
        write_comparison_of(folders, tmp_path / "out")
    assert refused.value.differences == {difference}
    assert f"--despite {difference}" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()
    assert write_comparison_of(folders, tmp_path / "out", [difference]).exists()


def test_the_load_must_be_the_same_and_how_long_it_lasted_need_not(folders, tmp_path):
    with pytest.raises(IncomparableError) as refused:
        write_comparison_of(folders, tmp_path / "out")
    assert refused.value.differences == {Difference.TRAFFIC}
    assert "arrival rate (A 200 requests/s, B 100 requests/s)" in str(refused.value)

    first = read_result(folders[0]).trials
    change(folders[1], trials=first[: len(first) // 2], command="egress-bench run x --blocks 1")
    assert write_comparison_of(folders, tmp_path / "out").exists()


def test_what_one_result_does_not_say_is_a_difference(folders, tmp_path):
    change(folders[1], trials=read_result(folders[0]).trials)
    found = read_result(folders[1]).fingerprint.machine
    differently(folders[1], machine={name: value for name, value in found.items() if name != "memory"})

    with pytest.raises(IncomparableError, match=r"memory \(A 8 GiB, B does not say\)"):
        write_comparison_of(folders, tmp_path / "out")


def test_another_scenario_has_other_traffic_and_configuration(folders, tmp_path):
    fingerprint(folders[1], scenario_hash="f" * 16, config_hashes={"egress eds": "f" * 16})

    assert write_comparison_of(folders, tmp_path / "out", [Difference.SCENARIO]).exists()


def test_the_command_line_knows_every_difference():
    assert [each.value for each in DifferenceName] == [each.value for each in Difference]
