"""rathole: a tunnel that carries bytes and does not look into them, on one worker thread at each end.

A caller's connection is a connection of its own through the tunnel, so it has neither streams nor windows, and it reaches
one service only.
"""

import provision
import service
from pairs import End
from process import free_port, until

NAME = "rathole"
COMMON = 'default_token = "bench"\n'
SERVER = """
[server]
bind_addr = "127.0.0.1:{tunnel}"
{common}
[server.services.web]
bind_addr = "127.0.0.1:{egress}"
"""
CLIENT = """
[client]
remote_addr = "127.0.0.1:{tunnel}"
{common}
[client.services.web]
local_addr = "127.0.0.1:{target}"
"""


def responder(bench, tls=False):
    assert not tls, "not measured"
    tunnel, egress = free_port(), free_port()
    end = End(start(bench, "rathole-server", SERVER.format(tunnel=tunnel, egress=egress, common=COMMON)), tunnel, egress)
    until(lambda: end.process.check() or service.listens(tunnel), "rathole-server listens")
    return end


def initiator(bench, responder, nodes, service_port, tls=False):
    settings = CLIENT.format(tunnel=responder.tunnel_port, target=service_port, common=COMMON)
    end = End(start(bench, "rathole-client", settings))
    # Its server listens for callers as soon as the client is there.
    until(lambda: end.process.check() or service.listens(responder.egress_port), "rathole-client is there")
    return end


def start(bench, name, settings):
    role = name.removeprefix("rathole-")
    command = ["env", f"TOKIO_WORKER_THREADS={bench.threads}", "RUST_LOG=warn", provision.rathole(), f"--{role}"]
    return bench.start(name, [*command, bench.file(f"{name}.toml", settings)])
