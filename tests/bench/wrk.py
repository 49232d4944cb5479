"""The load generators: wrk where there is no rate to keep, h2load where there is one."""

import re
import subprocess

from pairs import NODE

HEADERS = [f"x-node-id: {NODE}", "x-tenant-id: acme"]
ANSWERS = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m)")
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}


def load(port, connections, seconds, path="/", close=False):
    """As many requests as there are answers to. The number of them, and the seconds that it took."""
    headers = [*HEADERS, *(["connection: close"] if close else [])]
    flags = [word for header in headers for word in ("-H", header)]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *flags, f"http://127.0.0.1:{port}{path}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said and not close:
        raise RuntimeError(f"{' '.join(command)}: {said}")
    count, time, unit = ANSWERS.search(said).groups()
    return int(count), float(time) * SECONDS[unit]


def latencies(port, connections, rate, seconds, folder):
    """The seconds from the sending of each request to its answer, at a fixed rate of requests per second."""
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    flags = [word for header in HEADERS for word in ("-H", header)]
    command = ["h2load", "--h1", "-t1", f"-c{connections}", f"-n{rate * seconds}", f"--rps={rate / connections}"]
    command += [f"--log-file={log}", *flags, f"http://127.0.0.1:{port}/"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # The status in the log is of HTTP/2 alone; `ready` has seen that requests are answered.
    taken = [int(line.split("\t")[2]) / 1e6 for line in log.read_text().splitlines()]
    if len(taken) != rate * seconds or f"{rate * seconds} done" not in said:
        raise RuntimeError(f"{' '.join(command)}: {said}")
    return taken
