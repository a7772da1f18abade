# SPDX-License-Identifier: Apache-2.0
"""Pids, Pause, Resume, Update, Stats and what happens when memory runs out."""

import json
import os

import pytest

from harness import machine
from harness.machine import CGROUP, cgroup_mode, v1_controllers
from harness.wait import eventually

RESOURCES = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
MIB = 1 << 20


def limit(c, controller, v1, v2):
    name = c.bundle.linux["cgroupsPath"].lstrip("/")
    top = (CGROUP if cgroup_mode() == "v2" else v1_controllers()[controller]) / name
    return (top / (v2 if cgroup_mode() == "v2" else v1)).read_text().strip()


def update(c, **resources):
    return c("Update", resources=c.shims.api.json(json.dumps(resources), RESOURCES))


def stats(c):
    any_ = c("Stats").stats
    version = "v2" if cgroup_mode() == "v2" else "v1"
    assert any_.type_url == f"io.containerd.cgroups.{version}.Metrics"
    return c.shims.api.unpack(any_)


def test_pids(shim):
    c = shim(script="sleep 1000 & sleep 1000 & wait").up()
    eventually(lambda: len(c("Pids").processes) == 3, "init and its two children")
    pids = [p.pid for p in c("Pids").processes]
    assert c.pid in pids and all(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_pids_name_the_execs(shim):
    c = shim.sleeper().up()
    first, second = c.exec("one", "sleep", "1000"), c.exec("two", "sleep", "1000")
    processes = {p.pid: p for p in c("Pids").processes}
    assert set(processes) == {c.pid, first, second}
    assert not processes[c.pid].HasField("info")
    for pid, name in ((first, "one"), (second, "two")):
        assert processes[pid].info.type_url == "containerd.runc.v1.ProcessDetails"
        assert shim.api.unpack(processes[pid].info).exec_id == name


def test_pids_when_all_have_ended(shim):
    c = shim(script="exit 0").up()
    c("Wait")
    assert not c("Pids").processes


def test_pause_and_resume(shim):
    c = shim(script="i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.01; done").up()
    count = c.bundle.rootfs / "count"
    eventually(count.exists, "it counts")
    c("Pause")
    assert c.status() == "paused"
    first = count.read_text()
    assert c("Pids").processes and c("Connect").task_pid == c.pid and count.read_text() == first
    c("Resume")
    assert c.status() == "running"
    eventually(lambda: count.read_text() not in ("", first), "it counts again")
    c.end()
    c.expect_events("create", "start", "paused", "resumed", "exit", "delete")


def test_wait_and_state_are_answered_while_paused(shim):
    c = shim.sleeper().up()
    wait = c.send("Wait")
    c("Pause")
    assert c.status() == "paused" and stats(c)
    c("Resume")
    c.kill()
    assert c.rpc.result(wait).exit_status == 137


def test_update(shim):
    c = shim.sleeper().create()
    update(c, memory={"limit": 64 * MIB}, pids={"limit": 100})
    assert limit(c, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)
    assert limit(c, "pids", "pids.max", "pids.max") == "100"
    c("Start")
    update(c, memory={"limit": 32 * MIB})
    assert limit(c, "memory", "memory.limit_in_bytes", "memory.max") == str(32 * MIB)
    assert limit(c, "pids", "pids.max", "pids.max") == "100"


@pytest.mark.parametrize("text", ["", "{", "5", "[]", '{"memory": {"limit": "much"}}', '{"memory": 1}'])
def test_update_with_nonsense(shim, text):
    c = shim.sleeper()
    c.bundle.resources["memory"] = {"limit": 64 * MIB}
    c.up()
    c.fails(("INVALID_ARGUMENT", "UNKNOWN"), "Update", resources=shim.api.json(text, RESOURCES))
    assert limit(c, "memory", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)


@pytest.mark.davit_shim    # containerd's falls over
def test_update_without_resources(shim):
    c = shim.sleeper().up()
    c.fails("INVALID_ARGUMENT", "Update")
    assert c.status() == "running"


def test_update_that_the_kernel_refuses(shim):
    """The runtime's own words reach the caller."""
    c = shim.sleeper().up()
    message = c.rpc.fails(("UNKNOWN", "INTERNAL", "INVALID_ARGUMENT", "FAILED_PRECONDITION"), "Update", id=c.id,
                          resources=shim.api.json('{"cpu": {"cpus": "4000-4001"}}', RESOURCES))
    assert "cpuset" in message
    assert c.status() == "running"


def test_stats(shim):
    c = shim(script="dd if=/dev/zero of=/file bs=1M count=8; touch /copied; while :; do :; done")
    c.bundle.resources.update(memory={"limit": 64 * MIB}, pids={"limit": 50})
    c.up()
    eventually(lambda: (c.bundle.rootfs / "copied").exists(), "its file is written")
    if cgroup_mode() == "v2":
        eventually(lambda: stats(c).cpu.usage_usec > 20_000, "it uses the processor")
        found = stats(c)
        assert found.memory.usage_limit == 64 * MIB and 0 < found.memory.usage <= 64 * MIB
        assert found.memory.anon > 0
    else:
        eventually(lambda: stats(c).cpu.usage.total > 20_000_000, "it uses the processor")
        found = stats(c)
        assert found.memory.usage.limit == 64 * MIB and 0 < found.memory.usage.usage <= 64 * MIB
        assert found.memory.rss > 0 and found.memory.usage.max >= found.memory.usage.usage
        assert len(found.cpu.usage.per_cpu) >= os.cpu_count()
        assert found.cpu.usage.user + found.cpu.usage.kernel > 0
    assert (found.pids.current, found.pids.limit) == (1, 50)


def test_stats_agree_with_the_files(shim):
    c = shim.sleeper().up()
    name = "anon" if cgroup_mode() == "v2" else "total_rss"

    def agree():
        text = dict(line.split() for line in limit(c, "memory", "memory.stat", "memory.stat").splitlines())
        return getattr(stats(c).memory, name) == int(text[name]) > 0
    eventually(agree, f"{name} is that of the file")
    found = stats(c)
    if cgroup_mode() == "v2":
        return
    assert found.memory.pg_fault > 0
    assert found.memory.usage.failcnt == int(limit(c, "memory", "memory.failcnt", ""))
    assert found.cpu.throttling.periods == 0


def test_out_of_memory(shim):
    """The kernel kills; the daemon hears of it, before or after the exit."""
    machine.need_controller("memory")
    c = shim(script="x=12345678; while :; do x=$x$x; done")
    c.bundle.resources["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    c.up()
    assert c.wait_event("oom").url == "containerd.events.TaskOOM"
    assert c("Wait").exit_status == 137


def test_out_of_memory_in_an_exec(shim):
    c = shim.sleeper()
    c.bundle.resources["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
    c.up()
    c.exec("e", "sh", "-c", "x=12345678; while :; do x=$x$x; done")
    assert c("Wait", exec_id="e").exit_status == 137
    c.wait_event("oom")
    assert c.status() == "running"


@pytest.mark.davit_shim
def test_no_oom_event_without_cause(shim):
    """On v1 the eventfd also fires when the cgroup goes."""
    for _ in range(5):
        c = shim.sleeper().up()
        c.end()
        c.expect_events("create", "start", "exit", "delete")
        c.shutdown()


@pytest.mark.davit_shim    # containerd's keeps eventfds
def test_v1_watch_of_oom_is_closed(shim):
    c = shim.sleeper().launch()
    for _ in range(2):
        c.up()
        c.end()
    before = len(c.descriptors())
    for _ in range(5):
        c.up()
        c.end()
    eventually(lambda: len(c.descriptors()) <= before, f"as many descriptors as before: {c.descriptors()}")
