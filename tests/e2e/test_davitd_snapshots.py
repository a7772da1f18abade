# SPDX-License-Identifier: Apache-2.0
"""The Snapshots service: what containerd's own suite for snapshotters checks, with the mounts done for real."""

import os
import pathlib
import random
import shutil
import time

import pytest

from harness import grpc_client
from harness.grpc_client import fails
from harness.snapshots import KEEP, Snapshots, content
from harness.wait import eventually

pytestmark = pytest.mark.davit
VIEW, ACTIVE, COMMITTED = 1, 2, 3


def seconds(stamp):
    return stamp.seconds + stamp.nanos / 1e9


@pytest.fixture(params=["overlayfs", "native"])
def sn(request, client, work):
    if shutil.which("mount") is None:
        pytest.skip("no mount(8)")
    return Snapshots(client, request.param, work)


@pytest.fixture
def overlay(client, work):
    return Snapshots(client, "overlayfs", work)


def test_layers_have_what_was_written(sn):
    def first(root):
        (root / "foo").write_text("foo\n")
        (root / "a/b/c").mkdir(parents=True)

    def second(root):
        assert (root / "foo").read_text() == "foo\n"
        (root / "bar").write_text("bar\n")
        (root / "foo").unlink()
        (root / "a/b").chmod(0o700)

    mounts = sn.prepare("one")
    assert [m.target for m in mounts] == [""]
    with sn.mounted(mounts) as root:
        first(root)
    sn.commit("A", "one")
    with fails("NOT_FOUND"):
        sn.stat("one")
    assert (sn.stat("A").parent, sn.stat("A").kind) == ("", COMMITTED)
    with sn.mounted(sn.prepare("two", "A")) as root:
        second(root)
        written = content(root)
    st = sn.stat("two")
    assert (st.name, st.parent, st.kind) == ("two", "A", ACTIVE)
    assert len(sn.mounts("two")) == 1 and list(sn.mounts("two")) == list(sn.mounts("two"))
    sn.commit("B", "two")
    assert (sn.stat("B").parent, sn.stat("B").kind) == ("A", COMMITTED)
    with sn.mounted(sn.view("look", "B")) as root:
        assert content(root) == written
    assert sorted(i.name for i in sn.list()) == ["A", "B", "look"]
    sn.remove("look")
    with fails("FAILED_PRECONDITION"):
        sn.remove("A")
    sn.remove("B", "A")
    assert sn.list() == []


def test_parents_are_kept_through_the_chain(sn):
    for name, parent in ("A", ""), ("B", "A"), ("C", "B"):
        sn.layer(name, lambda root: (root / f"file {name}").write_text(name), parent)
    sn.prepare("top", "C")
    assert [sn.stat(k).parent for k in ("top", "C", "B", "A")] == ["C", "B", "A", ""]
    with sn.mounted(sn.mounts("top")) as root:
        assert sorted(content(root)) == ["file A", "file B", "file C"]


def test_what_cannot_be_asked_for(sn, store_daemon):
    sn.layer("A")
    sn.prepare("active", "A")
    sn.view("view", "A")
    for make in sn.prepare, sn.view:
        for key in "active", "view":
            with fails("ALREADY_EXISTS"):
                make(key, "A")
        with fails("NOT_FOUND"):
            make("x", "nobody has this")
        for parent in "active", "view":
            with fails("INVALID_ARGUMENT"):
                make("x", parent)
    with fails("FAILED_PRECONDITION", *([] if store_daemon.is_davit else ["UNKNOWN"])):    # of native
        sn.commit("B", "view")
    with fails("ALREADY_EXISTS"):
        sn.commit("A", "active")
    with fails("NOT_FOUND"):
        sn.commit("B", "nobody has this")
    for ask in sn.stat, sn.mounts, sn.usage, sn.remove:
        with fails("NOT_FOUND"):
            ask("nobody has this")
    with fails("NOT_FOUND"):
        sn.update({"name": "nobody has this"})
    with fails("INVALID_ARGUMENT"):
        sn.prepare("x", labels="v" * 5000)
    sn.remove("active", "view", "A")
    for name in "", "no-such-snapshotter":
        with fails("INVALID_ARGUMENT"):
            sn.api.Stat(snapshotter=name, key="A")


def test_committed_ones_have_no_mounts(sn):
    sn.layer("A")
    with fails("FAILED_PRECONDITION"):
        sn.mounts("A")


def test_labels_and_nothing_else_are_updated(sn):
    before = time.time()
    sn.layer("c1")
    sn.layer("c2", parent="c1")
    sn.prepare("a1", "c2")
    sn.prepare("a2")
    sn.view("v1", "c2")
    sn.view("v2")
    after = time.time()
    kinds = [("c1", COMMITTED, ""), ("c2", COMMITTED, "c1"), ("a1", ACTIVE, "c2"), ("a2", ACTIVE, ""), ("v1", VIEW, "c2"), ("v2", VIEW, "")]
    for name, kind, parent in kinds:
        st = sn.stat(name)
        assert before <= seconds(st.created_at) <= after and st.created_at == st.updated_at
        expected = {**KEEP, "l1": "v1", "l2": "v2", "l3": "v3"}
        new = sn.update({"name": name, "parent": "doesnotexist", "labels": expected})
        assert (new.name, new.kind, new.parent, new.created_at, dict(new.labels)) == (name, kind, parent, st.created_at, expected)
        assert seconds(new.updated_at) > seconds(st.updated_at)
        new = sn.update({"name": name, "labels": {"l1": "updated", "l4": "v4"}}, "labels.l1", "labels.l2")
        assert dict(new.labels) == {**KEEP, "l1": "updated", "l3": "v3"}
        new = sn.update({"name": name, "labels": {**KEEP, "l4": "v4"}}, "labels")
        assert dict(new.labels) == dict(sn.stat(name).labels) == {**KEEP, "l4": "v4"}
        with fails("INVALID_ARGUMENT"):
            sn.update({"name": name, "parent": "c1"}, "parent")


def test_lists_are_filtered(sn):
    labels = {"c1": {"odd": "1"}, "c2": {"odd": "2"}}
    for name, parent in ("c1", ""), ("c2", "c1"):
        sn.prepare(f"{name}-a", parent)
        sn.commit(name, f"{name}-a", labels={**KEEP, **labels[name]})
    sn.prepare("a1", "c2")
    sn.view("v1", "c2")
    sn.prepare("a2")
    cases = [((), "a1 a2 c1 c2 v1"), (("kind==committed",), "c1 c2"), (("kind==active",), "a1 a2"), (("kind==view",), "v1"),
             (("parent==c2",), "a1 v1"), (("name==a2",), "a2"), (("labels.odd==2",), "c2"), (("labels.odd",), "c1 c2"),
             (("kind==active,parent==c2",), "a1"), (("name==c1", "kind==view"), "c1 v1"), (("name~=/^a/",), "a1 a2")]
    for filters, expected in cases:
        assert " ".join(sorted(i.name for i in sn.list(*filters))) == expected, filters
    with fails("INVALID_ARGUMENT", "UNKNOWN"):
        sn.list("kind==")


def test_removal(sn):
    sn.layer("base", lambda root: (root / "f").write_text("x"))
    sn.layer("middle", parent="base")
    sn.prepare("top", "middle")
    for key in "middle", "base":
        with fails("FAILED_PRECONDITION"):
            sn.remove(key)
    sn.remove("top", "middle", "base")
    with fails("NOT_FOUND"):
        sn.remove("base")
    sn.prepare("top")
    sn.remove("top")


def test_a_file_is_updated_in_each_layer(sn):
    sn.layer("1", lambda root: ((root / "foo").write_text("one"), (root / "bar").write_text("keep")))
    sn.layer("2", lambda root: (root / "foo").write_text("two"), "1")
    sn.layer("3", lambda root: (root / "new").write_text("three"), "2")
    with sn.mounted(sn.prepare("top", "3")) as root:
        assert {k: v[3] for k, v in content(root).items()} == {"foo": "two", "bar": "keep", "new": "three"}


def test_a_directory_of_a_lower_layer_is_replaced(sn):
    def fill(root):
        (root / "dir/sub").mkdir(parents=True)
        (root / "dir/file").write_text("old")

    def replace(root):
        shutil.rmtree(root / "dir")
        (root / "dir").mkdir()
        (root / "dir/other").write_text("new")

    sn.layer("1", fill)
    sn.layer("2", replace, "1")
    with sn.mounted(sn.prepare("top", "2")) as root:
        assert sorted(content(root)) == ["dir", "dir/other"]


def test_owners_and_modes(sn):
    def fill(root):
        for name, uid, mode in ("opt", 1, 0o700), ("opt/a", 2, 0o1777), ("opt/b", 3, 0o2755):
            (root / name).mkdir()
            os.chown(root / name, uid, uid)
            (root / name).chmod(mode)

    def change(root):
        os.chown(root / "opt/a", 7, 8)

    sn.layer("1", fill)
    sn.layer("2", change, "1")
    with sn.mounted(sn.prepare("top", "2")) as root:
        assert [(st.st_mode & 0o7777, st.st_uid, st.st_gid) for st in map(os.stat, [root / "opt", root / "opt/a", root / "opt/b"])] == [
            (0o700, 1, 1), (0o1777, 7, 8), (0o2755, 3, 3)]


def test_files_are_renamed_and_moved(sn):
    def fill(root):
        (root / "dir").mkdir()
        (root / "dir/file").write_text("text")
        (root / "foo").write_text("foo")

    def move(root):
        (root / "dir/file").rename(root / "moved")
        (root / "foo").rename(root / "dir/foo")

    sn.layer("1", fill)
    sn.layer("2", move, "1")
    with sn.mounted(sn.prepare("top", "2")) as root:
        assert {k: v[3] for k, v in content(root).items()} == {"dir": None, "dir/foo": "foo", "moved": "text"}


def test_views_are_read_only(sn):
    sn.layer("1", lambda root: (root / "f").write_text("x"))
    sn.layer("2", lambda root: (root / "g").write_text("x"), "1")
    for number, parent in enumerate(("", "1", "2")):
        with sn.mounted(sn.view(f"v{number}", parent)) as root:
            with pytest.raises(OSError):
                (root / "new").write_text("x")


def test_the_root_can_be_entered_by_everybody(sn):
    with sn.mounted(sn.prepare("x")) as root:
        assert root.stat().st_mode & 0o777 == 0o755


def test_owner_of_the_root_is_inherited(overlay):
    overlay.layer("1", lambda root: os.chown(root, 5, 6))
    with overlay.mounted(overlay.prepare("top", "1")) as root:
        assert (root.stat().st_uid, root.stat().st_gid) == (5, 6)


def test_many_layers(overlay):
    parent = ""
    for number in range(128):
        key = f"unpack {number}"
        mounts = overlay.prepare(key, parent)
        upper = mounts[0].source if mounts[0].type == "bind" else next(o[9:] for o in mounts[0].options if o.startswith("upperdir="))
        pathlib.Path(upper, f"layer{number}").touch()
        pathlib.Path(upper, "last").write_text(str(number))
        overlay.commit(f"layer{number}", key)
        parent = f"layer{number}"
    with overlay.mounted(overlay.prepare("top", parent)) as root:
        assert len(list(root.iterdir())) == 129
        assert (root / "last").read_text() == "127"


def test_mounts_of_overlayfs(overlay, store_daemon):
    def text(m):
        at = str(store_daemon.root / "io.containerd.snapshotter.v1.overlayfs/snapshots")
        return " ".join([m.type, m.source, *m.options]).replace(at, "@")

    def number(mounts):
        return text(mounts[0]).split("@/")[1].split("/")[0]

    first = overlay.prepare("one")
    a = number(first)
    assert text(first[0]) == f"bind @/{a}/fs rw rbind"
    overlay.commit("A", "one")
    assert text(overlay.view("v", "A")[0]) == f"bind @/{a}/fs ro rbind"
    second = overlay.prepare("two", "A")
    b = number(second)
    options = set(text(second[0]).split()[2:]) - {"index=off", "userxattr"}
    assert options == {f"workdir=@/{b}/work", f"upperdir=@/{b}/fs", f"lowerdir=@/{a}/fs"}
    overlay.commit("B", "two")
    third = overlay.view("w", "B")
    assert set(text(third[0]).split()) - {"index=off", "userxattr"} == {"overlay", f"lowerdir=@/{b}/fs:@/{a}/fs"}
    empty = overlay.view("e")
    assert text(empty[0]) == f"bind @/{number(empty)}/fs ro rbind"


def test_usage_is_that_of_the_layer(sn):
    def fill(root):
        (root / "file").write_bytes(random.Random(1).randbytes(1 << 20))
        os.link(root / "file", root / "other")
        (root / "sparse").touch()
        os.truncate(root / "sparse", 1 << 30)

    sn.layer("1", fill)
    one = sn.usage("1")
    assert 1 << 20 <= one.size < 2 << 20
    assert one.inodes == 3
    sn.prepare("top", "1")
    top = sn.usage("top")
    if sn.name == "overlayfs":
        assert top.inodes <= 2 and top.size < 1 << 20
    with sn.mounted(sn.mounts("top")) as root:
        (root / "new").write_bytes(b"x" * 100000)
    assert sn.usage("top").size >= top.size + 100000
    assert sn.usage("top").inodes == top.inodes + 1


def test_namespaces_do_not_see_each_other(sn, store_daemon, work):
    sn.layer("A")
    other = Snapshots(store_daemon.client(), sn.name, work)
    with fails("NOT_FOUND"):
        other.stat("A")
    assert other.list() == []
    other.layer("A")
    other.remove("A")
    assert sn.stat("A").kind == COMMITTED


def test_a_target_that_is_there_is_told(overlay):
    ref = {"containerd.io/snapshot.ref": "chain"}
    overlay.prepare("extract 1", **ref)
    overlay.prepare("extract 2", **ref)
    overlay.commit("chain", "extract 1")
    with fails("ALREADY_EXISTS"):
        overlay.prepare("extract 3", **ref)
    with fails("ALREADY_EXISTS"):
        overlay.commit("chain", "extract 2")
    assert overlay.stat("extract 2").kind == ACTIVE


def test_removed_directories_go_away(sn, store_daemon):
    where = store_daemon.root / f"io.containerd.snapshotter.v1.{sn.name}" / "snapshots"
    sn.layer("A", lambda root: (root / "a/b/c/d").mkdir(parents=True))
    sn.prepare("x", "A")
    (where / "987654321").mkdir()
    sn.remove("x", "A")
    try:
        sn.api.Cleanup(snapshotter=sn.name)
    except grpc_client.grpc.RpcError as error:
        assert error.code().name == "UNIMPLEMENTED" and not store_daemon.is_davit
        (where / "987654321").rmdir()
    eventually(lambda: list(where.iterdir()) == [], "the directories are gone")


def test_snapshots_survive_a_crash_of_the_daemon(sn, store_daemon, work):
    sn.layer("A", lambda root: (root / "f").write_text("x"))
    mounts = sn.prepare("x", "A")
    before = sn.list()
    store_daemon.crash()
    sn = Snapshots(store_daemon.client(store_daemon.clients[0].namespace), sn.name, work)
    assert sn.list() == before
    assert list(sn.mounts("x")) == list(mounts)
    with sn.mounted(mounts) as root:
        assert (root / "f").read_text() == "x"


class TestDavit:
    """What Debian's containerd is too old for, or does otherwise."""

    @pytest.fixture(autouse=True)
    def davit_alone(self, store_daemon):
        if not store_daemon.is_davit:
            pytest.skip("davitd's own")

    def test_a_parent_is_given_at_commit(self, overlay):
        overlay.layer("A", lambda root: (root / "a").write_text("a"))
        with overlay.mounted(overlay.prepare("alone")) as root:
            (root / "b").write_text("b")
        with fails("NOT_FOUND"):
            overlay.commit("B", "alone", parent="nobody has this")
        overlay.commit("B", "alone", parent="A")
        assert overlay.stat("B").parent == "A"
        with overlay.mounted(overlay.view("v", "B")) as root:
            assert sorted(content(root)) == ["a", "b"]

    def test_id_maps_give_the_root_away(self, sn):
        mounts = sn.prepare("x", **{"containerd.io/snapshot/uidmapping": "0:100000:65536",
                                    "containerd.io/snapshot/gidmapping": "0:200000:65536"})
        with sn.mounted(mounts) as root:
            assert (root.stat().st_uid, root.stat().st_gid) == (100000, 200000)
        with fails("INVALID_ARGUMENT"):
            sn.prepare("y", **{"containerd.io/snapshot/uidmapping": "nonsense"})
