# SPDX-License-Identifier: Apache-2.0
"""davit run, create, start, restart and exec, with the real programs all the way down."""

import fcntl
import json
import os
import signal
import struct
import subprocess
import termios

import pytest

from harness import image
from harness.daemon import need
from harness.davit_cli import Davit
from harness.machine import cgroup_mode
from harness.wait import eventually

pytestmark = pytest.mark.davit
PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/sh\n"
GROUP = "root:x:0:\nwheel:x:10:root,web\nvideo:x:44:web\n"


@pytest.fixture(scope="module")
def daemon(one_store_daemon, rootfs_template, session_dir):
    need("ctr")
    tree = session_dir / "davit-run"
    subprocess.run(["cp", "-a", rootfs_template, tree], check=True)
    (tree / "etc").mkdir(exist_ok=True)
    (tree / "etc/passwd").write_text(PASSWD)
    (tree / "etc/group").write_text(GROUP)
    archive = image.write_archive(tree, one_store_daemon.directory / "image.tar", name="docker.io/library/busybox:latest")
    one_store_daemon.tree = tree
    ctr(one_store_daemon, "images", "import", archive)
    return one_store_daemon


def ctr(daemon, *args):
    command = ["ctr", "--address", str(daemon.directory / "sock"), "--namespace", "default", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=daemon.server.environment)
    return done.stdout.split()


@pytest.fixture
def davit(daemon):
    yield Davit(daemon)
    for name in ctr(daemon, "tasks", "ls", "-q"):
        ctr(daemon, "tasks", "rm", "--force", name)
    for name in ctr(daemon, "containers", "ls", "-q"):
        ctr(daemon, "containers", "rm", name)
    eventually(lambda: not ctr(daemon, "containers", "ls", "-q"), "no container is left")


def data(davit, container):
    return davit.daemon.root / "io.davit.containers/default" / container


# ---- the process --------------------------------------------------------------------------------------------------

def test_output_and_status(davit):
    assert davit("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7", status=7) == "out\n"
    assert davit.err == "err\n"


def test_output_is_whole(davit):
    text = davit("run", "--rm", "busybox", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done")
    assert text == "".join(f"{i}\n" for i in range(20000))


def test_input(davit):
    text = "x" * 300000
    assert davit("run", "--rm", "-i", "busybox", "cat", input=text) == text
    assert davit("run", "--rm", "busybox", "cat", input="not given") == ""


def test_the_image_and_the_options_make_the_process(davit):
    assert davit("run", "--rm", "busybox", "sh", "-c", "echo $FROM $PWD") == "image /\n"
    lines = davit("run", "--rm", "-e", "A=b", "-e", "FROM", "-e", "GIVEN", "-w", "/tmp", "busybox", "sh", "-c", "pwd; env",
                  env={"GIVEN": "from the caller"}).splitlines()
    assert lines[0] == "/tmp" and "A=b" in lines and "GIVEN=from the caller" in lines
    assert not [line for line in lines if line.startswith("FROM=")]
    assert davit("run", "--rm", "--entrypoint", "echo", "busybox", "a", "b") == "a b\n"
    assert "no command is given" in davit.fails("run", "--rm", "--entrypoint", "", "busybox", status=125)


def test_environment_files(davit, work):
    (work / "env").write_text("# a comment\nA=from the file\n\n  B=2\nGIVEN\n")
    text = davit("run", "--rm", "--env-file", work / "env", "-e", "B=3", "busybox", "sh", "-c", "echo $A, $B, $GIVEN", env={"GIVEN": "g"})
    assert text == "from the file, 3, g\n"


def test_users(davit):
    def ids(*options):
        return davit("run", "--rm", *options, "busybox", "id").strip()
    assert ids() == "uid=0(root) gid=0(root) groups=10(wheel)"
    assert ids("-u", "web") == "uid=33(web) gid=34 groups=10(wheel),44(video)"
    assert ids("-u", "33:video") == "uid=33(web) gid=44(video)"
    assert ids("-u", "1000:2000", "--group-add", "video") == "uid=1000 gid=2000 groups=44(video)"
    assert 'no user "nobody" in the container\'s /etc/passwd' in davit.fails("run", "--rm", "-u", "nobody", "busybox", "id", status=125)


def test_statuses_of_what_cannot_start(davit):
    assert "executable file not found" in davit.fails("run", "--rm", "busybox", "nosuch", status=127)
    davit.fails("run", "--rm", "busybox", "/etc", status=126)
    err = davit.fails("run", "--rm", "nosuch", "true", status=125)
    assert 'no image "docker.io/library/nosuch:latest"' in err and "davit load" in err
    assert ctr(davit.daemon, "containers", "ls", "-q") == []


# ---- what it sees and may -----------------------------------------------------------------------------------------

def test_files_of_the_machine(davit):
    text = davit("run", "--rm", "--hostname", "box1", "--add-host", "there:10.1.2.3", "busybox", "sh", "-c",
                 "hostname; cat /etc/hostname; echo $HOSTNAME; cat /etc/hosts /etc/resolv.conf")
    assert text.startswith("box1\nbox1\nbox1\n")
    assert "127.0.0.1\tlocalhost" in text and "10.1.2.3\tthere" in text
    assert open("/etc/resolv.conf").read() in text
    assert davit("run", "--rm", "--net", "host", "busybox", "hostname").strip() == os.uname().nodename


def test_networks(davit):
    links = davit("run", "--rm", "busybox", "ls", "/sys/class/net").split()
    assert links == ["lo"]
    same = os.readlink("/proc/self/ns/net")
    assert davit("run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net").strip() == same
    davit("run", "-d", "--name", "net1", "busybox", "sleep", "1000")
    other = davit("exec", "net1", "readlink", "/proc/self/ns/net")
    assert davit("run", "--rm", "--network", "container:net1", "busybox", "readlink", "/proc/self/ns/net") == other != same
    assert "not supported yet" in davit.fails("run", "--rm", "--network", "bridge", "busybox", "true", status=125)


def test_mounts(davit, work):
    (work / "in").mkdir()
    (work / "in/file").write_text("of the host\n")
    assert davit("run", "--rm", "-v", f"{work}/in:/data", "busybox", "sh", "-c", "cat /data/file; echo new >/data/new") == "of the host\n"
    assert (work / "in/new").read_text() == "new\n"
    assert davit("run", "--rm", "-v", f"{work}/in:/data:ro", "busybox", "sh", "-c", "echo >/data/no || echo refused").strip() == "refused"
    assert davit("run", "--rm", "--mount", f"type=bind,src={work}/in,dst=/a/b,readonly", "busybox", "ls", "/a/b") == "file\nnew\n"
    davit("run", "--rm", "-v", f"{work}/made:/data", "busybox", "true")
    assert (work / "made").is_dir()
    assert "open" in davit.fails("run", "--rm", "--mount", f"type=bind,src={work}/none,dst=/x", "busybox", "true", status=125)
    line = davit("run", "--rm", "--tmpfs", "/t:size=1m,mode=700", "busybox", "grep", " /t ", "/proc/mounts")
    assert "size=1024k" in line and "noexec" in line and "mode=700" in line
    assert "two mounts on /x" in davit.fails("run", "-v", "/tmp:/x", "--tmpfs", "/x", "busybox", "true", status=125)
    assert "not supported yet" in davit.fails("run", "-v", "vol:/x", "busybox", "true", status=125)


def test_read_only(davit):
    assert davit("run", "--rm", "--read-only", "busybox", "sh", "-c", "echo >/x || echo refused") == "refused\n"


def test_rights(davit, work):
    def status(*options):
        text = davit("run", "--rm", *options, "busybox", "cat", "/proc/self/status")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    default = status()
    assert default["CapBnd"] == default["CapEff"] == "00000000a80425fb"
    assert default["CapInh"] == default["CapAmb"] == "0" * 16 and default["Seccomp"] == "2" and default["NoNewPrivs"] == "0"
    assert status("--cap-drop", "ALL", "--cap-add", "net_raw")["CapEff"] == f"{1 << 13:016x}"
    assert status("-u", "web")["CapEff"] == "0" * 16
    assert status("--security-opt", "no-new-privileges")["NoNewPrivs"] == "1"
    assert status("--security-opt", "seccomp=unconfined")["Seccomp"] == "0"
    (work / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}))
    assert davit("run", "--rm", "--security-opt", f"seccomp={work}/p.json", "busybox", "sh", "-c", "mkdir /x 2>/dev/null || echo no") == "no\n"
    privileged = status("--privileged")
    own = [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapBnd")][0]
    assert privileged["CapEff"] == own and privileged["Seccomp"] == "0"
    assert "unknown capability" in davit.fails("run", "--cap-add", "fly", "busybox", "true", status=125)


def test_the_default_profile_forbids_namespaces(davit):
    assert "refused" in davit("run", "--rm", "busybox", "sh", "-c", "unshare -U true 2>/dev/null || echo refused")


def test_limits(davit):
    files = {"memory": ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes", f"{64 << 20}\n"),
             "pids": ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max", "50\n")}
    at = 0 if cgroup_mode() in ("v2", "unified") else 1
    shell = " ".join(["ulimit -n; ulimit -Hn; cat", files["memory"][at], files["pids"][at]])
    text = davit("run", "--rm", "-m", "64m", "--pids-limit", "50", "--cpus", "0.5", "--ulimit", "nofile=100:200", "busybox", "sh", "-c", shell)
    assert text == "100\n200\n" + files["memory"][2] + files["pids"][2]
    assert "less than 6m" in davit.fails("run", "-m", "1m", "busybox", "true", status=125)
    assert "no such limit" in davit.fails("run", "--ulimit", "wings=1", "busybox", "true", status=125)


def test_devices(davit):
    assert davit("run", "--rm", "--device", "/dev/null:/dev/mine:r", "busybox", "stat", "-c", "%t:%T", "/dev/mine") == "1:3\n"
    assert "not a device" in davit.fails("run", "--device", "/etc/passwd", "busybox", "true", status=125)


def test_sysctls(davit):
    assert davit("run", "--rm", "--sysctl", "kernel.msgmax=7777", "busybox", "cat", "/proc/sys/kernel/msgmax") == "7777\n"
    assert davit("run", "--rm", "busybox", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start") == "0\n"


# ---- life ---------------------------------------------------------------------------------------------------------

def test_detached(davit, work):
    id = davit("run", "-d", "--name", "one", "--cidfile", work / "cid", "busybox", "sh", "-c", "echo logged; exec sleep 1000").strip()
    assert len(id) == 64 and (work / "cid").read_text() == id
    eventually(lambda: (data(davit, id) / "log.json").exists() and "logged" in (data(davit, id) / "log.json").read_text(), "the log has it")
    err = davit.fails("run", "-d", "--name", "one", "busybox", "true", status=125)
    assert 'the name "one" is in use' in err and "davit rm one" in err
    assert davit("start", "one") == "one\n", "it runs already"
    assert "file exists" in davit.fails("run", "--cidfile", work / "cid", "busybox", "true", status=125)


def test_nothing_is_left_of_what_is_removed(davit):
    davit("run", "--rm", "busybox", "true")
    davit("run", "--rm", "-d", "busybox", "true")
    davit.fails("run", "--rm", "busybox", "nosuch", status=127)
    eventually(lambda: ctr(davit.daemon, "containers", "ls", "-q") == [], "the records go")
    eventually(lambda: not list(data(davit, "x").parent.iterdir()), "the data directories go")
    eventually(lambda: "Active" not in ctr(davit.daemon, "snapshots", "ls"), "the snapshots go")
    davit.fails("run", "nosuch", status=125)
    assert ctr(davit.daemon, "leases", "ls", "-q") == []


def test_create_and_start(davit):
    id = davit("create", "--name", "two", "-i", "busybox", "sh", "-c", "read x; echo got $x; exit 3").strip()
    assert davit("start", "-a", "-i", "two", status=3, input="text\n") == "got text\n"
    assert davit("start", "-ai", id[:12], status=3, input="more\n") == "got more\n"
    assert "no " in davit.fails("start", "nosuch", status=1)


def test_restart(davit):
    davit("run", "-d", "--name", "three", "busybox", "sh", "-c", "echo started >>/count; exec sleep 1000")
    eventually(lambda: davit("exec", "three", "sh", "-c", "cat /count 2>/dev/null; true") == "started\n", "it runs")
    assert davit("restart", "-t", "0", "three") == "three\n"
    eventually(lambda: davit("exec", "three", "cat", "/count", status=None) == "started\nstarted\n", "it runs again")


def test_exec(davit):
    davit("run", "-d", "--name", "four", "-e", "A=b", "-w", "/tmp", "busybox", "sleep", "1000")
    assert davit("exec", "four", "sh", "-c", "echo $A; pwd; exit 5", status=5) == "b\n/tmp\n"
    assert davit("exec", "-e", "A=c", "-w", "/", "-u", "web:video", "four", "sh", "-c", "echo $A; pwd; id -u; id -g") == "c\n/\n33\n44\n"
    assert davit("exec", "-i", "four", "cat", input="x" * 200000) == "x" * 200000
    davit("exec", "-d", "four", "sh", "-c", "echo there >/tmp/mark")
    eventually(lambda: davit("exec", "four", "sh", "-c", "cat /tmp/mark 2>/dev/null; true") == "there\n", "it was run")
    davit.fails("exec", "four", "nosuch", status=127)
    assert "not running" in davit.fails("exec", davit("create", "busybox", "true").strip(), "true", status=1)


@pytest.mark.parametrize("runtime", ["runc", "io.containerd.runc.v2"])
def test_other_runtimes(davit, runtime):
    need("runc", "containerd-shim-runc-v2")
    assert davit("run", "--rm", "--runtime", runtime, "-i", "busybox", "sh", "-c", "cat; exit 4", status=4, input="through\n") == "through\n"


def test_a_directory_as_root(davit):
    assert davit("run", "--rm", "--rootfs", davit.daemon.tree, "cat", "/etc/passwd") == PASSWD


def test_signals(davit):
    process = davit.popen("run", "--rm", "busybox", "sh", "-c", "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done",
                          stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read() == "got it\n"
    assert process.wait() == 9


def test_a_client_that_is_killed_tidies_up(davit):
    davit("run", "-d", "--name", "six", "busybox", "sleep", "1000")
    before = set(os.listdir("/run"))
    process = davit.popen("exec", "six", "sh", "-c", "echo ready; exec sleep 1000", stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    assert not [name for name in set(os.listdir("/run")) - before if name.startswith("davit-io")]
    assert "sleep 1000" in davit("exec", "six", "ps"), "the process goes on"


def test_output_that_nobody_reads(davit):
    process = davit.popen("run", "--name", "seven", "busybox", "sh", "-c", "while echo line; do :; done", stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.wait() == 128 + signal.SIGPIPE


# ---- terminals ----------------------------------------------------------------------------------------------------

def test_a_terminal(davit):
    term = davit.terminal("run", "--rm", "-it", "busybox", "sh")
    try:
        fcntl.ioctl(term.master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        before = termios.tcgetattr(term.slave)
        term.type("stty size; echo $TERM; tty\n")
        term.expect("33 77")
        term.expect("xterm")
        term.expect("/dev/pts/0")
        assert termios.tcgetattr(term.slave) != before, "it is raw"
        fcntl.ioctl(term.master, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
        os.kill(term.process.pid, signal.SIGWINCH)
        eventually(lambda: term.type("stty size\n") or "20 60" in term.read(), "it has the new size")
        term.type("exit 6\n")
        assert term.wait() == 6
        assert termios.tcgetattr(term.slave)[3] & (termios.ECHO | termios.ICANON) == termios.ECHO | termios.ICANON
    finally:
        term.close()


def test_keys_that_leave(davit):
    term = davit.terminal("run", "-it", "--name", "five", "busybox", "sh")
    try:
        term.type("echo he''re\n")
        term.expect("here")
        term.type("\x10\x11")
        assert term.wait() == 0
        assert davit("exec", "five", "echo", "still here") == "still here\n"
    finally:
        term.close()
    assert "not a terminal" in davit.fails("run", "-it", "busybox", "true", status=125)
