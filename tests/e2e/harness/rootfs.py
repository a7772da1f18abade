# SPDX-License-Identifier: Apache-2.0
"""A root filesystem out of one static busybox."""

import os
import pathlib
import shutil
import subprocess

from . import machine

DIRS = ("bin", "dev", "etc", "home", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var")
PASSWD = "root:x:0:0:root:/root:/bin/sh\nboat:x:1000:1000:boat:/home/boat:/bin/sh\n"
GROUP = "root:x:0:\nboat:x:1000:\n"


def make(path):
    path = pathlib.Path(path)
    busybox = machine.busybox()
    for name in DIRS:
        (path / name).mkdir(parents=True)
    (path / "tmp").chmod(0o1777)
    (path / "home/boat").mkdir()
    os.chown(path / "home/boat", 1000, 1000) if machine.is_root() else None
    shutil.copy(busybox, path / "bin/busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for applet in set(applets.stdout.split()) - {"busybox"}:
        (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text(PASSWD)
    (path / "etc/group").write_text(GROUP)


def copy(template, path):
    subprocess.run(["cp", "-a", str(template), str(path)], check=True)
