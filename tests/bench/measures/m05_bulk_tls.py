"""The same with revtun's tunnels inside TLS 1.3; Envoy's stay in the clear, as it leaves TLS behind the handshake."""

import caller
from measures import Row
from pairs import NODE, revtun, running
from service import Sink

ROWS = [
    Row("down-tls", "100 MiB answer, inside TLS / Envoy's in the clear", "MiB/s", 0.35, 0.7, scale=1 / (1 << 20)),
    Row("up-tls", "100 MiB request, inside TLS / Envoy's in the clear", "MiB/s", 0.35, 0.7, scale=1 / (1 << 20)),
]


def take(bench, contender):
    tls = contender is revtun
    with bench.service() as service, running(bench, contender, service.port, tls=tls) as ends:
        down = max(caller.download(ends[0].egress_port, "/100m", NODE) for _ in range(3))
    with Sink() as sink, running(bench, contender, sink.port, tls=tls) as ends:
        up = max(caller.upload(ends[0].egress_port, "/", NODE, 100 << 20) for _ in range(3))
    return {"down-tls": down, "up-tls": up}
