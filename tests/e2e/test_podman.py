# SPDX-License-Identifier: Apache-2.0
"""Debian's Podman drives the runtime through conmon: `podman --runtime`, with storage of its own."""

import json
import re
import resource

import pytest

from harness import daemon, image
from harness.terminal import in_terminal
from harness.wait import eventually


def ulimits():
    """Podman would raise these two to a million, which takes CAP_SYS_RESOURCE."""
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        limit = min(resource.getrlimit(kind)[1] % (1 << 63), 4096)
        yield f'"{name}={limit}:{limit}"'


@pytest.fixture(scope="module")
def podman(binary, session_dir, rootfs_template):
    daemon.need("podman", "conmon")
    directory = session_dir / "pd"
    directory.mkdir()
    (directory / "containers.conf").write_text(f"""[containers]
log_driver = "k8s-file"
default_ulimits = [{", ".join(ulimits())}]
[engine]
events_logger = "file"
tmp_dir = "{directory}/libpod"
[network]
network_config_dir = "{directory}/net"
""")
    (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    client = daemon.Client(
        ["env", f"CONTAINERS_CONF={directory}/containers.conf", "podman", "--runtime", binary, "--root", directory / "root",
         "--runroot", directory / "run", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"], directory)
    client("info", status=None)
    if client.status:
        pytest.skip(f"podman does not run here: {client.err.strip().splitlines()[-1][:300]}")
    client("load", "-i", image.write_archive(rootfs_template, directory / "image.tar"))
    yield client
    client("rm", "--all", "--force", "--time", "0", status=None)
    daemon.remove_tree(directory)


@pytest.fixture
def run(podman):
    """run(*command) runs a container; afterwards all of them are removed, and the runtime knows none."""
    def start(*command, options=(), network="none", **kwargs):
        return podman("run", "--network", network, *options, image.NAME, *command, **kwargs)
    yield start
    podman("rm", "--all", "--force", "--time", "0")
    assert podman("ps", "-a", "-q") == ""


def test_run(run):
    assert run("echo", "hello", options=["--rm"]) == "hello\n"


@pytest.mark.parametrize("status", [0, 1, 42])
def test_exit_status(run, status):
    run("sh", "-c", f"exit {status}", options=["--rm"], status=status)


def test_host_network(run):
    assert "lo" in run("ls", "/sys/class/net", options=["--rm"], network="host").split()


def test_stdin(run):
    assert run("cat", options=["--rm", "-i"], input="through\n") == "through\n"


def test_detached_exec_stop_remove(run, podman):
    run("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done", options=["-d", "--name", "p1"])
    assert podman("exec", "p1", "echo", "inside") == "inside\n"
    podman("exec", "p1", "sh", "-c", "exit 7", status=7)
    assert podman("exec", "-u", "1000:1000", "-w", "/bin", "-e", "A=b", "p1", "sh", "-c", "id -u; pwd; echo $A").split() == ["1000", "/bin", "b"]
    assert "sleep 1000" in podman("top", "p1", "args")
    podman("stop", "p1")
    assert podman("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "p1") == "exited 0\n"
    podman("start", "p1")
    podman("rm", "-f", "-t", "0", "p1")
    podman("inspect", "p1", status=None)
    assert podman.status != 0


def test_create_start_attach(podman, run):
    podman("create", "--network", "none", "--name", "p2", image.NAME, "echo", "later")
    assert podman("start", "--attach", "p2") == "later\n"


def test_logs_and_exit_code(run, podman):
    run("sh", "-c", "echo to out; echo to err >&2; exit 3", options=["-d", "--name", "p3"])
    assert podman("wait", "p3") == "3\n"
    assert "to out" in podman("logs", "p3")


def test_program_that_does_not_exist(run, podman):
    """Podman maps the runtime's words to 127 and 126."""
    run("no-such-program", options=["--rm"], status=127)
    run("/etc/passwd", options=["--rm"], status=126)
    run("sleep", "1000", options=["-d", "--name", "p4"])
    podman("exec", "p4", "no-such-program", status=127)


def test_terminal(run, podman):
    process, terminal = in_terminal(
        daemon.argv(podman, "run", "--rm", "-it", "--network", "none", image.NAME, "sh", "-c",
                    "tty; until stty size 2>/dev/null | grep '30 90'; do sleep 0.1; done; read x; echo got $x"),
        rows=30, columns=90, env=daemon.environment(podman.directory))
    terminal.read_until("30 90", timeout=40)
    terminal.write("word\n")
    terminal.read_until("got word")
    assert process.wait(60) == 0
    terminal.close()


def test_exec_with_a_terminal(run, podman):
    run("sleep", "1000", options=["-d", "--name", "p5"])
    process, terminal = in_terminal(daemon.argv(podman, "exec", "-it", "p5", "tty"), env=daemon.environment(podman.directory))
    terminal.read_until("/dev/pts/", timeout=40)
    assert process.wait(60) == 0
    terminal.close()


def test_pause(run, podman):
    run("sleep", "1000", options=["-d", "--name", "p6"])
    podman("pause", "p6")
    assert podman("inspect", "-f", "{{.State.Status}}", "p6") == "paused\n"
    podman("unpause", "p6")
    assert podman("exec", "p6", "echo", "x") == "x\n"


def test_kill(run, podman):
    run("sleep", "1000", options=["-d", "--name", "p7"])
    podman("kill", "-s", "KILL", "p7")
    assert podman("wait", "p7") == "137\n"


def test_limits(run):
    out = run("sh", "-c", "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; "
              "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; true", options=["--rm", "-m", "64m", "--pids-limit", "55"])
    assert out.split() == [str(64 << 20), "55"]


def test_volume_and_read_only_root(run, podman):
    (podman.directory / "v").mkdir()
    (podman.directory / "v/f").write_text("volume\n")
    out = run("sh", "-c", "cat /v/f; touch /x || echo read-only", options=["--rm", "--read-only", "-v", f"{podman.directory}/v:/v:ro"])
    assert out == "volume\nread-only\n"


def test_user_capabilities_and_groups(run):
    out = run("sh", "-c", "id -u; id -G; grep CapEff /proc/self/status", options=["--rm", "-u", "1000:1000", "--group-add", "7"]).split()
    assert out[0] == "1000" and "7" in out and out[-1] == "0000000000000000"
    assert "000001ffffffffff" != run("grep", "CapEff", "/proc/self/status", options=["--rm"]).split()[1]


def test_user_namespace(run):
    out = run("cat", "/proc/self/uid_map", options=["--rm", "--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000"])
    assert out.split() == ["0", "100000", "5000"]


def test_pod_shares_namespaces(podman, run):
    """--net, --pid and --ipc of another container: namespaces joined by path."""
    run("sleep", "1000", options=["-d", "--name", "p8"])
    out = podman("run", "--rm", "--network", "container:p8", "--pid", "container:p8", "--ipc", "container:p8", image.NAME, "ps", "-o", "args")
    assert "sleep 1000" in out


def test_default_seccomp_and_masks(run):
    out = run("sh", "-c", "grep Seccomp: /proc/self/status; cat /proc/kcore 2>/dev/null | wc -c", options=["--rm"])
    assert out.split() == ["Seccomp:", "2", "0"]


def test_health_of_the_runtime_information(podman):
    info = json.loads(podman("info", "-f", "json"))
    runtime = info["host"]["ociRuntime"]
    assert runtime["path"].endswith(podman.command[4].rsplit("/", 1)[1]) and re.search(r"version", runtime["version"])


def test_update_of_a_running_container_by_stop_time(run, podman):
    run("sh", "-c", "trap '' TERM; sleep 1000", options=["-d", "--name", "p9"])
    podman("stop", "-t", "1", "p9")
    assert podman("inspect", "-f", "{{.State.ExitCode}}", "p9") == "137\n"


def test_restart(run, podman):
    run("sleep", "1000", options=["-d", "--name", "p10"])
    first = podman("inspect", "-f", "{{.State.Pid}}", "p10")
    podman("restart", "-t", "0", "p10")
    eventually(lambda: podman("inspect", "-f", "{{.State.Pid}}", "p10") not in ("0\n", first), "a new process")
