# SPDX-License-Identifier: Apache-2.0
"""davitd is killed at each of its fault points, under load, while a container runs; what it has said is so afterwards."""

import os
import random

import pytest

from harness.bystander import Bystander, files, is_whole
from harness.chaos import Chaos
from harness.daemon import DidNotStart, need
from harness.store_fixtures import fault_points
from harness.wait import eventually

pytestmark = pytest.mark.davit
ROUNDS = int(os.environ.get("DAVIT_CHAOS_ROUNDS", "20"))


@pytest.fixture
def stays(store_daemon, rootfs_template, work):
    need("ctr")
    found = Bystander(store_daemon, rootfs_template, work)
    yield found
    found.ctr.clean()


@pytest.fixture
def chaos(stays, rootfs_template, work):
    return Chaos(stays, rootfs_template, work)


# test_davitd_system.py comes by those of "salvage".
PARTS = ("container.", "content.", "gc.", "managed.", "meta.", "sandbox.", "snapshot.", "task.")


def test_each_point_has_its_test():
    assert [name for name in fault_points() if not name.startswith((*PARTS, "salvage."))] == []


def restart(server, fault=None):
    """False: it was killed before it answered."""
    server.environment.pop("DAVIT_FAULT", None)
    if fault:
        server.environment["DAVIT_FAULT"] = fault
    if server.process.poll() is None:
        server.kill()
    try:
        server.start()
    except DidNotStart:
        if not fault or server.process.returncode != -9:
            raise
        return False
    return True


def kill_at(stays, chaos, fault, before, must_hit=True):
    server = stays.daemon.server
    print(f"killed at {fault}")
    chaos.has_managed = fault.startswith(("container.", "managed."))
    chaos.workers = []    # it may be killed before anybody has asked for anything
    if restart(server, fault):
        is_hit = chaos.run(lambda _: server.process.poll() is not None, limit=30 if must_hit else 5)
        assert is_hit or not must_hit, f"the load does not come by {fault}: {[worker.failure for worker in chaos.workers]}"
    restart(server)
    client = stays.daemon.client(stays.ctr.namespace)
    chaos.check(client)
    is_whole(client)
    stays.has_not_noticed()
    chaos.undo(client)
    eventually(lambda: files(stays.daemon) == before, f"nothing is left: {files(stays.daemon)}, before {before}")


@pytest.mark.parametrize("part", PARTS)
def test_killed_at_each_point_of(part, stays, chaos):
    before = files(stays.daemon)
    if not fault_points():
        pytest.skip("built without fault points")
    for name in fault_points(part):
        for nth in (1, 3, 8, 20) if part == "meta." else (1,):    # everything passes by those
            kill_at(stays, chaos, f"{name}:{nth}", before)
    stays.end()


@pytest.mark.stress
@pytest.mark.parametrize("name", [name for part in PARTS for name in fault_points(part)])
def test_killed_in_a_loop(name, stays, chaos):
    """At the n-th passage, by chance. Its seed is in what a failure prints."""
    seed = int(os.environ.get("DAVIT_CHAOS_SEED", random.randrange(1 << 30)))
    chance, before = random.Random(seed), files(stays.daemon)
    print(f"DAVIT_CHAOS_SEED={seed}")
    chaos.n_workers = 4
    for _ in range(ROUNDS):
        kill_at(stays, chaos, f"{name}:{chance.randrange(1, 12)}", before, must_hit=False)
    stays.end()
