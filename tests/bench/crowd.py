"""Many tunnels to one responder, held by `src/bin/crowd.rs`."""

import subprocess

from process import Process

AT_ONCE = 64


class Crowd:
    """`tunnels` tunnels, up after `seconds`, and kept alive within a `with`."""

    def __init__(self, bench, responder, tunnels):
        command = [bench.instrument("crowd"), f"127.0.0.1:{responder.tunnel_port}", tunnels, AT_ONCE]
        self.process = Process("crowd", command, bench.folder, stdin=subprocess.PIPE)
        try:
            self.seconds = float(self.process.line("", patience=120))
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.child.stdin.close()
        outcome = self.process.child.wait()
        if outcome != 0 and kind is None:
            raise RuntimeError(f"the crowd lost tunnels: {self.process.text()}")
