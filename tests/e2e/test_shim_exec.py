# SPDX-License-Identifier: Apache-2.0
"""Processes beside the first one, and terminals of both kinds."""

import json
import signal

import pytest

from harness import leftovers
from harness.fifo import Fifos
from harness.wait import eventually

REFUSED = ("UNKNOWN", "NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "INTERNAL")


@pytest.fixture
def c(shim):
    return shim.sleeper().up()


def run(c, exec_id, **how):
    """A process until its end: (stdout, stderr, exit status)."""
    io = c.fifos()
    c.exec(exec_id, io=io, **how)
    status = c("Wait", exec_id=exec_id).exit_status
    out, err = io.out.wait_end(), io.err.wait_end()
    assert c("Delete", exec_id=exec_id).exit_status == status
    return out, err, status


def test_output_and_status(c):
    assert run(c, "e", script="echo out; echo err >&2; exit 9") == ("out\n", "err\n", 9)


def test_runs_in_the_container(c):
    (c.bundle.rootfs / "in-the-container").touch()
    out, _, _ = run(c, "e", script="ls /; echo pid $$; cat /proc/1/cmdline")
    assert "in-the-container" in out and "sleep" in out


def test_specification_is_followed(c):
    out, _, _ = run(c, "e", script="pwd; echo $X; id -u; id -g", cwd="/tmp", env=["PATH=/bin", "X=y"],
                    user={"uid": 1000, "gid": 1000})
    assert out.split() == ["/tmp", "y", "1000", "1000"]


def test_id_is_free_again_after_delete(c):
    for n in range(3):
        assert run(c, "same", script=f"exit {n}")[2] == n


@pytest.mark.parametrize("exec_id", ["../up", "a/b", ".", "..", "x" * 300, "a b", "a\nb"])
def test_bad_id(c, exec_id):
    """It becomes part of a file's name. Either it is refused, or it works and stays within the bundle."""
    before = {p for p in c.shims.work.rglob("*") if c.bundle.rootfs not in p.parents}
    spec = c.shims.api.json(json.dumps({**c.bundle.process, "args": ["true"]}))
    if c.rpc.outcome(c.send("Exec", exec_id=exec_id, spec=spec))[0] == "OK":
        if c.rpc.outcome(c.send("Start", exec_id=exec_id))[0] == "OK":
            c("Wait", exec_id=exec_id)
        c("Delete", exec_id=exec_id)
    made = {p for p in c.shims.work.rglob("*") if c.bundle.rootfs not in p.parents} - before
    assert all(c.bundle.path in p.parents or "runtime" in p.parts for p in made)
    assert c.status() == "running"


@pytest.mark.davit_shim
def test_empty_id(c):
    """That is the name of the first process."""
    spec = c.shims.api.json(json.dumps({**c.bundle.process, "args": ["true"]}))
    c.fails(("INVALID_ARGUMENT", "ALREADY_EXISTS"), "Exec", exec_id="", spec=spec)
    assert c.status() == "running"


@pytest.mark.parametrize("args, words", [
    (["no-such-program"], "executable file not found in $PATH"), (["/no/such/program"], "no such file or directory"),
    (["/etc"], "is a directory")])
def test_program_that_cannot_be_run(c, args, words):
    """The runtime's own words reach the caller."""
    c.add_exec("e", *args)
    assert words in c.fails(REFUSED, "Start", exec_id="e")
    assert c.status("e") in ("stopped", "created")
    c("Delete", exec_id="e")
    c.fails("NOT_FOUND", "State", exec_id="e")
    assert c.status() == "running"


@pytest.mark.davit_shim    # containerd's says 0, and the year 1
def test_wait_of_an_exec_that_does_not_start(c):
    c.add_exec("e", "no-such-program")
    wait = c.send("Wait", exec_id="e")
    c.fails(REFUSED, "Start", exec_id="e")
    assert c.rpc.result(wait).exit_status != 0


@pytest.mark.parametrize("spec", ["", "{", "[]", '{"args": 5}', '{"args": []}', "null"])
def test_specification_that_is_none(c, spec):
    """Refused at once, or at the start."""
    code, _ = c.rpc.outcome(c.send("Exec", exec_id="e", spec=c.shims.api.json(spec)))
    if code == "OK":
        c.fails(REFUSED, "Start", exec_id="e")
    assert c.status() == "running"


@pytest.mark.davit_shim    # containerd's falls over
def test_no_specification_at_all(c):
    code, _ = c.rpc.outcome(c.send("Exec", exec_id="e"))
    if code == "OK":
        c.fails(REFUSED, "Start", exec_id="e")
    assert c.status() == "running"


def test_cwd_that_does_not_exist(c):
    c.add_exec("e", "true", cwd="/no/such")
    assert "/no/such" in c.fails(REFUSED, "Start", exec_id="e")


def test_stdin_is_closed_by_close_io(c):
    io = c.fifos(stdin=True)
    c.exec("e", "cat", io=io)
    io.write("one\n")
    io.out.wait_text("one\n")
    io.write("two\n")
    io.close_stdin()
    c("CloseIO", exec_id="e", stdin=True)
    assert c("Wait", exec_id="e").exit_status == 0
    assert io.out.wait_end() == "one\ntwo\n"


def test_stdin_stays_open_without_close_io(c):
    io = c.fifos(stdin=True)
    c.exec("e", "cat", io=io)
    io.write("one\n")
    io.out.wait_text("one\n")
    io.close_stdin()
    io.write("two\n")
    io.out.wait_text("two\n")
    assert c.status("e") == "running"


def test_terminal(c):
    io = c.fifos(stdin=True, stderr=False)
    c.exec("e", io=io, terminal=True, script="tty; stty size; read x; echo got $x; stty size")
    io.out.wait_text("/dev/pts/")
    c("ResizePty", exec_id="e", width=101, height=33)
    io.write("word\n")
    io.out.wait_text("got word")
    assert c("Wait", exec_id="e").exit_status == 0
    assert "33 101" in io.out.wait_end()
    assert c("State", exec_id="e").terminal


def test_terminal_of_init(shim):
    c = shim(script="tty; while read x; do echo got $x; stty size; done")
    io = c.fifos(stdin=True, stderr=False)
    c.create(io=io, terminal=True)
    c("ResizePty", width=70, height=20)
    c("Start")
    io.out.wait_text("/dev/pts/0")
    io.write("a\n")
    io.out.wait_text("20 70")
    c("ResizePty", width=90, height=40)
    io.write("b\n")
    io.out.wait_text("40 90")
    io.write(b"\x04")
    assert c("Wait").exit_status == 0
    text = io.out.wait_end()
    assert "got b\r\n" in text


def test_terminal_size_before_the_start(shim):
    """What the client says while the container is only created is there when its program looks."""
    c = shim(script="stty size")
    io = c.fifos(stderr=False)
    c.create(io=io, terminal=True)
    c("ResizePty", width=70, height=20)
    c("Start")
    assert io.out.wait_end() == "20 70\r\n"


@pytest.mark.davit_shim
def test_terminal_size_before_the_start_of_an_exec(c):
    io = c.fifos(stderr=False)
    c.add_exec("e", io=io, terminal=True, script="stty size")
    c("ResizePty", exec_id="e", width=70, height=20)
    c("Start", exec_id="e")
    assert io.out.wait_end() == "20 70\r\n"


def test_signal_characters_of_a_terminal(c):
    io = c.fifos(stdin=True, stderr=False)
    c.exec("e", io=io, terminal=True, script="echo ready; sleep 1000")
    io.out.wait_text("ready")
    io.write(b"\x03")
    assert c("Wait", exec_id="e").exit_status in (130, 128 + signal.SIGINT)


def test_many_at_a_time(c):
    names = [f"e{n}" for n in range(20)]
    fifos = {name: c.fifos() for name in names}
    for name in names:
        c.add_exec(name, io=fifos[name], script=f"echo {name}; exit {names.index(name)}")
    starts = [c.send("Start", exec_id=name) for name in names]
    waits = [c.send("Wait", exec_id=name) for name in names]
    pids = {c.rpc.result(start).pid for start in starts}
    assert len(pids) == 20
    assert [c.rpc.result(wait).exit_status for wait in waits] == list(range(20))
    assert [fifos[name].out.wait_end() for name in names] == [f"{name}\n" for name in names]
    for name in names:
        c("Delete", exec_id=name)


@pytest.mark.davit_shim    # containerd's wants all or none
@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_one_stream_alone(c, name):
    """The others are /dev/null."""
    io = Fifos(c.bundle.path / "one", [name])
    c.io.append(io)
    c.exec("e", io=io, script="echo out; echo err >&2; cat")
    if name == "stdin":
        io.write("x")
        io.close_stdin()
        c("CloseIO", exec_id="e", stdin=True)
    assert c("Wait", exec_id="e").exit_status == 0
    if name != "stdin":
        assert io.readers[name].wait_end() == name.removeprefix("std") + "\n"


def test_child_that_keeps_the_output_open(c):
    """The process has ended; a grandchild still writes. Nobody waits for that one, and what it writes still arrives."""
    io = c.fifos()
    c.exec("e", io=io, script="(until [ -e /go ]; do sleep 0.05; done; echo late) & echo early")
    assert c("Wait", exec_id="e").exit_status == 0
    io.out.wait_text("early")
    (c.bundle.rootfs / "go").touch()
    assert io.out.wait_text("late")


def test_leak_of_a_hundred(c):
    run(c, "warm-up", script="true")
    before = sorted(c.descriptors().values())
    for n in range(100):
        c.exec(f"e{n}", "true")
        c("Wait", exec_id=f"e{n}")
        c("Delete", exec_id=f"e{n}")
    eventually(lambda: len(c.descriptors()) <= len(before), f"no descriptor stays open: {before} {c.descriptors()}")
    assert not [p for p in leftovers.processes([c.id]) if p not in (c.pid, c.shim_pid)]
    assert len(list(c.bundle.path.glob("*.pid"))) <= 1    # init.pid
