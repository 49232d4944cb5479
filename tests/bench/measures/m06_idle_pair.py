"""Resident memory of both ends with one tunnel, which has carried one request."""

import time

from measures import Row
from pairs import running

ROWS = [Row("idle-pair", "resident memory of an idle pair", "MiB", 0.25, 0.12, higher_is_better=False, scale=1 / (1 << 20))]
CONTENDERS = ["haproxy"]


def take(bench, contender):
    with bench.service() as service, running(bench, contender, service.port) as ends:
        time.sleep(1)
        return {"idle-pair": sum(end.process.resident_bytes() for end in ends)}
