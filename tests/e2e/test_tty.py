# SPDX-License-Identifier: Apache-2.0
"""Terminals: the console socket, sizes, /dev/console, exec -t; and the pidfd socket."""

import os
import select
import signal
import stat

import pytest

from harness import machine
from harness.terminal import FdSocket, Terminal, in_terminal
from harness.wait import eventually


@pytest.fixture
def console(work):
    end = FdSocket(work / "console")
    yield end
    end.close()


def created(c, console):
    """Creates the container and takes its terminal."""
    c.bundle.process["terminal"] = True
    c.create("--console-socket", console.path)
    master, name = console.receive()
    return Terminal(master), name


def test_console_socket(box, console):
    c = box(script="tty; echo hello; cat")
    terminal, name = created(c, console)
    c.start()
    terminal.read_until("/dev/pts/0\r\nhello")
    assert name.startswith("/dev/p")
    terminal.write("echoed\n")
    terminal.read_until("echoed\r\nechoed")
    terminal.close()


def test_what_arrives_is_a_terminal_master(box, console):
    c = box("sleep", "100")
    terminal, _ = created(c, console)
    assert os.isatty(terminal.master)
    status = os.fstat(terminal.master)
    assert stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == 5 and os.minor(status.st_rdev) == 2


def test_console_size(box, console):
    c = box(script="stty size; sleep 100")
    c.bundle.process["consoleSize"] = {"height": 33, "width": 77}
    terminal, _ = created(c, console)
    assert terminal.size() == (33, 77)
    c.start()
    terminal.read_until("33 77")


def test_resizing_reaches_the_process(box, console):
    c = box(script="trap 'stty size' WINCH; echo ready; while :; do sleep 1000 & wait $!; done")
    terminal, _ = created(c, console)
    c.start()
    terminal.read_until("ready")
    terminal.resize(41, 42)
    terminal.read_until("41 42")


def test_control_c(box, console):
    c = box(script="trap 'echo interrupted; exit' INT; echo ready; while :; do sleep 0.1; done")
    terminal, _ = created(c, console)
    c.start()
    terminal.read_until("ready")
    terminal.write("\x03")
    terminal.read_until("interrupted")


def test_hangup(box, console):
    """Who closes the master hangs up."""
    c = box(script="trap 'exit 0' HUP; echo ready; while :; do sleep 0.1; done")
    terminal, _ = created(c, console)
    c.start()
    terminal.read_until("ready")
    terminal.close()
    c.wait("stopped")


def test_dev_console_is_the_terminal(box, console):
    c = box(script="echo through console >/dev/console; stat -c 'console %t:%T' /dev/console; "
                   "stat -c 'pts %t:%T' /dev/pts/0; sleep 100")
    terminal, _ = created(c, console)
    c.start()
    text = terminal.read_until("pts 88:0")
    assert "through console" in text and "console 88:0" in text


def test_terminal_belongs_to_the_user(box, console):
    c = box(script="stat -c 'owner %u %g %a' $(tty); sleep 100")
    c.bundle.process["user"] = {"uid": 1000, "gid": 1000}
    terminal, _ = created(c, console)
    c.start()
    assert "owner 1000 5" in terminal.read_until("owner ").replace("\r", "") + terminal.read_until("620")


def test_terminal_in_a_user_namespace(box, console):
    c = box(script="tty; stat -c 'owner %u' $(tty); sleep 100")
    c.bundle.user_namespace()
    terminal, _ = created(c, console)
    c.start()
    terminal.read_until("owner 0")


def test_stdin_out_and_err_are_the_terminal(box, console):
    c = box(script="for i in 0 1 2; do [ -t $i ] && echo fd $i; done; sleep 100")
    terminal, _ = created(c, console)
    c.start()
    terminal.read_until("fd 2")
    assert "fd 0" in terminal.text and "fd 1" in terminal.text


def test_terminal_without_a_socket(box):
    c = box("true")
    c.bundle.process["terminal"] = True
    assert "cannot allocate tty if runc will detach without setting console socket" in c.fails(verb="create").err


def test_socket_without_a_terminal(box, console):
    assert "cannot use console socket" in box("true").fails("--console-socket", console.path, verb="create").err


def test_socket_without_detaching(box, console):
    c = box("true")
    c.bundle.process["terminal"] = True
    assert "console socket" in c.fails("--console-socket", console.path).err


def test_socket_that_nobody_listens_on(box, work):
    c = box("true")
    c.bundle.process["terminal"] = True
    c.fails("--console-socket", work / "nobody", verb="create")
    (work / "file").write_text("")
    c.fails("--console-socket", work / "file", verb="create")


def test_foreground_run_in_a_terminal(box):
    c = box(script="tty; stty size; read x; echo got $x; exit 5")
    c.bundle.process["terminal"] = True
    c.bundle.save()
    process, terminal = in_terminal(c.runtime.command("run", "--bundle", c.bundle.path, c.id), 30, 90)
    terminal.read_until("30 90")
    terminal.write("a word\n")
    terminal.read_until("got a word")
    assert process.wait(30) == 5
    terminal.close()


def test_foreground_run_passes_the_size_on(box):
    c = box(script="trap 'stty size' WINCH; echo ready; while :; do sleep 1000 & wait $!; done")
    c.bundle.process["terminal"] = True
    c.bundle.save()
    process, terminal = in_terminal(c.runtime.command("run", "--bundle", c.bundle.path, c.id))
    terminal.read_until("ready")
    terminal.resize(50, 51)
    process.send_signal(signal.SIGWINCH)
    terminal.read_until("50 51")
    c.kill("KILL")
    process.wait(30)
    terminal.close()


def test_foreground_run_restores_the_terminal(box):
    import termios
    c = box("true")
    c.bundle.process["terminal"] = True
    c.bundle.save()
    process, terminal = in_terminal(
        ["sh", "-c", "stty -a; \"$@\"; echo between; stty -a; echo end", "sh",
         *c.runtime.command("run", "--bundle", c.bundle.path, c.id)])
    text = terminal.read_until("end\r\n")
    before, _, after = text.partition("between\r\n")
    assert before.strip() and before.split() == after.replace("end\r\n", "").split()
    assert termios.tcgetattr(terminal.master)
    process.wait(30)
    terminal.close()


def test_run_detached_with_a_terminal(box, console):
    c = box(script="echo hello; sleep 100")
    c.bundle.process["terminal"] = True
    c.run("-d", "--console-socket", console.path)
    master, _ = console.receive()
    Terminal(master).read_until("hello")


def test_exec_with_console_socket(box, console):
    c = box.running()
    c.exec("sh", "-c", "tty; stty size; echo hello", options=["-d", "-t", "--console-socket", console.path])
    master, _ = console.receive()
    terminal = Terminal(master)
    terminal.read_until("hello")
    assert "/dev/pts/" in terminal.text
    terminal.close()


def test_exec_in_a_terminal(box):
    c = box.running()
    process, terminal = in_terminal(
        c.runtime.command("exec", "-t", c.id, "sh", "-c", "tty; stty size; read x; echo got $x; exit 6"), 20, 60)
    terminal.read_until("20 60")
    terminal.write("word\n")
    terminal.read_until("got word")
    assert process.wait(30) == 6
    terminal.close()


def test_exec_tty_belongs_to_the_user(box, console):
    c = box.running()
    c.exec("sh", "-c", "stat -c 'owner %u' $(tty)",
           options=["-d", "-t", "-u", "1000", "--console-socket", console.path])
    Terminal(console.receive()[0]).read_until("owner 1000")


def test_exec_with_socket_but_without_tty(box, console):
    c = box.running()
    c.runtime.fails("exec", "--console-socket", console.path, c.id, "true", status=255)


def test_terminal_without_devpts(box, console):
    """Without a devpts mount there is no terminal, and the error says so."""
    c = box("true")
    c.bundle.drop_mount("/dev/pts")
    c.bundle.process["terminal"] = True
    c.fails("--console-socket", console.path, verb="create")


def check_pidfd(fd, pid):
    with open(f"/proc/self/fdinfo/{fd}") as info:
        fields = dict(line.split(":", 1) for line in info.read().splitlines() if ":" in line)
    assert int(fields["Pid"]) == pid
    assert not select.select([fd], [], [], 0)[0], "the process is still alive"


def test_pidfd_socket(box, work):
    machine.need_kernel(5, 3, "pidfd_open")
    end = FdSocket(work / "pidfd")
    c = box("sleep", "1000")
    c.create("--pidfd-socket", end.path)
    fd, text = end.receive()
    assert text == "standard"
    check_pidfd(fd, c.pid)
    c.start()
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    eventually(lambda: select.select([fd], [], [], 0)[0], "the pidfd says that it ended")
    os.close(fd)
    c.wait("stopped")


def test_pidfd_socket_in_exec(box, work):
    machine.need_kernel(5, 3, "pidfd_open")
    end = FdSocket(work / "pidfd")
    c = box.running()
    pid_file = work / "pid"
    process = c.runtime.popen("exec", "--pidfd-socket", end.path, "--pid-file", pid_file, c.id, "sleep", "1000")
    fd, text = end.receive()
    assert text == "setns"
    check_pidfd(fd, int(eventually(lambda: pid_file.exists() and pid_file.read_text(), "pid file")))
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    assert process.wait(30) == 137
    os.close(fd)
