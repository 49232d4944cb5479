"""Requests per second with answers of 10 KiB and of 100 KiB, at 32 connections."""

import wrk
from measures import Row
from pairs import running

ROWS = [
    Row("10k", "10 KiB answers, requests/s", "1/s", 1.3, 2.0),
    Row("100k", "100 KiB answers, requests/s", "1/s", 1.3, 2.0),
]
CONTENDERS = ["haproxy"]


def take(bench, contender):
    taken = {}
    with bench.service() as service, running(bench, contender, service.port) as ends:
        for path in ("10k", "100k"):
            wrk.load(ends[0].egress_port, 32, 1, f"/{path}")
            count, seconds = wrk.load(ends[0].egress_port, 32, bench.seconds, f"/{path}")
            taken[path] = count / seconds
    return taken
