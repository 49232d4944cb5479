"""The contenders. Each starts a responder, an initiator, or both as a pair, in the same shape for every measure:

    responder(bench, tls=False) -> End with .tunnel_port and .egress_port
    initiator(bench, responder, nodes, service_port, tls=False) -> End

`nodes` are the names that the one process serves, one tunnel each.
"""

import contextlib
from dataclasses import dataclass, field

import caller

NODE = "node-0"


@dataclass
class End:
    """One end of a pair: its process, and where it listens."""

    process: object
    tunnel_port: int = 0
    egress_port: int = 0
    extra: dict = field(default_factory=dict)


@contextlib.contextmanager
def running(bench, contender, service_port, nodes=(NODE,), tls=False):
    """Both ends, once requests arrive; killed afterwards."""
    with contextlib.ExitStack() as stack:
        responder = contender.responder(bench, tls)
        stack.enter_context(responder.process)
        initiator = contender.initiator(bench, responder, nodes, service_port, tls)
        stack.enter_context(initiator.process)
        caller.ready(responder.egress_port, nodes[0])
        yield responder, initiator
        responder.process.check()
        initiator.process.check()
