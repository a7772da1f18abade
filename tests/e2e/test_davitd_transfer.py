# SPDX-License-Identifier: Apache-2.0
"""Images from archives into the store, by the Transfer service."""

import concurrent.futures
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile

import pytest

from harness import image
from harness.grpc_client import fails
from harness.transfer import Progress, Sender, load, transfer
from harness.wait import eventually

pytestmark = pytest.mark.davit    # Debian's containerd has no such service
UNPACK = [{"platform": {"os": "linux", "architecture": "amd64"}, "snapshotter": "overlayfs"}]
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def sha256(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def archive(members):
    """name -> bytes, or ("link", target)"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, tuple):
                info.type, info.linkname = tarfile.SYMTYPE, data[1]
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def small_layer(name=b"file"):
    return archive([(name.decode(), b"content of " + name)])


class Oci:
    """An OCI layout in the making."""

    def __init__(self):
        self.members, self.manifests = [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')], []

    def blob(self, data, media_type):
        digest = sha256(data)
        self.members.append((f"blobs/sha256/{digest[7:]}", data))
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def image(self, layers, ref=None, architecture="amd64", diff_ids=None):
        config = {"architecture": architecture, "os": "linux", "config": {},
                  "rootfs": {"type": "layers", "diff_ids": diff_ids or [sha256(layer) for layer in layers]}}
        manifest = {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [self.blob(gzip.compress(layer), "application/vnd.oci.image.layer.v1.tar+gzip") for layer in layers]}
        found = self.blob(json.dumps(manifest).encode(), OCI_MANIFEST)
        found["platform"] = {"os": "linux", "architecture": architecture}
        if ref:
            found["annotations"] = {"org.opencontainers.image.ref.name": ref}
        self.manifests.append(found)
        return found

    def bytes(self, index_first=True):
        index = json.dumps({"schemaVersion": 2, "manifests": self.manifests}).encode()
        return archive([("index.json", index), *self.members] if index_first else [*self.members, ("index.json", index)])


@pytest.fixture(scope="module")
def busybox(rootfs_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "busybox.tar"
    return image.write_archive(rootfs_template, path).read_bytes()


def names(client):
    return sorted(found.name for found in client.images.List().images)


def snapshots(client):
    return [info for reply in client.snapshots.List(snapshotter="overlayfs") for info in reply.info]


def nothing_stays(client):
    assert names(client) == []
    client.system.Prune(namespace=client.namespace)
    assert client.content.List() == [] or not [i for reply in client.content.List() for i in reply.info]
    assert snapshots(client) == []
    assert not client.leases.List().leases


def test_docker_archive(client, busybox):
    progress = Progress(client)
    load(client, busybox, progress, unpacks=UNPACK)
    found, = client.images.List().images
    assert (found.name, found.target.media_type) == (image.NAME, OCI_MANIFEST)
    top, = snapshots(client)
    assert top.name.startswith("sha256:") and not client.leases.List().leases
    client.system.Prune(namespace=client.namespace)    # nothing of it is garbage
    assert snapshots(client) and names(client) == [image.NAME]
    assert not client.system.Check(deep=True)
    eventually(lambda: [p for p in progress.events if p.event == "saved" and p.name == image.NAME], "word of the image")
    assert {"Importing", "extracting", "extracted", "saved"} <= {p.event for p in progress.events}


def test_unpacked_image_is_what_it_was(client, busybox, tmp_path):
    load(client, busybox, unpacks=UNPACK)
    top, = snapshots(client)
    mount, = client.snapshots.View(snapshotter="overlayfs", key="view", parent=top.name).mounts
    subprocess.run(["mount", "-t", mount.type, mount.source, "-o", ",".join(mount.options), tmp_path], check=True)
    try:
        assert (tmp_path / "bin" / "busybox").stat().st_size > 100000
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("compress", [gzip.compress, lambda data: subprocess.run(
    ["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout], ids=["gzip", "zstd"])
def test_compressed_archive(client, busybox, compress):
    if compress is not gzip.compress and not shutil.which("zstd"):
        pytest.skip("no zstd program")
    load(client, compress(busybox), unpacks=UNPACK)
    assert names(client) == [image.NAME] and len(snapshots(client)) == 1


def test_twice(client, busybox):
    load(client, busybox, unpacks=UNPACK)
    load(client, busybox, unpacks=UNPACK)
    assert names(client) == [image.NAME] and len(snapshots(client)) == 1


@pytest.mark.parametrize("index_first", [True, False])
def test_oci_layout(client, index_first):
    oci = Oci()
    oci.image([small_layer(b"a"), small_layer(b"b")], "v1")
    oci.image([small_layer(b"a"), small_layer(b"c")], "registry.test/app:v2")
    load(client, oci.bytes(index_first), unpacks=UNPACK)
    assert names(client) == ["import:v1", "registry.test/app:v2"]
    assert len(snapshots(client)) == 3    # "a" is shared
    client.system.Prune(namespace=client.namespace)
    assert len(snapshots(client)) == 3


def test_platforms(client):
    oci = Oci()
    oci.image([small_layer(b"a")], "amd", "amd64")
    oci.image([small_layer(b"b")], "arm", "arm64")
    load(client, oci.bytes(), unpacks=UNPACK, platforms=[{"os": "linux", "architecture": "amd64"}])
    assert names(client) == ["import:amd"] and len(snapshots(client)) == 1


def test_index_of_several_platforms(client):
    """One name for an index of which the archive has one platform alone."""
    oci = Oci()
    amd = oci.image([small_layer(b"a")], None, "amd64")
    gone = {**amd, "digest": sha256(b"elsewhere"), "platform": {"os": "linux", "architecture": "arm64"}}
    index = oci.blob(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [gone, amd]}).encode(), OCI_INDEX)
    oci.manifests = [{**index, "annotations": {"org.opencontainers.image.ref.name": "multi"}}]
    load(client, oci.bytes(), unpacks=UNPACK)
    found, = client.images.List().images
    assert (found.name, found.target.digest, len(snapshots(client))) == ("import:multi", index["digest"], 1)


def test_name_of_the_whole(client):
    oci = Oci()
    oci.image([small_layer()])
    load(client, oci.bytes(), name="my/index:1", extra_references=[])
    found, = client.images.List().images
    assert (found.name, found.target.media_type) == ("my/index:1", OCI_INDEX)


def test_digests_of_what_has_no_name(client):
    oci = Oci()
    manifest = oci.image([small_layer()])
    load(client, oci.bytes(), extra_references=[{"name": "import", "is_prefix": True, "add_digest": True}])
    assert names(client) == [f"import@{manifest['digest']}"]


def test_old_docker_layout_with_links(client):
    layer, config = small_layer(), {"architecture": "amd64", "os": "linux"}
    config["rootfs"] = {"type": "layers", "diff_ids": [sha256(layer)] * 2}
    config = json.dumps(config).encode()
    manifest = [{"Config": "c.json", "RepoTags": ["app:1", "app:2"], "Layers": ["one/layer.tar", "two/layer.tar"]}]
    load(client, archive([("one/VERSION", b"1.0"), ("one/layer.tar", layer), ("two/layer.tar", ("link", "../one/layer.tar")),
                          ("c.json", config), ("manifest.json", json.dumps(manifest).encode())]), unpacks=UNPACK)
    assert names(client) == ["docker.io/library/app:1", "docker.io/library/app:2"] and len(snapshots(client)) == 2


def test_tag(client, busybox):
    load(client, busybox)
    transfer(client, ("ImageStore", {"name": image.NAME}), ("ImageStore", {"name": "other:1", "labels": {"a": "b"}}))
    assert names(client) == [image.NAME, "other:1"]
    assert client.images.Get(name="other:1").image.target == client.images.Get(name=image.NAME).image.target
    assert client.images.Get(name="other:1").image.labels == {"a": "b"}
    with fails("NOT_FOUND"):
        transfer(client, ("ImageStore", {"name": "nobody"}), ("ImageStore", {"name": "x"}))


def bad_digest():
    oci = Oci()
    oci.image([small_layer()], "v1")
    name, data = oci.members[1]
    oci.members[1] = (name, data + b" ")
    return oci.bytes()


def missing_layer():
    oci = Oci()
    oci.image([small_layer()], "v1")
    del oci.members[2]
    return oci.bytes()


def wrong_diff_id():
    oci = Oci()
    oci.image([small_layer()], "v1", diff_ids=[sha256(b"other")])
    return oci.bytes()


def two_layers_one_diff_id():
    oci = Oci()
    oci.image([small_layer(b"a"), small_layer(b"b")], "v1", diff_ids=[sha256(small_layer(b"a"))])
    return oci.bytes()


def hostile_layer():
    oci = Oci()
    oci.image([archive([("l", ("link", "/")), ("../../escaped", b"x")])], "v1")
    return oci.bytes()


def docker_names_nothing():
    return archive([("manifest.json", b'[{"Config":"../../etc/passwd","RepoTags":["a"],"Layers":[]}]')])


def link_circle():
    return archive([("c.json", ("link", "d.json")), ("d.json", ("link", "c.json")),
                    ("manifest.json", b'[{"Config":"c.json","RepoTags":["a"],"Layers":[]}]')])


@pytest.mark.parametrize("make, said", [
    (lambda: b"", "neither oci-layout nor manifest.json"),
    (lambda: b"not a tar at all, but long enough to be looked at" * 50, "rchive"),
    (lambda: archive([("oci-layout", b'{"imageLayoutVersion":"9"}'), ("index.json", b"{}")]), "version"),
    (lambda: archive([("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]), "index.json"),
    (lambda: archive([("index.json", b"{}"), ("index.json", b"{}")]), "twice"),
    (lambda: archive([("manifest.json", b"[]")]), "no image"),
    (lambda: archive([("manifest.json", b"[" * 200)]), "manifest.json"),
    (bad_digest, "blobs/sha256"), (missing_layer, "layer"), (wrong_diff_id, "configuration says"),
    (two_layers_one_diff_id, "layers"), (hostile_layer, "entry"), (docker_names_nothing, "../../etc/passwd"),
    (link_circle, "c.json")])
def test_refused(client, make, said):
    """The error names what is wrong, and nothing stays."""
    with fails("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED") as failure:
        load(client, make(), unpacks=UNPACK)
    assert said in failure.text
    nothing_stays(client)


def test_archive_that_ends_in_the_middle(client, busybox, store_daemon):
    """The call ends, and nothing stays."""
    sender = Sender(client, busybox[:len(busybox) // 2 // 512 * 512])
    with fails("CANCELLED", "INVALID_ARGUMENT"):
        transfer(client, ("ImageImportStream", {"stream": sender.name_of_stream}), ("ImageStore", {"name": "x"}))
    nothing_stays(client)
    assert store_daemon.answers()


def test_what_is_not_there_yet(client):
    for source, destination in ((("OCIRegistry", {"reference": "a"}), ("ReadStream", {})), (("ReadStream", {}), ("WriteStream", {}))):
        with fails("UNIMPLEMENTED"):
            transfer(client, source, destination)


def test_two_at_a_time_on_one_lease(client, busybox):
    """Each has ingests of its own, and a client's lease keeps what is made."""
    client.leases.Create(id="mine")
    leased = client.using(lease="mine")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(load, leased, busybox, None, unpacks=UNPACK) for _ in range(2)]:
            done.result()
    assert names(client) == [image.NAME] and not client.content.ListStatuses().statuses
    with fails("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"):
        load(leased, busybox[:len(busybox) // 2 // 512 * 512])
    assert not client.content.ListStatuses().statuses
