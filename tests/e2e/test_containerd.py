# SPDX-License-Identifier: Apache-2.0
"""Debian's containerd drives the runtime: `ctr run --runc-binary`, through containerd's own shim."""

import json
import pathlib

import pytest

from harness import daemon, image, leftovers
from harness.containerd import Containerd
from harness.terminal import in_terminal
from harness.wait import eventually


@pytest.fixture(scope="module")
def ctr(binary, session_dir, rootfs_template):
    daemon.need("containerd", "ctr", "containerd-shim-runc-v2")
    server = Containerd(session_dir / "cd", f"dv{session_dir.name[-6:].replace('_', 'x')}")
    server.load_image(rootfs_template)
    client = server.ctr
    client.namespace = server.namespace
    client.runtime_args = ["--snapshotter", "native", "--runc-binary", binary, "--runc-root", server.directory / "runc"]
    yield client
    server.close()


@pytest.fixture
def run(ctr, request):
    """run(id, *command) runs a container; whatever is left of them afterwards is a failure."""
    ids = []

    def start(id, *command, options=(), **kwargs):
        ids.append(id)
        return ctr("run", *ctr.runtime_args, *options, image.NAME, id, *command, **kwargs)
    yield start
    for id in ids:
        ctr("tasks", "kill", "-s", "KILL", id, status=None)
        ctr("tasks", "delete", "--force", id, status=None)
        ctr("containers", "delete", id, status=None)
    marks = [f"{ctr.namespace}/{id}" for id in ids]
    eventually(lambda: not leftovers.cgroups(marks), "no cgroup is left", timeout=10)
    assert not [p for p in (ctr.directory / "runc").glob("*/*") if p.name in ids]


def test_run(run):
    assert run("c1", "echo", "hello", options=["--rm"]) == "hello\n"


def test_exit_status(run, ctr):
    run("c2", "sh", "-c", "exit 42", options=["--rm"], status=42)


def test_environment_and_image_config(run):
    out = run("c3", "sh", "-c", "echo $FROM $X; pwd; id -u", options=["--rm", "--env", "X=y"])
    assert out.split() == ["image", "y", "/", "0"]


def test_detached_exec_stop_remove(run, ctr):
    run("c4", "sleep", "1000", options=["-d"])
    assert "RUNNING" in ctr("tasks", "list")
    assert ctr("tasks", "exec", "--exec-id", "e1", "c4", "echo", "inside") == "inside\n"
    ctr("tasks", "exec", "--exec-id", "e2", "c4", "sh", "-c", "exit 7", status=7)
    assert ctr("tasks", "exec", "--exec-id", "e3", "--cwd", "/bin", "--user", "1000", "c4", "sh", "-c", "pwd; id -u") == "/bin\n1000\n"
    ctr("tasks", "kill", "-s", "KILL", "c4")
    eventually(lambda: "STOPPED" in ctr("tasks", "list"), "it is stopped")
    ctr("tasks", "delete", "c4", status=None)
    ctr("containers", "delete", "c4")
    assert "c4" not in ctr("containers", "list", "-q").split()


def test_stdin(run, ctr):
    assert run("c5", "head", "-n", "1", options=["--rm"], input="through\n") == "through\n"


def test_pause_and_resume(run, ctr):
    run("c6", "sleep", "1000", options=["-d"])
    ctr("tasks", "pause", "c6")
    assert "PAUSED" in ctr("tasks", "list")
    ctr("tasks", "resume", "c6")
    assert "RUNNING" in ctr("tasks", "list")


def test_terminal(run, ctr):
    process, terminal = in_terminal(
        daemon.argv(ctr, "run", *ctr.runtime_args, "--rm", "-t", image.NAME, "c7", "sh", "-c",
                    "tty; until stty size 2>/dev/null | grep '30 90'; do sleep 0.1; done; read x; echo got $x"),
        rows=30, columns=90, env=daemon.environment(ctr.directory))
    terminal.read_until("30 90")
    assert "/dev/pts/0" in terminal.text
    terminal.write("word\n")
    terminal.read_until("got word")
    assert process.wait(60) == 0
    terminal.close()


def test_program_that_does_not_exist(run, ctr):
    """The runtime's own words reach the user: the shim reads them from the log."""
    run("c8", "no-such-program", options=["--rm"], status=1)
    assert "executable file not found in $PATH" in ctr.err


def test_exec_of_a_program_that_does_not_exist(run, ctr):
    run("c9", "sleep", "1000", options=["-d"])
    ctr("tasks", "exec", "--exec-id", "e", "c9", "no-such-program", status=None)
    assert ctr.status != 0 and "executable file not found in $PATH" in ctr.err


def test_limits(run, ctr):
    run("c10", "sleep", "1000", options=["-d", "--memory-limit", str(64 << 20)])
    groups = [pathlib.Path(p) for p in leftovers.cgroups([f"{ctr.namespace}/c10"])]
    files = [p / name for p in groups for name in ("memory.max", "memory.limit_in_bytes") if (p / name).exists()]
    assert [f.read_text().strip() for f in files] == [str(64 << 20)]


def test_metrics(run, ctr):
    run("c11", "sleep", "1000", options=["-d"])
    metrics = ctr("tasks", "metrics", "--format", "json", "c11")
    assert json.loads(metrics)


def test_ps(run, ctr):
    run("c12", "sleep", "1000", options=["-d"])
    assert len(ctr("tasks", "ps", "c12").splitlines()) == 2


def test_privileged_and_host_network(run):
    out = run("c13", "sh", "-c", "ls /sys/class/net; grep CapEff /proc/self/status", options=["--rm", "--net-host"])
    assert "lo" in out.split()
    run("c14", "true", options=["--rm", "--privileged"])


def test_mount(run, ctr):
    (ctr.directory / "data").mkdir()
    (ctr.directory / "data/f").write_text("mounted\n")
    out = run("c15", "cat", "/mnt/f", options=["--rm", "--mount", f"type=bind,src={ctr.directory}/data,dst=/mnt,options=rbind:ro"])
    assert out == "mounted\n"


def test_default_seccomp_profile(run):
    """containerd's own profile: hundreds of rules with arguments."""
    out = run("c16", "grep", "Seccomp:", "/proc/self/status", options=["--rm", "--seccomp"])
    assert out.split() == ["Seccomp:", "2"]


def test_killed_container(run, ctr):
    run("c17", "sh", "-c", "kill -9 $$; sleep 1; kill -9 1; exit 3", options=["--rm"], status=3)


def test_many_in_a_row(run, ctr):
    for i in range(10):
        run(f"m{i}", "true", options=["--rm"])
