"""Envoy aborts without inotify instances: too few are reported before anything starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import StackError
from bench.stack import ProxySpec, StackSpec
from bench.stack.local import LocalStack
from bench.stack.watches import (
    known_watches,
    require_container_watches,
    require_watches,
    watches_in_use,
    watches_to_be_had,
)


def spec_of(tmp_path, *watches):
    proxies = tuple(
        ProxySpec(f"p{count}", "egress", "10.0.0.1", (), lambda _: (), file_watches=count)
        for count in watches
    )
    return StackSpec("path", proxies, (), tmp_path)


def giving(most):
    return lambda wanted: min(wanted, most)


def test_what_fits_is_let_through_to_the_last_one():
    """The limit itself is allowed."""
    require_watches({"a": 10, "b": 20}, limit=128, in_use=lambda: 98, to_be_had=giving(30))


def test_what_does_not_fit_is_an_error_with_numbers_and_a_remedy():
    """Who needs how many, how many there are, and a value that suffices."""
    with pytest.raises(
        StackError, match=r"31 inotify .*static p1 10, eds p1 21.* allows 128 .* 98 are in use"
    ) as raised:
        require_watches({"static p1": 10, "eds p1": 21}, limit=128, in_use=lambda: 98, to_be_had=giving(30))
    assert "fs.inotify.max_user_instances=512" in raised.value.remedy
    assert "clusters: reachable" in raised.value.remedy
    assert "user namespace" not in str(raised.value)


def test_a_limit_of_a_namespace_around_this_one_is_found_though_the_one_that_is_read_is_high():
    with pytest.raises(StackError, match=r"gives 5 more.*user namespace around this one"):
        require_watches({"p": 40}, limit=1_000_000, in_use=lambda: 3, to_be_had=giving(5))


def test_the_kernel_is_asked_and_keeps_nothing():
    before = len(list(Path("/proc/self/fd").iterdir()))

    assert watches_to_be_had(3) == 3
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_where_the_kernel_cannot_be_asked_the_limit_and_what_is_in_use_decide():
    require_watches({"p": 30}, limit=128, in_use=lambda: 98, to_be_had=lambda _: None)
    with pytest.raises(StackError, match="gives 30 more"):
        require_watches({"p": 31}, limit=128, in_use=lambda: 98, to_be_had=lambda _: None)


def test_containers_are_held_to_the_limit_alone():
    require_container_watches({"p": 1})
    with pytest.raises(StackError, match=r"gives \d+ more"):
        require_container_watches({"p": 1 << 40})


def test_a_local_stack_asks_before_it_starts_anything(tmp_path):
    """No run folder is made, no process started."""
    stack = LocalStack(spec_of(tmp_path, 10_000_000), parent=tmp_path / "runs")
    with pytest.raises(StackError, match="inotify"):
        stack.start()
    assert not (tmp_path / "runs").exists()
    assert stack.components() == ()


def test_instances_of_this_user_are_counted_from_their_descriptors(tmp_path):
    """Two of three descriptors are instances; a process that is gone counts as none."""
    descriptors = tmp_path / "17" / "fd"
    descriptors.mkdir(parents=True)
    (tmp_path / "18").mkdir()
    for number, target in enumerate(("anon_inode:inotify", "socket:[1]", "anon_inode:inotify")):
        (descriptors / str(number)).symlink_to(target)
    assert watches_in_use(tmp_path) == 2


def test_the_machine_reports_limit_and_use():
    """Both are plain counts."""
    known = known_watches()
    if known is None:
        pytest.skip("no limit to read here")
    limit, in_use = known
    assert 0 <= in_use <= limit


@pytest.mark.parametrize(("hard", "connections", "is_enough"), [(512, 64, True), (512, 65, False)])
def test_too_few_open_files_are_reported_before_anything_starts_and_what_is_allowed_is_taken(
    hard, connections, is_enough
):
    """In a process of its own: limits cannot be raised again."""
    code = (
        "import resource, sys\n"
        "from bench.errors import StackError\n"
        "from bench.stack.descriptors import require_descriptors\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}))\n"
        "try:\n"
        f"    require_descriptors({connections})\n"
        "    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "except StackError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    if is_enough:
        assert done.stdout.strip() == str(hard)
    else:
        assert f"may open {hard} files here" in done.stdout
        assert "traffic.connections.count" in done.stdout
