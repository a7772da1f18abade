# SPDX-License-Identifier: Apache-2.0
"""Debian's containerd with `--runtime io.containerd.davit.v2`: ctr's commands, and containerd that comes and goes."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

import pytest

from harness import daemon, image, leftovers
from harness.containerd import Containerd
from harness.shim import descriptors
from harness.shim_fixtures import is_davits
from harness.terminal import in_terminal
from harness.wait import SLOWNESS, eventually

STATE = pathlib.Path("/run/containerd")


@pytest.fixture(scope="module")
def server(shim_binary, binary, session_dir, rootfs_template):
    daemon.need("containerd", "ctr")
    programs = session_dir / "programs"
    programs.mkdir()
    (programs / shim_binary.name).symlink_to(shim_binary)
    (programs / "davit-oci").symlink_to(binary)
    made = Containerd(session_dir / "cs", f"ds{session_dir.name[-6:].replace('_', 'x')}", programs)
    made.load_image(rootfs_template)
    made.runtime = "io.containerd." + ".".join(shim_binary.name.split("-")[-2:])
    # The template itself as the root: no snapshot, and many containers are quick.
    made.options = ["--runtime", made.runtime, *([] if is_davits() else ["--runc-binary", binary])]
    made.runtime_root = STATE / ("davit-oci" if is_davits() else "runc") / made.namespace    # as is their default
    made.rootfs, made.ids = rootfs_template, set()
    yield made
    made.close()
    shutil.rmtree(made.runtime_root, ignore_errors=True)


def state(server):
    """What must be the same after a test as before. The ids of this module begin with s-."""
    return {
        "shims": {pid: text for pid, text in leftovers.processes([server.namespace]).items() if "ctr" not in text.split()[0]},
        "mounts": leftovers.mounts([str(server.directory)]),
        "cgroups": leftovers.cgroups([f"/{server.namespace}/"]),
        "sockets": sorted(p for id in server.ids for p in server.files(id) if p.exists()) if is_davits() else [],
        "fifos": sorted(STATE.glob("fifo/*/s-*")),    # of ours, that is
        "bundles": sorted(p.name for p in (server.directory / "state").glob(f"*/{server.namespace}/*")),
        "runtime": sorted(p.name for p in server.runtime_root.glob("*")),
    }


@pytest.fixture
def ctr(server):
    before = state(server)
    yield server.ctr
    server.remove(*server.ctr("containers", "list", "-q").split())
    try:
        eventually(lambda: state(server) == before, "", timeout=15)
    except AssertionError:
        after = state(server)
        raise AssertionError("left behind: " + "; ".join(f"{key}: {after[key]}, was {before[key]}"
                                                         for key in before if after[key] != before[key])) from None


@pytest.fixture
def run(server, ctr):
    """run(id, *command): `ctr run` on the shared root file system."""
    def start(id, *command, options=(), **kwargs):
        server.ids.add(id)
        return ctr("run", *server.options, *options, "--rootfs", server.rootfs, id, *command, **kwargs)
    return start


def argv(server, id, *command, options=()):
    server.ids.add(id)
    return daemon.argv(server.ctr, "run", *server.options, *options, "--rootfs", server.rootfs, id, *command)


def removed(ctr, *args):
    """`tasks rm`: the exit code, which it warns of."""
    ctr("tasks", "rm", *args)
    found = re.search(r"exit with non-zero exit code (\d+)", ctr.err)
    return int(found.group(1)) if found else 0


def tasks(ctr):
    """id -> (pid, status)"""
    lines = [line.split() for line in ctr("tasks", "list").splitlines()[1:]]
    return {id: (int(pid), status) for id, pid, status in lines}


def test_foreground(run):
    assert run("s-1", "sh", "-c", "echo hello; echo other >&2", options=["--rm"]) == "hello\n"


def test_exit_status(run):
    run("s-2", "sh", "-c", "exit 42", options=["--rm"], status=42)


def test_an_image_and_its_snapshot(server, ctr):
    out = ctr("run", *server.options, "--snapshotter", "native", "--rm", image.NAME, "s-3", "sh", "-c", "echo $FROM; mount | head -1")
    assert out.startswith("image\n")


def test_standard_input(run):
    """A line; ctr 1.6 does not say CloseIO for the first process (it does for an exec's)."""
    assert run("s-4", "sh", "-c", "read x; echo got $x", options=["--rm"], input="one\n") == "got one\n"


def test_much_output(run):
    out = run("s-5", "seq", "1", "200000", options=["--rm"])
    assert out == "".join(f"{n}\n" for n in range(1, 200001))


def test_terminal(server, run):
    process, terminal = in_terminal(
        argv(server, "s-6", "sh", "-c", "tty; until stty size 2>/dev/null | grep '30 90'; do sleep 0.1; done; read x; echo got $x",
             options=["--rm", "-t"]), rows=30, columns=90, env=daemon.environment(server.directory))
    terminal.read_until("30 90")
    assert "/dev/pts/0" in terminal.text
    terminal.write("word\n")
    terminal.read_until("got word")
    assert process.wait(60) == 0
    terminal.close()


def test_detached(server, run, ctr):
    run("s-7", "sleep", "1000", options=["-d"])
    pid, status = tasks(ctr)["s-7"]
    assert status == "RUNNING" and leftovers.is_alive(pid)
    assert server.files("s-7")[0].exists()
    assert len(ctr("tasks", "ps", "s-7").splitlines()) == 2
    ctr("tasks", "kill", "-s", "KILL", "s-7")
    eventually(lambda: tasks(ctr)["s-7"][1] == "STOPPED", "it is stopped")
    assert removed(ctr, "s-7") == 137
    assert "s-7" not in tasks(ctr)


def test_exec(run, ctr):
    run("s-8", "sleep", "1000", options=["-d"])
    assert ctr("tasks", "exec", "--exec-id", "e1", "s-8", "echo", "from exec") == "from exec\n"
    ctr("tasks", "exec", "--exec-id", "e2", "s-8", "sh", "-c", "exit 5", status=5)
    assert ctr("tasks", "exec", "--exec-id", "e3", "s-8", "cat", input="through\n") == "through\n"
    ctr("tasks", "exec", "--exec-id", "e4", "s-8", "no-such-program", status=None)
    assert ctr.status != 0 and "executable file not found in $PATH" in ctr.err
    assert ctr("tasks", "exec", "--exec-id", "e1", "s-8", "echo", "again") == "again\n"


def test_exec_in_a_terminal(server, run, ctr):
    run("s-9", "sleep", "1000", options=["-d"])
    process, terminal = in_terminal(daemon.argv(ctr, "tasks", "exec", "-t", "--exec-id", "e", "s-9", "sh"),
                                    env=daemon.environment(server.directory))
    terminal.write("tty; echo st''op\n")
    terminal.read_until("stop")
    assert "/dev/pts/" in terminal.text
    terminal.write("exit 3\n")
    assert process.wait(60) == 3
    terminal.close()


def test_attach(server, run, ctr):
    """To a container whose first client has gone."""
    first, terminal = in_terminal(argv(server, "s-10", "sh", "-c", "while read x; do echo got $x; done", options=["-t"]),
                                  env=daemon.environment(server.directory))
    terminal.write("a\n")
    terminal.read_until("got a")
    first.kill()
    first.wait()
    terminal.close()
    second, terminal = in_terminal(daemon.argv(ctr, "tasks", "attach", "s-10"), env=daemon.environment(server.directory))
    terminal.write("b\n")
    terminal.read_until("got b")
    ctr("tasks", "kill", "-s", "KILL", "s-10")
    assert second.wait(60) == 137
    terminal.close()


def test_pause_and_resume(run, ctr):
    run("s-11", "sleep", "1000", options=["-d"])
    ctr("tasks", "pause", "s-11")
    assert tasks(ctr)["s-11"][1] == "PAUSED"
    ctr("tasks", "resume", "s-11")
    assert tasks(ctr)["s-11"][1] == "RUNNING"


def test_kill_with_a_signal(run, ctr):
    run("s-12", "sh", "-c", "trap 'exit 9' USR1; while :; do sleep 0.05; done", options=["-d"])
    eventually(lambda: ctr("tasks", "kill", "-s", "USR1", "s-12", status=None) is None or tasks(ctr)["s-12"][1] == "STOPPED", "it ends")
    assert removed(ctr, "s-12") == 9


def test_metrics(run, ctr):
    run("s-13", "sleep", "1000", options=["-d", "--memory-limit", str(64 << 20)])
    found = json.loads(ctr("tasks", "metrics", "--format", "json", "s-13"))
    assert found["pids"]["current"] == 1
    assert str(64 << 20) in json.dumps(found["memory"])


def test_remove_by_force(run, ctr):
    run("s-14", "sleep", "1000", options=["-d"])
    assert removed(ctr, "-f", "s-14") == 137
    assert "s-14" not in tasks(ctr)


def test_program_that_does_not_exist(run, ctr):
    run("s-15", "no-such-program", options=["--rm"], status=1)
    assert "executable file not found in $PATH" in ctr.err


def test_log_of_a_uri(run, ctr, server):
    """ctr --log-uri: the shim writes the file."""
    path = server.directory / "s-16.log"
    run("s-16", "echo", "logged", options=["-d", "--log-uri", f"file://{path}"])
    eventually(lambda: path.exists() and path.read_text() == "logged\n", "it is in the file")


def test_container_killed_from_outside(run, ctr):
    run("s-17", "sleep", "1000", options=["-d"])
    os.kill(tasks(ctr)["s-17"][0], signal.SIGKILL)
    eventually(lambda: tasks(ctr)["s-17"][1] == "STOPPED", "containerd knows", timeout=3)


def test_shim_killed(run, ctr, server):
    """containerd notices, calls `delete`, and all is clean (which the fixture checks)."""
    run("s-18", "sleep", "1000", options=["-d"])
    pid = tasks(ctr)["s-18"][0]
    shims = [p for p, text in leftovers.processes([server.namespace]).items() if "-shim-" in text]
    assert len(shims) == 1
    os.kill(shims[0], signal.SIGKILL)
    eventually(lambda: not leftovers.is_alive(pid), "the container is killed")
    eventually(lambda: "s-18" not in tasks(ctr) or tasks(ctr)["s-18"][1] != "RUNNING", "containerd knows")
    for fifo in STATE.glob("fifo/*/s-18-*"):    # its client's, which has long gone
        fifo.unlink()


def shims_of(server):
    return {pid for pid, text in leftovers.processes([server.namespace]).items() if "-shim-" in text}


def test_containerd_killed_under_load(server, run, ctr, count=100):
    """Many run, others come and go, some end while nobody looks. Afterwards each is known for what it is."""
    ids = [f"s-k{n}" for n in range(count)]
    for id in ids:
        run(id, "sleep", "1000", options=["-d"])
    before = tasks(ctr)
    stop = threading.Event()

    def load(n):
        turn = 0
        while not stop.is_set():
            subprocess.run(argv(server, f"s-l{n}.{turn}", "true", options=["--rm"]), env=daemon.environment(server.directory),
                           capture_output=True, timeout=120 * SLOWNESS)
            subprocess.run(daemon.argv(ctr, "tasks", "exec", "--exec-id", f"x{n}.{turn}", ids[n], "true"),
                           env=daemon.environment(server.directory), capture_output=True, timeout=120 * SLOWNESS)
            turn += 1
    threads = [threading.Thread(target=load, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    victims = ids[-count // 4:]
    for round_ in range(3):
        server.server.kill()
        for id in victims[round_::3]:
            os.kill(before[id][0], signal.SIGKILL)
        server.server.start()
    stop.set()
    for thread in threads:
        thread.join()
    # What a kill has cut off half-way is a shim without a task, which containerd cleans up with its next start only.
    server.remove(*(id for id in ctr("containers", "list", "-q").split() if id.startswith("s-l")))
    server.server.kill()
    server.server.start()
    if not is_davits():    # one whose bundle was removed while it was started stays, with containerd's
        for pid, text in leftovers.processes([server.namespace]).items():
            if "-id s-l" in text:
                os.kill(pid, signal.SIGKILL)
    after = tasks(ctr)
    for id in ids:
        if id in victims:
            assert after.get(id, (0, "STOPPED"))[1] == "STOPPED", id
        else:
            assert after[id] == before[id], id
    survivor = ids[0]
    assert ctr("tasks", "exec", "--exec-id", "after", survivor, "echo", "well") == "well\n"
    assert len(shims_of(server)) >= count - len(victims)


def test_output_goes_on_while_containerd_is_away(server, run, ctr):
    """Into a log that the shim writes."""
    path = server.directory / "s-20.log"
    run("s-20", "sh", "-c", "for i in $(seq 1 300); do echo $i; sleep 0.01; done; sleep 1000", options=["-d", "--log-uri", f"file://{path}"])
    server.server.kill()
    before = len(path.read_text().split())
    eventually(lambda: len(path.read_text().split()) >= min(300, before + 100), "it goes on")
    server.server.start()
    eventually(lambda: path.read_text() == "".join(f"{n}\n" for n in range(1, 301)), "all of it is there")
    assert tasks(ctr)["s-20"][1] == "RUNNING"


def test_status_of_what_ended_while_containerd_was_away(run, ctr, server):
    run("s-21", "sh", "-c", "sleep 0.5; exit 12", options=["-d"])
    pid = tasks(ctr)["s-21"][0]
    server.server.kill()
    eventually(lambda: not leftovers.is_alive(pid), "it has ended")
    server.server.start()
    eventually(lambda: tasks(ctr)["s-21"][1] == "STOPPED", "containerd knows")
    assert removed(ctr, "s-21") == 12


@pytest.mark.parametrize("rounds", [50, pytest.param(1000, marks=pytest.mark.stress)])
def test_nothing_leaks(server, run, ctr, rounds):
    """run, exec, delete, again and again, beside a container whose shim is watched."""
    run("s-watched", "sleep", "1000", options=["-d"])
    shim = shims_of(server).pop()
    ctr("tasks", "exec", "--exec-id", "first", "s-watched", "true")
    before, between = sorted(descriptors(shim).values()), state(server)
    for n in range(rounds):
        run(f"s-n{n}", "true", options=["--rm"])
        ctr("tasks", "exec", "--exec-id", f"e{n}", "s-watched", "true")
    eventually(lambda: len(descriptors(shim)) <= len(before), f"no descriptor is left: {before} {descriptors(shim)}")
    eventually(lambda: state(server) == between, f"nothing is left: {state(server)} {between}")
