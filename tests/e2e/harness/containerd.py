# SPDX-License-Identifier: Apache-2.0
"""Debian's containerd, with directories of its own, and ctr."""

import hashlib
import pathlib

from . import daemon, image

CONFIG = """version = 2
root = "{directory}/root"
state = "{directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{directory}/sock"
[ttrpc]
address = "{directory}/ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "{directory}/opt"
"""


class Containerd:
    def __init__(self, directory, namespace, path=None):
        """@path: a directory of programs that containerd shall find first."""
        self.directory, self.namespace = directory, namespace
        directory.mkdir()
        (directory / "config.toml").write_text(CONFIG.format(directory=directory))
        self.ctr = daemon.Client(["ctr", "--address", directory / "sock", "--namespace", namespace], directory)
        self.server = daemon.Daemon("containerd", ["containerd", "--config", str(directory / "config.toml")], directory,
                                    lambda: self.ctr("version", status=None) and self.ctr.status == 0, path)

    def load_image(self, rootfs):
        self.ctr("images", "import", "--snapshotter", "native", image.write_archive(rootfs, self.directory / "image.tar"))

    def files(self, id):
        """Where the shim of that container listens, and what it keeps beside that."""
        name = hashlib.sha256(f"{self.directory}/sock/{self.namespace}/{id}".encode()).hexdigest()
        return [pathlib.Path("/run/containerd/s") / f"{name}{end}" for end in ("", ".events")]

    def remove(self, *ids):
        """Tasks and containers, whatever state they are in."""
        for id in ids:
            self.ctr("tasks", "kill", "-s", "KILL", id, status=None)
            self.ctr("tasks", "delete", "--force", id, status=None)
            self.ctr("containers", "delete", id, status=None)

    def close(self):
        self.remove(*self.ctr("containers", "list", "-q", status=None).split())
        self.server.stop()
        self.server.sweep(self.namespace)
        daemon.remove_tree(self.directory)
