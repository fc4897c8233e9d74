"""The search for circles pauses where it only costs, and goes on whatever happens within."""

import gc

import pytest

from bench.collection import collection_paused
from bench.commands.check import check
from bench.scenario.read import read_folder


def test_it_is_off_within_and_as_before_behind():
    with collection_paused():
        assert not gc.isenabled()
        with collection_paused():
            pass
        assert not gc.isenabled()

    assert gc.isenabled()


def test_it_goes_on_after_an_error():
    with pytest.raises(KeyError), collection_paused():
        raise KeyError

    assert gc.isenabled()


def test_a_check_makes_no_search(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\n"
        "spec: {hosts: [a.test], ports: [{number: 80, name: http}]}\n"
    )
    seen = []

    def analyze(*_):
        seen.append(gc.isenabled())
        raise KeyError

    monkeypatch.setattr("bench.commands.check.analyze", analyze)
    with pytest.raises(KeyError):
        check(read_folder(tmp_path))

    assert seen == [False]
    assert gc.isenabled()
