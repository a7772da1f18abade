# SPDX-License-Identifier: Apache-2.0
"""davit's verbs of images and namespaces, and what it says of the daemon, on a davitd of its own."""

import json
import os
import select
import subprocess
import tarfile

import pytest

from harness import image
from harness.davit_cli import Davit
from harness.wait import eventually

pytestmark = pytest.mark.davit
NAME = "davit.test/busybox:1"


@pytest.fixture(scope="module")
def archive(rootfs_template, tmp_path_factory):
    return image.write_archive(rootfs_template, tmp_path_factory.mktemp("davit-images") / "busybox.tar")


class Images(Davit):
    @property
    def environment(self):
        return {**super().environment, "DAVIT_NAMESPACE": "cli-images", "TZ": "UTC"}

    def error(self, *args):
        self(*args, status=1)
        return self.err


@pytest.fixture
def davit(one_store_daemon):
    found = Images(one_store_daemon)
    yield found
    for name in found("images", "--format", "{{.Name}}").split():
        found("rmi", "-f", name)


@pytest.fixture
def loaded(davit, archive):
    assert davit("load", "-q", "-i", archive) == f"Loaded image: {NAME}\n"
    return davit


def fields(davit, *args):
    return [json.loads(line) for line in davit(*args, "--format", "json").splitlines()]


def test_ls(loaded):
    heading, row = loaded("images").splitlines()
    assert heading.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "PLATFORM", "SIZE", "BLOB", "SIZE"]
    assert row.split()[:2] == NAME.split(":") and "years ago" in row
    found, = fields(loaded, "image", "ls")
    assert found["Unpacked"] == "true" and found["Size"].endswith("MB") and found["Platform"].startswith("linux/")
    assert loaded("images", "-q").strip() == found["ID"] == found["Digest"][7:19]
    assert loaded("images", "-q", "--no-trunc").strip() == found["Digest"]
    assert found["Digest"] in loaded("images", "--digests")
    heading, row = loaded("images", "--format", "table {{.ID}}\\t{{.Repository | upper}}").splitlines()
    assert heading.split() == ["IMAGE", "ID", "REPOSITORY"] and row.split() == [found["ID"], "DAVIT.TEST/BUSYBOX"]


@pytest.mark.parametrize("filter,matches", [
    ("reference=davit.test/*", True), ("reference=davit.test/busybox:1", True), ("reference=other", False),
    ("dangling=true", False), ("dangling=false", True), ("label=none", False)])
def test_ls_filters(loaded, filter, matches):
    assert bool(loaded("images", "-q", "--filter", filter)) == matches


def test_wrong_filters_and_formats(loaded):
    assert "invalid filter 'nope': there are before" in loaded.error("images", "-f", "nope=1")
    assert "there is no field .Nope" in loaded.error("images", "--format", "{{.Nope}}")
    assert "template: at character" in loaded.error("images", "--format", "{{.ID")


def test_inspect(loaded):
    found, = json.loads(loaded("image", "inspect", NAME))
    assert found["RepoTags"] == [NAME] and found["Config"]["Cmd"] == ["sh"] and found["Os"] == "linux"
    assert found["Config"]["Env"] == ["PATH=/bin", "FROM=image"] and len(found["RootFS"]["Layers"]) == 1
    for verb in (("inspect",), ("inspect", "--type", "image"), ("image", "inspect")):
        assert loaded(*verb, "-f", "{{.Id}} {{index .Config.Env 1}}", NAME) == f"{found['Id']} FROM=image\n"
    short = found["Id"][7:19]
    assert json.loads(loaded("inspect", short)) == [found]
    assert json.loads(loaded("inspect", NAME, "nope", status=1)) == [found] and "cannot inspect nope" in loaded.err


def test_history(loaded):
    assert [row["ID"] for row in fields(loaded, "history", NAME)] == loaded("images", "-q").split()


def test_tag_and_rmi(loaded):
    loaded("tag", NAME, "other")
    assert {row["Repository"] for row in fields(loaded, "images")} == {"davit.test/busybox", "other"}
    digest, = {row["Digest"] for row in fields(loaded, "images")}
    assert "must be forced" in loaded.error("rmi", digest[7:19])
    assert loaded("rmi", "other") == "Untagged: other:latest\n"
    assert loaded("rmi", NAME) == f"Untagged: {NAME}\nDeleted: {digest}\n"
    assert "cannot remove image other" in loaded.error("rmi", "other")
    assert loaded("rmi", "-f", "other") == ""
    assert "no image" in loaded.error("tag", "nope", "x")


def test_load_from_standard_input(davit, archive):
    with open(archive, "rb") as data:
        assert davit.popen("load", stdin=data, stdout=subprocess.PIPE, text=True).communicate(timeout=60)[0] == f"Loaded image: {NAME}\n"


def test_load_errors(davit, tmp_path):
    assert "cannot load images: open /nonexistent: no such file or directory" in davit.error("load", "-i", "/nonexistent")
    assert "is a directory" in davit.error("load", "-i", tmp_path)
    (tmp_path / "junk").write_bytes(os.urandom(1 << 16))
    assert "cannot load images" in davit.error("load", "-i", tmp_path / "junk")
    assert davit("images", "-q") == ""


def test_save_and_load_again(loaded, tmp_path):
    before, = fields(loaded, "images")
    loaded("save", "-o", tmp_path / "saved.tar", NAME)
    assert sorted(os.listdir(tmp_path)) == ["saved.tar"]
    with tarfile.open(tmp_path / "saved.tar") as tar:
        assert {"oci-layout", "index.json", "manifest.json"} <= set(tar.getnames())
    loaded("rmi", NAME)
    assert loaded("load", "-i", tmp_path / "saved.tar") == f"Loaded image: {NAME}\n"
    assert fields(loaded, "images")[0]["Digest"] == before["Digest"]


def test_save_that_fails_leaves_nothing(loaded, tmp_path):
    (tmp_path / "old").write_text("as it was")
    assert "cannot save" in loaded.error("save", "-o", tmp_path / "old", NAME, "nope")
    assert os.listdir(tmp_path) == ["old"] and (tmp_path / "old").read_text() == "as it was"


def test_prune(loaded):
    assert "continue? [y/N]" in loaded("image", "prune", "-a")
    assert loaded("images", "-q")
    assert f"untagged: {NAME}" in loaded("image", "prune", "-a", "-f")
    assert loaded("images", "-q") == ""


def test_namespaces(davit):
    davit("namespace", "create", "cli-test", "-l", "a=b")
    davit("namespace", "label", "cli-test", "c=d", "a=")
    assert davit("namespace", "inspect", "cli-test", "-f", "{{json .Labels}}") == '{"c":"d"}\n'
    assert "cli-test" in davit("namespace", "ls", "-q").split()
    assert davit("namespace", "rm", "cli-test") == "cli-test\n"
    assert "not found" in davit.error("namespace", "rm", "cli-test")


def test_system(loaded):
    assert json.loads(loaded("info", "-f", "json"))["Images"] == 1
    assert {row["Type"] for row in fields(loaded, "system", "df")} >= {"Images", "Content", "Snapshots"}
    assert loaded("system", "check", "--deep") == "everything is whole\n"
    assert loaded("version", "-f", "{{.Server.Version}}") == loaded("version", "-f", "{{.Client.Version}}")


def test_events(davit, archive):
    davit("load", "-q", "-i", archive)
    events = davit.popen("events", "--filter", "type=image", "--format", "{{.Action}} {{.Actor.ID}}", stdout=subprocess.PIPE, text=True)
    try:
        def heard():
            davit("tag", NAME, "davit.test/seen")    # again, until somebody listens
            return select.select([events.stdout], [], [], 0)[0]
        eventually(heard, "an event of an image")
        action, name = events.stdout.readline().split()
        assert action in ("create", "update") and name == "davit.test/seen:latest"
    finally:
        events.terminate()
        events.communicate(timeout=30)


def test_nobody_listens(davit, tmp_path):
    told = davit.error("--address", tmp_path / "nothing", "images")
    assert "no such file or directory" in told and "is davitd running?" in told
