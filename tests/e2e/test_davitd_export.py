# SPDX-License-Identifier: Apache-2.0
"""Images from the store to archives, read by other programs: skopeo, umoci, Debian's containerd, Python."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import uuid

import pytest

from harness import image
from harness.containerd import CONFIG
from harness.daemon import Daemon, need
from harness.grpc_client import fails
from harness.transfer import Progress, Receiver, Stream, load, packed, save, transfer
from harness.wait import eventually
from test_davitd_transfer import OCI_INDEX, UNPACK, Oci, names, sha256, small_layer, snapshots

pytestmark = pytest.mark.davit


@pytest.fixture
def store_daemon(one_store_daemon):
    """Of all tests here; each has a namespace of its own."""
    return one_store_daemon


@pytest.fixture(scope="module")
def busybox(rootfs_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "busybox.tar"
    return image.write_archive(rootfs_template, path).read_bytes()


def members(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar if info.isfile()}


def documents(archive):
    found = members(archive)
    return found, json.loads(found["index.json"]), json.loads(found.get("manifest.json", b"[]"))


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def test_what_is_in_it(client, busybox):
    load(client, busybox)
    progress = Progress(client)
    archive = save(client, image.NAME, progress=progress)
    found, index, docker = documents(archive)
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    target = client.images.Get(name=image.NAME).image.target
    assert index["manifests"] == [{"mediaType": target.media_type, "digest": target.digest, "size": target.size, "annotations": {
        "io.containerd.image.name": image.NAME, "org.opencontainers.image.ref.name": "1"}}]
    blobs = {name: data for name, data in found.items() if name.startswith("blobs/sha256/")}
    assert all(hashlib.sha256(data).hexdigest() == name.split("/")[2] for name, data in blobs.items()) and len(blobs) == 3
    assert [entry["RepoTags"] for entry in docker] == [[image.NAME]]
    assert docker[0]["Config"] in blobs and all(layer in blobs for layer in docker[0]["Layers"])
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:    # documents first, nothing of the machine
        infos = list(tar)
    assert [info.name for info in infos[:3]] == ["oci-layout", "index.json", "manifest.json"]
    assert {(info.uid, info.gid, info.mtime, info.uname) for info in infos} == {(0, 0, 0, "")}
    assert archive == save(client, image.NAME)
    eventually(lambda: {"Exporting", "exported", "Completed export"} <= {p.event for p in progress.events}, "word of progress")


def test_there_and_back(client, store_daemon):
    oci = Oci()
    oci.image([small_layer(b"a"), small_layer(b"b")], "registry.test/app:v1")
    oci.image([small_layer(b"a"), small_layer(b"c")], "docker.io/library/app:v2")
    load(client, oci.bytes())
    archive = save(client, "registry.test/app:v1", "docker.io/library/app:v2")
    found, index, docker = documents(archive)
    assert [entry["RepoTags"] for entry in docker] == [["registry.test/app:v1"], ["app:v2"]]
    assert len([name for name in found if name.startswith("blobs/")]) == 7    # one layer is shared
    other = store_daemon.client()
    load(other, archive, unpacks=UNPACK)
    assert names(other) == ["docker.io/library/app:v2", "registry.test/app:v1"] and len(snapshots(other)) == 3
    assert [found.target.digest for found in other.images.List().images] == [found.target.digest for found in client.images.List().images]


def test_two_names_for_one(client, busybox):
    load(client, busybox)
    transfer(client, ("ImageStore", {"name": image.NAME}), ("ImageStore", {"name": "docker.io/library/other:2"}))
    found, index, docker = documents(save(client, image.NAME, "docker.io/library/other:2"))
    assert [entry["RepoTags"] for entry in docker] == [[image.NAME, "other:2"]] and len(index["manifests"]) == 2
    assert len([name for name in found if name.startswith("blobs/")]) == 3


@pytest.fixture
def two_platforms(client):
    oci = Oci()
    both = [oci.image([small_layer(name)], None, name.decode()) for name in (b"amd64", b"s390x")]
    index = oci.blob(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": both}).encode(), OCI_INDEX)
    oci.manifests = [{**index, "annotations": {"io.containerd.image.name": "x.test/multi:1"}}]
    load(client, oci.bytes())
    return both


def has(archive, descriptor):
    return f"blobs/sha256/{descriptor['digest'][7:]}" in members(archive)


def test_platforms(client, two_platforms):
    amd, s390 = two_platforms
    archive = save(client, "x.test/multi:1")
    assert has(archive, amd) and not has(archive, s390) and len(documents(archive)[2]) == 1
    archive = save(client, "x.test/multi:1", platforms=[{"os": "linux", "architecture": "s390x"}])
    assert has(archive, s390) and not has(archive, amd)
    assert documents(archive)[2][0]["Layers"] == [f"blobs/sha256/{layer['digest'][7:]}" for layer in json.loads(
        members(archive)[f"blobs/sha256/{s390['digest'][7:]}"])["layers"]]
    archive = save(client, "x.test/multi:1", all_platforms=True)
    assert has(archive, amd) and has(archive, s390)
    with fails("NOT_FOUND") as failure:
        save(client, "x.test/multi:1", platforms=[{"os": "linux", "architecture": "riscv64"}])
    assert "x.test/multi:1" in failure.text and "platform" in failure.text


def test_without_dockers_document(client, busybox):
    load(client, busybox)
    assert "manifest.json" not in members(save(client, image.NAME, skip_compatibility_manifest=True))


def test_layers_that_stay_where_they_are(client):
    oci = Oci()
    oci.image([small_layer(b"a"), small_layer(b"b")], "x.test/app:1")
    name, manifest = oci.members[-1]
    manifest = json.loads(manifest)
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    manifest["layers"][1]["mediaType"] = kind
    data = json.dumps(manifest).encode()
    oci.members[-1] = (f"blobs/sha256/{sha256(data)[7:]}", data)
    oci.manifests[0].update(digest=sha256(data), size=len(data))
    load(client, oci.bytes())
    foreign = manifest["layers"][1]
    assert has(save(client, "x.test/app:1"), foreign)
    assert not has(save(client, "x.test/app:1", skip_non_distributable=True), foreign)


def test_refused(client, busybox):
    with fails("NOT_FOUND") as failure:
        save(client, "nobody:1")
    assert "nobody:1" in failure.text
    load(client, busybox)
    with fails("NOT_FOUND"):
        transfer(client, ("ImageStore", {"name": image.NAME}), ("ImageExportStream", {"stream": "no such stream"}))


def test_damaged_blob(client, store_daemon):
    oci = Oci()
    manifest = oci.image([small_layer(b"nobody else has it")], "x.test/damaged:1")
    load(client, oci.bytes())
    path = store_daemon.root / "io.containerd.content.v1.content/blobs/sha256" / oci.members[-2][0].split("/")[2]
    assert has(save(client, "x.test/damaged:1"), manifest) and path.stat().st_size > 100
    path.chmod(0o644)
    with open(path, "r+b") as blob:
        blob.seek(50)
        blob.write(b"damage")
    with fails("DATA_LOSS") as failure:
        save(client, "x.test/damaged:1")
    assert path.name in failure.text


def test_client_goes_away(client, busybox, store_daemon):
    """One that takes nothing and leaves: the call ends."""
    load(client, busybox)
    receiver = Receiver(client)
    receiver.stream.cancel()
    with fails("CANCELLED", "NOT_FOUND"):
        transfer(client, ("ImageStore", {"name": image.NAME}), ("ImageExportStream", {"stream": receiver.name_of_stream}))
    assert store_daemon.answers()


# ---- other programs ------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(client, busybox, tmp_path):
    load(client, busybox)
    path = tmp_path / "saved.tar"
    path.write_bytes(save(client, image.NAME))
    return path


def test_skopeo(saved, client, tmp_path):
    need("skopeo")
    for source in (f"oci-archive:{saved}:1", f"docker-archive:{saved}:{image.NAME}"):
        assert json.loads(run("skopeo", "inspect", source))["Architecture"] == "amd64"
    run("skopeo", "copy", "--insecure-policy", f"oci-archive:{saved}", f"oci:{tmp_path}/layout:tag")
    run("skopeo", "copy", "--insecure-policy", f"docker-archive:{saved}", f"docker-archive:{tmp_path}/docker.tar:again.test/app:3")
    run("skopeo", "copy", "--insecure-policy", f"oci:{tmp_path}/layout:tag", f"oci-archive:{tmp_path}/oci.tar:again.test/app:4")
    for name in ("docker.tar", "oci.tar"):    # and what it writes is read here
        load(client, (tmp_path / name).read_bytes(), unpacks=UNPACK)
    assert names(client) == sorted([image.NAME, "again.test/app:3", "again.test/app:4"]) and len(snapshots(client)) == 1


def test_umoci(client, tmp_path):
    need("umoci", "skopeo")
    oci = Oci()
    oci.image([small_layer(b"a")], "x.test/small:1")    # it hashes each name of busybox
    load(client, oci.bytes())
    (tmp_path / "saved.tar").write_bytes(save(client, "x.test/small:1"))
    run("skopeo", "copy", "--insecure-policy", f"oci-archive:{tmp_path}/saved.tar", f"oci:{tmp_path}/layout:tag")
    run("umoci", "unpack", "--image", f"{tmp_path}/layout:tag", tmp_path / "bundle")
    assert (tmp_path / "bundle/rootfs/a").read_text() == "content of a"
    (tmp_path / "bundle/rootfs/added").write_text("by umoci")
    run("umoci", "repack", "--image", f"{tmp_path}/layout:more", tmp_path / "bundle")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(tmp_path / "layout", arcname=".")
    load(client, out.getvalue(), unpacks=UNPACK)
    assert "import:more" in names(client) and len(snapshots(client)) == 2


def test_containerd(saved, session_dir):
    need("containerd", "ctr")
    directory = session_dir / f"c{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    (directory / "config.toml").write_text(CONFIG.format(directory=directory))
    ctr = ["ctr", "--address", str(directory / "sock")]
    server = Daemon("containerd", ["containerd", "--config", str(directory / "config.toml")], directory,
                    lambda: subprocess.run([*ctr, "version"], capture_output=True).returncode == 0)
    try:
        run(*ctr, "images", "import", saved)
        assert image.NAME in run(*ctr, "images", "ls", "-q").split()
    finally:
        server.stop()
        server.sweep()
        shutil.rmtree(directory, ignore_errors=True)


def test_many_that_take_nothing(client, busybox):
    """Transfers wait for their clients; nobody else waits for them."""
    load(client, busybox)
    path, calls = f"/{client.transfer.name}/Transfer", []
    request, response = client.api.method(client.transfer.name, "Transfer")
    make = client.channel.unary_unary(path, request_serializer=request.SerializeToString, response_deserializer=response.FromString)
    streams = [Stream(client) for _ in range(20)]
    for n, stream in enumerate(streams):
        stream.open(f"lazy-{n}")
        fields = {"source": packed(client, "containerd.types.transfer.ImageStore", {"name": image.NAME}),
                  "destination": packed(client, "containerd.types.transfer.ImageExportStream", {"stream": f"lazy-{n}"})}
        calls.append(make.future(request(**fields), timeout=60, metadata=client.metadata()))
    client.snapshots.Prepare(snapshotter="overlayfs", key="x", timeout=20)
    client.diff.Diff(right=client.snapshots.Mounts(snapshotter="overlayfs", key="x").mounts, timeout=20)
    assert not any(call.done() for call in calls)
    for call, stream in zip(calls, streams):
        call.cancel()
        stream.cancel()
    eventually(lambda: not client.leases.List().leases, "all of them have ended")
