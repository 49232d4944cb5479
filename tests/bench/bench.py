"""What every measure is given: the programs, a folder for its files, and how long to load."""

import resource
import subprocess
from functools import cache
from pathlib import Path

import provision
import service
from process import Process


class Bench:
    def __init__(self, folder, revtun, envoy, seconds):
        self.folder = Path(folder)
        self.revtun = revtun
        self.envoy = envoy
        self.seconds = seconds
        self.threads = 1
        # Thousands of tunnels need as many files, in whatever is started here.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, name, command):
        return Process(name, command, self.folder)

    def service(self):
        return service.answers(self.folder)

    @staticmethod
    @cache
    def instrument(name):
        return provision.instrument(name)

    def certificate(self):
        """A certificate for this machine that signs itself, and its key."""
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        if not cert.exists():
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            command += ["-days", "30", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"]
            command += ["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(key), "-out", str(cert)]
            subprocess.run(command, check=True, capture_output=True)
        return cert, key
