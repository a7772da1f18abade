# SPDX-License-Identifier: Apache-2.0
"""Cgroups: where a container is put, every limit in its file (v1 and v2), limits that bite, non-empty groups."""

import os
import pathlib

import pytest

from harness import machine
from harness.machine import CGROUP
from harness.wait import eventually

MIB = 1 << 20


def test_membership(box):
    c = box.running()
    for line in open(f"/proc/{c.pid}/cgroup"):
        number, controllers, path = line.strip().split(":", 2)
        if controllers and controllers.split(",")[0] not in machine.v1_controllers():
            continue
        assert path == f"/{c.id}" or (number == "0" and machine.cgroup_mode() == "v1"), line


def test_nested_path_is_made(box, work):
    c = box("sleep", "1000")
    c.bundle.linux["cgroupsPath"] = f"/{work.name}-parent/a/b"
    c.up()
    assert str(c.pid) in (c.cgroup("pids") / "cgroup.procs").read_text().split()
    c.delete("--force")
    assert not c.cgroup("pids").exists()
    for top in (p.parent for p in [CGROUP / "x"] + [d / "x" for d in machine.v1_controllers().values()]):
        for name in (f"{work.name}-parent/a", f"{work.name}-parent"):
            if (top / name).exists():
                (top / name).rmdir()
    if (CGROUP / "unified").exists():
        for name in (f"{work.name}-parent/a", f"{work.name}-parent"):
            if (CGROUP / "unified" / name).exists():
                (CGROUP / "unified" / name).rmdir()


def test_without_a_path_the_id_is_used(box):
    c = box("sleep", "1000")
    del c.bundle.linux["cgroupsPath"]
    c.up()
    assert any(line.strip().endswith(f"/{c.id}") for line in open(f"/proc/{c.pid}/cgroup"))


def test_path_that_climbs_out_stays_below_the_root(box):
    c = box("sleep", "1000")
    c.bundle.linux["cgroupsPath"] = f"/../../{c.id}"
    c.create(status=None)
    c.runtime("delete", "--force", c.id)


def limits(c, **resources):
    for key, value in resources.items():
        c.bundle.resources[key] = value


# resource, value, controller, v1 file and content, v2 file and content (None: not there)
LIMITS = [
    ("memory", {"limit": 64 * MIB}, "memory", "memory.limit_in_bytes", str(64 * MIB), "memory.max", str(64 * MIB)),
    ("memory", {"limit": -1}, "memory", "memory.limit_in_bytes", None, "memory.max", "max"),
    ("memory", {"reservation": 32 * MIB}, "memory", "memory.soft_limit_in_bytes", str(32 * MIB), "memory.low", str(32 * MIB)),
    ("memory", {"swappiness": 10}, "memory", "memory.swappiness", "10", None, None),
    ("memory", {"disableOOMKiller": True}, "memory", "memory.oom_control", "oom_kill_disable 1", None, None),
    ("memory", {"limit": 64 * MIB, "swap": 96 * MIB}, "memory", "memory.memsw.limit_in_bytes", str(96 * MIB),
     "memory.swap.max", str(32 * MIB)),
    ("cpu", {"shares": 512}, "cpu", "cpu.shares", "512", "cpu.weight", "59"),
    ("cpu", {"shares": 1024}, "cpu", "cpu.shares", "1024", "cpu.weight", "100"),
    ("cpu", {"shares": 2}, "cpu", "cpu.shares", "2", "cpu.weight", "1"),
    ("cpu", {"quota": 25000, "period": 50000}, "cpu", "cpu.cfs_quota_us", "25000", "cpu.max", "25000 50000"),
    ("cpu", {"period": 50000}, "cpu", "cpu.cfs_period_us", "50000", "cpu.max", "max 50000"),
    ("cpu", {"quota": 50000, "period": 100000, "burst": 10000}, "cpu", "cpu.cfs_burst_us", "10000", "cpu.max.burst", "10000"),
    ("cpu", {"idle": 1}, "cpu", "cpu.idle", "1", "cpu.idle", "1"),
    ("cpu", {"cpus": "0", "mems": "0"}, "cpuset", "cpuset.cpus", "0", "cpuset.cpus", "0"),
    ("pids", {"limit": 123}, "pids", "pids.max", "123", "pids.max", "123"),
    ("pids", {"limit": -1}, "pids", "pids.max", "max", "pids.max", "max"),
    ("blockIO", {"weight": 500}, "blkio", "blkio.bfq.weight", "500", "io.bfq.weight", "500"),
]


@pytest.mark.parametrize("resource, value, controller, v1, v1_text, v2, v2_text", LIMITS,
                         ids=[f"{r}-{'-'.join(f'{k}={v}' for k, v in value.items())}" for r, value, *_ in LIMITS])
def test_limit(box, resource, value, controller, v1, v1_text, v2, v2_text):
    name, text = (v2, v2_text) if machine.cgroup_mode() == "v2" else (v1, v1_text)
    if text is None:
        pytest.skip("not on this version of cgroups")
    machine.need_controller({"blkio": "io"}.get(controller, controller) if machine.cgroup_mode() == "v2" else controller)
    probe = box.running()
    if not (probe.cgroup(controller) / name).exists():
        pytest.skip(f"no {name} here")
    probe.delete("--force")
    c = box("sleep", "1000")
    limits(c, **{resource: value})
    c.up()
    assert (c.cgroup(controller) / name).read_text().strip().startswith(text)


def test_all_limits_together(box):
    c = box("true")
    limits(c, memory={"limit": 64 * MIB, "reservation": 32 * MIB}, pids={"limit": 50},
           cpu={"shares": 100, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"})
    c.run()


def test_hugepage_limit(box):
    size = next(iter(pathlib.Path("/sys/kernel/mm/hugepages").glob("hugepages-*")), None)
    if size is None:
        pytest.skip("no huge pages")
    kib = int(size.name.split("-")[1][:-2])
    name = f"{kib // 1024}MB" if kib < 1 << 20 else f"{kib >> 20}GB"
    v2_tree = CGROUP if machine.cgroup_mode() == "v2" else CGROUP / "unified"
    if "hugetlb" not in machine.v1_controllers() and not (
            machine.cgroup_mode() == "v2" and "hugetlb" in (v2_tree / "cgroup.controllers").read_text()):
        pytest.skip("no hugetlb controller where limits are set")
    c = box("sleep", "1000")
    c.bundle.resources["hugepageLimits"] = [{"pageSize": name, "limit": 2 * MIB * (kib // 1024 or 1)}]
    c.up()
    value = c.limit("hugetlb", f"hugetlb.{name}.limit_in_bytes", f"hugetlb.{name}.max")
    assert value == str(2 * MIB * (kib // 1024 or 1))


def block_device():
    for entry in pathlib.Path("/sys/block").iterdir():
        return (entry / "dev").read_text().strip()
    pytest.skip("no block device")


def test_block_throttle(box):
    device = block_device()
    major, minor = map(int, device.split(":"))
    machine.need_controller("io" if machine.cgroup_mode() == "v2" else "blkio")
    c = box("sleep", "1000")
    c.bundle.resources["blockIO"] = {
        "throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 1000000}],
        "throttleWriteIOPSDevice": [{"major": major, "minor": minor, "rate": 500}]}
    c.up()
    if machine.cgroup_mode() == "v2":
        line = next(x for x in (c.cgroup("io") / "io.max").read_text().splitlines() if x.startswith(device))
        assert "rbps=1000000" in line and "wiops=500" in line
    else:
        assert (c.cgroup("blkio") / "blkio.throttle.read_bps_device").read_text().split() == [device, "1000000"]
        assert (c.cgroup("blkio") / "blkio.throttle.write_iops_device").read_text().split() == [device, "500"]


def test_unified(box):
    machine.need_v2()
    c = box("sleep", "1000")
    c.bundle.resources["unified"] = {"memory.high": str(50 * MIB), "pids.max": "77", "cpu.weight": "42"}
    c.up()
    for name, value in c.bundle.resources["unified"].items():
        assert (c.cgroup("x") / name).read_text().strip() == value


def test_unified_wins(box):
    machine.need_v2()
    c = box("sleep", "1000")
    limits(c, pids={"limit": 20}, unified={"pids.max": "30"})
    c.up()
    assert c.limit("pids", "", "pids.max") == "30"


@pytest.mark.parametrize("key", ["a/b", "../memory.max", "nocontroller.max", "memory.nosuchfile", ""])
def test_bad_unified(box, key):
    machine.need_v2()
    c = box("true")
    c.bundle.resources["unified"] = {key: "1"}
    c.fails()


def test_unified_on_v1(box):
    machine.need_v1()
    c = box("true")
    c.bundle.resources["unified"] = {"memory.max": "100000000"}
    assert "unified" in c.fails().err or "v1" in c.fails().err


@pytest.mark.parametrize("resources", [
    {"memory": {"limit": 64 * MIB, "swap": 32 * MIB}}, {"cpu": {"cpus": "not-cpus"}}, {"cpu": {"cpus": "999"}},
    {"cpu": {"quota": 1, "period": 100000}}, {"pids": {"limit": 10 ** 12}}, {"blockIO": {"weight": 70000}}])
def test_limit_that_the_kernel_refuses(box, resources):
    c = box("true")
    c.bundle.resources.update(resources)
    if "blockIO" in resources and machine.cgroup_mode() != "v2" and not (
            CGROUP / "blkio/blkio.bfq.weight").exists() and not (CGROUP / "blkio/blkio.weight").exists():
        pytest.skip("no weights here")
    c.fails()


def test_pids_limit_bites(box):
    c = box(script="for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait")
    limits(c, pids={"limit": 4})
    assert "fork" in c.run(status=None).err.lower()


def test_memory_limit_bites(box):
    c = box(script="dd if=/dev/zero of=/dev/shm/x bs=1M count=60; echo status $?")
    c.bundle.mount_at("/dev/shm")["options"] = ["size=100m"]
    limits(c, memory={"limit": 20 * MIB, "swap": 20 * MIB})
    result = c.run(status=None)
    assert "status 0" not in result.out


def test_small_memory_limit_does_not_stop_the_runtime(box):
    """The runtime itself must fit in: what is charged is the container's."""
    c = box("true")
    limits(c, memory={"limit": 4 * MIB})
    c.run()


def test_limit_below_what_the_runtime_needs_is_an_error(box):
    c = box("true")
    limits(c, memory={"limit": 4096})
    c.fails(status=None)


def test_limits_hold_from_the_first_instruction(box):
    name = "/sys/fs/cgroup/pids.max" if machine.cgroup_mode() == "v2" else "/sys/fs/cgroup/pids/pids.max"
    c = box("cat", name)
    limits(c, pids={"limit": 33})
    assert c.run().out == "33\n"


def test_group_that_is_not_empty(box):
    first, second = box("sleep", "1000").up(), box("true")
    second.bundle.linux["cgroupsPath"] = first.bundle.linux["cgroupsPath"]
    error = second.fails(verb="create").err
    assert "container's cgroup is not empty" in error and "1 process" in error
    assert first.status == "running"


def test_group_that_is_frozen(box):
    first = box.running()
    first.runtime("pause", first.id)
    second = box("true")
    second.bundle.linux["cgroupsPath"] = first.bundle.linux["cgroupsPath"]
    second.fails(verb="create")
    assert first.status == "paused"


def test_empty_group_is_taken_over(box):
    c = box("true")
    directory = c.cgroup("pids")
    directory.mkdir()
    c.run()
    assert not directory.exists()


def test_groups_made_by_the_container_go_with_it(box):
    c = box(script=("cd /sys/fs/cgroup; [ -d pids ] && cd pids; mkdir -p a/b; echo ready; sleep 1000"))
    c.bundle.mount_at("/sys/fs/cgroup")["options"].remove("ro")
    c.up()
    c.wait_output("ready")
    assert (c.cgroup("pids") / "a/b").is_dir()
    c.delete("--force")
    assert not c.cgroup("pids").exists()


def test_process_in_a_group_made_by_the_container(box):
    """Freezing and killing reach below, too."""
    c = box(script="cd /sys/fs/cgroup; [ -d pids ] && cd pids; mkdir sub; sleep 1000 & echo $! >sub/cgroup.procs; echo ready; wait")
    c.bundle.mount_at("/sys/fs/cgroup")["options"].remove("ro")
    c.bundle.drop_namespace("pid")
    c.up()
    c.wait_output("ready")
    c.delete("--force")
    assert not c.cgroup("pids").exists()


def test_no_rights_are_left_open(box):
    """Delegation: a writable cgroup mount in a user namespace with its own cgroup namespace is the container's."""
    machine.need_v2()
    machine.need_userns()
    c = box(script="mkdir /sys/fs/cgroup/own && echo $$ >/sys/fs/cgroup/own/cgroup.procs && echo moved; sleep 1000")
    c.bundle.user_namespace()
    c.bundle.set_namespace("cgroup")
    c.bundle.mount_at("/sys/fs/cgroup")["options"].remove("ro")
    c.up()
    c.wait_output("moved")
    assert c.cgroup("x").stat().st_uid == 100000
    assert (c.cgroup("x") / "cgroup.procs").stat().st_uid == 100000
    assert (c.cgroup("x") / "memory.max").stat().st_uid == 0


def test_delete_waits_for_the_last_process(box):
    """init is gone but a child with a shared pid namespace is still there: delete sees to it."""
    c = box(script="sleep 1000 & exit 0")
    c.bundle.drop_namespace("pid")
    c.up()
    c.wait("stopped")
    eventually(lambda: (c.cgroup("pids") / "cgroup.procs").exists(), "the group is there")
    c.delete("--force")
    assert not c.cgroup("pids").exists()


def test_many_at_once(box):
    running = []
    for _ in range(8):
        c = box("true")
        c.bundle.save()
        running.append(c.runtime.popen("run", "--bundle", c.bundle.path, c.id))
    for process in running:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error


def test_controllers_stay_as_they_were(box):
    """Nothing of the host's groups changes but the container's own."""
    before = {d: os.listdir(d) for d in map(str, machine.v1_controllers().values())}
    box("true").run()
    after = {d: os.listdir(d) for d in before}
    def files(names):
        return {n for n in names if "." in n}
    assert {d: files(n) for d, n in before.items()} == {d: files(n) for d, n in after.items()}
