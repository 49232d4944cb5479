"""haproxy, HTTP/2, haproxy, on one thread each: no tunnel, but the least that two hops are known to cost."""

import service
from pairs import End
from process import free_port, until

NAME = "haproxy"
SETTINGS = """
global
    nbthread 1
    maxconn 2000
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    http-reuse always
frontend in
    bind 127.0.0.1:{port}{inbound}
    default_backend out
backend out
    server next 127.0.0.1:{target}{outbound}
"""


def responder(bench, tls=False):
    assert not tls, "not measured"
    tunnel, egress = free_port(), free_port()
    return End(start(bench, "haproxy-near", egress, "", tunnel, " proto h2"), tunnel, egress)


def initiator(bench, responder, nodes, service_port, tls=False):
    return End(start(bench, "haproxy-far", responder.tunnel_port, " proto h2", service_port, ""))


def start(bench, name, port, inbound, target, outbound):
    settings = bench.file(f"{name}.cfg", SETTINGS.format(port=port, inbound=inbound, target=target, outbound=outbound))
    process = bench.start(name, ["haproxy", "-db", "-f", settings])
    until(lambda: process.check() or service.listens(port), f"{name} listens")
    return process
