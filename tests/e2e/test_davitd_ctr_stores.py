# SPDX-License-Identifier: Apache-2.0
"""The rest of Debian's ctr: content, snapshots, leases, events, namespaces, each verb; one daemon for all of it."""

import hashlib
import json
import os
import select
import signal
import subprocess

import pytest

from harness import image
from harness.ctr import Ctr
from harness.daemon import need
from harness.store_fixtures import daemons
from harness.wait import eventually

pytestmark = pytest.mark.davit


@pytest.fixture(scope="module")
def calm_daemon(api, session_dir):
    """It collects no garbage: ctr gives what it ingests, and its views, to nobody."""
    def configure(directory):
        (directory / "config.toml").write_text('[gc]\nschedule_delay = "1h"\nstartup_delay = "1h"\n')
    for make in daemons(api, session_dir):
        yield make("--config", "config.toml", prepare=configure)


@pytest.fixture
def ctr(calm_daemon, request, rootfs_template):
    """In a namespace of the test's own, with the image."""
    need("ctr")
    found = Ctr(calm_daemon, name=request.node.name)
    archive = calm_daemon.directory / "image.tar"
    if not archive.exists():
        image.write_archive(rootfs_template, archive)
    found("images", "import", archive)
    return found


def sha(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def ingest(ctr, ref, data, *options):
    done = subprocess.run(ctr.command("content", "ingest", *options, ref), input=data, capture_output=True, timeout=60,
                          env=ctr.daemon.server.environment)
    return done.returncode, done.stderr.decode()


def digests(ctr):
    return ctr("content", "ls", "-q").split()


def test_content(ctr, work):
    data = b'{"some": "content"}'
    assert ingest(ctr, "one", data, "--expected-digest", sha(data), "--expected-size", str(len(data))) == (0, "")
    assert sha(data) in digests(ctr) and ctr("content", "get", sha(data)) == data.decode()
    status, text = ingest(ctr, "two", b"other", "--expected-digest", sha(b"another"))
    assert status != 0 and "unexpected commit digest" in text
    assert "two" in ctr("content", "active")
    status, text = ingest(ctr, "three", b"short", "--expected-size", "100")
    assert status != 0 and "expected number of bytes" in text
    ctr("content", "label", sha(data), "colour=red", "size=")
    assert [sha(data), "19B"] == [row for row in ctr.rows("content", "ls") if "colour=red" in row][0][:2]
    editor = work / "editor"
    editor.write_text('#!/bin/sh\nprintf edited >> "$1"\n')
    editor.chmod(0o755)
    assert ctr("content", "edit", "--editor", editor, sha(data)).strip() == sha(data + b"edited")
    assert ctr("content", "get", sha(data + b"edited")) == data.decode() + "edited"
    ctr("content", "rm", sha(data))
    ctr("content", "get", sha(data), check=False)
    assert ctr.status != 0 and "not found" in ctr.errors
    before = set(digests(ctr))
    ctr("content", "prune", "references")
    assert set(digests(ctr)) <= before and "complete" in ctr("images", "check")


def committed(ctr):
    return next(row[0] for row in ctr.rows("snapshots", "ls") if row[-1] == "Committed")


def test_snapshots(ctr, work):
    base, mountpoint = committed(ctr), work / "m"
    mountpoint.mkdir()
    assert "mount -t overlay" in ctr("snapshots", "prepare", "--target", "/nowhere", "made", base)
    command = ctr("snapshots", "mounts", str(mountpoint), "made").strip()
    subprocess.run(command, shell=True, check=True)
    (mountpoint / "new").write_text("new")
    (mountpoint / "bin/sh").unlink()
    subprocess.run(["umount", mountpoint], check=True)
    info = json.loads(ctr("snapshots", "info", "made"))
    assert (info["Kind"], info["Name"], info["Parent"]) == ("Active", "made", base)
    assert ctr.rows("snapshots", "usage", "-b", "made")[0][0] == "made"
    ctr("snapshots", "commit", "layer", "made")
    ctr("snapshots", "label", "layer", "containerd.io/gc.root=now")
    assert json.loads(ctr("snapshots", "info", "layer"))["Labels"]["containerd.io/gc.root"] == "now"
    assert [row for row in ctr.rows("snapshots", "ls") if row[0] == "layer"] == [["layer", base, "Committed"]]
    assert "ro" in ctr("snapshots", "view", "--target", "/nowhere", "looks", "layer")
    tree = ctr("snapshots", "tree").split()
    assert [name for name in tree if name in (base, "layer", "looks") or name.endswith("layer")]
    ctr("snapshots", "rm", "layer", check=False)
    assert ctr.status != 0 and "cannot remove snapshot with child" in ctr.errors
    ctr("snapshots", "rm", "looks", "layer")
    assert {row[0] for row in ctr.rows("snapshots", "ls")} == {base}
    ctr("snapshots", "info", "none", check=False)
    assert ctr.status != 0 and "not found" in ctr.errors


def test_unpacking(ctr):
    manifest = ctr.rows("images", "ls")[0][2]
    base = committed(ctr)
    ctr("images", "rm", "--sync", image.NAME)
    assert ctr.rows("snapshots", "ls") == [] and digests(ctr) == []
    ctr("images", "import", "--no-unpack", ctr.daemon.directory / "image.tar")
    assert ctr.rows("snapshots", "ls") == []
    assert manifest in ctr("snapshots", "unpack", manifest)
    assert [row[0] for row in ctr.rows("snapshots", "ls")] == [base]


def test_leases_keep_what_they_hold(ctr):
    lease = ctr("leases", "create", "--id", "mine", "--expires", "1h", "colour=red").strip()
    assert [row for row in ctr.rows("leases", "ls") if row[0] == lease][0][-1].startswith("colour=red,containerd.io/gc.expire=")
    assert ctr("leases", "ls", "-q").split() == [lease]
    ctr("leases", "create", "--id", lease, check=False)
    assert ctr.status != 0 and "already exists" in ctr.errors
    ctr("leases", "rm", "--sync", lease)
    assert ctr("leases", "ls", "-q") == ""


def test_events(ctr):
    with ctr.popen("events") as events:
        def is_heard():
            ctr("namespaces", "label", ctr.namespace, "a=b")
            return select.select([events.stdout], [], [], 0)[0] and os.read(events.stdout.fileno(), 65536)
        eventually(is_heard, "ctr listens")
        ctr("images", "tag", image.NAME, "davit.test/tagged:1")
        ctr("images", "label", "davit.test/tagged:1", "a=b")
        ctr("images", "rm", "davit.test/tagged:1")
        told = [next(line for line in events.stdout if "/images/" in line) for _ in range(3)]
        events.send_signal(signal.SIGKILL)
    assert [line.split()[5] for line in told] == ["/images/create", "/images/update", "/images/delete"]
    assert all("davit.test/tagged:1" in line and line.split()[4] == ctr.namespace for line in told)


def test_namespaces(ctr):
    ctr("namespaces", "create", "empty", "a=b")
    ctr("namespaces", "create", "empty", check=False)
    assert ctr.status != 0 and "already exists" in ctr.errors
    ctr("namespaces", "create", "not/a/name", check=False)
    assert ctr.status != 0 and "must match" in ctr.errors
    assert "empty" in ctr("namespaces", "ls", "-q").split()
    ctr("namespaces", "rm", ctr.namespace, check=False)
    assert ctr.status != 0 and "must be empty" in ctr.errors
    ctr("namespaces", "rm", "empty")
    ctr("namespaces", "rm", "empty", check=False)
    assert "empty" not in ctr("namespaces", "ls", "-q").split()


def test_plugins_and_versions(ctr):
    plugins = {(row[0], row[1]): row[-1] for row in ctr.rows("plugins", "ls")}
    assert set(plugins.values()) <= {"ok", "skip", "error"} and plugins["io.containerd.snapshotter.v1", "overlayfs"] == "ok"
    detailed = ctr("plugins", "ls", "-d", "id==overlayfs")
    assert "root" in detailed and "overlayfs" in detailed
    assert "Version" in ctr("version")
    assert json.loads(ctr("oci", "spec"))["ociVersion"]
