"""Requests per second at 32 connections, and the processor time that both proxies spent on them."""

import wrk
from measures import Row
from pairs import running

ROWS = [
    Row("requests32", "requests/s, 32 connections", "1/s", 2.0, 4.0),
    Row("cpu", "CPU-seconds per million requests, both proxies", "s", 0.45, 0.25, higher_is_better=False),
]
CONTENDERS = ["haproxy"]


def take(bench, contender):
    with bench.service() as service, running(bench, contender, service.port) as ends:
        wrk.load(ends[0].egress_port, 32, 1)
        before = sum(end.process.cpu_seconds() for end in ends)
        count, seconds = wrk.load(ends[0].egress_port, 32, bench.seconds)
        spent = sum(end.process.cpu_seconds() for end in ends) - before
        return {"requests32": count / seconds, "cpu": spent / count * 1e6}
