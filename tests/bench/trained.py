"""revtun, built for what it is used for: once to count which ways its code goes under every measure, and once more with
those ways laid straight (profile-guided optimization)."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import measures
import provision
from bench import Bench
from pairs import revtun
from process import Process

FOLDER = provision.ROOT / "target" / "trained"
SECONDS = 1


class Learner(Process):
    """A process that writes down what it has learned when it is asked to end, or told so twice."""

    def kill(self):
        for _ in range(2):
            if self.child.poll() is None:
                self.child.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.child.wait(timeout=5)
        super().kill()


class School(Bench):
    """A bench whose processes learn."""

    def start(self, name, command):
        return Learner(name, command, self.folder)


def program(profile):
    """revtun, built with a profile of cargo's, or trained."""
    return build() if profile == "trained" else provision.revtun(profile)


def build():
    """The program, trained."""
    learned = learn()
    named = FOLDER / f"{hashlib.sha256(learned.read_bytes()).hexdigest()[:16]}.profdata"
    learned.rename(named)
    return compiled(FOLDER / "build", f"-Cprofile-use={named}")


def learn():
    profiles = FOLDER / "profiles"
    binary = compiled(FOLDER / "learner", f"-Cprofile-generate={profiles}")
    # What was learned by build scripts, or before.
    shutil.rmtree(profiles, ignore_errors=True)
    # No process overwrites what another one has learned.
    os.environ["LLVM_PROFILE_FILE"] = str(profiles / "%p-%m.profraw")
    with tempfile.TemporaryDirectory(prefix="revtun-train-") as folder:
        Path(folder).chmod(0o755)
        school = School(folder, binary, None, SECONDS)
        for measure in measures.every():
            measure.take(school, revtun)
    del os.environ["LLVM_PROFILE_FILE"]
    merged = FOLDER / "merged.profdata"
    subprocess.run([profdata(), "merge", "--output", str(merged), str(profiles)], check=True)
    return merged


def compiled(folder, flag):
    """revtun as a release, with one more flag for the compiler. A change of the flag builds all of it anew."""
    command = ["cargo", "build", "--quiet", "--locked", "--release", "--package", "revtun-program", "--bin", "revtun"]
    environment = os.environ | {"RUSTFLAGS": f"{os.environ.get('RUSTFLAGS', '')} {flag}".strip()}
    subprocess.run([*command, "--target-dir", str(folder)], check=True, cwd=provision.ROOT, env=environment)
    return folder / "release" / "revtun"


def profdata():
    """LLVM's tool for profiles, of the compiler's version."""
    said = subprocess.run(["rustc", "--version", "--verbose"], capture_output=True, text=True, check=True).stdout
    major = re.search(r"LLVM version: (\d+)", said)[1]
    provision.package(f"llvm-profdata-{major}", f"llvm-{major}")
    return f"llvm-profdata-{major}"
