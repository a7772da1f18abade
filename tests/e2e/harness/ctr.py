# SPDX-License-Identifier: Apache-2.0
"""Debian's ctr with a daemon of the store's fixtures, in a namespace of its own."""

import os
import subprocess

from . import image
from .wait import SLOWNESS

DAVIT, RUNC = "io.containerd.davit.v2", "io.containerd.runc.v2"


class Ctr:
    """ctr("images", "ls") returns what it prints. @name of the namespace; each test's daemon has one of its own."""

    def __init__(self, daemon, runtime=DAVIT, name=None):
        self.daemon, self.runtime, self.namespace = daemon, runtime, name or daemon.directory.name
        self.daemon.namespaces.add(self.namespace)

    def command(self, *args, namespace=None):
        return ["ctr", "--address", str(self.daemon.directory / "sock"), "--connect-timeout", "5s",
                "--namespace", namespace or self.namespace, *map(str, args)]

    def __call__(self, *args, check=True, timeout=60, **more):
        done = subprocess.run(self.command(*args, **more), capture_output=True, text=True, timeout=timeout * SLOWNESS,
                              stdin=subprocess.DEVNULL, env=self.daemon.server.environment)
        assert not check or done.returncode == 0, f"ctr {args}: {done.stderr}\n{self.daemon.server.reason()}"
        self.status, self.errors = done.returncode, done.stderr
        return done.stdout

    def popen(self, *args, **more):
        return subprocess.Popen(self.command(*args), env=self.daemon.server.environment, **{"stdout": subprocess.PIPE, "text": True, **more})

    def run(self, *args, **more):
        """The first of @args that is no option is the image, then comes the id."""
        self.watch(args)
        return self("run", "--runtime", self.runtime, *args, **more)

    def watch(self, args):
        if image.NAME in args:
            self.daemon.watch(self.namespace, args[args.index(image.NAME) + 1])

    def rows(self, *args):
        return [line.split() for line in self(*args).splitlines()[1:]]

    def tasks(self):
        return {row[0]: row[2] for row in self.rows("tasks", "ls")}

    def pid(self, id):
        """Of the container's first process."""
        return next(int(row[1]) for row in self.rows("tasks", "ls") if row[0] == id)

    def shim(self, id):
        """The pid of the shim that was started for the container."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/cmdline").read().split("\0")
            except OSError:
                continue
            if words[0].rsplit("/", 1)[-1].startswith("containerd-shim") and id in words and str(self.daemon.directory / "sock") in words:
                return int(pid)
        raise AssertionError(f"no shim of {id}")

    def clean(self):
        """Every task and container goes."""
        for id in self.tasks():
            self("tasks", "rm", "--force", id, check=False)
        ids = self("containers", "ls", "-q").split()
        if ids:
            self("containers", "rm", *ids)
