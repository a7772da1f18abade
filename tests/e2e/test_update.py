# SPDX-License-Identifier: Apache-2.0
"""update, events, ps and list: what they change and what they print."""

import json

import pytest

from harness import machine
from harness.leftovers import is_alive
from harness.wait import eventually

MIB = 1 << 20
RESOURCES = {"memory": {"limit": 64 * MIB, "reservation": 24 * MIB}, "pids": {"limit": 20},
             "cpu": {"shares": 100, "quota": 500000, "period": 1000000, "cpus": "0"}}


@pytest.fixture
def c(box):
    c = box("sleep", "1000")
    c.bundle.resources.update({"memory": {"limit": 33554432}, "pids": {"limit": 30},
                               "cpu": {"quota": 40000, "period": 100000}})
    return c.up()


def memory(c):
    return c.limit("memory", "memory.limit_in_bytes", "memory.max")


def quota(c):
    if machine.cgroup_mode() == "v2":
        return c.limit("cpu", "", "cpu.max")
    return c.limit("cpu", "cpu.cfs_quota_us", "") + " " + c.limit("cpu", "cpu.cfs_period_us", "")


@pytest.mark.parametrize("given, expected", [("64M", 64 * MIB), ("67108864", 64 * MIB), ("65536k", 64 * MIB), ("1g", 1 << 30)])
def test_memory(c, given, expected):
    c.runtime("update", "--memory", given, c.id)
    assert memory(c) == str(expected)


def test_memory_unlimited(c):
    c.runtime("update", "--memory", "-1", c.id)
    assert memory(c) == "max" or int(memory(c)) > 1 << 60


def test_memory_and_swap(c):
    name = ("memory.memsw.limit_in_bytes", "memory.swap.max")
    if not (c.cgroup("memory") / name[machine.cgroup_mode() == "v2"]).exists():
        pytest.skip("no swap accounting")
    for limit, swap in ((64, 96), (128, 256), (32, 48)):
        c.runtime("update", "--memory", f"{limit}M", "--memory-swap", f"{swap}M", c.id)
        assert memory(c) == str(limit * MIB)
        assert c.limit("memory", *name) == str((swap - limit if machine.cgroup_mode() == "v2" else swap) * MIB)
    c.runtime("update", "--memory-swap", "-1", c.id)


def test_memory_reservation(c):
    c.runtime("update", "--memory-reservation", "16M", c.id)
    assert c.limit("memory", "memory.soft_limit_in_bytes", "memory.low") == str(16 * MIB)


@pytest.mark.parametrize("given, expected", [("10", "10"), ("-1", "max"), ("0", "1")])
def test_pids(c, given, expected):
    c.runtime("update", "--pids-limit", given, c.id)
    assert c.limit("pids", "pids.max", "pids.max") == expected


def test_cpu_shares(c):
    c.runtime("update", "--cpu-share", "200", c.id)
    assert c.limit("cpu", "cpu.shares", "cpu.weight") == ("29" if machine.cgroup_mode() == "v2" else "200")


def test_cpu_quota_and_period_alone_and_together(c):
    c.runtime("update", "--cpu-quota", "60000", c.id)
    assert quota(c) == "60000 100000"
    c.runtime("update", "--cpu-period", "200000", c.id)
    assert quota(c) == "60000 200000"
    c.runtime("update", "--cpu-quota", "10000", "--cpu-period", "50000", c.id)
    assert quota(c) == "10000 50000"
    c.runtime("update", "--cpu-quota", "-1", c.id)
    assert quota(c) in ("max 50000", "-1 50000")


def test_cpu_burst_and_idle(c):
    if (c.cgroup("cpu") / ("cpu.max.burst" if machine.cgroup_mode() == "v2" else "cpu.cfs_burst_us")).exists():
        c.runtime("update", "--cpu-burst", "10000", c.id)
        assert c.limit("cpu", "cpu.cfs_burst_us", "cpu.max.burst") == "10000"
    if (c.cgroup("cpu") / "cpu.idle").exists():
        c.runtime("update", "--cpu-idle", "1", c.id)
        assert c.limit("cpu", "cpu.idle", "cpu.idle") == "1"


def test_cpuset(c):
    machine.need_cpus(2)
    c.runtime("update", "--cpuset-cpus", "1", "--cpuset-mems", "0", c.id)
    assert c.limit("cpuset", "cpuset.cpus", "cpuset.cpus") == "1"
    assert c.exec("grep", "Cpus_allowed_list", "/proc/self/status").out.split()[1] == "1"


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_resources_document(c, work, way):
    text = json.dumps(RESOURCES)
    (work / "resources.json").write_text(text)
    if way == "file":
        c.runtime("update", "--resources", work / "resources.json", c.id)
    else:
        c.runtime("update", "-r", "-", c.id, input=text)
    assert memory(c) == str(64 * MIB) and quota(c) == "500000 1000000"
    assert c.limit("pids", "pids.max", "pids.max") == "20"


def test_unified_in_the_document(c):
    machine.need_v2()
    c.runtime("update", "-r", "-", c.id, input='{"unified": {"memory.high": "50000000"}}')
    assert c.limit("memory", "", "memory.high") in ("49999872", "50000000")


def test_devices_are_not_touched(box):
    c = box("sleep", "1000")
    c.up()
    c.runtime("update", "-r", "-", c.id, input='{"devices": [{"allow": false, "access": "rwm"}], "pids": {"limit": 9}}')
    assert c.sh("echo x >/dev/null && head -c 1 /dev/zero | wc -c").out == "1\n"


def test_nothing_else_changes(c):
    c.runtime("update", "--pids-limit", "11", c.id)
    assert memory(c) == "33554432" and quota(c) == "40000 100000"


@pytest.mark.parametrize("args", [["--memory", "lots"], ["--cpu-quota", "x"], pytest.param(["--memory", "64M", "--memory-swap", "32M"], marks=pytest.mark.davit),
                                  ["--cpuset-cpus", "oops"], ["--resources", "/no/such/file"], ["--cpu-period", "1"]])
def test_bad_values(c, args):
    before = memory(c), quota(c)
    c.runtime.fails("update", *args, c.id)
    assert (memory(c), quota(c)) == before


def test_bad_document(c):
    c.runtime.fails("update", "-r", "-", c.id, input="{")


def test_paused_container(c):
    c.runtime("pause", c.id)
    c.runtime("update", "--pids-limit", "12", c.id)
    assert c.limit("pids", "pids.max", "pids.max") == "12"
    assert c.status == "paused"


def test_check_before_update(box):
    machine.need_v2()
    c = box(script="dd if=/dev/zero of=/dev/shm/x bs=1M count=30 2>/dev/null; echo ready; sleep 1000")
    c.bundle.mount_at("/dev/shm")["options"] = ["size=100m"]
    c.bundle.resources["memory"] = {"limit": 200 * MIB, "checkBeforeUpdate": True}
    c.up()
    c.wait_output("ready")
    error = c.runtime.fails("update", "-r", "-", c.id, input='{"memory": {"limit": 1048576, "checkBeforeUpdate": true}}').err
    assert "rejecting memory limit" in error


def stats(text):
    event = json.loads(text)
    assert event["type"] == "stats"
    return event


def test_stats(c):
    result = c.runtime("events", "--stats", c.id)
    event = stats(result.out)
    assert event["id"] == c.id and len(result.out.splitlines()) == 1
    data = event["data"]
    assert data["cpu"]["usage"]["total"] > 0
    assert data["pids"]["current"] >= 1 and data["pids"]["limit"] == 30
    assert data["memory"]["usage"]["limit"] == 33554432 and 0 < data["memory"]["usage"]["usage"] < 33554432
    assert data["memory"]["raw"]


def test_stats_count_throttling(c):
    c.exec("timeout", "1", "sh", "-c", "while :; do :; done", status=None)
    throttling = stats(c.runtime("events", "--stats", c.id).out)["data"]["cpu"]["throttling"]
    assert throttling["periods"] > 0 and throttling["throttledTime"] > 0


def test_pressure_in_stats(c):
    machine.need_v2()
    machine.need_file("/proc/pressure/cpu")
    data = stats(c.runtime("events", "--stats", c.id).out)["data"]
    assert set(data["cpu"]["psi"]["some"]) == {"avg10", "avg60", "avg300", "total"}


def test_events_come_at_the_interval_and_end_with_the_container(c):
    process = c.runtime.popen("events", "--interval", "50ms", c.id)
    for _ in range(3):
        stats(process.stdout.readline())
    c.kill("KILL")
    c.wait("stopped")
    c.delete()
    assert process.wait(30) == 0


def test_oom_event(box):
    c = box("sleep", "1000")
    c.bundle.mount_at("/dev/shm")["options"] = ["size=200m"]
    c.bundle.resources["memory"] = {"limit": 30 * MIB, "swap": 30 * MIB}
    c.up()
    process = c.runtime.popen("events", "--interval", "100ms", c.id)
    stats(process.stdout.readline())
    c.exec("dd", "if=/dev/zero", "of=/dev/shm/x", "bs=1M", "count=100", status=None)
    line = eventually(lambda: next((x for x in process.stdout if '"oom"' in x), None), "an oom event")
    assert json.loads(line) == {"type": "oom", "id": c.id}
    process.kill()
    process.wait()


def test_events_of_a_stopped_container(box):
    c = box("true").up().wait("stopped")
    c.runtime.fails("events", "--stats", c.id)


@pytest.mark.parametrize("interval", ["0", "-1s", "soon"])
def test_bad_interval(c, interval):
    c.runtime.fails("events", "--interval", interval, c.id)


def test_ps(c):
    second = c.spawn("sleep", "77")
    rows = c.runtime("ps", c.id).out.splitlines()
    assert "PID" in rows[0].split() and len(rows) == 3
    column = rows[0].split().index("PID")
    assert {int(row.split()[column]) for row in rows[1:]} == {c.pid, second}
    assert sorted(json.loads(c.runtime("ps", "-f", "json", c.id).out)) == sorted([c.pid, second])


def test_ps_with_arguments(c):
    out = c.runtime("ps", c.id, "-e", "-o", "pid,args").out
    assert "sleep 1000" in out and str(c.pid) in out


def test_ps_of_a_stopped_container(box):
    c = box("true").up().wait("stopped")
    assert len(c.runtime("ps", c.id).out.splitlines()) <= 1


def test_ps_with_a_bad_format(c):
    assert "invalid format" in c.runtime.fails("ps", "-f", "yaml", c.id).err


def test_list(box):
    first, second = box.running(), box("true")
    second.up().wait("stopped")
    rows = [line.split() for line in first.runtime("list").out.splitlines()]
    assert rows[0] == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    table = {row[0]: row for row in rows[1:]}
    assert table[first.id][1:4] == [str(first.pid), "running", str(first.bundle.path)]
    assert table[second.id][1:4] == ["0", "stopped", str(second.bundle.path)]
    assert table[first.id][5] == "root"
    assert sorted(first.runtime("list", "-q").out.split()) == sorted([first.id, second.id])
    entries = json.loads(first.runtime("list", "--format", "json").out)
    assert {e["id"]: e["status"] for e in entries} == {first.id: "running", second.id: "stopped"}


def test_list_of_nothing(oci):
    oci.root.mkdir()
    assert oci("list", "-f", "json").out.strip() in ("null", "[]")
    assert oci("list", "-q").out == ""


def test_list_survives_a_broken_entry(box):
    c = box.running()
    (c.runtime.root / "broken").mkdir()
    assert c.id in c.runtime("list").out


def test_list_with_a_bad_format(oci):
    oci.root.mkdir()
    assert "invalid format" in oci.fails("list", "-f", "yaml").err


def test_nothing_is_disturbed_by_reading(c):
    for command in (["state", c.id], ["list"], ["ps", c.id], ["events", "--stats", c.id]):
        c.runtime(*command)
    assert c.status == "running" and is_alive(c.pid)
