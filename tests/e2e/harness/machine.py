# SPDX-License-Identifier: Apache-2.0
"""What this machine can do. The need_* functions skip the test when it cannot, and say why."""

import ctypes
import functools
import os
import pathlib
import platform
import re
import shutil
import subprocess

import pytest

CGROUP = pathlib.Path("/sys/fs/cgroup")
CAPS = {"setuid": 7, "net_admin": 12, "sys_admin": 21, "sys_nice": 23, "sys_resource": 24, "mknod": 27}

libc = ctypes.CDLL(None, use_errno=True)


def is_root():
    return os.geteuid() == 0


def has_cap(name):
    effective = re.search(r"^CapEff:\s*(\w+)", pathlib.Path("/proc/self/status").read_text(), re.M)
    return bool(int(effective.group(1), 16) >> CAPS[name] & 1)


def need_cap(name):
    if not has_cap(name):
        pytest.skip(f"this machine withholds CAP_{name.upper()}")


def kernel_version():
    return tuple(int(n) for n in re.findall(r"\d+", platform.release())[:2])


def need_kernel(major, minor, what):
    if kernel_version() < (major, minor):
        pytest.skip(f"{what} needs Linux {major}.{minor}, this is {platform.release()}")


def need_program(name):
    if not shutil.which(name):
        pytest.skip(f"no {name} on this machine")


def need_cpus(count):
    if len(os.sched_getaffinity(0)) < count:
        pytest.skip(f"needs {count} processors")


@functools.cache
def cgroup_mode():
    """"v1", "hybrid" or "v2"."""
    types = {line.split()[1]: line.split()[2] for line in open("/proc/mounts")
             if line.split()[1].startswith(str(CGROUP))}
    if types.get(str(CGROUP)) == "cgroup2":
        return "v2"
    return "hybrid" if "cgroup2" in types.values() else "v1"


@functools.cache
def v1_controllers():
    """controller -> the directory where it is mounted."""
    found = {}
    for line in open("/proc/mounts"):
        _, directory, kind, options, *_ = line.split()
        if kind == "cgroup" and directory.startswith(str(CGROUP)):
            for option in options.split(","):
                found[option] = pathlib.Path(directory)
    return found


def v2_controllers():
    return (CGROUP / "cgroup.controllers").read_text().split() if cgroup_mode() == "v2" else []


def need_controller(name):
    if name not in v1_controllers() and name not in v2_controllers():
        pytest.skip(f"no {name} cgroup controller here")


def need_v1():
    if cgroup_mode() == "v2":
        pytest.skip("cgroup v1 only")


def need_v2():
    if cgroup_mode() != "v2":
        pytest.skip("cgroup v2 only (make test-vm)")


def need_file(path):
    if not os.path.exists(path):
        pytest.skip(f"no {path} on this machine")


def need_namespace(kind):
    need_file(f"/proc/self/ns/{kind}")


@functools.cache
def _idmapped_mounts_work():
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         "mkdir -p \"$0\" && mount --bind -o X-mount.idmap=b:0:1000:10 \"$0\" \"$0\"; rm -df \"$0\"",
         "/tmp/davit-e2e-idmap-probe"], capture_output=True).returncode == 0


def need_userns():
    probe = subprocess.run(["unshare", "--user", "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no user namespaces here: {probe.stderr.strip()}")


def busybox():
    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.access(path, os.X_OK):
            return path
    pytest.skip("no busybox on this machine (Debian: busybox-static)")
