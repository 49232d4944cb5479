"""What a responder spends on 15 000 idle tunnels: memory, and processor time under pings every two seconds."""

import time

from crowd import Crowd
from measures import Row

ROWS = [
    Row("idle-bytes", "resident bytes per idle tunnel, 15 000 tunnels", "B", 0.75, 0.4, higher_is_better=False),
    Row("idle-cpu", "CPU with 15 000 idle tunnels, pings every 2 s", "% of a core", 0.75, 0.4, higher_is_better=False, scale=100),
]
TUNNELS = 15_000


def take(bench, contender):
    responder = contender.responder(bench)
    with responder.process as process:
        time.sleep(0.5)
        empty = process.resident_bytes()
        with Crowd(bench, responder, TUNNELS):
            # Whatever the establishment has left behind is over.
            time.sleep(5)
            before, begun = process.cpu_seconds(), time.monotonic()
            time.sleep(2 * bench.seconds)
            spent, seconds = process.cpu_seconds() - before, time.monotonic() - begun
            process.check()
            return {"idle-bytes": (process.resident_bytes() - empty) / TUNNELS, "idle-cpu": spent / seconds}
