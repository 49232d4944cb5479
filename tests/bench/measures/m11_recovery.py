"""How long after a responder was killed and restarted the tunnels of 200 initiators are back."""

import time

import caller
from measures import Row

ROWS = [Row("recovery", "200 initiators back after the responder restarts", "s", 0.2, 0.1, higher_is_better=False)]
NODES = [f"node-{number}" for number in range(200)]
DOWN = 3.0


def take(bench, contender):
    responder = contender.responder(bench)
    with bench.service() as service, responder.process as first:
        with contender.initiator(bench, responder, NODES, service.port).process:
            for node in NODES:
                caller.ready(responder.egress_port, node)
            first.kill()
            time.sleep(DOWN)
            begun = time.monotonic()
            again = contender.responder(bench, False, responder.tunnel_port, responder.egress_port)
            with again.process:
                for node in NODES:
                    caller.ready(responder.egress_port, node)
                return {"recovery": time.monotonic() - begun}
