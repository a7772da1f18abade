# SPDX-License-Identifier: Apache-2.0
"""Scheduling of the process: policy, priority, affinity, I/O priority, memory policy, personality."""

import json
import os

import pytest

from harness import machine


def stat_field(text, number):
    """Field @number of /proc/pid/stat, as proc(5) counts."""
    return int(text.rpartition(")")[2].split()[number - 3])


@pytest.mark.parametrize("scheduler, policy, nice", [
    ({"policy": "SCHED_OTHER", "nice": 5}, 0, 5), ({"policy": "SCHED_BATCH", "nice": 3}, 3, 3),
    ({"policy": "SCHED_IDLE"}, 5, 0), ({"policy": "SCHED_OTHER", "nice": -5}, 0, -5)])
def test_scheduler(box, scheduler, policy, nice):
    c = box("cat", "/proc/self/stat")
    c.bundle.process["scheduler"] = scheduler
    text = c.run().out
    assert stat_field(text, 41) == policy
    assert stat_field(text, 19) == nice


@pytest.mark.parametrize("policy, number", [("SCHED_FIFO", 1), ("SCHED_RR", 2)])
def test_real_time_scheduler(box, policy, number):
    machine.need_cap("sys_nice")
    c = box("cat", "/proc/self/stat")
    c.bundle.process["scheduler"] = {"policy": policy, "priority": 7, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    result = c.run(status=None)
    if result.status and "not permitted" in result.err:
        pytest.skip("this kernel gives the cgroup no real-time budget")
    assert (stat_field(result.out, 41), stat_field(result.out, 40)) == (number, 7)


def test_scheduler_in_exec(box, work):
    c = box.running()
    path = work / "process.json"
    path.write_text(json.dumps({"cwd": "/", "args": ["/bin/cat", "/proc/self/stat"],
                                "scheduler": {"policy": "SCHED_BATCH", "nice": 4}}))
    text = c.runtime("exec", "-p", path, c.id).out
    assert (stat_field(text, 41), stat_field(text, 19)) == (3, 4)


@pytest.mark.parametrize("kind, text", [("IOPRIO_CLASS_BE", "best-effort"), ("IOPRIO_CLASS_IDLE", "idle"),
                                        ("IOPRIO_CLASS_RT", "realtime")])
def test_io_priority(box, kind, text):
    c = box(script="ionice -p $$")
    c.bundle.process["ioPriority"] = {"class": kind, "priority": 3}
    out = c.run().out
    assert out.startswith(text)
    assert kind == "IOPRIO_CLASS_IDLE" or "prio 3" in out


def test_no_io_priority(box):
    c = box(script="ionice -p $$")
    assert c.run().out.split(":")[0] in ("none", "best-effort")


def test_io_priority_in_exec(box):
    c = box("sleep", "1000")
    c.bundle.process["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}
    c.up()
    assert "best-effort: prio 6" in c.sh("ionice -p $$").out


ALLOWED = ("grep", "Cpus_allowed_list", "/proc/self/status")


def cpus(result):
    return result.out.split()[1]


def test_affinity_of_the_caller_does_not_reach_the_container(box):
    machine.need_cpus(2)
    whole = open("/proc/self/status").read().split("Cpus_allowed_list:")[1].split()[0]
    c = box(*ALLOWED)
    c.runtime.prefix = ["taskset", "-c", "0"]
    assert cpus(c.run()) == whole


def test_affinity_follows_the_cpuset(box):
    machine.need_cpus(2)
    machine.need_controller("cpuset")
    c = box(*ALLOWED)
    c.bundle.resources["cpu"] = {"cpus": "1", "mems": "0"}
    c.runtime.prefix = ["taskset", "-c", "0"]
    assert cpus(c.run()) == "1"


def test_affinity_of_the_caller_does_not_reach_exec(box):
    machine.need_cpus(2)
    c = box.running()
    whole = cpus(c.exec(*ALLOWED))
    c.runtime.prefix = ["taskset", "-c", "0"]
    assert cpus(c.exec(*ALLOWED)) == whole
    c.runtime.prefix = []


def test_exec_cpu_affinity(box):
    machine.need_cpus(2)
    c = box("sleep", "1000")
    c.bundle.process["execCPUAffinity"] = {"initial": "0", "final": "1"}
    c.up()
    assert cpus(c.exec(*ALLOWED)) == "1"


@pytest.mark.parametrize("final, expected", [("0", "0"), ("1", "1"), ("0-1", "0-1"), ("0,1", "0-1")])
def test_exec_cpu_affinity_of_the_process_document(box, work, final, expected):
    machine.need_cpus(2)
    c = box.running()
    path = work / "process.json"
    path.write_text(json.dumps({"cwd": "/", "args": ["/bin/" + ALLOWED[0], *ALLOWED[1:]],
                                "execCPUAffinity": {"final": final}}))
    assert cpus(c.runtime("exec", "-p", path, c.id)) == expected


NUMA = "head -n 1 /proc/self/numa_maps | cut -d ' ' -f 2"


@pytest.mark.parametrize("policy, expected", [
    ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}, "prefer=relative:0"),
    ({"mode": "MPOL_DEFAULT"}, "default"), ({"mode": "MPOL_LOCAL"}, "local")])
def test_memory_policy(box, policy, expected):
    machine.need_file("/proc/self/numa_maps")
    c = box(script=NUMA)
    c.bundle.linux["memoryPolicy"] = policy
    out = c.run().out.strip()
    assert out.replace("prefer (many)", "prefer") == expected


def test_memory_policy_in_exec(box):
    machine.need_file("/proc/self/numa_maps")
    c = box("sleep", "1000")
    c.bundle.linux["memoryPolicy"] = {"mode": "MPOL_INTERLEAVE", "nodes": "0"}
    c.up()
    assert c.sh(NUMA).out == "interleave:0\n"


@pytest.mark.parametrize("policy, message", [
    ({}, "invalid memory policy"), ({"mode": "INTERLEAVE", "nodes": "0"}, "invalid memory policy"),
    ({"nodes": "0-7"}, "invalid memory policy mode"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["bad"]}, "invalid memory policy flag"),
    ({"mode": "MPOL_DEFAULT", "nodes": "0-7"}, "mode requires 0 nodes but got 8")])
def test_bad_memory_policy(box, policy, message):
    c = box("true")
    c.bundle.linux["memoryPolicy"] = policy
    assert message in c.fails().err


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 only")
def test_personality(box):
    c = box("uname", "-m")
    c.bundle.linux["personality"] = {"domain": "LINUX32"}
    assert c.run().out == "i686\n"
    c.bundle.linux["personality"] = {"domain": "LINUX"}
    assert c.run().out == "x86_64\n"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 only")
def test_personality_in_exec(box):
    c = box("sleep", "1000")
    c.bundle.linux["personality"] = {"domain": "LINUX32"}
    c.up()
    assert c.exec("uname", "-m").out == "i686\n"
