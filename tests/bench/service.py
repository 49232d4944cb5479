"""The service behind the tunnels: nginx for answers, and a sink for bodies."""

import socket
import threading
from pathlib import Path

from process import Process, free_port, until

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 1h;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = / {{ return 200 "ok\\n"; }}
        location / {{ root {folder}/files; }}
    }}
}}
"""
SIZES = {"10k": 10 << 10, "100k": 100 << 10, "100m": 100 << 20}


def answers(folder):
    """nginx with a small answer at `/` and a file for each of `SIZES`."""
    files = Path(folder) / "files"
    files.mkdir(exist_ok=True)
    for name, size in SIZES.items():
        with (files / name).open("wb") as file:
            file.write(bytes(size))
    port = free_port()
    settings = Path(folder) / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, port=port))
    nginx = Process("nginx", ["nginx", "-p", folder, "-e", "stderr", "-c", settings], folder)
    nginx.port = port
    until(lambda: listens(port), "nginx listens")
    return nginx


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Sink:
    """Takes bodies of announced length, throws them away, and then answers 200."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._drain, args=(stream,), daemon=True).start()

    @staticmethod
    def _drain(stream):
        space = bytearray(1 << 20)
        with stream:
            rest = b""
            while True:
                while b"\r\n\r\n" not in rest:
                    piece = stream.recv(1 << 16)
                    if not piece:
                        return
                    rest += piece
                head, _, rest = rest.partition(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                left = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0) - len(rest)
                rest = b""
                while left > 0:
                    count = stream.recv_into(space, min(left, len(space)))
                    if count == 0:
                        return
                    left -= count
                stream.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
