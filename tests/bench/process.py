"""Processes that are measured: started, watched through /proc, and ended with whoever started them."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
SOON = 30.0


class Process:
    """One process, which is killed at the end of a `with`. What it says goes to a file of its own."""

    def __init__(self, name, command, folder, stdin=subprocess.DEVNULL, patience=SOON):
        self.name = name
        self.patience = patience
        self.said = Path(folder) / f"{name}.log"
        with self.said.open("wb") as said:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=stdin, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def check(self):
        if self.child.poll() is not None:
            raise RuntimeError(f"{self.name} ended ({self.child.returncode}): {self.text()[-2000:]}")

    def text(self):
        return self.said.read_text(errors="replace")

    def line(self, start, patience=None):
        """What follows `start` in the first line of its output that begins so."""

        def found():
            self.check()
            for line in self.text().splitlines(keepends=True):
                if line.startswith(start) and line.endswith("\n"):
                    return line[len(start) :].strip()
            return None

        return until(found, f"{self.name} says {start!r}", patience or self.patience)

    def cpu_seconds(self):
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_bytes(self):
        rollup = Path(f"/proc/{self.child.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Rss:"))


def until(look, what, patience=SOON, pause=0.005):
    """Looks again and again until there is something to see."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        seen = look()
        if seen:
            return seen
        time.sleep(pause)
    raise TimeoutError(f"waited {patience} s in vain until {what}")


def free_port():
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
