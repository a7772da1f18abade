# SPDX-License-Identifier: Apache-2.0
"""A container that counts, over its shim alone: whatever befalls the daemon, it must not notice."""

import hashlib
import json
import pathlib
import subprocess

from . import image
from .ctr import DAVIT, Ctr
from .wait import eventually

KEPT = "davit.test/kept:1"
COUNT = 'n=0; while :; do n=$((n+1)); echo "$n"; sleep 0.02; done'


class Bystander:
    """The container "stays" of the image KEPT, with its output in a file outside of the daemon's directories."""

    def __init__(self, daemon, rootfs, work, runtime=DAVIT):
        self.daemon, self.output = daemon, pathlib.Path(work) / "stays.log"
        self.ctr = Ctr(daemon, runtime)
        self.archive = image.write_archive(rootfs, pathlib.Path(work) / "kept.tar", KEPT)
        self.ctr("images", "import", self.archive)
        daemon.watch(self.ctr.namespace, "stays")
        # A shell that is a link of busybox: its sleep is a child, which a pause of the daemon must not lose.
        self.ctr("run", "-d", "--runtime", runtime, "--log-uri", f"file://{self.output}", KEPT, "stays", "sh", "-c", COUNT)
        # The archive's index is garbage.
        daemon.client(self.ctr.namespace).system.Prune(namespace=self.ctr.namespace)
        self.pid = self.ctr.pid("stays")
        self.wait_for_output()

    def count(self):
        """How far it has come; no number may be missing or come twice."""
        lines = self.output.read_text().split("\n")[:-1] if self.output.exists() else []
        assert lines == [str(n + 1) for n in range(len(lines))]
        return len(lines)

    def wait_for_output(self):
        before = self.count()
        eventually(lambda: self.count() > before + 1, "the container goes on writing")

    def has_not_noticed(self):
        """Nor has the daemon lost it: its state, its image and its content are known, and it can be entered."""
        self.wait_for_output()
        assert self.ctr.pid("stays") == self.pid and self.ctr.tasks()["stays"] == "RUNNING"
        assert self.ctr("tasks", "exec", "--exec-id", "e", "stays", "echo", "alive") == "alive\n"
        assert json.loads(self.ctr("containers", "info", "stays"))["Image"] == KEPT
        assert KEPT in self.ctr("images", "ls", "-q").split()
        assert "complete" in self.ctr("images", "check", f"name=={KEPT}")

    def end(self):
        """It can be ended as any other, and its end is seen."""
        self.ctr("tasks", "kill", "-s", "SIGKILL", "stays")
        eventually(lambda: self.ctr.tasks()["stays"] == "STOPPED", "its end is seen")
        self.ctr.clean()


def is_whole(client):
    """The daemon finds nothing wrong, and neither do we: what is listed can be read and mounted."""
    eventually(lambda: [] == client.system.Check(deep=True), f"nothing is wrong: {client.system.Check(deep=True)}")
    blobs = {info.digest: info.size for message in client.content.List() for info in message.info}
    for digest, size in blobs.items():
        data = b"".join(message.data for message in client.content.Read(digest=digest))
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest and len(data) == size
    for message in client.snapshots.List(snapshotter="overlayfs"):
        for info in message.info:
            if info.kind != 3:    # committed
                assert client.snapshots.Mounts(snapshotter="overlayfs", key=info.name).mounts
    for one in client.images.List().images:
        assert one.target.digest in blobs, one.name


def files(daemon):
    """How many there are of what a row should know of: blobs, ingests, snapshots, directories of containers, bundles."""
    found = {"blobs": "root/io.containerd.content.v1.content/blobs/sha256", "ingests": "root/io.containerd.content.v1.content/ingest",
             "snapshots": "root/io.containerd.snapshotter.v1.overlayfs/snapshots",
             "sandboxes": "state/io.containerd.sandbox.controller.v1.shim"}
    count = {kind: len(list((daemon.directory / path).glob("*/*" if kind == "sandboxes" else "*"))) for kind, path in found.items()}
    count["containers"] = len(list((daemon.directory / "root/io.davit.containers").glob("*/*")))
    return {**count, "bundles": len(list(daemon.bundles.glob("*/*")))}


def spec(api, oci, directory, args, cgroup):
    """A runtime specification for a root file system of a snapshot."""
    directory.mkdir(exist_ok=True)
    (directory / "config.json").unlink(missing_ok=True)
    subprocess.run([oci, "spec", "--bundle", directory], check=True)
    found = json.loads((directory / "config.json").read_text())
    found["process"].update(terminal=False, args=args)
    found["linux"]["cgroupsPath"] = cgroup
    return api.json(json.dumps(found), "types.containerd.io/opencontainers/runtime-spec/1/Spec")
