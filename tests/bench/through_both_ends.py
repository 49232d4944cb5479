"""Requests through both ends as they ship, with an instruction counter under each."""

import re
import signal
import socket
import tempfile
import threading

import caller
from pairs import NODE, revtun
from process import Process

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-type: text/plain\r\n\r\nok\n"
# An instruction counter makes a program fifty times as slow.
PATIENCE = 120.0


class Counted:
    """What `pairs.revtun` needs of a bench: the program, started by valgrind."""

    def __init__(self, folder, binary):
        self.folder = folder
        self.revtun = binary
        self.threads = 1

    def file(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w") as file:
            file.write(text)
        return path

    def start(self, name, command):
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.folder}/{name}.out"]
        return Process(name, [*valgrind, *command], self.folder, patience=PATIENCE)


def through_both_ends(binary, requests):
    """Instructions of either end, from its start to its end, with one caller who asks `requests` times."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as service:
        threading.Thread(target=answer_all, args=(service,), daemon=True).start()
        bench = Counted(folder, binary)
        responder = revtun.responder(bench)
        with responder.process:
            initiator = revtun.initiator(bench, responder, [NODE], service.getsockname()[1])
            with initiator.process:
                caller.ready(responder.egress_port, NODE)
                ask(responder.egress_port, requests)
                ends = {"initiator": collected(initiator.process), "responder": collected(responder.process)}
        return ends


def ask(port, requests):
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = caller.head(port, "/", NODE)
        for _ in range(requests):
            stream.sendall(head)
            answer = b""
            while not answer.endswith(b"\r\n\r\nok\n"):
                piece = stream.recv(4096)
                if not piece:
                    raise ConnectionError(f"the answer broke off: {answer!r}")
                answer += piece


def answer_all(service):
    """A service that answers alike whatever it is asked, on any number of connections."""
    while True:
        try:
            stream, _ = service.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(stream,), daemon=True).start()


def answer(stream):
    with stream:
        asked = b""
        while piece := stream.recv(4096):
            asked += piece
            while b"\r\n\r\n" in asked:
                _, _, asked = asked.partition(b"\r\n\r\n")
                stream.sendall(ANSWER)


def collected(process):
    process.child.send_signal(signal.SIGTERM)
    process.child.wait(timeout=PATIENCE)
    return int(re.search(r"Collected : (\d+)", process.text()).group(1))
