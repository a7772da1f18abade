# SPDX-License-Identifier: Apache-2.0
"""Snapshots of one snapshotter: its calls in short, and its mounts done for real."""

import contextlib
import os
import pathlib
import subprocess
import uuid

KEEP = {"containerd.io/gc.root": "2026-01-01T00:00:00Z"}


class Snapshots:
    """The service for one snapshotter."""

    def __init__(self, client, name, work):
        self.api, self.name, self.work = client.snapshots, name, work

    def prepare(self, key, parent="", **labels):
        return self.api.Prepare(snapshotter=self.name, key=key, parent=parent, labels={**KEEP, **labels}).mounts

    def view(self, key, parent=""):
        return self.api.View(snapshotter=self.name, key=key, parent=parent, labels=KEEP).mounts

    def commit(self, name, key, **more):
        self.api.Commit(snapshotter=self.name, name=name, key=key, labels=more.pop("labels", KEEP), **more)

    def stat(self, key):
        return self.api.Stat(snapshotter=self.name, key=key).info

    def mounts(self, key):
        return self.api.Mounts(snapshotter=self.name, key=key).mounts

    def remove(self, *keys):
        for key in keys:
            self.api.Remove(snapshotter=self.name, key=key)

    def usage(self, key):
        return self.api.Usage(snapshotter=self.name, key=key)

    def update(self, info, *paths):
        return self.api.Update(snapshotter=self.name, info=info, update_mask={"paths": paths}).info

    def list(self, *filters):
        return [info for message in self.api.List(snapshotter=self.name, filters=filters) for info in message.info]

    @contextlib.contextmanager
    def mounted(self, mounts):
        """Of snapshotters that need one mount alone."""
        target = self.work / uuid.uuid4().hex[:8]
        target.mkdir()
        assert len(mounts) == 1
        mount(mounts[0], target)
        try:
            yield target
        finally:
            subprocess.run(["umount", target], check=True)

    def layer(self, name, fill=lambda root: None, parent=""):
        key = f"unpack {name}"
        with self.mounted(self.prepare(key, parent)) as root:
            fill(root)
        self.commit(name, key)
        return name


def mount(m, target):
    """Long lists of layers are shortened as every client does: relative to where the snapshots are."""
    options, cwd = [o for o in m.options if not o.startswith(("uidmap=", "gidmap="))], "/"
    for i, option in enumerate(options):
        if option.startswith("lowerdir="):
            lower = option[len("lowerdir="):].split(":")
            cwd = os.path.commonpath(lower) if len(lower) > 1 else "/"
            options[i] = "lowerdir=" + ":".join(os.path.relpath(p, cwd) for p in lower) if cwd != "/" else option
    if m.type == "bind":
        subprocess.run(["mount", "--rbind", m.source, target], check=True)
        if "ro" in options:
            subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True)
        return
    subprocess.run(["mount", "-t", m.type, "-o", ",".join(options), m.source, target], check=True, cwd=cwd)


def content(root):
    """Path below @root: what is there, in words."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = pathlib.Path(directory, name)
            st = path.lstat()
            found[str(path.relative_to(root))] = (oct(st.st_mode), st.st_uid, st.st_gid,
                                                  path.read_text() if path.is_file() and not path.is_symlink() else None)
    return found
