# SPDX-License-Identifier: Apache-2.0
"""The shim's command line alone: start, delete and -info on bundles that have no container."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess

from .wait import SLOWNESS, eventually

GROUP = "io.kubernetes.cri.sandbox-id"


def words(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def ppid(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Commands:
    """Everything belongs to one namespace, whose name is the test's own."""

    def __init__(self, binary, runtime, work):
        self.binary, self.runtime, self.work, self.namespace = binary, runtime, work, work.name
        self.address = work / "daemon.sock"
        self.sockets = work / "s"
        self.made = set()

    def bundle(self, id, **config):
        path = self.work / "bundles" / id
        path.mkdir(parents=True)
        (path / "config.json").write_text(json.dumps(config))
        os.mkfifo(path / "log")
        return path

    def argv(self, id, action, *options):
        return [str(self.binary), "-namespace", self.namespace, "-address", str(self.address),
                "-publish-binary", "/bin/false", "-id", id, *options, action]

    def environment(self, **env):
        kept = {k: v for k, v in os.environ.items() if k not in ("MAX_SHIM_VERSION", "TTRPC_ADDRESS", "SCHED_CORE")}
        return {**kept, **env}

    def run(self, argv, status=0, cwd=None, env=None, **kwargs):
        if "input" not in kwargs:
            kwargs["stdin"] = subprocess.DEVNULL
        done = subprocess.run([str(w) for w in argv], cwd=cwd, env=self.environment(**(env or {})),
                              capture_output=True, timeout=30 * SLOWNESS, **kwargs)
        assert done.returncode == status, f"{argv}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, id, bundle, *options, **kwargs):
        """Its standard output. A successful start says nothing else."""
        done = self.run(self.argv(id, "start", *options), cwd=bundle, **kwargs)
        if done.returncode == 0:
            assert done.stderr == b""
        return done.stdout

    def fails(self, id, bundle, *options, **kwargs):
        """Its one line of explanation."""
        done = self.run(self.argv(id, "start", *options), status=1, cwd=bundle, **kwargs)
        assert done.stdout == b"" and done.stderr.count(b"\n") == 1 and done.stderr.endswith(b"\n"), done
        return done.stderr.decode()

    def delete(self, id, bundle, **kwargs):
        return self.run(self.argv(id, "delete", "-bundle", str(bundle)), cwd=bundle, **kwargs)

    def socket(self, group, directory="/run/containerd/s"):
        digest = hashlib.sha256(f"{self.address}/{self.namespace}/{group}".encode()).hexdigest()
        path = pathlib.Path(directory) / digest
        self.made.add(path)
        return path

    def processes(self, *more):
        """Servers and starts of this test."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                line = words(entry)
                if self.namespace in line and "-namespace" in line and all(m in line for m in more):
                    found.append(int(entry))
        return found

    def server(self):
        """The one server there is."""
        found = [p for p in self.processes() if words(p)[-1] != "start"]
        assert len(found) == 1, [words(p) for p in found]
        return found[0]

    def finish(self):
        def is_over():
            """Once more for a server that was being started meanwhile."""
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not self.processes()
        eventually(is_over, "no process of the test is left")
        for path in self.made:
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".events").unlink(missing_ok=True)
