# SPDX-License-Identifier: Apache-2.0
"""A root filesystem out of one static busybox."""

import functools
import os
import pathlib
import shutil
import subprocess

from . import machine

DIRS = ("bin", "dev", "etc", "home", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nboat:x:1000:1000:boat:/home/boat:/bin/sh\n"
GROUP = "root:x:0:\nboat:x:1000:\n"


@functools.cache
def applets():
    done = subprocess.run([machine.busybox(), "--list"], capture_output=True, text=True, check=True)
    return sorted(set(done.stdout.split()) - {"busybox"})


def make(path):
    path = pathlib.Path(path)
    for name in DIRS:
        (path / name).mkdir(parents=True)
    (path / "tmp").chmod(0o1777)
    (path / "home/boat").mkdir()
    if machine.is_root():
        os.chown(path / "home/boat", 1000, 1000)
    shutil.copy(machine.busybox(), path / "bin/busybox")
    for applet in applets():    # hard links: making so many symbolic ones takes longer than a container
        os.link(path / "bin/busybox", path / "bin" / applet)
    (path / "etc/passwd").write_text(PASSWD)
    (path / "etc/group").write_text(GROUP)
