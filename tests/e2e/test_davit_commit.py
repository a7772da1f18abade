# SPDX-License-Identifier: Apache-2.0
"""davit commit and container prune: what is made of a container, and what is left of it."""

import json
import subprocess

import pytest

from harness import image
from harness.daemon import need
from harness.davit_cli import Davit

pytestmark = pytest.mark.davit


@pytest.fixture(scope="module")
def davit(one_store_daemon, rootfs_template):
    need("ctr")
    archive = image.write_archive(rootfs_template, one_store_daemon.directory / "base.tar", name="docker.io/library/base:1")
    ctr(one_store_daemon, "images", "import", archive)
    return Davit(one_store_daemon)


@pytest.fixture(autouse=True)
def nothing_left(davit):
    yield
    for name in davit("ps", "-aq").split():
        davit("rm", "-f", name)
    assert ctr(davit.daemon, "leases", "ls", "-q").split() == []
    assert "-below" not in ctr(davit.daemon, "snapshots", "ls")


def ctr(daemon, *args):
    command = ["ctr", "--address", str(daemon.directory / "sock"), "--namespace", "default", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=daemon.server.environment).stdout


def documents(davit, digest):
    manifest = json.loads(ctr(davit.daemon, "content", "get", digest))
    return manifest, json.loads(ctr(davit.daemon, "content", "get", manifest["config"]["digest"]))


def images(davit):
    return ctr(davit.daemon, "images", "ls", "-q").split()


def test_files_and_configuration(davit):
    davit("run", "-d", "--name", "one", "-e", "A=b", "--label", "k=v", "base:1", "sh", "-c", "echo new >/new; rm /bin/id; sleep 1000")
    davit("exec", "one", "sh", "-c", "until [ -e /new ] && [ ! -e /bin/id ]; do :; done")
    digest = davit("commit", "-a", "me", "-m", "a change", "-c", 'ENV C="d e" F=g', "-c", 'CMD ["sh", "-c", "cat /new; echo $A $C"]',
                   "-c", "EXPOSE 80 53/udp", "-c", "WORKDIR sub", "-c", "label x=y", "one", "made:1").strip()
    assert davit("ps", "--format", "{{.Status}}", "--filter", "name=one").startswith("Up") and "Paused" not in davit("ps")
    assert davit("run", "--rm", "-w", "/", "made:1") == "new\nb d e\n"
    assert davit("run", "--rm", "-w", "/", "made:1", "sh", "-c", "ls /bin/id 2>/dev/null || echo gone") == "gone\n"
    manifest, config = documents(davit, digest)
    assert config["author"] == "me" and config["config"]["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert {"A=b", "C=d e", "F=g"} <= set(config["config"]["Env"]) and config["config"]["WorkingDir"] == "/sub"
    assert config["config"]["Labels"] == {"k": "v", "x": "y"}
    assert not [entry for entry in config["config"]["Env"] if entry.startswith("HOSTNAME=")]
    assert config["history"][-1]["comment"] == "a change" and "echo new" in config["history"][-1]["created_by"]
    assert len(manifest["layers"]) == len(config["rootfs"]["diff_ids"]) == 2


def test_again_under_the_same_name(davit):
    """The name means an image with one more layer by then."""
    davit("run", "--name", "two", "base:1", "sh", "-c", "echo 1 >/made")
    davit("commit", "two", "grows")
    davit("run", "--name", "three", "grows", "sh", "-c", "echo 2 >>/made")
    first, second = davit("commit", "three", "grows").strip(), davit("commit", "-p=false", "three", "grows").strip()
    assert len(documents(davit, second)[0]["layers"]) == 3
    assert davit("run", "--rm", "grows", "cat", "/made") == "1\n2\n"
    assert images(davit).count("docker.io/library/grows:latest") == 1
    nameless = davit("commit", "two").strip()
    assert davit("run", "--rm", nameless, "cat", "/made") == "1\n"
    assert first != second != nameless


def test_what_cannot_be(davit):
    davit("create", "--name", "four", "base:1", "true")
    before = images(davit)
    for change, text in [("FROM x", "not one of CMD"), ("CMD", "needs an argument"), ("ONBUILD x", "not supported yet"),
                         ("ENV a=b c", "key=value"), ("ENV a='b", "no end"), ("EXPOSE 99999", "not a port"), ("VOLUME x", "not an absolute path")]:
        assert text in davit.fails("commit", "-c", change, "four", "bad", status=1)
    assert "lower case" in davit.fails("commit", "four", "BAD", status=1)
    assert "no such container" in davit.fails("commit", "nosuch", "x", status=1)
    assert images(davit) == before


def test_prune(davit):
    davit("run", "-d", "--name", "runs", "base:1", "sleep", "1000")
    ended = [davit("create", "base:1", "true").strip(), davit("create", "--label", "keep=1", "base:1", "true").strip()]
    assert "N]" in davit("container", "prune", input="n\n") and len(davit("ps", "-aq").split()) == 3
    assert "Deleted Containers:\n" + ended[1] in davit("container", "prune", "-f", "--filter", "label=keep=1")
    out = davit("container", "prune", input="y\n")
    assert ended[0] in out and "Total reclaimed space: " in out
    assert davit("ps", "-a", "--format", "{{.Names}}") == "runs\n"
    assert davit("container", "prune", "-f") == "Total reclaimed space: 0B\n"


def test_system_prune(davit):
    davit("run", "--name", "ended", "base:1", "true")
    davit("run", "-d", "--name", "goes-on", "base:1", "sleep", "1000")
    davit("tag", "base:1", "unused:1")
    out = davit("system", "prune", "-f", "--filter", "label=nobody-has-it")
    assert out == "Total reclaimed space: 0B\n"
    out = davit("system", "prune", "--all", input="y\n")
    assert "Deleted Containers:" in out and "untagged: docker.io/library/unused:1" in out
    assert davit("ps", "-a", "--format", "{{.Names}}") == "goes-on\n"
    assert "docker.io/library/base:1" in images(davit)
