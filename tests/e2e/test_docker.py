# SPDX-License-Identifier: Apache-2.0
"""Debian's Docker drives the runtime: `dockerd --add-runtime`, with a containerd and directories of its own."""

import json

import pytest

from harness import daemon, image, machine
from harness.terminal import in_terminal
from harness.wait import eventually


@pytest.fixture(scope="module")
def docker(binary, session_dir, rootfs_template):
    daemon.need("dockerd", "docker", "containerd", "containerd-shim-runc-v2")
    directory = session_dir / "dk"
    directory.mkdir()
    (directory / "containerd.toml").write_text(f"""version = 2
root = "{directory}/croot"
state = "{directory}/cstate"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{directory}/csock"
[ttrpc]
address = "{directory}/cttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "{directory}/opt"
""")
    (directory / "daemon.json").write_text("{}")
    client = daemon.Client(["docker", "--host", f"unix://{directory}/sock"], directory)
    probe = daemon.Client(["ctr", "--address", directory / "csock"], directory)
    containerd = daemon.Daemon("containerd", ["containerd", "--config", str(directory / "containerd.toml")], directory,
                               lambda: probe("version", status=None) and probe.status == 0)
    try:
        dockerd = daemon.Daemon(
            "dockerd", ["dockerd", "--config-file", f"{directory}/daemon.json", "--host", f"unix://{directory}/sock",
                        "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec", "--pidfile", f"{directory}/pid",
                        "--containerd", f"{directory}/csock", "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false",
                        "--bridge=none", "--ip-forward=false", "--ip-masq=false", "--group", "root", "--oom-score-adjust", "0",
                        "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{session_dir.name}",
                        "--add-runtime", f"tested={binary}", "--default-runtime", "tested"],
            directory, lambda: client("version", status=None) and client.status == 0)
    except BaseException:
        containerd.stop()
        daemon.remove_tree(directory)
        raise
    client("load", "-i", image.write_archive(rootfs_template, directory / "image.tar"))
    yield client
    for id in client("ps", "-a", "-q", status=None).split():
        client("rm", "-f", id, status=None)
    dockerd.stop()
    containerd.stop()
    dockerd.sweep(session_dir.name)
    daemon.remove_tree(directory)


@pytest.fixture
def run(docker):
    """run(*command) runs a container; afterwards all of them are removed."""
    def start(*command, options=(), network="none", **kwargs):
        return docker("run", "--network", network, *options, image.NAME, *command, **kwargs)
    yield start
    for id in docker("ps", "-a", "-q").split():
        docker("rm", "-f", id)
    assert docker("ps", "-a", "-q") == ""


def test_runtime_is_the_one_under_test(docker, run):
    assert json.loads(docker("info", "-f", "{{json .DefaultRuntime}}")) == "tested"
    run("true", options=["--name", "d0"])
    assert docker("inspect", "-f", "{{.HostConfig.Runtime}}", "d0") == "tested\n"


def test_run(run):
    assert run("echo", "hello", options=["--rm"]) == "hello\n"


@pytest.mark.parametrize("status", [0, 1, 42])
def test_exit_status(run, status):
    run("sh", "-c", f"exit {status}", options=["--rm"], status=status)


def test_host_network(run):
    assert "lo" in run("ls", "/sys/class/net", options=["--rm"], network="host").split()


def test_stdin(run):
    assert run("cat", options=["--rm", "-i"], input="through\n") == "through\n"


def test_detached_exec_stop_remove(run, docker):
    run("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done", options=["-d", "--name", "d1"])
    assert docker("exec", "d1", "echo", "inside") == "inside\n"
    docker("exec", "d1", "sh", "-c", "exit 7", status=7)
    assert docker("exec", "-u", "1000:1000", "-w", "/bin", "-e", "A=b", "d1", "sh", "-c", "id -u; pwd; echo $A").split() == ["1000", "/bin", "b"]
    assert "sleep 1000" in docker("top", "d1")
    docker("stop", "d1")
    assert docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "d1") == "exited 0\n"
    docker("start", "d1")
    docker("rm", "-f", "d1")
    docker("inspect", "d1", status=1)


def test_create_start_attach(docker, run):
    docker("create", "--network", "none", "--name", "d2", image.NAME, "echo", "later")
    assert docker("start", "--attach", "d2") == "later\n"


def test_logs_and_exit_code(run, docker):
    run("sh", "-c", "echo to out; echo to err >&2; exit 3", options=["-d", "--name", "d3"])
    assert docker("wait", "d3") == "3\n"
    assert docker("logs", "d3") == "to out\n" and docker.err == "to err\n"


def test_program_that_does_not_exist(run, docker):
    """Docker maps the runtime's words to 127 and 126."""
    run("no-such-program", options=["--rm"], status=127)
    assert "executable file not found in $PATH" in docker.err
    run("/etc/passwd", options=["--rm"], status=126)
    run("sleep", "1000", options=["-d", "--name", "d4"])
    docker("exec", "d4", "no-such-program", status=None)
    assert docker.status in (126, 127)


def test_terminal(run, docker):
    process, terminal = in_terminal(
        daemon.argv(docker, "run", "--rm", "-it", "--network", "none", image.NAME, "sh", "-c",
                    "tty; until stty size 2>/dev/null | grep '30 90'; do sleep 0.1; done; read x; echo got $x"),
        rows=30, columns=90, env=daemon.environment(docker.directory))
    terminal.read_until("30 90", timeout=40)
    terminal.write("word\n")
    terminal.read_until("got word")
    assert process.wait(60) == 0
    terminal.close()


def test_exec_with_a_terminal(run, docker):
    run("sleep", "1000", options=["-d", "--name", "d5"])
    process, terminal = in_terminal(daemon.argv(docker, "exec", "-it", "d5", "tty"), env=daemon.environment(docker.directory))
    terminal.read_until("/dev/pts/", timeout=40)
    assert process.wait(60) == 0
    terminal.close()


def test_pause(run, docker):
    run("sleep", "1000", options=["-d", "--name", "d6"])
    docker("pause", "d6")
    assert docker("inspect", "-f", "{{.State.Status}}", "d6") == "paused\n"
    docker("unpause", "d6")
    assert docker("exec", "d6", "echo", "x") == "x\n"


def test_kill_and_restart(run, docker):
    run("sleep", "1000", options=["-d", "--name", "d7"])
    first = docker("inspect", "-f", "{{.State.Pid}}", "d7")
    docker("restart", "-t", "0", "d7")
    eventually(lambda: docker("inspect", "-f", "{{.State.Pid}}", "d7") not in ("0\n", first), "a new process")
    docker("kill", "d7")
    assert docker("wait", "d7") == "137\n"


def test_limits_and_update(run, docker):
    run("sleep", "1000", options=["-d", "--name", "d8", "-m", "64m", "--memory-swap", "64m", "--pids-limit", "55", "--cpus", "0.5"])
    script = ("cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; "
              "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; true")
    assert docker("exec", "d8", "sh", "-c", script).split() == [str(64 << 20), "55"]
    docker("update", "--pids-limit", "66", "-m", "96m", "--memory-swap", "96m", "d8")
    assert docker("exec", "d8", "sh", "-c", script).split() == [str(96 << 20), "66"]


def test_stats(run, docker):
    run("sleep", "1000", options=["-d", "--name", "d9"])
    stats = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", "d9"))
    assert stats["Name"] == "d9" and int(stats["PIDs"]) == 1


def test_oom_kill_is_noticed(run, docker):
    run("sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=100", status=None,
        options=["--name", "d10", "-m", "20m", "--memory-swap", "20m", "--shm-size", "200m"])
    assert docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "d10").split()[1] != "0"


def test_volume_and_read_only_root(run, docker):
    (docker.directory / "v").mkdir()
    (docker.directory / "v/f").write_text("volume\n")
    out = run("sh", "-c", "cat /v/f; touch /x || echo read-only", options=["--rm", "--read-only", "-v", f"{docker.directory}/v:/v:ro"])
    assert out == "volume\nread-only\n"


def test_user_capabilities_and_groups(run):
    out = run("sh", "-c", "id -u; id -G; grep CapEff /proc/self/status", options=["--rm", "-u", "1000:1000", "--group-add", "7"]).split()
    assert out[0] == "1000" and "7" in out and out[-1] == "0000000000000000"


def test_default_seccomp_and_masks(run):
    out = run("sh", "-c", "grep Seccomp: /proc/self/status; cat /proc/kcore 2>/dev/null | wc -c", options=["--rm"])
    assert out.split() == ["Seccomp:", "2", "0"]


def test_other_containers_namespaces(run, docker):
    run("sleep", "1000", options=["-d", "--name", "d11", "--ipc", "shareable"])
    out = run("ps", "-o", "args", network="container:d11", options=["--rm", "--pid", "container:d11", "--ipc", "container:d11"])
    assert "sleep 1000" in out


def test_privileged(run):
    machine.need_cap("sys_resource")
    out = run("sh", "-c", "grep CapEff /proc/self/status; mount -t tmpfs x /mnt && echo mounted", options=["--rm", "--privileged"])
    assert "mounted" in out


def test_ulimit_sysctl_device_and_tmpfs(run):
    out = run("sh", "-c", "ulimit -n; cat /proc/sys/kernel/msgmax; ls /dev/zero2; stat -f -c %T /t",
              options=["--rm", "--ulimit", "nofile=100:200", "--sysctl", "kernel.msgmax=4444", "--device", "/dev/zero:/dev/zero2", "--tmpfs", "/t"])
    assert out.split() == ["100", "4444", "/dev/zero2", "tmpfs"]


def test_init(run):
    """docker run --init puts another program in front."""
    out = run("sh", "-c", "echo $$", options=["--rm", "--init"], status=None)
    assert out in ("", "6\n", "7\n", "8\n") or int(out) > 1
