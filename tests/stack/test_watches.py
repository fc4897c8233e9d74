"""Envoy aborts without inotify instances: too few are told before anything starts."""

import pytest

from bench.errors import StackError
from bench.stack import ProxySpec, StackSpec
from bench.stack.local import LocalStack
from bench.stack.local import stack as local
from bench.stack.watches import known_watches, require_watches, watches_in_use


def spec_of(tmp_path, *watches):
    proxies = tuple(
        ProxySpec(f"p{count}", "egress", "10.0.0.1", (), lambda _: (), file_watches=count)
        for count in watches
    )
    return StackSpec("path", proxies, (), tmp_path)


def test_what_fits_is_let_through_to_the_last_one(tmp_path):
    """The limit itself is allowed, and where nothing limits, everything is."""
    require_watches(spec_of(tmp_path, 10, 20), limit=128, in_use=98)
    require_watches(spec_of(tmp_path, 10_000), limit=None, in_use=98)


def test_what_does_not_fit_is_an_error_with_numbers_and_a_remedy(tmp_path):
    """Who needs how many, how many there are, and a value that suffices."""
    with pytest.raises(
        StackError, match=r"needs 31 .*p10 10, p21 21.* allows 128 .* 98 are in use"
    ) as raised:
        require_watches(spec_of(tmp_path, 10, 21), limit=128, in_use=98)
    assert "fs.inotify.max_user_instances=512" in raised.value.remedy
    assert "clusters: reachable" in raised.value.remedy


def test_a_local_stack_asks_before_it_starts_anything(tmp_path, monkeypatch):
    """No run folder is made, no process started."""
    monkeypatch.setattr(local, "watch_limit", lambda: 5)
    stack = LocalStack(spec_of(tmp_path, 1000), parent=tmp_path / "runs")
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


def test_the_machine_tells_limit_and_use():
    """Both are plain counts."""
    known = known_watches()
    if known is None:
        pytest.skip("no limit to read here")
    limit, in_use = known
    assert 0 <= in_use <= limit
