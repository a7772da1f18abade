# SPDX-License-Identifier: Apache-2.0
"""Debian's ctr on davitd: images, containers and tasks from end to end, over its own shim and over containerd's."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import image
from harness.ctr import DAVIT, RUNC, Ctr
from harness.daemon import need
from harness.wait import eventually

pytestmark = pytest.mark.davit


@pytest.fixture(params=[DAVIT, RUNC])
def ctr(store_daemon, request, rootfs_template):
    need("ctr", "runc", "containerd-shim-runc-v2")
    found = Ctr(store_daemon, request.param)
    image.write_archive(rootfs_template, store_daemon.directory / "image.tar")
    found("images", "import", store_daemon.directory / "image.tar")
    yield found
    found.clean()


def test_images(ctr):
    names = [row[0] for row in ctr.rows("images", "ls")]
    assert names == [image.NAME]
    assert "complete" in ctr("images", "check") and "true" in ctr("images", "check")
    ctr("images", "tag", image.NAME, "davit.test/other:2")
    assert sorted(ctr("images", "ls", "-q").split()) == sorted([image.NAME, "davit.test/other:2"])
    ctr("images", "label", image.NAME, "colour=red")
    assert "colour=red" in ctr("images", "ls")
    exported = ctr.daemon.directory / "exported.tar"
    ctr("images", "export", exported, image.NAME)
    ctr("images", "rm", image.NAME, "davit.test/other:2")
    assert ctr("images", "ls", "-q") == ""
    eventually(lambda: not ctr.rows("content", "ls") and not ctr.rows("snapshots", "ls"), "the garbage is collected")
    ctr("images", "import", exported)
    assert ctr("images", "ls", "-q").split() == [image.NAME]
    assert ctr.run("--rm", image.NAME, "c", "echo", "imported") == "imported\n"


def test_mounted_image(ctr, tmp_path):
    place = tmp_path / "m"
    place.mkdir()
    ctr("images", "mount", image.NAME, place)
    assert (place / "bin/busybox").exists()
    ctr("images", "unmount", place)
    assert os.listdir(place) == []


def test_run(ctr):
    assert ctr.run("--rm", image.NAME, "c1", "echo", "hello") == "hello\n"
    assert ctr.tasks() == {} and ctr.rows("containers", "ls") == []
    ctr.run("--rm", image.NAME, "c2", "sh", "-c", "exit 7", check=False)
    assert ctr.status == 7
    assert ctr.run("--rm", "--env", "WORD=x y", "--cwd", "/tmp", "--read-only", image.NAME, "c3", "sh", "-c",
                   'echo "$WORD $PWD"; touch /file 2>/dev/null || echo read-only') == "x y /tmp\nread-only\n"
    assert ctr.run("--rm", "--mount", f"type=bind,src={ctr.daemon.directory},dst=/mnt,options=rbind:ro", image.NAME, "c4",
                   "ls", "/mnt").split().count("image.tar") == 1
    ctr.run("--rm", image.NAME, "c6", "no-such-program", check=False)
    assert ctr.status != 0 and "no-such-program" in ctr.errors
    assert ctr.tasks() == {} and [row for row in ctr.rows("containers", "ls") if row[0] != "c6"] == []


def cgroup_file(pid, *names):
    """The first of those files in the process's cgroups."""
    for line in open(f"/proc/{pid}/cgroup"):
        _, controllers, path = line.rstrip("\n").split(":", 2)
        for name in names:
            for top in (f"/sys/fs/cgroup/{controllers}", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
                if os.path.exists(f"{top}{path}/{name}"):
                    return open(f"{top}{path}/{name}").read().strip()
    raise AssertionError(f"none of {names}")


def test_limits_and_where_it_runs(ctr):
    pid_file = ctr.daemon.directory / "pid"
    ctr.run("-d", "--memory-limit", str(64 << 20), "--pid-file", pid_file, image.NAME, "limited", "sleep", "1000")
    pid = int(pid_file.read_text())
    assert pid == ctr.pid("limited")
    assert cgroup_file(pid, "memory.max", "memory.limit_in_bytes") == str(64 << 20)
    assert any(line.rstrip().endswith(f"/{ctr.namespace}/limited") for line in open(f"/proc/{pid}/cgroup"))


def test_a_root_of_ones_own(ctr, rootfs_template):
    root = ctr.daemon.directory / "own"
    subprocess.run(["cp", "-a", rootfs_template, root], check=True)
    ctr.daemon.watch(ctr.namespace, "own")
    assert ctr.run("--rm", "--env", "PATH=/bin", "--rootfs", root, "own", "sh", "-c", "echo here > /file; cat /file") == "here\n"
    assert (root / "file").read_text() == "here\n"
    assert len(ctr.rows("snapshots", "ls")) == 1    # the image's
    (root / "file").unlink()


def test_log_of_a_file_and_of_a_program(ctr):
    log, logger = ctr.daemon.directory / "out.log", ctr.daemon.directory / "logger"
    ctr.run("-d", "--log-uri", f"file://{log}", image.NAME, "to-file", "sh", "-c", "echo out; echo err >&2")
    eventually(lambda: log.exists() and sorted(log.read_text().split()) == ["err", "out"], "both streams are in the file")
    logger.write_text(f"#!/bin/sh\nexec 5>&-\ncat <&3 > {ctr.daemon.directory}/logged\n")
    logger.chmod(0o755)
    ctr.run("-d", "--log-uri", f"binary://{logger}", image.NAME, "to-program", "echo", "logged")
    eventually(lambda: (ctr.daemon.directory / "logged").exists() and (ctr.daemon.directory / "logged").read_text() == "logged\n", "the logger has it")


def test_attach(ctr):
    ctr.daemon.watch(ctr.namespace, "talks")
    first = ctr.popen("run", "--runtime", ctr.runtime, image.NAME, "talks", "sh", "-c", "while read word; do echo \"got $word\"; done; exit 4",
                      stdin=subprocess.PIPE)
    first.stdin.write("one\n")
    first.stdin.flush()
    assert first.stdout.readline() == "got one\n"
    first.kill()
    first.wait()
    with ctr.popen("tasks", "attach", "talks", stdin=subprocess.PIPE) as second:
        second.stdin.write("two\n")
        second.stdin.flush()
        assert second.stdout.readline() == "got two\n"
        ctr("tasks", "kill", "-s", "SIGKILL", "talks")
        assert second.wait(30) == 137
    for end in (first.stdin, first.stdout):
        try:
            end.close()
        except BrokenPipeError:
            pass


def test_terminal(ctr):
    command = ctr.command("run", "--rm", "--tty", "--runtime", ctr.runtime, image.NAME, "tty", "sh", "-c", "tty; stty size 2>/dev/null; echo end")
    done = subprocess.run(["script", "-qec", " ".join(f"'{word}'" for word in command), "/dev/null"], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, env=ctr.daemon.server.environment)
    assert "/dev/pts/" in done.stdout and "end" in done.stdout, done.stdout + done.stderr


def test_task(ctr):
    ctr.run("-d", image.NAME, "t", "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done")
    assert ctr.tasks() == {"t": "RUNNING"}
    assert ctr("tasks", "exec", "--exec-id", "e", "t", "sh", "-c", "echo from exec; exit 0") == "from exec\n"
    ctr("tasks", "exec", "--exec-id", "e", "t", "sh", "-c", "exit 5", check=False)
    assert ctr.status == 5
    pids = [int(row[0]) for row in ctr.rows("tasks", "ps", "t")]
    assert ctr.pid("t") in pids    # beside it a sleep, which comes and goes
    ctr("tasks", "pause", "t")
    assert ctr.tasks() == {"t": "PAUSED"}
    ctr("tasks", "resume", "t")
    assert ctr.tasks() == {"t": "RUNNING"}
    assert "memory" in ctr("tasks", "metrics", "t")
    ctr("containers", "rm", "t", check=False)
    assert ctr.status != 0
    ctr("tasks", "rm", "t", check=False)
    assert ctr.status != 0
    ctr("tasks", "kill", "--signal", "SIGTERM", "t")
    eventually(lambda: ctr.tasks() == {"t": "STOPPED"}, "the task is seen to have ended")
    ctr("tasks", "rm", "t", check=False)    # it reports the status, 3, as its own
    assert "3" in ctr.errors
    ctr("containers", "rm", "t")
    assert ctr.tasks() == {} and ctr.rows("containers", "ls") == []


def test_containers(ctr):
    ctr.daemon.watch(ctr.namespace, "c")
    ctr("containers", "create", "--runtime", ctr.runtime, "--label", "a=b", image.NAME, "c", "sleep", "100")
    assert ctr.rows("containers", "ls") == [["c", image.NAME, ctr.runtime]]
    info = json.loads(ctr("containers", "info", "c"))
    assert info["ID"] == "c" and info["Labels"]["a"] == "b" and info["Spec"]["process"]["args"] == ["sleep", "100"]
    ctr("containers", "label", "c", "a=", "d=e")
    assert json.loads(ctr("containers", "info", "c"))["Labels"].get("d") == "e"
    ctr("containers", "create", "--runtime", ctr.runtime, image.NAME, "c", "sleep", "100", check=False)
    assert ctr.status != 0 and "already exists" in ctr.errors
    ctr("tasks", "start", "-d", "c")
    assert ctr.tasks() == {"c": "RUNNING"}
    ctr("tasks", "start", "-d", "c", check=False)
    assert ctr.status != 0 and "already exists" in ctr.errors
    ctr("tasks", "rm", "--force", "c", check=False)
    ctr("containers", "rm", "c")


def test_restart(ctr):
    """kill -9, and what runs has not noticed; what ends meanwhile is known afterwards."""
    ctr.run("-d", image.NAME, "stays", "sleep", "1000")
    ctr.run("-d", image.NAME, "ends", "sleep", "1000")
    pid = ctr.rows("tasks", "ps", "ends")[0][0]
    ctr.daemon.server.kill()
    os.kill(int(pid), signal.SIGKILL)
    ctr.daemon.server.start()
    eventually(lambda: ctr.tasks() == {"stays": "RUNNING", "ends": "STOPPED"}, "both are as they are")
    assert ctr("tasks", "exec", "--exec-id", "e", "stays", "echo", "still here") == "still here\n"
    ctr("tasks", "rm", "ends", check=False)
    ctr("tasks", "kill", "-s", "SIGKILL", "stays")
    eventually(lambda: ctr.tasks() == {"stays": "STOPPED"}, "the end is seen after the restart")
    ctr("tasks", "rm", "stays", check=False)
    ctr("containers", "rm", "stays", "ends")
    assert ctr.tasks() == {} and os.listdir(ctr.daemon.bundles / ctr.namespace) == []


def test_stop_while_tasks_are_created(ctr):
    """SIGTERM: what was asked for comes to its end, and the next daemon finds nothing half."""
    clients = [subprocess.Popen(ctr.command("run", "-d", "--runtime", ctr.runtime, image.NAME, f"s{n}", "sleep", "1000"), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, env=ctr.daemon.server.environment) for n in range(8)]
    bundles = ctr.daemon.bundles / ctr.namespace
    eventually(lambda: bundles.exists() and any(bundles.iterdir()), "some are being created")
    ctr.daemon.server.process.terminate()
    assert ctr.daemon.server.process.wait(30) == 0
    for client in clients:
        client.kill()
        client.wait()
    ctr.daemon.server.start()
    eventually(lambda: {path.name for path in bundles.iterdir()} == set(ctr.tasks()), "each bundle is a task's")
    assert set(ctr.tasks().values()) <= {"CREATED", "RUNNING"}


def test_shim_killed(ctr):
    ctr.run("-d", image.NAME, "victim-1", "sleep", "1000")
    pid = int(ctr.rows("tasks", "ps", "victim-1")[0][0])
    with subprocess.Popen(ctr.command("events"), stdout=subprocess.PIPE, text=True, env=ctr.daemon.server.environment) as events:
        time.sleep(0.5)    # ctr does not say when it listens
        os.kill(ctr.shim("victim-1"), signal.SIGKILL)
        eventually(lambda: ctr.tasks() == {}, "the task is cleaned up")
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), "its process is gone")
        events.terminate()
        told = events.stdout.read()
    assert told.count("/tasks/exit") == 1 and told.count("/tasks/delete") == 1, told
    assert re.search(r"/tasks/exit .*\"exit_status\":137", told), told
    ctr("containers", "rm", "victim-1")


def test_shim_that_hangs(ctr):
    """It holds up its own task, and nobody else."""
    ctr.run("-d", image.NAME, "hangs-1", "sleep", "1000")
    ctr.run("-d", image.NAME, "works-1", "sleep", "1000")
    shim = ctr.shim("hangs-1")
    os.kill(shim, signal.SIGSTOP)
    try:
        before = time.monotonic()
        assert ctr.tasks() == {"hangs-1": "RUNNING", "works-1": "RUNNING"}
        assert ctr("tasks", "exec", "--exec-id", "e", "works-1", "echo", "fine") == "fine\n"
        assert ctr.run("--rm", image.NAME, "new-1", "echo", "new") == "new\n"
        assert time.monotonic() - before < 20
    finally:
        os.kill(shim, signal.SIGCONT)
    assert ctr("tasks", "exec", "--exec-id", "e", "hangs-1", "echo", "again") == "again\n"


def test_namespaces_leases_and_what_the_daemon_is(ctr):
    ctr("namespaces", "create", "other", "colour=blue")
    assert ["other", "colour=blue"] in ctr.rows("namespaces", "ls") and [ctr.namespace] in ctr.rows("namespaces", "ls")
    ctr("namespaces", "label", "other", "colour=green")
    assert ["other", "colour=green"] in ctr.rows("namespaces", "ls")
    ctr("namespaces", "rm", ctr.namespace, check=False)
    assert ctr.status != 0 and "must be empty" in ctr.errors
    assert ctr("images", "ls", "-q", namespace="other") == ""
    ctr("namespaces", "rm", "other")
    assert "other" not in ctr("namespaces", "ls")
    lease = ctr("leases", "create", "--id", "l1", "a=b").strip()
    assert lease == "l1" and "l1" in ctr("leases", "ls")
    ctr("leases", "rm", "l1")
    assert "l1" not in ctr("leases", "ls")
    assert "Server:" in ctr("version")
    plugins = {(row[0], row[1]): row[-1] for row in ctr.rows("plugins", "ls")}
    assert plugins["io.containerd.snapshotter.v1", "overlayfs"] == "ok" and plugins["io.containerd.runtime.v2", "task"] == "ok"
