# SPDX-License-Identifier: Apache-2.0
"""A daemon, run by a test with directories of its own, and stopped by its pid."""

import os
import pathlib
import shutil
import subprocess

import pytest

from . import leftovers
from .machine import is_root
from .wait import SLOWNESS, eventually


def need(*programs):
    if not is_root():
        pytest.skip("needs root")
    for name in programs:
        if not shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            pytest.skip(f"no {name} on this machine (tools/setup test)")


def environment(directory, path=None):
    """Nothing of the caller's set-up reaches the daemon or its clients. @path is searched first."""
    prefix = f"{path}:" if path else ""
    return {"PATH": f"{prefix}/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(directory), "TMPDIR": str(directory),
            "XDG_RUNTIME_DIR": str(directory), "LC_ALL": "C.UTF-8"}


class DidNotStart(AssertionError):
    """It ended, or does not answer."""


class Daemon:
    def __init__(self, name, command, directory, is_ready, path=None, is_ours=False):
        """Starts it and waits until is_ready(). Somebody else's that cannot run on this machine skips the test."""
        self.name, self.directory = name, pathlib.Path(directory)
        self.command, self.is_ready, self.environment = command, is_ready, environment(directory, path)
        self.log = self.directory / f"{name}.log"
        try:
            self.start()
        except DidNotStart as e:
            if is_ours:
                raise
            pytest.skip(str(e))

    def start(self):
        """DidNotStart: what was running before does not run again, which no test can take for a skip."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment, cwd=self.directory)
        name, is_ready = self.name, self.is_ready
        try:
            eventually(lambda: self.process.poll() is not None or is_ready(), f"{name} answers", timeout=60)
        except AssertionError:
            self.stop()
            raise DidNotStart(f"{name} does not answer: {self.reason()}") from None
        if self.process.poll() is not None:
            raise DidNotStart(f"{name} does not run: {self.reason()}")

    def reason(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        telling = [line for line in lines if "level=fatal" in line or "failed to start" in line] or lines
        return telling[-1][:300] if telling else "no output"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30 * SLOWNESS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def sweep(self, *marks):
        """What daemon and shims left: their processes, mounts and cgroups."""
        leftovers.sweep([str(self.directory), *marks])


class Client:
    """Runs a command line client: client("run", ...) returns its standard output."""

    def __init__(self, command, directory):
        self.command, self.directory = [str(c) for c in command], directory

    def __call__(self, *args, status=0, input=None, timeout=120):
        kwargs = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run([*self.command, *map(str, args)], capture_output=True, text=True, errors="replace",
                              timeout=timeout * SLOWNESS, env=environment(self.directory), **kwargs)
        assert status is None or done.returncode == status, \
            f"{' '.join(map(str, args))}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.status, self.err = done.returncode, done.stderr
        return done.stdout

    def popen(self, *args, **kwargs):
        return subprocess.Popen([*self.command, *map(str, args)], env=environment(self.directory), **kwargs)


def argv(client, *args):
    return [*client.command, *map(str, args)]


def remove_tree(path):
    """A directory that may have mounts in it."""
    leftovers.sweep([str(path)])
    shutil.rmtree(path, ignore_errors=True)
    assert os.path.dirname(path) != "/"
