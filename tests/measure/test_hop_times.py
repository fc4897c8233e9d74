"""Where the time went, from logs in which the same requests stand at every proxy."""

import json
from types import SimpleNamespace

import pytest

from bench.measure.hop_times import HopWatch

FIRST, LAST = 1_000_000, 2_000_000


class OnDisk:
    """A stack of which only the logs exist."""

    def __init__(self, folder):
        self.folder = folder

    def component(self, name):
        return SimpleNamespace(access_log=self.folder / name / "access.log")

    def log(self, name, *lines, rest=""):
        (self.folder / name).mkdir(exist_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with (self.folder / name / "sampled.log").open("a") as out:
            out.write(text + rest)


def seen(number, took, waited, at=FIRST + 5):
    return {"at": str(at), "id": f"r/{number:04d}", "took": str(took), "waited": str(waited)}


@pytest.fixture
def stack(tmp_path):
    return OnDisk(tmp_path)


def test_the_parts_add_up_to_the_whole(stack):
    watch = HopWatch.begin(stack, ["sleep"], ["egress"])
    stack.log("sleep", seen(1, 1000, 900), seen(2, 2000, 1700))
    stack.log("egress", seen(2, 1500, 1100), seen(1, 700, 600))

    found = watch.times(FIRST, LAST)

    assert found.samples == 2
    assert (found.within_us, found.sidecar_us, found.gateway_us) == (1500, 200, 250)
    assert (found.between_us, found.beyond_us) == (200, 850)
    assert found.sidecar_us + found.between_us + found.gateway_us + found.beyond_us == found.within_us


def test_without_a_gateway_all_that_is_waited_for_is_beyond(stack):
    watch = HopWatch.begin(stack, ["sleep"], [])
    stack.log("sleep", seen(1, 1000, 900))

    found = watch.times(FIRST, LAST)

    assert (found.sidecar_us, found.between_us, found.gateway_us, found.beyond_us) == (100, None, None, 900)


def test_only_requests_of_the_window_that_every_proxy_saw_count(stack):
    stack.log("sleep", seen(9, 9_000_000, 1))
    stack.log("egress", seen(9, 9_000_000, 1))
    watch = HopWatch.begin(stack, ["sleep"], ["egress", "egress-2"])
    warm_up = seen(1, 5_000_000, 1, at=FIRST - 1)
    answered_by_the_proxy = {**seen(4, 10, 0), "waited": None}
    stack.log(
        "sleep", warm_up, seen(2, 1000, 900), seen(3, 1000, 900), answered_by_the_proxy, rest='{"at": "10'
    )
    stack.log("egress", warm_up, seen(4, 10, 0))
    stack.log("egress-2", seen(3, 800, 700))

    assert watch.times(FIRST, LAST).samples == 1


def test_without_such_a_request_nothing_is_known(stack):
    assert HopWatch.begin(stack, ["sleep"], ["egress"]).times(FIRST, LAST) is None
