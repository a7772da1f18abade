# SPDX-License-Identifier: Apache-2.0
"""Calls of all kinds from several clients at once, by chance: the shim stays well, small, and its events in order."""

import json
import random
import threading

import pytest

from harness import leftovers
from harness.ttrpc import RpcError
from harness.wait import eventually

pytestmark = pytest.mark.davit_shim
CONTAINERS, CLIENTS, EXECS = 3, 4, 3
# A life of a process; what stands before a name must have been there.
BEFORE = {"create": None, "start": "create", "exit": ("start", "create"), "delete": ("exit", "create"),
          "exec-added": None, "exec-started": "exec-added"}
CODES = {"NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED", "UNKNOWN", "INTERNAL"}


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Private_Clean", "Private_Dirty")))


def choose(chance, c):
    """A method and its fields."""
    exec_id = f"e{chance.randrange(EXECS)}"
    process = json.dumps({**c.bundle.process, "args": chance.choice([["true"], ["sleep", "1000"], ["sleep", "0.02"], ["no-such-program"]])})
    return chance.choice([
        ("Create", c.create_fields()), ("Start", {}), ("Kill", {"signal": 9, "all": chance.random() < 0.5}), ("Delete", {}), ("Delete", {}),
        ("Exec", {"exec_id": exec_id, "spec": c.shims.api.json(process)}), ("Exec", {"exec_id": exec_id, "spec": c.shims.api.json(process)}),
        ("Start", {"exec_id": exec_id}), ("Start", {"exec_id": exec_id}), ("Kill", {"exec_id": exec_id, "signal": 9}),
        ("Delete", {"exec_id": exec_id}), ("Pause", {}), ("Resume", {}), ("Resume", {}), ("Pids", {}), ("Stats", {}), ("State", {}),
        ("State", {"exec_id": exec_id}), ("Update", {"resources": c.shims.api.json("{}")}), ("ResizePty", {"width": 80, "height": 24}),
        ("CloseIO", {"stdin": True}), ("Connect", {}), ("Shutdown", {})])


def storm(c, containers, n_calls, seed, problems):
    """One client. It never calls Shutdown when nothing is left (somebody holds a container of his own, see below)."""
    chance, client, waits = random.Random(seed), c.connect(), []
    try:
        for _ in range(n_calls):
            target = chance.choice(containers)
            method, fields = choose(chance, target)
            if chance.random() < 0.2:
                waits.append(client.send("Wait", id=target.id, deadline=20))
            try:
                client.call(method, id=target.id, **fields)
            except RpcError as err:
                if err.code not in CODES:
                    problems.append(f"{method}: {err}")
    except Exception as err:    # pylint: disable=broad-except
        problems.append(f"client {seed}: {type(err).__name__} {err}")
    finally:
        client.close()    # and with it all Waits


def check_events(events):
    """Every life of every process in order, its starts before its exits, nothing after its deletion."""
    lives = {}
    for event in events:
        if event.name in ("paused", "resumed", "oom"):
            continue
        key = (event.container, event.process)
        if event.name in ("create", "exec-added"):
            lives[key] = []
        so_far = lives.setdefault(key, [])
        if event.name == "exit" and event.process != event.container:
            assert so_far[-1:] == ["exec-started"], f"{event} after {so_far}"
        elif event.name != "exec-started" or so_far:
            before = BEFORE[event.name]
            assert before is None or so_far and so_far[-1] in before, f"{event} after {so_far}"
        so_far.append(event.name)


@pytest.mark.parametrize("n_calls", [150, pytest.param(10_000, marks=pytest.mark.stress)])
def test_calls_by_chance(shim, n_calls):
    keeper = shim.sleeper(group="pod").up()    # so that Shutdown never takes effect
    containers = [shim.sleeper(group="pod").launch() for _ in range(CONTAINERS)]
    before, memory = len(keeper.descriptors()), private_kib(keeper.shim_pid)
    problems = []
    for c in containers:
        c.bundle.save()
    threads = [threading.Thread(target=storm, args=(keeper, containers, n_calls, seed, problems)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert keeper.status() == "running"
    for c in containers:
        for method, fields in (("Kill", {"signal": 9, "all": True}), ("Wait", {}), ("Delete", {})):
            c.rpc.outcome(c.send(method, **fields))
        c.fails("NOT_FOUND", "State")
        assert not leftovers.cgroups([c.id]) and not (c.runtime_root / shim.namespace / c.id).exists()
    eventually(lambda: len(keeper.descriptors()) <= before + 1, f"descriptors: {before} before, {keeper.descriptors()}")
    assert private_kib(keeper.shim_pid) < memory + 512
    keeper.end()
    keeper.wait_event("delete")
    check_events(shim.daemon.events)


def test_many_connections(shim):
    """More than a daemon has; those beyond the limit are refused or wait, the others are served."""
    c = shim.sleeper().up()
    before, memory = len(c.descriptors()), private_kib(c.shim_pid)
    clients = []
    for _ in range(300):
        try:
            clients.append(c.connect())
        except OSError:
            break
    assert len(clients) >= 50 and c.status() == "running"
    for client in clients:
        client.close()
    eventually(lambda: len(c.descriptors()) <= before, "all are closed")
    assert private_kib(c.shim_pid) < memory + 512
    assert c.status() == "running"


def test_many_containers_in_one_shim(shim):
    containers = [shim.sleeper(group="pod") for _ in range(25)]
    for c in containers:
        c.launch()
    creates = [c.send("Create", **c.create_fields()) for c in containers]
    for c, create in zip(containers, creates):
        c.pid = c.rpc.result(create).pid
    starts = [c.send("Start") for c in containers]
    for c, start in zip(containers, starts):
        c.rpc.result(start)
    assert len({c.pid for c in containers}) == 25
    assert {c.status() for c in containers} == {"running"}
    waits = [c.send("Wait") for c in containers]
    for c in containers:
        c.kill()
    assert {c.rpc.result(wait).exit_status for c, wait in zip(containers, waits)} == {137}
    for c in containers:
        c.delete()
        c.expect_events("create", "start", "exit", "delete")
