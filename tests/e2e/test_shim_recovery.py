# SPDX-License-Identifier: Apache-2.0
"""What outlives what: a shim its daemon, containers their shim; and `delete`, which cleans up after a dead one."""

import os
import random
import signal
import threading
import time

import pytest

from harness import leftovers
from harness.ttrpc import Closed
from harness.wait import SLOWNESS, eventually


def kill_shim(c):
    os.kill(c.shim_pid, signal.SIGKILL)
    eventually(lambda: not leftovers.is_alive(c.shim_pid), "the shim is gone")


def is_clean(c):
    """Nothing of the container is left but its bundle, which is the daemon's."""
    return not (leftovers.cgroups([c.id]) or leftovers.mounts([f"{c.id}/"]) or leftovers.is_alive(c.pid)
                or (c.runtime_root / c.shims.namespace / c.id).exists())


@pytest.mark.parametrize("state", ["created", "running", "paused", "stopped"])
def test_delete_after_the_shim_was_killed(shim, state):
    c = shim.sleeper().create()
    if state != "created":
        c("Start")
    if state == "paused":
        c("Pause")
    if state == "stopped":
        c.kill()
        c("Wait")
    kill_shim(c)
    before = time.time()
    answer = c.cleanup()
    assert answer.pid == c.pid and answer.exit_status == 137
    assert before - 1 < answer.exited_at.seconds + answer.exited_at.nanos / 1e9 < time.time() + 1
    eventually(lambda: is_clean(c), "all is gone", timeout=3)


def test_delete_with_processes_and_mounts(shim, work):
    """Children, execs, a root file system that the shim has mounted, a terminal."""
    c = shim(script="sleep 1000 & sleep 1000 & wait")
    lower, upper, inner = (work / name for name in ("lower", "upper", "inner"))
    os.rename(c.bundle.rootfs, lower)
    for path in (upper, inner, c.bundle.rootfs):
        path.mkdir()
    io = c.fifos(stderr=False)
    c.up(io=io, terminal=True, rootfs=[{"type": "overlay", "source": "overlay", "options": [
        f"lowerdir={lower}", f"upperdir={upper}", f"workdir={inner}"]}])
    for n in range(3):
        c.exec(f"e{n}", "sleep", "1000")
    pids = [p.pid for p in c("Pids").processes]
    kill_shim(c)
    c.cleanup()
    eventually(lambda: not any(map(leftovers.is_alive, pids)) and is_clean(c), "all is gone", timeout=3)


@pytest.mark.davit_shim
def test_delete_removes_the_socket(shim):
    c = shim.sleeper().up()
    kill_shim(c)
    assert c.address.exists()
    c.cleanup()
    assert not c.address.exists()


def test_delete_of_one_of_a_pod(shim):
    """The others are dead as well, and each is cleaned by its own `delete`."""
    containers = [shim.sleeper(group="pod").up() for _ in range(3)]
    kill_shim(containers[0])
    for c in containers:
        assert leftovers.is_alive(c.pid)
    for c in containers:
        assert c.cleanup().pid == c.pid
        eventually(lambda: is_clean(c), "it is gone", timeout=3)


def test_delete_twice(shim):
    c = shim.sleeper().up()
    kill_shim(c)
    c.cleanup()
    c.cleanup()


@pytest.mark.davit_shim    # containerd's does not always know enough yet
@pytest.mark.parametrize("rounds", [8, pytest.param(300, marks=pytest.mark.stress)])
def test_killed_at_any_moment(shim, rounds):
    """Somewhere in a container's life; `delete` cleans what there is, and the id is free for the next life."""
    c = shim.sleeper()
    for n in range(rounds):
        c.launch()
        timer = threading.Timer(0.002 + 0.08 * random.Random(n).random(), os.kill, (c.shim_pid, signal.SIGKILL))
        timer.start()
        try:
            c.up()
            c.exec("e", "sleep", "1000")
            c("Pause")
            c("Resume")
            c.end()
            timer.join()
        except (Closed, BrokenPipeError):
            pass
        timer.join()
        eventually(lambda: not leftovers.is_alive(c.shim_pid), "the shim is gone")
        c.cleanup()
        eventually(lambda: is_clean(c) and not leftovers.processes([f"{c.id}"]), f"round {n}: all is gone", timeout=3)
        c.rpc = None


@pytest.mark.davit_shim
def test_delete_of_what_was_never_created(shim):
    """`start` was all that happened."""
    c = shim.sleeper().launch()
    kill_shim(c)
    assert c.cleanup().exit_status == 137


@pytest.mark.davit_shim
def test_delete_leaves_a_living_shim_alone(shim):
    """A daemon that calls it for one container of a pod by mistake or haste: the others stay."""
    first, second = shim.sleeper(group="pod").up(), shim.sleeper(group="pod").up()
    first.cleanup()
    assert second.status() == "running" and second.address.exists()
    assert first("Wait").exit_status == 137


def test_bundle_that_is_gone(shim):
    """Nothing is known of it any more; it fails or succeeds, and does not hang."""
    c = shim.sleeper().launch()
    kill_shim(c)
    (c.bundle.path / "config.json").unlink()
    c.run_binary("delete", "-bundle", str(c.bundle.path))
    c.address.unlink(missing_ok=True)


@pytest.mark.parametrize("sig", [signal.SIGPIPE, *(pytest.param(sig, marks=pytest.mark.davit_shim) for sig in (signal.SIGTERM, signal.SIGINT))])
def test_signals_that_do_not_end_a_shim(shim, sig):
    c = shim.sleeper().up()
    os.kill(c.shim_pid, sig)
    for _ in range(3):
        assert c.status() == "running"


def test_container_killed_from_outside(shim):
    """Reported within a second or so, to those who wait and to the daemon."""
    c = shim.sleeper().up()
    wait = c.send("Wait")
    start = time.monotonic()
    os.kill(c.pid, signal.SIGKILL)
    assert c.rpc.result(wait).exit_status == 137
    assert c.wait_event("exit").body.exit_status == 137
    assert time.monotonic() - start < 1 * SLOWNESS
    assert c.status() == "stopped"


def test_exec_killed_from_outside(shim):
    c = shim.sleeper().up()
    pid = c.exec("e", "sleep", "1000")
    os.kill(pid, signal.SIGKILL)
    assert c("Wait", exec_id="e").exit_status == 137
    assert c.wait_event("exit", "e").body.pid == pid
    assert c.status() == "running"


def test_orphans_are_reaped(shim):
    """Processes of a container in the host's pid namespace become the shim's children."""
    c = shim(script="(sleep 0 & exit) ; (sleep 0.1 &) ; sleep 1000")
    c.bundle.drop_namespace("pid")
    c.up()
    for n in range(10):
        c.exec(f"e{n}", "sh", "-c", "(sleep 0.05 &) ; exit 0")
        c("Wait", exec_id=f"e{n}")

    def zombies():
        children = open(f"/proc/{c.shim_pid}/task/{c.shim_pid}/children").read().split()
        return [pid for pid in children if not leftovers.is_alive(pid)]
    eventually(lambda: not zombies(), "no zombie stays")
    eventually(lambda: len(c("Pids").processes) == 1, "init alone")


def test_shim_is_found_again(shim):
    """A new daemon connects by the address that it has on disk, and asks."""
    c = shim.sleeper().up()
    c.exec("e", "sleep", "1000")
    shim.daemon.stop()
    c.rpc.close()
    shim.daemon.start()
    c.rpc = c.connect()
    assert c("Connect").shim_pid == c.shim_pid and c("Connect").task_pid == c.pid
    assert c.status() == "running" and c.status("e") == "running"
    assert len(c("Pids").processes) == 2
    wait = c.send("Wait")
    c.kill()
    assert c.rpc.result(wait).exit_status == 137


def test_exit_while_no_daemon_was_there(shim):
    """Status and time are kept."""
    c = shim(script="until [ -e /go ]; do sleep 0.02; done; exit 6").up()
    c.wait_event("start")
    shim.daemon.stop()
    c.rpc.close()
    (c.bundle.rootfs / "go").touch()
    eventually(lambda: not leftovers.is_alive(c.pid), "it has ended")
    shim.daemon.start()
    c.rpc = c.connect()
    assert c("Wait").exit_status == 6
    assert c.delete().exit_status == 6


def test_log_fifo_without_a_reader(shim):
    """Nobody reads the shim's own log while the daemon is away. It must not block."""
    c = shim.sleeper().up(options={"binary_name": shim.oci.binary})
    shim.daemon.stop()
    for n in range(200):
        c.rpc.outcome(c.send("Kill", signal=9, exec_id=f"unknown-{n}" + "x" * 1000))
    assert c.status() == "running"
    shim.daemon.start()


def test_shim_survives_the_end_of_its_group_and_session(shim):
    """`start`'s process group is the shim's own, so that Ctrl-C in the daemon's terminal does not reach it."""
    c = shim.sleeper().up()
    assert os.getpgid(c.shim_pid) != os.getpgid(0)


def test_oom_score(shim):
    """The shim is not the first to go: at most one more than its parent's."""
    c = shim.sleeper().launch()
    own = int(open("/proc/self/oom_score_adj").read())
    assert int(open(f"/proc/{c.shim_pid}/oom_score_adj").read()) in (own, min(own + 1, 1000))


def test_standard_streams_of_the_shim(shim):
    """`start` has returned its pipe; the shim holds neither it nor a terminal."""
    c = shim.sleeper().launch()
    streams = {fd: what for fd, what in c.descriptors().items() if fd < 3}
    assert set(streams) == {0, 1, 2}
    assert all(what == "/dev/null" or what.endswith("/log") for what in streams.values()), streams


@pytest.mark.davit_shim
def test_delete_while_the_shim_is_still_dying(shim):
    """A daemon sees its connection end before the kernel has closed the shim's socket."""
    for _ in range(20):
        c = shim.sleeper().up()
        os.kill(c.shim_pid, signal.SIGKILL)
        c.cleanup()
        assert not c.address.exists(), c.said
