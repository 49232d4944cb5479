"""Envoy at both ends, with one worker each, configured as in the whole-system tests but without detailed statistics."""

from pathlib import Path

import service
from pairs import End
from process import free_port, until

NAME = "Envoy"
TEMPLATES = Path(__file__).parents[2] / "src/envoy"
LISTENER = "  - name: reverse_conn_listener"


def responder(bench, tls=False, tunnel_port=0, egress_port=0):
    assert not tls, "Envoy leaves TLS behind the handshake"
    tunnel, egress, admin = tunnel_port or free_port(), egress_port or free_port(), free_port()
    text = filled(
        "responder.yaml",
        TUNNEL_PORT=tunnel,
        EGRESS_PORT=egress,
        ADMIN_PORT=admin,
        TENANT_ISOLATION="true",
        TUNNELS_PER_NODE=0,
        INNER="",
        TRANSPORT="name: tunnels",
        FILTER="",
        CLUSTER='tenant_id_format: "%REQ(x-tenant-id)%"',
    )
    process = start(bench, "envoy-responder", text)
    until(lambda: process.check() or service.listens(egress) and service.listens(tunnel), "the Envoy responder listens")
    return End(process, tunnel, egress)


def initiator(bench, responder, nodes, service_port, tls=False):
    text = filled(
        "initiator.yaml",
        COUNT=1,
        HOSTS=f"- endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {responder.tunnel_port}}}}}}}",
        FORWARD_PORT=service_port,
        ADMIN_PORT=free_port(),
        INNER="name: tunnels",
        TRANSPORT="",
        EXTENSION="",
    )
    return End(start(bench, "envoy-initiator", one_listener_each(text, nodes)))


def filled(template, **holes):
    text = (TEMPLATES / template).read_text().replace("enable_detailed_stats: true", "enable_detailed_stats: false")
    for name, value in holes.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def one_listener_each(text, nodes):
    """The template has one `rc://` listener; every node gets one."""
    before, _, rest = text.partition(LISTENER)
    listener, clusters, after = rest.partition("  clusters:")
    listeners = [
        LISTENER + (listener if number == 0 else listener.replace("\n", f"-{number}\n", 1)).replace("@IDENTITY@", f"{node}:edge:acme")
        for number, node in enumerate(nodes)
    ]
    return before + "".join(listeners) + clusters + after


def start(bench, name, text):
    settings = bench.file(f"{name}.yaml", text)
    flags = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return bench.start(name, [bench.envoy, "-c", settings, *flags])
