# SPDX-License-Identifier: Apache-2.0
"""Events: which, in which order, with what in them; and a daemon that is away, slow, or says no."""

import os
import signal
import threading
import time

import pytest

from harness import leftovers
from harness.wait import eventually

LIFE = ("create", "start", "exit", "delete")
NAMES = {
    "create": ("/tasks/create", "containerd.events.TaskCreate"),
    "start": ("/tasks/start", "containerd.events.TaskStart"),
    "exit": ("/tasks/exit", "containerd.events.TaskExit"),
    "delete": ("/tasks/delete", "containerd.events.TaskDelete"),
    "exec-added": ("/tasks/exec-added", "containerd.events.TaskExecAdded"),
    "exec-started": ("/tasks/exec-started", "containerd.events.TaskExecStarted"),
    "paused": ("/tasks/paused", "containerd.events.TaskPaused"),
    "resumed": ("/tasks/resumed", "containerd.events.TaskResumed"),
    "oom": ("/tasks/oom", "containerd.events.TaskOOM"),
}


def full_life(shim):
    c = shim.sleeper()
    io = c.fifos()
    c.up(io=io)
    c.exec("e", "sh", "-c", "exit 6")
    c("Wait", exec_id="e")
    c("Delete", exec_id="e")
    c("Pause")
    c("Resume")
    c.end()
    return c


def test_order_names_and_contents(shim):
    before = time.time()
    c = full_life(shim)
    c.expect_events("create", "start", "exec-added", "exec-started", "exit", "paused", "resumed", "exit", "delete")
    events = shim.daemon.of(c.id)
    for event in events:
        assert (event.topic, event.url) == NAMES[event.name]
        assert event.namespace == "ns"
        assert before - 1 < event.time < time.time() + 1
    assert [e.time for e in events] == sorted(e.time for e in events)
    create, start, added, started, exec_exit, _, _, exit, delete = (e.body for e in events)
    assert (create.bundle, create.pid, create.checkpoint) == (str(c.bundle.path), c.pid, "")
    assert (create.io.stdin, create.io.stdout, create.io.stderr, create.io.terminal) == ("", *map(str, c.io[0].paths.values()), False)
    assert start.pid == exit.pid == delete.pid == c.pid
    assert added.exec_id == started.exec_id == exec_exit.id == "e"
    assert started.pid == exec_exit.pid != c.pid
    assert (exec_exit.exit_status, exit.exit_status, delete.exit_status) == (6, 137, 137)
    assert exit.id == c.id


def test_short_lived_process(shim):
    """It may end before Start is answered; its start comes first all the same."""
    for _ in range(10):
        c = shim("true").up()
        c("Wait")
        c.delete()
        c.expect_events(*LIFE)
        c.shutdown()


def test_short_lived_execs(shim):
    c = shim.sleeper().up()
    for n in range(20):
        c.exec(f"e{n}", "true")
    for n in range(20):
        c.wait_event("exit", f"e{n}")
        assert [e.name for e in shim.daemon.of(c.id) if e.process == f"e{n}"] == ["exec-added", "exec-started", "exit"]


@pytest.mark.davit_shim    # containerd's has this since 1.7
@pytest.mark.parametrize("namespace", ["own", "host"])
def test_inits_exit_is_the_last(shim, namespace):
    c = shim.sleeper()
    if namespace == "host":
        c.bundle.drop_namespace("pid")
    c.up()
    for n in range(5):
        c.exec(f"e{n}", "sleep", "1000")
    os.kill(c.pid, signal.SIGKILL)
    c("Wait")
    eventually(lambda: c.events().count("exit") == 6, "six exits")
    exits = [e for e in shim.daemon.of(c.id) if e.name == "exit"]
    assert exits[-1].process == c.id
    assert {e.body.exit_status for e in exits} == {137}
    c.delete()
    c.wait_event("delete")


def test_container_killed_while_it_is_only_created(shim):
    c = shim.sleeper().create()
    os.kill(c.pid, signal.SIGKILL)
    assert c("Wait").exit_status == 137
    c.delete()
    c.expect_events("create", "exit", "delete")


def test_exec_that_does_not_start(shim):
    c = shim.sleeper().up()
    c.add_exec("e", "no-such-program")
    c.fails(("UNKNOWN", "NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "INTERNAL"), "Start", exec_id="e")
    c.end()
    c.wait_event("delete")
    assert "exec-started" not in c.events()


def test_create_that_fails(shim):
    c = shim("no-such-program").launch()
    c.rpc.outcome(c.send("Create", **c.create_fields()))
    d = shim(script="exit 0").up()
    d("Wait")
    d.wait_event("exit")
    assert c.events() == []


def test_metadata_of_the_request(shim):
    """The daemon finds the namespace in ttrpc's metadata, too."""
    c = shim(script="exit 0").up()
    c.wait_event("exit")
    for request in shim.daemon.requests:
        assert (request.service, request.method) == ("containerd.services.events.ttrpc.v1.Events", "Forward")
        metadata = {pair.key: pair.value for pair in request.metadata}
        assert metadata.get("containerd-namespace-ttrpc", "ns") == "ns"
        assert 0 <= request.timeout_nano <= 5_000_000_000


@pytest.mark.davit_shim
def test_daemon_is_away(shim):
    """What happened meanwhile comes later: all of it, once, in order, with the times of then."""
    c = shim.sleeper().up()
    c.wait_event("start")
    shim.daemon.stop()
    c.exec("e", "true")
    c("Wait", exec_id="e")
    c("Pause")
    c("Resume")
    c.end()
    back = time.time()
    shim.daemon.start()
    c.expect_events("create", "start", "exec-added", "exec-started", "exit", "paused", "resumed", "exit", "delete")
    assert all(e.time <= back for e in shim.daemon.of(c.id))


@pytest.mark.davit_shim
def test_daemon_is_away_from_the_start(shim):
    c = shim(script="exit 0").launch()
    shim.daemon.stop()
    c.up()
    c("Wait")
    c.delete()
    shim.daemon.start()
    c.expect_events(*LIFE)


@pytest.mark.davit_shim
def test_daemon_comes_and_goes(shim):
    c = shim.sleeper().up()
    for n in range(5):
        shim.daemon.stop()
        for m in range(20):
            c.add_exec(f"e{n}.{m}", "true")
        shim.daemon.start()
        c.wait_event("exec-added", f"e{n}.19")
    added = [e.process for e in shim.daemon.of(c.id) if e.name == "exec-added"]
    assert added == [f"e{n}.{m}" for n in range(5) for m in range(20)]


@pytest.mark.davit_shim
def test_shutdown_while_the_daemon_is_away(shim):
    """The shim may end; its last events wait on disk, or it waits with them. None is lost for good."""
    c = shim.sleeper().up()
    c.wait_event("start")
    shim.daemon.stop()
    c.end()
    c.rpc.frame(c.rpc.request("Shutdown", b"").SerializeToString())
    shim.daemon.start()
    try:
        eventually(lambda: not leftovers.is_alive(c.shim_pid) or c.events() == list(LIFE), "")
    except AssertionError:
        pass
    if c.events() != list(LIFE):
        c.cleanup()
    c.expect_events(*LIFE)


@pytest.mark.davit_shim
def test_daemon_refuses_for_a_while(shim):
    codes = iter([14, 14, 2])    # UNAVAILABLE, UNKNOWN
    shim.daemon.answer = lambda envelope: next(codes, 0)
    c = shim(script="exit 0").up()
    c("Wait")
    c.delete()
    c.expect_events(*LIFE)


@pytest.mark.davit_shim
def test_daemon_refuses_one_event_for_good(shim):
    """An event that nobody will ever take does not hold up those after it."""
    shim.daemon.answer = lambda envelope: 3 if envelope.topic == "/tasks/start" else 0
    c = shim(script="exit 0").up()
    c("Wait")
    c.delete()
    c.expect_events("create", "exit", "delete")


@pytest.mark.davit_shim
def test_daemon_that_does_not_answer(shim):
    """Calls are served meanwhile. After 5 s the event is sent again."""
    silent = threading.Event()
    shim.daemon.answer = lambda envelope: 0 if silent.is_set() else None
    c = shim.sleeper().up()
    c.exec("e", "true")
    assert c("Wait", exec_id="e").exit_status == 0
    c.end()
    silent.set()
    c.expect_events("create", "start", "exec-added", "exec-started", "exit", "exit", "delete")


@pytest.mark.davit_shim
def test_daemon_without_ttrpc(shim, work):
    """Then events go through the program that the daemon names, one at a time and in order."""
    binary = work / "publish"
    binary.write_text(f"#!/bin/sh\necho \"$*\" >> {work}/published\ncat > {work}/last\n")
    binary.chmod(0o755)
    shim.publish_binary, shim.environment["TTRPC_ADDRESS"] = str(binary), ""
    c = shim(script="exit 3").up()
    assert c("Wait").exit_status == 3
    c.delete()
    calls = eventually(lambda: (work / "published").exists() and len((work / "published").read_text().splitlines()) == 4
                       and (work / "published").read_text().splitlines(), "four events")
    assert all("publish" in call.split() and call.split()[call.split().index("--namespace") + 1] == "ns" for call in calls)
    assert [call.split()[call.split().index("--topic") + 1] for call in calls] == [f"/tasks/{name}" for name in LIFE]
    eventually(lambda: shim.api.type("google.protobuf.Any").FromString((work / "last").read_bytes()).type_url
               == "containerd.events.TaskDelete", "the event is on its standard input")
