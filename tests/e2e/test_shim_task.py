# SPDX-License-Identifier: Apache-2.0
"""The task service, driven without containerd: a container's road through the shim."""

import os
import signal
import time

import pytest

from harness import leftovers
from harness.ttrpc import Client
from harness.wait import eventually

MANY = str(100000 + os.getpid())    # seconds; marks a process


def seconds(timestamp):
    return timestamp.seconds + timestamp.nanos / 1e9


def test_life(shim):
    c = shim.sleeper().create()
    assert c.status() == "created" and leftovers.is_alive(c.pid)
    assert c("Start").pid == c.pid
    assert c.status() == "running"
    c.kill()
    assert c("Wait").exit_status == 137
    assert c.status() == "stopped"
    answer = c.delete()
    assert (answer.pid, answer.exit_status) == (c.pid, 137)
    c.fails("NOT_FOUND", "State")


def test_create_starts_nothing(shim):
    c = shim(script="echo ran > /ran; sleep 1000").create()
    assert not (c.bundle.rootfs / "ran").exists()
    c("Start")
    eventually(lambda: (c.bundle.rootfs / "ran").exists(), "it runs")


def test_state(shim):
    c = shim.sleeper()
    io = c.fifos(stdin=True)
    c.create(io=io)
    for status in ("created", "running"):
        state = c("State")
        assert (state.id, state.bundle, state.pid) == (c.id, str(c.bundle.path), c.pid)
        assert {name: getattr(state, name) for name in io.fields} == io.fields
        assert not state.terminal and state.exit_status == 0
        assert c.status() == status
        if status == "created":
            c("Start")


def test_state_of_an_exec(shim):
    c = shim.sleeper().up()
    c.add_exec("e", "sleep", "1000")
    state = c("State", exec_id="e")
    assert state.pid == 0 and c.status("e") == "created" and "e" in (state.id, state.exec_id)
    pid = c("Start", exec_id="e").pid
    state = c("State", exec_id="e")
    assert state.pid == pid and c.status("e") == "running" and state.bundle == str(c.bundle.path)


@pytest.mark.parametrize("status", [0, 7, 255])
def test_exit_status(shim, status):
    c = shim(script=f"exit {status}").up()
    assert c("Wait").exit_status == status
    assert c("State").exit_status == status
    assert c.wait_event("exit").body.exit_status == status
    assert c.delete().exit_status == status
    assert c.wait_event("delete").body.exit_status == status


def test_death_by_signal(shim):
    c = shim.sleeper().up()
    pid = c.exec("e", "sleep", "1000")
    os.kill(pid, signal.SIGUSR1)
    assert c("Wait", exec_id="e").exit_status == 128 + signal.SIGUSR1
    os.kill(c.pid, signal.SIGKILL)
    assert c("Wait").exit_status == 137


def test_exit_times(shim):
    before = time.time()
    c = shim(script="exit 3").up()
    exited = c("Wait").exited_at
    assert before - 1 <= seconds(exited) <= time.time() + 1
    again = [c("Wait").exited_at, c("State").exited_at, c.wait_event("exit").body.exited_at,
             c.delete().exited_at, c.wait_event("delete").body.exited_at]
    assert all(other == exited for other in again)


def test_wait_before_start(shim):
    c = shim(script="exit 5").create()
    wait = c.send("Wait")
    c("Start")
    assert c.rpc.result(wait).exit_status == 5


def test_many_waits(shim):
    """On two connections; none of them keeps the others from being answered."""
    c = shim.sleeper().up()
    other = c.connect()
    waits = [c.send("Wait") for _ in range(200)] + [c.send("Wait") for _ in range(1)]
    foreign = [other.send("Wait", id=c.id) for _ in range(100)]
    assert c.status() == "running"
    assert not any(c.rpc.is_answered(wait) for wait in waits)
    c.kill()
    assert {c.rpc.result(wait).exit_status for wait in waits} == {137}
    assert {other.result(wait).exit_status for wait in foreign} == {137}
    assert c("Wait").exit_status == 137


def test_wait_of_a_client_that_goes_away(shim):
    c = shim.sleeper().up()
    for _ in range(20):
        other = c.connect()
        other.send("Wait", id=c.id)
        assert other.State(id=c.id).pid == c.pid
        other.close()
    c.kill()
    assert c("Wait").exit_status == 137


def test_kill_delivers_the_signal(shim):
    c = shim(script="trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done")
    io = c.fifos()
    c.up(io=io)
    io.out.wait_text("ready")
    c.kill(signal.SIGUSR1)
    io.out.wait_text("usr1")


def test_kill_created(shim):
    c = shim.sleeper().create()
    wait = c.send("Wait")
    c.kill()
    assert c.rpc.result(wait).exit_status == 137
    c.delete()


def test_kill_of_one_exec(shim):
    c = shim.sleeper().up()
    c.exec("e", "sleep", "1000")
    c.kill(signal.SIGKILL, exec_id="e")
    assert c("Wait", exec_id="e").exit_status == 137
    assert c.status() == "running"


def test_kill_of_the_finished(shim):
    c = shim(script="exit 0").up()
    c("Wait")
    assert "already finished" in c.fails("NOT_FOUND", "Kill", signal=9)
    c.fails("NOT_FOUND", "Kill", signal=15)


def test_kill_all_with_the_hosts_pid_namespace(shim):
    """Nothing but the cgroup holds these processes together."""
    c = shim(script="sleep 1000 & sleep 1000 & sleep 1000 & wait")
    c.bundle.drop_namespace("pid")
    c.up()
    eventually(lambda: len(c("Pids").processes) == 4, "all are there")
    pids = [p.pid for p in c("Pids").processes]
    c.kill(signal.SIGKILL, all=True)
    c("Wait")
    eventually(lambda: not any(map(leftovers.is_alive, pids)), "all are gone")


def test_init_that_leaves_processes_in_the_hosts_pid_namespace(shim):
    c = shim(script=f"sleep {MANY} & sleep {MANY} & exit 4")
    c.bundle.drop_namespace("pid")
    c.up()
    assert c("Wait").exit_status == 4
    eventually(lambda: not leftovers.processes(["sleep\0" + MANY]), "what it left is gone")
    c.delete()
    assert not leftovers.cgroups([c.id])


def test_unknown_signal(shim):
    c = shim.sleeper().up()
    c.fails(("INVALID_ARGUMENT", "UNKNOWN"), "Kill", signal=1000)
    assert c.status() == "running"


def test_connect(shim):
    c = shim.sleeper().up()
    answer = c("Connect")
    assert answer.task_pid == c.pid
    assert os.readlink(f"/proc/{answer.shim_pid}/exe") == str(shim.binary.resolve())
    assert os.stat(f"/proc/{answer.shim_pid}/cwd").st_ino == c.bundle.path.stat().st_ino


def test_shutdown_while_there_is_a_container(shim):
    c = shim.sleeper().create()
    c("Shutdown")
    c("Shutdown", now=True)
    c("Start")
    c.kill()
    c("Wait")
    c("Shutdown")
    assert c.status() == "stopped"


def test_shutdown(shim):
    c = shim(script="exit 0").up()
    c("Wait")
    c.delete()
    c.shutdown()
    eventually(lambda: not leftovers.is_alive(c.shim_pid), "the shim has ended")
    assert not c.address.exists()
    c.expect_events("create", "start", "exit", "delete")


def test_shutdown_of_a_shim_without_any_container(shim):
    c = shim.sleeper().launch()
    c.shutdown()
    eventually(lambda: not leftovers.is_alive(c.shim_pid), "the shim has ended")


@pytest.mark.davit_shim
def test_checkpoint(shim):
    c = shim.sleeper().up()
    assert "checkpoint" in c.fails("UNIMPLEMENTED", "Checkpoint", path="/nowhere").lower()
    assert c.status() == "running"


@pytest.mark.davit_shim
def test_restore(shim):
    c = shim.sleeper().launch()
    c.fails("UNIMPLEMENTED", "Create", **c.create_fields(checkpoint="/nowhere"))
    c.fails("NOT_FOUND", "State")


def test_delete_frees_the_id(shim):
    c = shim(script="exit 0")
    for _ in range(3):
        c.up()
        c("Wait")
        c.delete()
    eventually(lambda: [e for e in c.events() if e != "oom"] == ["create", "start", "exit", "delete"] * 3, "each life has its events")


def test_rootfs_is_mounted_and_unmounted(shim):
    c = shim("cat", "/from-below")
    lower, upper, inner = (shim.work / name for name in ("lower", "upper", "inner"))
    os.rename(c.bundle.rootfs, lower)
    for path in (upper, inner, c.bundle.rootfs):
        path.mkdir()
    (lower / "from-below").write_text("below")
    io = c.fifos()
    c.up(io=io, rootfs=[{"type": "overlay", "source": "overlay",
                         "options": [f"lowerdir={lower}", f"upperdir={upper}", f"workdir={inner}"]}])
    c("Wait")
    assert io.out.wait_end() == "below"
    assert leftovers.mounts([f"{c.id}/rootfs"])
    c.delete()
    assert not leftovers.mounts([f"{c.id}/rootfs"])
    assert [e.type for e in c.wait_event("create").body.rootfs] == ["overlay"]


def test_rootfs_that_cannot_be_mounted(shim):
    """The first mount is undone."""
    c = shim.sleeper().launch()
    mounts = [{"type": "tmpfs", "source": "tmpfs"}, {"type": "no-such-type", "source": "none"}]
    c.rpc.fails(("UNKNOWN", "INTERNAL", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND"), "Create",
                id=c.id, rootfs=mounts, **c.create_fields())
    assert not leftovers.mounts([f"{c.id}/rootfs"])
    c.fails("NOT_FOUND", "State")
    assert c.events() == []
    c.up()


def test_two_at_a_time_on_one_connection(shim):
    """Answers come as they are ready: State overtakes Wait."""
    c = shim(script="sleep 1000").up()
    wait = c.send("Wait")
    state = c.send("State")
    assert c.rpc.result(state).pid == c.pid
    assert not c.rpc.is_answered(wait)


def test_ten_connections(shim):
    c = shim.sleeper().up()
    clients = [Client(shim.api, c.address) for _ in range(10)]
    streams = [client.send("State", id=c.id) for client in clients]
    assert {client.result(stream).pid for client, stream in zip(clients, streams)} == {c.pid}
    for client in clients:
        client.close()
