"""Requests per second at one connection: how long a request takes when nothing else goes on."""

import wrk
from measures import Row
from pairs import running

ROWS = [Row("requests1", "requests/s, 1 connection", "1/s", 1.6, 2.5)]
CONTENDERS = ["haproxy"]


def take(bench, contender):
    with bench.service() as service, running(bench, contender, service.port) as ends:
        wrk.load(ends[0].egress_port, 1, 1)
        count, seconds = wrk.load(ends[0].egress_port, 1, bench.seconds)
        return {"requests1": count / seconds}
