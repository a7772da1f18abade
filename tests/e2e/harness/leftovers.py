# SPDX-License-Identifier: Apache-2.0
"""What a container may not leave behind: processes, mounts, cgroups and state."""

import os
import pathlib
import signal
import subprocess

from .machine import CGROUP
from .wait import eventually


def _read(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def _link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def is_alive(pid):
    """It exists and is no zombie."""
    state = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return bool(state) and state[0] not in (b"Z", b"X")


def processes(marks):
    """pid -> command line of every process that belongs to one of @marks (ids, directories)."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        base = f"/proc/{entry}"
        command = _read(f"{base}/cmdline")
        text = "\0".join([command.decode(errors="replace"), _read(f"{base}/cgroup").decode(errors="replace"),
                          _link(f"{base}/root"), _link(f"{base}/cwd")])
        if any(mark in text for mark in marks) and is_alive(entry):
            found[int(entry)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def mounts(marks):
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if any(mark in line for mark in marks)]


def cgroups(marks):
    """Directories, deepest first."""
    found = []
    for top in ([CGROUP] if (CGROUP / "cgroup.procs").exists() else
                [p for p in CGROUP.glob("*") if p.is_dir() and not p.is_symlink()]):
        for directory, names, _ in os.walk(top):
            found += [os.path.join(directory, n) for n in names
                      if any(mark in os.path.join(directory, n) for mark in marks)]
    return sorted(found, key=len, reverse=True)


def find(marks):
    """Everything that is left, as lines of text."""
    return ([f"process {pid}: {text}" for pid, text in processes(marks).items()] +
            [f"mount {path}" for path in mounts(marks)] +
            [f"cgroup {path}" for path in cgroups(marks)])


def sweep(marks):
    """Removes it by force, so that the next test starts clean."""
    for pid in processes(marks):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for path in reversed(mounts(marks)):
        subprocess.run(["umount", "-l", path], capture_output=True)
    eventually(lambda: not processes(marks), f"processes of {marks} are gone")
    for path in cgroups(marks):
        try:
            os.rmdir(path)
        except OSError:
            pass
