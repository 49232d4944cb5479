"""100 MiB in one answer, and 100 MiB in one request."""

import caller
from measures import Row
from pairs import NODE, running
from service import Sink

ROWS = [
    Row("down", "100 MiB answer, bytes/s", "MiB/s", 1.0, 1.8, scale=1 / (1 << 20)),
    Row("up", "100 MiB request, bytes/s", "MiB/s", 1.0, 1.8, scale=1 / (1 << 20)),
]
CONTENDERS = ["haproxy", "rathole"]


def take(bench, contender):
    with bench.service() as service, running(bench, contender, service.port) as ends:
        down = max(caller.download(ends[0].egress_port, "/100m", NODE) for _ in range(3))
    with Sink() as sink, running(bench, contender, sink.port) as ends:
        up = max(caller.upload(ends[0].egress_port, "/", NODE, 100 << 20) for _ in range(3))
    return {"down": down, "up": up}
