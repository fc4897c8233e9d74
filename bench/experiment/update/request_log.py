"""What the gateway's access log reports of each request of a load, while its configuration changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.experiment.update.judging import Request
from bench.headers import ID_HEADER

SUBSET_HEADER = "x-bench-subset"
LOG = {
    "time": "%START_TIME(%s%6f)%",
    "duration": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "id": f"%REQ({ID_HEADER.upper()})%",
    "subset": f"%REQ({SUBSET_HEADER.upper()})%",
    "status": "%RESPONSE_CODE%",
    "upstream": "%UPSTREAM_HOST%",
}
"""Fields of an entry, in Envoy's own format."""


def read_requests(log: Path | None, run_id: str, nodes: Mapping[str, str]) -> Iterator[Request]:
    """The requests of one load, each once: half a line at the end is not a request."""
    if log is None:
        return
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("}\n"):
                continue
            entry = json.loads(line)
            if not str(entry["id"]).startswith(f"{run_id}/"):
                continue
            status = int(entry["status"] or 0)
            yield Request(
                at_us=int(entry["time"]),
                duration_us=int(entry["duration"] or 0),
                subset=str(entry["subset"]),
                node=nodes.get(str(entry["upstream"])),
                failed=status != 200,
            )
