"""Why Envoy refuses what it is given, from its log."""

from bench.stack.proxies import reasons_in

RECORD = (
    "[2026-11-30 12:00:00.000][1][warning][config] [source/x.cc:1] Filesystem config update rejected: {}\n"
)


def test_the_reason_of_now_is_found_however_many_there_were_before(tmp_path):
    log = tmp_path / "output.log"
    log.write_text("".join(RECORD.format(f"reason {number}") for number in range(5)))
    assert reasons_in(log) == ["reason 0", "reason 1", "reason 2"]

    before = log.stat().st_size
    assert reasons_in(log, since=before) == []
    with log.open("a") as more:
        more.write(RECORD.format("the one of now"))
    assert reasons_in(log, since=before) == ["the one of now"]


def test_an_envoy_that_only_validates_says_it_in_its_own_way(tmp_path):
    log = tmp_path / "output.log"
    log.write_text(
        "[2026-11-30 12:00:00.000][1][critical][main] [source/server/config_validation/server.cc:76] "
        "error initializing configuration '/run/egress/config/bootstrap.yaml': no such field: 'nonsense'\n"
    )
    assert reasons_in(log) == ["no such field: 'nonsense'"]
