# SPDX-License-Identifier: Apache-2.0
"""Containers whose tasks davitd ends: io.davit.managed, io.davit.exit, io.davit.rm, and their data directories."""

import shutil
import signal

import pytest

from harness.fake_shim import CREATED, RUNNING
from harness.grpc_client import fails
from harness.shim_place import Later
from harness.wait import eventually

pytestmark = pytest.mark.davit
MANAGED, RM = {"io.davit.managed": "1"}, {"io.davit.managed": "1", "io.davit.rm": "1"}
SNAPSHOTTER = "native"


def ended(place, id="a"):
    """It is on record, and nothing is left of the task."""
    eventually(lambda: place.exit_of(id) and place.tasks() == {} and not place.bundle(id).exists(), "it has ended")
    eventually(lambda: place.shims.pid(id) is None and not (place.data(id) / "task").exists(), "nothing is left")
    return place.exit_of(id)


def is_removed(place, id="a"):
    with fails("NOT_FOUND"):
        place.client.containers.Get(id=id)
    with fails("NOT_FOUND"):
        place.client.snapshots.Stat(snapshotter=SNAPSHOTTER, key=id)
    return True


def run_rm(place, id="a"):
    place.client.snapshots.Prepare(snapshotter=SNAPSHOTTER, key=id)
    place.client.containers.Create(container={"id": id, "runtime": {"name": "io.containerd.fake.v1"}, "labels": RM,
                                              "spec": {"type_url": "t", "value": b"{}"}, "snapshotter": SNAPSHOTTER, "snapshot_key": id})
    place.data(id).mkdir(parents=True)
    (place.data(id) / "log.json").write_text("x")
    place.client.tasks.Create(container_id=id)
    place.client.tasks.Start(container_id=id)


def exists(place, id="a"):
    return any(c.id == id for c in place.client.containers.List().containers)


def test_its_exit_is_recorded(place):
    place.run("a", labels=MANAGED)
    wait = Later(place.client.tasks.Wait, container_id="a")
    assert place.exit_of("a") is None
    place.client.tasks.Kill(container_id="a", signal=128 + 7)
    assert wait.result().exit_status == 7
    exit = ended(place)
    assert exit["status"] == 7 and not exit["oom"]
    assert exit["started"].startswith("20") and exit["finished"].startswith("20")
    assert place.client.tasks.Wait(container_id="a").exit_status == 7    # of the record
    with fails("NOT_FOUND"):
        place.client.tasks.Delete(container_id="a")
    with fails("NOT_FOUND"):
        place.client.tasks.Wait(container_id="a", exec_id="e")


def test_it_can_be_started_again_at_once(place):
    place.run("a", labels=MANAGED)
    place.shims.order("Delete", "hang")
    place.client.tasks.Kill(container_id="a", signal=9)
    assert place.client.tasks.Wait(container_id="a").exit_status == 137
    create = Later(place.client.tasks.Create, container_id="a")
    place.called("a", "Delete")
    place.shims.release("Delete")
    assert create.result().pid
    assert place.exit_of("a") is None and place.tasks() == {"a": CREATED}


def test_others_are_left_to_their_clients(place):
    place.run("a")
    place.client.tasks.Kill(container_id="a", signal=9)
    place.client.tasks.Wait(container_id="a")
    assert place.client.tasks.Delete(container_id="a").exit_status == 137
    assert place.exit_of("a") is None and not place.data("a").exists()
    with fails("NOT_FOUND"):
        place.client.tasks.Wait(container_id="a")


def test_one_that_goes_with_everything(place):
    run_rm(place)
    (place.data("a").parent / "b").mkdir()
    place.client.tasks.Kill(container_id="a", signal=9)
    eventually(lambda: not exists(place), "its record is gone")
    eventually(lambda: not place.data("a").exists() and not (place.data("a").parent / ".a").exists(), "and its directory")
    assert is_removed(place) and (place.data("a").parent / "b").exists() and not place.bundle("a").exists()


def test_a_record_that_is_deleted_takes_its_directory_along(place):
    place.container("a")
    place.data("a").mkdir(parents=True)
    (place.data("a") / "log.json").write_text("x")
    place.client.containers.Delete(id="a")
    assert not place.data("a").exists()
    eventually(lambda: not (place.data("a").parent / ".a").exists(), "it is removed")


def test_a_client_that_deletes_it_meanwhile(place):
    place.run("a", labels=MANAGED)
    place.shims.order("Delete", "hang")
    place.client.tasks.Kill(container_id="a", signal=128 + 5)
    place.called("a", "Delete")
    delete = Later(place.client.tasks.Delete, container_id="a")
    with fails("DEADLINE_EXCEEDED"):
        place.client.tasks.Delete(container_id="a", timeout=0.2)
    place.shims.release("Delete")
    assert delete.result().exit_status == 5
    assert ended(place)["status"] == 5


def test_a_client_that_deletes_it_first(place):
    place.container("a", labels=MANAGED)
    place.client.tasks.Create(container_id="a")
    place.client.tasks.Delete(container_id="a")
    assert place.exit_of("a") is None and not place.data("a").joinpath("task").exists()


def test_a_shim_that_is_killed(place):
    place.run("a", labels=MANAGED)
    wait = Later(place.client.tasks.Wait, container_id="a")
    eventually(lambda: "20" in (place.data("a") / "task").read_text(), "the start is on record")
    place.shims.kill("a")
    assert wait.result().exit_status == 137
    assert ended(place)["status"] == 137


@pytest.mark.parametrize("order", ["hang", "error INTERNAL busy", "die"])
def test_a_shim_that_does_not_delete_it(place, order):
    place.run("a", labels=MANAGED)
    place.run("b", labels=MANAGED)
    place.shims.order("Delete", order, "a")
    place.client.tasks.Kill(container_id="a", signal=9)
    place.client.tasks.Kill(container_id="b", signal=128 + 3)
    eventually(lambda: place.exit_of("b") and "b" not in place.tasks(), "the other one ends")
    eventually(lambda: place.exit_of("a"), "the status is known all the same")
    if order != "die":
        place.shims.release("Delete", "a")
    assert ended(place)["status"] == 137


def test_a_shim_that_hangs_at_the_end(place):
    place.configure(cleanup="300ms")
    place.run("a", labels=MANAGED)
    place.shims.order("Delete", "hang")
    place.shims.order("State", "hang")
    place.client.tasks.Kill(container_id="a", signal=128 + 2)
    assert ended(place)["status"] == 2
    place.configure()


@pytest.mark.parametrize("labels", [MANAGED, RM])
def test_it_ends_without_a_daemon(place, labels):
    place.run("a", labels=labels)
    place.client.tasks.Wait    # nobody waits
    place.server.kill()
    place.shims.kill("a", signal.SIGUSR1)    # its process ends with status 6
    place.server.start()
    if labels == RM:
        eventually(lambda: not exists(place), "its record is gone")
    else:
        assert ended(place)["status"] == 6


def test_the_machine_starts_anew(place):
    """No bundle, no shim; the marks say who ran."""
    place.run("a", labels=MANAGED)
    place.container("b", labels=MANAGED)
    place.client.tasks.Create(container_id="b")
    run_rm(place, "c")
    for id in "ac":
        eventually(lambda: "20" in (place.data(id) / "task").read_text(), "the start is on record")
    place.server.kill()
    for id in "abc":
        place.shims.kill(id)
        shutil.rmtree(place.bundle(id))
    (place.data("a").parent / "garbage").mkdir()
    (place.data("a").parent / ".hidden").mkdir()
    place.server.start()
    exit = eventually(lambda: place.exit_of("a"), "an end is on record")
    assert exit["status"] == 255 and exit["started"].startswith("20") and exit["finished"].startswith("20")
    eventually(lambda: not exists(place, "c") and not place.data("c").exists(), "the other one is removed")
    eventually(lambda: not (place.data("b") / "task").exists(), "one that never ran has no end")
    assert place.exit_of("b") is None and is_removed(place, "c")
    eventually(lambda: sorted(p.name for p in place.data("a").parent.iterdir()) == ["a", "b"], "garbage is removed")
    assert place.client.tasks.Wait(container_id="a").exit_status == 255


def test_running_ones_are_left_alone_by_a_start(place):
    place.run("a", labels=MANAGED)
    place.restart()
    eventually(lambda: place.tasks() == {"a": RUNNING}, "it runs")
    assert place.exit_of("a") is None
    place.client.tasks.Kill(container_id="a", signal=9)
    exit = ended(place)
    assert exit["status"] == 137 and exit["started"].startswith("20")


def test_out_of_memory(place):
    place.run("a", labels=MANAGED)
    event = place.daemon.api.any("containerd.events.TaskOOM", container_id="a")
    place.client.events.Forward(envelope={"namespace": place.client.namespace, "topic": "/tasks/oom", "event": event,
                                          "timestamp": {"seconds": 1700000000}})
    eventually(lambda: '"oom":true' in (place.data("a") / "task").read_text(), "it is on record")
    place.restart()
    place.client.tasks.Kill(container_id="a", signal=9)
    assert ended(place)["oom"] is True
