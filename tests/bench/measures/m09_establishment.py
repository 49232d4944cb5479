"""Tunnels established per second at one responder, 64 at a time, each of another node."""

from crowd import Crowd
from measures import Row

ROWS = [Row("established", "tunnels established/s, one responder", "1/s", 1.5, 3.0)]
TUNNELS = 10_000


def take(bench, contender):
    responder = contender.responder(bench)
    with responder.process, Crowd(bench, responder, TUNNELS) as crowd:
        return {"established": TUNNELS / crowd.seconds}
