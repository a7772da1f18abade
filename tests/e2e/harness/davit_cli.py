# SPDX-License-Identifier: Apache-2.0
"""The davit command on a daemon of the tests'."""

import os
import pathlib
import pty
import select
import subprocess

import pytest

from .store_fixtures import davitd_path
from .wait import SLOWNESS, eventually


def davit_path():
    return pathlib.Path(os.environ.get("DAVIT_CLI") or davitd_path().parents[1] / "davit/davit").absolute()


class Davit:
    def __init__(self, store_daemon):
        if not os.access(davit_path(), os.X_OK):
            pytest.skip(f"no davit at {davit_path()} (make, or set DAVIT_CLI)")
        self.daemon, self.status, self.err = store_daemon, None, ""

    @property
    def environment(self):
        return {**self.daemon.server.environment, "DAVIT_ADDRESS": str(self.daemon.directory / "sock")}

    def argv(self, *args):
        return [str(davit_path()), *map(str, args)]

    def __call__(self, *args, status=0, input=None, timeout=30, env=()):
        """Its standard output; @status None: any."""
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run(self.argv(*args), capture_output=True, text=True, timeout=timeout * SLOWNESS,
                              env={**self.environment, **dict(env)}, cwd=self.daemon.directory, **given)
        self.status, self.err = done.returncode, done.stderr
        assert status is None or done.returncode == status, \
            f"davit {args}: status {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.daemon.server.reason()}"
        return done.stdout

    def fails(self, *args, status, **kwargs):
        """What it says."""
        assert self(*args, status=status, **kwargs) == ""
        return self.err

    def popen(self, *args, **kwargs):
        return subprocess.Popen(self.argv(*args), env=self.environment, **kwargs)

    def terminal(self, *args):
        return Terminal(self, args)


class Terminal:
    """davit with a terminal of the test's."""

    def __init__(self, davit, args):
        self.master, self.slave = pty.openpty()
        self.seen = b""
        self.process = davit.popen(*args, stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True)

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 4096)
        return self.seen.decode(errors="replace")

    def expect(self, text):
        eventually(lambda: text in self.read(), f"the terminal shows {text!r}")

    def wait(self):
        eventually(lambda: self.read() and False or self.process.poll() is not None, "davit ends")
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
