# SPDX-License-Identifier: Apache-2.0
"""davit import: archives and directories become images that run."""

import gzip
import io
import json
import subprocess
import tarfile
import uuid

import pytest

from harness import image
from harness.daemon import need
from harness.davit_cli import Davit

pytestmark = pytest.mark.davit


class Here(Davit):
    """In a namespace of its own."""

    def __init__(self, daemon):
        super().__init__(daemon)
        self.client = daemon.client(f"import-{uuid.uuid4().hex[:8]}")

    @property
    def environment(self):
        return {**super().environment, "DAVIT_NAMESPACE": self.client.namespace}

    def runs(self, image_name, *command):
        """What a container of the image says, by `ctr`."""
        done = subprocess.run(["ctr", "--address", self.daemon.directory / "sock", "--namespace", self.client.namespace, "run", "--rm",
                               "--runtime", "io.containerd.davit.v2", image_name, "c", *command], capture_output=True, text=True,
                              timeout=60, env=self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def davit(one_store_daemon):
    need("ctr")
    return Here(one_store_daemon)


@pytest.fixture(scope="module")
def archive(rootfs_template):
    return image.layer(rootfs_template)


def names(davit):
    return [found.name for found in davit.client.images.List().images]


def blobs(davit):
    return {info.digest: info for reply in davit.client.content.List() for info in reply.info}


def nothing_stays(davit):
    davit.client.system.Prune(namespace=davit.client.namespace)
    assert names(davit) == [] and blobs(davit) == {} and not davit.client.leases.List().leases
    assert not [info for reply in davit.client.snapshots.List(snapshotter="overlayfs") for info in reply.info]


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress, lambda data: subprocess.run(
    ["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout], ids=["plain", "gzip", "zstd"])
def test_archive(davit, archive, tmp_path, compress):
    need("zstd")
    path = tmp_path / "rootfs.tar"
    path.write_bytes(compress(archive))
    identity = davit("import", "-m", "from a test", path, "mine:1").strip()
    assert names(davit) == ["docker.io/library/mine:1"] and identity in blobs(davit)
    davit.client.system.Prune(namespace=davit.client.namespace)    # nothing of it is garbage
    assert len(blobs(davit)) == 3
    config = json.loads(b"".join(piece.data for piece in davit.client.content.Read(digest=identity)))
    assert (config["os"], config["architecture"], config["config"]) == ("linux", "amd64", {})
    assert config["history"][0]["comment"] == "from a test" and config["created"].endswith("Z")
    assert davit.runs("docker.io/library/mine:1", "/bin/busybox", "echo", "it runs") == "it runs\n"


def test_directory(davit, rootfs_template, tmp_path):
    subprocess.run(["cp", "-a", rootfs_template, tmp_path / "tree"], check=True)
    (tmp_path / "tree/added").write_text("by hand")
    first = davit("import", tmp_path / "tree", "tree")
    assert names(davit) == ["docker.io/library/tree:latest"]
    assert davit.runs("docker.io/library/tree:latest", "/bin/busybox", "cat", "/added") == "by hand"
    (tmp_path / "tree/added").write_text("again")
    assert davit("import", tmp_path / "tree", "tree") != first and names(davit) == ["docker.io/library/tree:latest"]


def test_standard_input_and_no_name(davit, archive):
    done = subprocess.run(davit.argv("import", "--platform", "linux/arm64", "-"), input=archive, capture_output=True, timeout=60, env=davit.environment)
    assert done.returncode == 0, done.stderr
    name, = names(davit)
    assert name.startswith("import@sha256:")
    config = json.loads(b"".join(piece.data for piece in davit.client.content.Read(digest=done.stdout.decode().strip())))
    assert config["architecture"] == "arm64"


def hostile():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../../escaped"))
    return out.getvalue()


@pytest.mark.parametrize("data, said", [
    (b"", "empty"), (b"not an archive " * 100, "tar"), (hostile(), "escaped"), (gzip.compress(b"x" * 10000)[:-20], "cut off"),
    (b"\xfd7zXZ\0" + b"x" * 600, "xz -dc"), (b"BZh9" + b"x" * 600, "bzip2 -dc")])
def test_refused(davit, tmp_path, data, said):
    path = tmp_path / "bad.tar"
    path.write_bytes(data)
    assert said in davit.fails("import", path, "bad:1", status=1)
    nothing_stays(davit)


def test_usage(davit, tmp_path):
    assert "no such file" in davit.fails("import", tmp_path / "nothing", status=1)
    assert "x@sha256" in davit.fails("import", tmp_path, "x@sha256:" + "0" * 64, status=1)
    assert "UPPER" in davit.fails("import", tmp_path, "UPPER", status=1)
    nothing_stays(davit)
