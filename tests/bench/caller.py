"""A caller: asks through a pair, by hand, where a load generator has no measure for it."""

import socket
import time

from process import until

PIECE = bytes(1 << 20)


def head(port, path, node, method="GET", length=0):
    lines = [
        f"{method} {path} HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        f"x-node-id: {node}",
        "x-tenant-id: acme",
        f"content-length: {length}" if length else "accept: */*",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def status(port, node, path="/"):
    """The status that a request is answered with; none if the connection fails."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=15) as stream:
            stream.sendall(head(port, path, node))
            return int(stream.recv(4096).split(b" ", 2)[1])
    except (OSError, IndexError, ValueError):
        return None


def ready(port, node):
    """Waits until requests for `node` arrive."""
    until(lambda: status(port, node) == 200, f"{node} is reached through port {port}", patience=40)


def download(port, path, node):
    """Bytes per second of one answer's body."""
    with socket.create_connection(("127.0.0.1", port)) as stream:
        space = bytearray(1 << 20)
        begun = time.monotonic()
        stream.sendall(head(port, path, node))
        first = stream.recv(1 << 16)
        answer, _, body = first.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        left = length - len(body)
        while left > 0:
            count = stream.recv_into(space, min(left, len(space)))
            if count == 0:
                raise ConnectionError(f"{left} bytes of {path} are missing")
            left -= count
        return length / (time.monotonic() - begun)


def upload(port, path, node, length):
    """Bytes per second of one request's body, until the service has answered that it has all of it."""
    with socket.create_connection(("127.0.0.1", port)) as stream:
        begun = time.monotonic()
        stream.sendall(head(port, path, node, "POST", length))
        for _ in range(length // len(PIECE)):
            stream.sendall(PIECE)
        answer = stream.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"the upload was answered {answer[:40]!r}")
        return length / (time.monotonic() - begun)
