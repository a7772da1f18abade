# SPDX-License-Identifier: Apache-2.0
"""davit ps, logs, stop, kill, rm, wait, pause, rename, top, stats, inspect, cp and diff, on containers of davit run."""

import json
import os
import subprocess
import uuid

import pytest

from harness import image
from harness.davit_cli import Davit
from harness.transfer import load
from harness.wait import eventually

pytestmark = pytest.mark.davit
NAME = "docker.io/library/busybox:latest"
LOOP = ("sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")


@pytest.fixture(scope="module")
def daemon(one_store_daemon, rootfs_template):
    archive = image.write_archive(rootfs_template, one_store_daemon.directory / "image.tar", name=NAME)
    load(one_store_daemon.client("default"), archive.read_bytes(),
         unpacks=[{"platform": {"os": "linux", "architecture": "amd64"}, "snapshotter": "overlayfs"}])
    return one_store_daemon


@pytest.fixture
def davit(daemon):
    davit = Davit(daemon)
    yield davit
    names = davit("ps", "-aq").split()
    if names:
        davit("rm", "-f", *names)
    eventually(lambda: not davit("ps", "-aq"), "no container is left")


@pytest.fixture
def running(davit):
    """The name of a container that ends with 3 at SIGTERM."""
    return start(davit)


def start(davit, *options, command=LOOP):
    name = f"c{uuid.uuid4().hex[:8]}"
    davit("run", "-d", "--name", name, *options, "busybox", *command)
    if command == LOOP:
        eventually(lambda: "ready" in davit("logs", name), "it is ready")
    return name


def inspect(davit, name, format):
    return davit("container", "inspect", "-f", format, name).strip()


def status(davit, name):
    return inspect(davit, name, "{{.State.Status}} {{.State.ExitCode}}")


# ---- ps ---------------------------------------------------------------------------------------------------------------

def test_ps(davit, running):
    heading, line = davit("ps").splitlines()
    assert heading.split() == "CONTAINER ID IMAGE COMMAND CREATED STATUS NAMES".split()
    id, = davit("ps", "-q").split()
    assert len(id) == 12 and line.startswith(id) and NAME in line and "Up " in line and line.endswith(running)
    assert len(davit("ps", "-q", "--no-trunc").strip()) == 64
    found, = [json.loads(line) for line in davit("ps", "--format", "json").splitlines()]
    assert (found["Names"], found["State"]) == (running, "running") and found["Command"].startswith('"sh -c trap')
    assert davit("ps", "--format", "{{.Names}}\t{{.Image}}") == f"{running}\t{NAME}\n"


def test_ps_shows_what_has_ended(davit, running):
    davit("run", "--name", "done", "busybox", "sh", "-c", "exit 4", status=4)
    assert "done" not in davit("ps")
    line, = [line for line in davit("ps", "-a").splitlines() if line.endswith("done")]
    assert "Exited (4)" in line
    assert davit("ps", "-aq", "--filter", "status=exited", "--format", "{{.Names}}") == "done\n"
    assert davit("ps", "-a", "-f", "exited=4", "--format", "{{.Names}}") == "done\n"
    assert davit("ps", "-a", "-f", f"name={running}", "--format", "{{.Names}}") == f"{running}\n"
    assert davit("ps", "-l", "--format", "{{.Names}}") == "done\n"
    assert davit("ps", "-a", "-f", "ancestor=other") .count("\n") == 1
    assert "invalid filter 'nonsense'" in davit.fails("ps", "-f", "nonsense=1", status=1)


# ---- the end ----------------------------------------------------------------------------------------------------------

def test_stop(davit, running):
    assert davit("stop", running) == f"{running}\n"
    assert status(davit, running) == "exited 3"
    assert davit("stop", running) == f"{running}\n"    # nothing to do


def test_stop_one_that_ignores_it(davit):
    name = start(davit, command=("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"))
    davit("stop", "-t", "0", name)
    assert status(davit, name) == "exited 137"


def test_stop_several_and_one_that_is_not_there(davit, running):
    other = start(davit)
    assert davit("stop", running, "nobody", other, status=1).split() == [running, other]
    assert "cannot stop nobody: no such container" in davit.err
    assert {status(davit, name) for name in (running, other)} == {"exited 3"}


def test_kill(davit, running):
    davit("kill", "-s", "TERM", running)
    assert davit("wait", running) == "3\n"
    assert "not running" in davit.fails("kill", running, status=1)
    assert "no such signal" in davit.fails("kill", "-s", "NONSENSE", running, status=1)


def test_wait(davit, running):
    waiting = davit.popen("wait", running, stdout=subprocess.PIPE, text=True)
    davit("kill", running)
    assert waiting.communicate(timeout=30)[0] == "137\n"
    assert davit("wait", running) == "137\n"    # also afterwards
    assert "no such container" in davit.fails("wait", "nobody", status=1)


def test_pause(davit, running):
    davit("pause", running)
    assert status(davit, running).startswith("paused") and "(Paused)" in davit("ps")
    assert "not running" in davit.fails("pause", running, status=1)
    davit("unpause", running)
    assert status(davit, running).startswith("running")
    davit("pause", running)
    davit("stop", running)    # frozen processes take no signal: it goes on first
    assert status(davit, running) == "exited 3"


def test_rm(davit, running):
    err = davit.fails("rm", running, status=1)
    assert "it is running" in err and f"stop {running}" in err
    davit("rm", "-f", running)
    assert davit("ps", "-aq") == ""
    davit.fails("rm", running, status=1)
    davit.fails("rm", "-f", running, status=0)
    data = davit.daemon.root / "io.davit.containers/default"
    eventually(lambda: not list(data.glob("*")), "its files are gone")
    assert not [info for reply in davit.daemon.client("default").snapshots.List(snapshotter="overlayfs") for info in reply.info
                if info.kind == 2]


def test_rm_is_removed_by_the_daemon(davit):
    name = start(davit, "--rm")
    davit("kill", name)
    eventually(lambda: not davit("ps", "-aq"), "it is gone")


def test_rename(davit, running):
    davit("rename", running, "other")
    assert davit("ps", "--format", "{{.Names}}") == "other\n"
    start(davit, "--label", "a=b")
    name, = set(davit("ps", "--format", "{{.Names}}").split()) - {"other"}
    davit.fails("rename", name, "other", status=1)


# ---- looking ----------------------------------------------------------------------------------------------------------

def test_logs(davit):
    name = start(davit, command=("sh", "-c", "for i in 1 2 3; do echo $i; done; echo bad >&2"))
    davit("wait", name)
    assert davit("logs", name) == "1\n2\n3\n" and davit.err == "bad\n"
    assert davit("logs", "--tail", "2", name) == "3\n"
    stamped = davit("logs", "-t", name).splitlines()
    assert [line.split()[1] for line in stamped] == ["1", "2", "3"] and stamped[0].startswith("20")
    assert davit("logs", "--since", "1h", name) == "1\n2\n3\n"
    assert davit("logs", "--until", "1h", name) == ""
    assert "--tail" in davit.fails("logs", "--tail", "x", name, status=1)


def test_follow(davit):
    name = start(davit, command=("sh", "-c", "i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done; while :; do sleep 0.05; done"))
    eventually(lambda: "499\n" in davit("logs", name), "it has written")
    following = davit.popen("logs", "-f", name, stdout=subprocess.PIPE, text=True)
    davit("kill", name)
    assert following.communicate(timeout=30)[0] == "".join(f"{i}\n" for i in range(500))


def test_top(davit, running):
    heading, *lines = davit("top", running).splitlines()
    assert "PID" in heading.split() and any("trap" in line for line in lines)
    assert davit("top", running, "-o", "pid,comm").splitlines()[0].split() == ["PID", "COMMAND"]
    assert "PID" in davit.fails("top", running, "-o", "comm", status=1)


def test_stats(davit, running):
    heading, line = davit("stats", "--no-stream").splitlines()
    assert running in line and "%" in line
    found = json.loads(davit("stats", "--no-stream", "--format", "json", running))
    assert int(found["PIDs"]) >= 1 and " / " in found["MemUsage"]


def test_inspect(davit, running):
    found, = json.loads(davit("container", "inspect", running))
    assert found["Name"] == f"/{running}" and found["State"]["Running"] and found["State"]["Pid"] > 0
    assert found["Path"] == "sh" and found["Config"]["Image"] == NAME and os.path.exists(found["LogPath"])
    assert inspect(davit, running, "{{.State.Pid}}") == str(found["State"]["Pid"])
    davit("stop", running)
    assert inspect(davit, running, "{{.State.ExitCode}} {{.State.Pid}}") == "3 0"
    assert json.loads(davit("container", "inspect", "nobody", status=1)) == []


# ---- files ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def files(davit, tmp_path):
    name = start(davit, command=("sh", "-c", "mkdir -p /d/sub; echo text > /d/file; chmod 750 /d/file; ln -s / /d/evil; echo ready;"
                                 " while :; do sleep 0.05; done"))
    eventually(lambda: "ready" in davit("logs", name), "the files are there")
    return name


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_copy_out(davit, files, tmp_path, stopped):
    if stopped:
        davit("stop", "-t", "0", files)
    davit("cp", f"{files}:/d", tmp_path)
    davit("cp", f"{files}:/d", tmp_path / "new")
    davit("cp", f"{files}:d/.", tmp_path)
    for place in (tmp_path / "d", tmp_path / "new", tmp_path):
        assert (place / "file").read_text() == "text\n" and (place / "file").stat().st_mode & 0o777 == 0o750
        assert os.readlink(place / "evil") == "/" and (place / "sub").is_dir()
    davit("cp", f"{files}:/d/file", tmp_path / "name")
    assert (tmp_path / "name").read_text() == "text\n"


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_copy_in(davit, files, tmp_path, stopped):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data").write_bytes(bytes(range(256)) * 1000)
    if stopped:
        davit("stop", "-t", "0", files)
    davit("cp", tmp_path / "in", f"{files}:/d/")
    davit("cp", f"{files}:/d/in/data", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "in" / "data").read_bytes()
    assert "/d/in/data" in davit("diff", files)


def test_links_of_the_container_lead_nowhere_else(davit, files, tmp_path):
    """CVE-2018-15664, CVE-2019-14271: what the container calls / is its own."""
    (tmp_path / "secret").write_text("of the host")
    davit.fails("cp", f"{files}:/d/evil{tmp_path}/secret", tmp_path / "got", status=1)
    davit("exec", files, "ln", "-s", str(tmp_path), "/d/out")
    davit.fails("cp", tmp_path / "secret", f"{files}:/d/out/planted", status=1)
    assert not (tmp_path / "planted").exists() and not (tmp_path / "got").exists()


def test_copy_what_cannot_be(davit, files, tmp_path):
    assert "container:path" in davit.fails("cp", tmp_path, "/tmp", status=1)
    assert "no such file" in davit.fails("cp", f"{files}:/nothing", tmp_path, status=1)
    (tmp_path / "file").write_text("x")
    assert "no directory" in davit.fails("cp", f"{files}:/d", tmp_path / "file", status=1)
    assert "not supported yet" in davit.fails("cp", f"{files}:/dev/null", tmp_path, status=1)
    assert "not supported yet" in davit.fails("cp", "-", f"{files}:/", status=1)


def test_diff(davit, files):
    davit("exec", files, "rm", "/bin/vi")
    lines = davit("diff", files).splitlines()
    assert {"A /d", "A /d/file", "A /d/evil", "C /bin", "D /bin/vi"} <= set(lines)
    assert lines == sorted(lines, key=lambda line: line[2:].split("/"))


# ---- attach -----------------------------------------------------------------------------------------------------------

def test_attach(davit):
    name = start(davit, "-i", command=("sh", "-c", "echo first; while read x; do echo got $x; [ $x != end ] || exit 5; done"))
    assert davit("attach", name, input="one\nend\n", status=5).splitlines()[-2:] == ["got one", "got end"]
    assert davit("logs", name) == "first\ngot one\ngot end\n"
    assert f"start -a {name}" in davit.fails("attach", name, status=1)


def test_attach_two_at_a_time(davit):
    name = start(davit, command=("sh", "-c", "while :; do echo tick; sleep 0.05; done"))
    followers = [davit.popen("attach", "--no-stdin", name, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [f.stdout.readline() for f in followers] == ["tick\n", "tick\n"]
    davit("kill", name)
    assert [(set(f.communicate(timeout=30)[0].split()) | {"tick"}, f.returncode) for f in followers] == [({"tick"}, 137)] * 2
