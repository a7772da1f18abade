# SPDX-License-Identifier: Apache-2.0
"""run in the foreground and detached: exit status, signals, stdio, passed and leaked file descriptors."""

import os
import signal
import socket
import subprocess

import pytest

from harness import machine
from harness.leftovers import is_alive
from harness.wait import eventually


@pytest.mark.parametrize("status", [0, 1, 3, 42, 127, 255])
def test_exit_status(box, status):
    box(script=f"exit {status}").run(status=status)


@pytest.mark.parametrize("name, number", [("TERM", 15), ("KILL", 9), ("HUP", 1), ("SEGV", 11)])
def test_exit_status_after_signal(box, name, number):
    c = box("sleep", "1000")
    c.bundle.save()
    process = c.runtime.popen("run", "--bundle", c.bundle.path, c.id)
    eventually(lambda: c.runtime("state", c.id, status=None).status == 0 and c.status == "running", "it runs")
    os.kill(c.pid, getattr(signal, f"SIG{name}")) if name == "KILL" else c.kill(name, status=None)
    if name != "KILL":
        c.kill("KILL", status=None)    # init of a pid namespace ignores what it does not handle
    assert process.wait(30) == 128 + 9


def test_exit_status_when_a_child_kills_with_handled_signal(box):
    box(script="sh -c 'kill -9 $$'; exit $?").run(status=137)


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT"])
def test_signals_are_forwarded(box, name):
    c = box(script=f"trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 1000 & wait $!; done")
    c.bundle.save()
    process = c.runtime.popen("run", "--bundle", c.bundle.path, c.id)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    assert process.stdout.readline() == f"got {name}\n"
    assert process.wait(30) == 7


def test_stdio_is_separate(box):
    result = box(script="echo out; echo err >&2").run()
    assert (result.out, result.err) == ("out\n", "err\n")


def test_stdin(box):
    assert box("cat").run(input="hello\n").out == "hello\n"


def test_stdin_is_empty(box):
    assert box("cat").run().out == ""


def test_much_output(box):
    result = box(script="dd if=/dev/zero bs=64k count=64 2>/dev/null | tr '\\0' x").run()
    assert len(result.out) == 64 * 65536 and set(result.out) == {"x"}


def test_reader_goes_away(box):
    """Who closes our stdout ends the container as a pipe would, and nothing is left."""
    c = box(script="yes")
    c.bundle.save()
    process = c.runtime.popen("run", "--bundle", c.bundle.path, c.id)
    process.stdout.readline()
    process.stdout.close()
    process.wait(30)
    eventually(lambda: c.runtime("state", c.id, status=None).status != 0 or c.status == "stopped", "it ended")


def test_run_deletes(box):
    c = box("true")
    c.run()
    c.runtime.fails("state", c.id)
    assert not c.cgroup("pids").exists()


def test_run_keep(box):
    c = box("true")
    c.run("--keep")
    assert c.status == "stopped"
    assert c.cgroup("pids").exists()
    c.delete()
    assert not c.cgroup("pids").exists()


def test_run_detached(box):
    c = box("sleep", "1000")
    c.bundle.save()
    process = c.runtime.popen("run", "-d", "--bundle", c.bundle.path, c.id, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    assert process.wait(30) == 0
    assert c.status == "running"


def test_runtime_killed_in_the_foreground(box):
    """The container lives on without its runtime, and can be deleted."""
    c = box("sleep", "1000")
    c.bundle.save()
    process = c.runtime.popen("run", "--bundle", c.bundle.path, c.id)
    eventually(lambda: c.runtime("state", c.id, status=None).status == 0 and c.status == "running", "it runs")
    pid = c.pid
    process.kill()
    process.wait()
    c.delete("--force")
    eventually(lambda: not is_alive(pid), "init is dead")


def open_fds(text):
    """number -> target out of `ls -l /proc/self/fd`, without ls's own."""
    rows = [line.split() for line in text.splitlines() if "->" in line]
    return {int(row[-3]): row[-1] for row in rows if not row[-1].startswith("/proc/")}


def test_no_descriptor_leaks(box):
    fds = open_fds(box("ls", "-l", "/proc/self/fd").run().out)
    assert sorted(fds) == [0, 1, 2], fds


def test_no_descriptor_leaks_from_the_caller(box, work):
    """What the caller left open, directories above all, is not the container's."""
    c = box("ls", "-l", "/proc/self/fd")
    kept = [os.open(work, os.O_RDONLY | os.O_DIRECTORY), os.open("/etc/passwd", os.O_RDONLY)]
    result = c.run(pass_fds=kept)
    for fd in kept:
        os.close(fd)
    assert sorted(open_fds(result.out)) == [0, 1, 2], result.out


def test_no_descriptor_leaks_in_exec(box, work):
    c = box.running()
    kept = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
    fds = open_fds(c.exec("ls", "-l", "/proc/self/fd", pass_fds=[kept]).out)
    os.close(kept)
    assert sorted(fds) == [0, 1, 2], fds


def with_fd(number, action):
    """Calls action() while descriptor @number is the read end of a pipe with text in it."""
    read, write = os.pipe()
    os.write(write, b"from outside\n")
    os.close(write)
    saved = os.dup(number) if os.path.exists(f"/proc/self/fd/{number}") else None
    os.dup2(read, number)
    try:
        return action()
    finally:
        os.close(read) if read != number else None
        os.close(number) if saved is None else os.dup2(saved, number)
        if saved is not None:
            os.close(saved)


def test_preserve_fds(box):
    c = box(script="cat <&3; ls -l /proc/self/fd")
    result = with_fd(3, lambda: c.run("--preserve-fds", "1", pass_fds=[3]))
    assert result.out.startswith("from outside\n")


def test_preserve_fds_keeps_no_more_than_asked(box):
    c = box("ls", "-l", "/proc/self/fd")
    result = with_fd(3, lambda: with_fd(4, lambda: c.run("--preserve-fds", "1", pass_fds=[3, 4])))
    assert 3 in open_fds(result.out) and 4 not in open_fds(result.out), result.out


def test_preserve_fds_that_are_not_open(box):
    error = box("true").fails("--preserve-fds", "40").err
    assert "40" in error or "fd" in error


def test_preserve_fds_in_exec(box):
    c = box.running()
    result = with_fd(3, lambda: c.exec("sh", "-c", "cat <&3", options=["--preserve-fds", "1"], pass_fds=[3]))
    assert result.out == "from outside\n"


LISTEN = 'echo "$LISTEN_FDS $LISTEN_PID"; cat <&3'


def test_listen_fds(box):
    """As systemd hands over sockets: the numbers are for the process that LISTEN_PID names."""
    c = box(script=LISTEN)
    c.runtime.prefix = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"']
    assert with_fd(3, lambda: c.run(pass_fds=[3])).out == "1 1\nfrom outside\n"


def test_listen_fds_of_another_process(box):
    c = box(script='echo "[$LISTEN_FDS$LISTEN_PID]"; ls -l /proc/self/fd')
    result = with_fd(3, lambda: c.run(pass_fds=[3], env={**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"}))
    assert result.out.startswith("[]") and 3 not in open_fds(result.out)


def test_no_listen_fds(box):
    assert box(script='echo "[$LISTEN_FDS$LISTEN_PID]"').run().out == "[]\n"


def test_the_callers_environment_stays_outside(box):
    result = box("env").run(env={**os.environ, "SECRET_OF_THE_HOST": "x"})
    assert "SECRET_OF_THE_HOST" not in result.out


class NotifySocket:
    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(30)

    def receive_until(self, text):
        seen = b""
        while text not in seen:
            data, ancillary, _, _ = self.socket.recvmsg(4096, 4096)
            for level, kind, value in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    os.close(int.from_bytes(value[:4], "little"))    # BARRIER=1: closing it lets go
            seen += data + b"\n"
        return seen


def test_notify_socket(box, work):
    notify = NotifySocket(work / "notify")
    c = box(script='echo "$NOTIFY_SOCKET"; ls -l $NOTIFY_SOCKET; sleep 1000')
    env = {**os.environ, "NOTIFY_SOCKET": str(notify.path)}
    c.create(env=env)
    starter = c.runtime.popen("start", c.id, env=env)
    c.wait_output("/run/notify/notify.sock\ns")
    with_socket = ("import socket,sys; s=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
                   "s.sendto(b'READY=1', sys.argv[1])")
    subprocess.run(["/usr/bin/python3", "-c", with_socket,
                    f"/proc/{c.pid}/root/run/notify/notify.sock"], check=True)
    assert b"READY=1" in notify.receive_until(b"READY=1")
    assert b"MAINPID=%d" % c.pid in notify.receive_until(b"MAINPID=")
    notify.socket.settimeout(0.2)
    while starter.poll() is None:
        try:
            notify.receive_until(b"BARRIER=1")
        except TimeoutError:
            pass
    assert starter.wait(30) == 0


def test_no_pivot(box):
    c = box(script="echo in; ls /; cat /etc/passwd | head -1")
    assert "root:x:0:0" in c.run("--no-pivot").out


@pytest.mark.davit    # runc does not look for it
def test_no_pivot_hides_every_procfs_of_the_host(box, work):
    """Were one left, the container could mount another without the masks. This one's path is escaped in mountinfo."""
    machine.need_userns()
    c = box(script="unshare -U -r true && ! unshare -U -r -m -p -f mount -t proc proc /mnt && echo refused")
    c.bundle.caps("CAP_SETFCAP", "CAP_SETUID", "CAP_SETGID")    # what mapping root needs
    path = work / "a b"
    path.mkdir()
    subprocess.run(["mount", "-t", "proc", "proc", str(path)], check=True)
    try:
        assert "refused" in c.run("--no-pivot").out
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_session_keyring(box):
    """A container has a session keyring of its own, unless told otherwise."""
    with open("/proc/keys") as keys:
        if "_ses" not in keys.read() and not os.path.exists("/proc/sys/kernel/keys"):
            pytest.skip("the kernel has no keyrings")
    c = box("cat", "/proc/keys")
    c.bundle.linux["maskedPaths"] = []
    assert f"_ses.{c.id}" in c.run().out
    other = box("cat", "/proc/keys")    # the first keyring may not be collected yet
    other.bundle.linux["maskedPaths"] = []
    assert f"_ses.{other.id}" not in other.run("--no-new-keyring").out


def test_orphans_of_a_foreground_run_are_reaped(box):
    """run is their subreaper when the container shares the pid namespace."""
    c = box(script="(sleep 0.1 & ) ; sleep 0.3; echo done")
    c.bundle.drop_namespace("pid")
    assert c.run().out == "done\n"
