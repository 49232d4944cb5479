"""The 99th percentile of latency at 5 000 requests per second over 20 connections."""

import statistics

import wrk
from measures import Row
from pairs import running

ROWS = [Row("p99", "p99 latency at 5 000 requests/s", "ms", 0.7, 0.4, higher_is_better=False, scale=1e3)]
CONTENDERS = ["haproxy"]


def take(bench, contender):
    with bench.service() as service, running(bench, contender, service.port) as ends:
        wrk.load(ends[0].egress_port, 20, 1)
        taken = wrk.latencies(ends[0].egress_port, 20, 5000, bench.seconds, bench.folder)
        return {"p99": statistics.quantiles(taken, n=100)[98]}
