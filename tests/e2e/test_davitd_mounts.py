# SPDX-License-Identifier: Apache-2.0
"""The Mounts service: loop devices, placeholders, directories on demand, and what a crash leaves of them."""

import pathlib
import shutil
import subprocess

import pytest

from harness.grpc_client import fails
from harness.wait import eventually

pytestmark = pytest.mark.davit


@pytest.fixture(autouse=True)
def davit_alone(store_daemon):
    if not store_daemon.is_davit:
        pytest.skip("Debian's containerd has no such service")


@pytest.fixture
def image(work):
    """A file with an ext4 in it."""
    if shutil.which("mke2fs", path="/usr/sbin:/sbin") is None or not pathlib.Path("/dev/loop-control").exists():
        pytest.skip("no mke2fs, or no loop devices")
    path = work / "image"
    with open(path, "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-t", "ext4", path], check=True, stdout=subprocess.DEVNULL)
    return path


def mounts_below(path):
    return [line.split()[4] for line in open("/proc/self/mountinfo") if line.split()[4].startswith(str(path))]


def loops_of(path):
    return [p for p in pathlib.Path("/sys/block").glob("loop*/loop/backing_file") if p.read_text().strip() == str(path)]


def targets(daemon):
    return list((daemon.directory / "state/io.containerd.mount-manager.v1.bolt/t").iterdir())


def describe(m):
    return m.type, m.source, list(m.options)


def test_a_loop_device(client, store_daemon, image):
    mounts = [{"type": "loop", "source": str(image)}, {"type": "format/ext4", "source": "{{ mount 0 }}", "options": ["ro"]}]
    info = client.mounts.Activate(name="one", mounts=mounts, labels={"k": "v"}).info
    assert (info.name, dict(info.labels), len(info.active), len(info.system)) == ("one", {"k": "v"}, 1, 1)
    assert info.active[0].mount.type == "loop" and info.active[0].mounted_at.seconds > 0
    point = info.active[0].mount_point
    assert describe(info.system[0]) == ("ext4", point, ["ro"])
    assert len(loops_of(image)) == 1 and pathlib.Path(point).is_block_device()
    assert client.mounts.Info(name="one").info == info
    with fails("ALREADY_EXISTS"):
        client.mounts.Activate(name="one", mounts=mounts)
    client.mounts.Deactivate(name="one")
    assert loops_of(image) == [] and targets(store_daemon) == []
    with fails("NOT_FOUND"):
        client.mounts.Info(name="one")
    with fails("NOT_FOUND"):
        client.mounts.Deactivate(name="one")


def test_an_overlay_on_a_block_device(client, store_daemon, image, work):
    (work / "lower").mkdir()
    (work / "lower/file").write_text("text")
    mounts = [{"type": "loop", "source": str(image)}, {"type": "format/ext4", "source": "{{ mount 0 }}"},
              {"type": "format/mkdir/overlay", "source": "overlay", "options": [
                  "X-containerd.mkdir.path={{ mount 1 }}/upper:0755", "X-containerd.mkdir.path={{ mount 1 }}/work:0755",
                  f"lowerdir={work}/lower", "upperdir={{ mount 1 }}/upper", "workdir={{ mount 1 }}/work"]}]
    info = client.mounts.Activate(name="one", mounts=mounts, temporary=True).info
    assert [a.mount.type for a in info.active] == ["loop", "ext4", "overlay"]
    merged = pathlib.Path(info.active[2].mount_point)
    assert describe(info.system[0]) == ("bind", str(merged), ["rbind"])
    assert len(mounts_below(store_daemon.directory)) == 2
    client.mounts.Deactivate(name="one")
    assert mounts_below(store_daemon.directory) == [] and loops_of(image) == [] and targets(store_daemon) == []
    info = client.mounts.Activate(name="one", mounts=mounts).info
    assert len(info.active) == 2
    where = info.active[1].mount_point
    assert describe(info.system[0]) == ("overlay", "overlay", [f"lowerdir={work}/lower", f"upperdir={where}/upper", f"workdir={where}/work"])
    client.mounts.Deactivate(name="one")


def test_what_the_caller_can_do_alone_is_left_to_it(client, work):
    bind = {"type": "bind", "source": str(work), "options": ["rbind"]}
    with fails("UNIMPLEMENTED"):
        client.mounts.Activate(name="one", mounts=[bind])
    with fails("UNIMPLEMENTED"):
        client.mounts.Activate(name="one", mounts=[])
    with fails("NOT_FOUND"):
        client.mounts.Info(name="one")
    info = client.mounts.Activate(name="one", mounts=[bind], temporary=True).info
    assert describe(info.system[0]) == ("bind", info.active[0].mount_point, ["rbind"])
    client.mounts.Deactivate(name="one")


def test_what_is_not_supported_says_so(client):
    for type_ in "erofs", "mkfs/loop", "format/erofs":
        with fails("UNIMPLEMENTED") as f:
            client.mounts.Activate(name="x", mounts=[{"type": type_, "source": "/x"}])
        assert "not supported yet" in f.text
    with fails("UNIMPLEMENTED"):
        client.mounts.Update(info={"name": "x"})


def test_a_failure_leaves_nothing(client, store_daemon, image):
    cases = [("NOT_FOUND", [{"type": "loop", "source": "/nonexistent"}]),
             ("INVALID_ARGUMENT", [{"type": "loop", "source": str(image)}, {"type": "format/ext4", "source": "{{ mount 1 }}"}]),
             ("INVALID_ARGUMENT", [{"type": "loop", "source": str(image)},
                                   {"type": "mkdir/ext4", "source": "x", "options": ["X-containerd.mkdir.path=/etc/davit-test"]}])]
    for code, mounts in cases:
        with fails(code):
            client.mounts.Activate(name="one", mounts=mounts)
        assert targets(store_daemon) == [] and loops_of(image) == []
        with fails("NOT_FOUND"):
            client.mounts.Info(name="one")
    with fails("INVALID_ARGUMENT"):
        client.mounts.Activate(name="", mounts=cases[0][1])


def test_lists(client, image):
    for name in "a", "b", "c":
        client.mounts.Activate(name=name, mounts=[{"type": "loop", "source": str(image), "options": ["ro"]}], labels={"n": name})
    assert [m.info.name for m in client.mounts.List()] == ["a", "b", "c"]
    assert [m.info.name for m in client.mounts.List(filters=["labels.n==b"])] == ["b"]
    assert client.using(namespace="elsewhere").mounts.List() == []
    for name in "a", "b", "c":
        client.mounts.Deactivate(name=name)
    assert loops_of(image) == []


def test_mounts_end_with_their_lease(client, store_daemon, image):
    client.leases.Create(id="mine")
    mounts = [{"type": "loop", "source": str(image)}, {"type": "format/ext4", "source": "{{ mount 0 }}"}]
    client.using(lease="mine").mounts.Activate(name="one", mounts=mounts, temporary=True)
    with fails("NOT_FOUND"):
        client.using(lease="nobody's").mounts.Activate(name="two", mounts=mounts)
    client.leases.Delete(id="mine", sync=True)
    assert client.mounts.List() == []
    eventually(lambda: targets(store_daemon) == [] and loops_of(image) == [], "they are unmounted")
    assert mounts_below(store_daemon.directory) == []


def test_mounts_survive_the_daemon_and_what_nobody_knows_does_not(client, store_daemon, image):
    mounts = [{"type": "loop", "source": str(image)}, {"type": "format/ext4", "source": "{{ mount 0 }}"}]
    kept = client.mounts.Activate(name="kept", mounts=mounts, temporary=True).info
    lost = client.mounts.Activate(name="lost", mounts=[{"type": "loop", "source": str(image), "options": ["ro"]}]).info
    store_daemon.server.kill()
    shutil.rmtree(pathlib.Path(lost.active[0].mount_point).parent)    # as a reboot does
    stray = store_daemon.directory / "state/io.containerd.mount-manager.v1.bolt/t/999999"
    (stray / "00001").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "davit-test", stray / "00001"], check=True)
    store_daemon.server.start()
    client = store_daemon.client(client.namespace)
    assert [m.info.name for m in client.mounts.List()] == ["kept"]
    assert client.mounts.Info(name="kept").info == kept
    assert not stray.exists()
    client.mounts.Deactivate(name="kept")
    assert mounts_below(store_daemon.directory) == []
    for path in loops_of(image):    # of the one that was taken away
        subprocess.run(["/usr/sbin/losetup", "-d", f"/dev/{path.parent.parent.name}"], check=True)
