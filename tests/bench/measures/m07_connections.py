"""New connections of callers per second: one request each."""

import wrk
from measures import Row
from pairs import running

ROWS = [Row("connections", "new caller connections/s", "1/s", 1.2, 2.0)]
CONTENDERS = ["haproxy", "rathole"]


def take(bench, contender):
    with bench.service() as service, running(bench, contender, service.port) as ends:
        count, seconds = wrk.load(ends[0].egress_port, 32, bench.seconds, close=True)
        return {"connections": count / seconds}
