"""revtun at both ends, on one worker thread each unless the bench says otherwise."""

from pairs import End

NAME = "revtun"
COMMON = ["--log-level", "warn", "--admin-listen", "127.0.0.1:0"]
# Else a limit would be measured; Envoy has none.
SETTINGS = "[responder]\nmax_accepts_per_second = 0\n"


def responder(bench, tls=False, tunnel_port=0, egress_port=0):
    settings = bench.file("responder.toml", SETTINGS)
    command = [bench.revtun, "responder", "--threads", bench.threads, *COMMON, "--config", settings]
    command += ["--tunnel-listen", f"127.0.0.1:{tunnel_port}", "--egress-listen", f"127.0.0.1:{egress_port}"]
    if tls:
        cert, key = bench.certificate()
        command += ["--tls-cert", cert, "--tls-key", key]
    process = bench.start("revtun-responder", command)
    tunnel, egress = (int(process.line(f"{which} listener on ").rsplit(":", 1)[1]) for which in ("tunnel", "egress"))
    return End(process, tunnel, egress)


def initiator(bench, responder, nodes, service_port, tls=False):
    settings = bench.file("initiator.toml", "[initiator]\n" + "".join(listener(node, service_port) for node in nodes))
    command = [bench.revtun, "initiator", "--threads", bench.threads, *COMMON, "--config", settings]
    command += ["--upstream", f"cloud=127.0.0.1:{responder.tunnel_port}"]
    if tls:
        cert, _ = bench.certificate()
        command += ["--tls-ca", cert]
    return End(bench.start("revtun-initiator", command))


def listener(node, service_port):
    address = f"rc://{node}:edge:acme@cloud:1"
    return f'[[initiator.listener]]\naddress = "{address}"\nforward = "http://127.0.0.1:{service_port}"\n'
