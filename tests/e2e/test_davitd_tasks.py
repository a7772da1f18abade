# SPDX-License-Identifier: Apache-2.0
"""davitd's tasks with a shim that hangs, dies, is late or fails (harness/fake_shim.py)."""

import signal

import pytest

from harness.fake_shim import CREATED, RUNNING, STOPPED
from harness.grpc_client import fails
from harness.shim_place import Later
from harness.wait import eventually

pytestmark = pytest.mark.davit


def is_free(place, id):
    """Nothing is left, and the name can be used."""
    eventually(lambda: place.shims.pid(id) is None, "its shim has gone")
    assert not place.bundle(id).exists() and place.tasks() == {}
    place.client.tasks.Create(container_id=id)
    assert place.tasks() == {id: CREATED}
    place.client.tasks.Delete(container_id=id)
    return True


def test_a_life(place):
    pid = place.run("a")
    assert place.tasks() == {"a": RUNNING} and place.client.tasks.Get(container_id="a").process.pid == pid
    wait = Later(place.client.tasks.Wait, container_id="a")
    place.client.tasks.Kill(container_id="a", signal=9)
    assert wait.result().exit_status == 137
    eventually(lambda: place.tasks() == {"a": STOPPED}, "it has ended")
    assert place.client.tasks.Delete(container_id="a").exit_status == 137
    is_free(place, "a")


def test_create_has_a_time_limit(place):
    place.configure(create="300ms")
    place.container("a")
    place.shims.order("Create", "hang")
    with fails("DEADLINE_EXCEEDED"):
        place.client.tasks.Create(container_id="a")
    place.shims.release("Create")
    is_free(place, "a")
    place.configure()


@pytest.mark.parametrize("what", ["start", "Create"])
def test_the_client_of_a_create_goes(place, what):
    place.container("a")
    place.shims.order(what, "hang")
    with fails("DEADLINE_EXCEEDED"):
        place.client.tasks.Create(container_id="a", timeout=1)
    eventually(lambda: not place.bundle("a").exists(), "the bundle is gone")
    place.shims.release(what)
    eventually(lambda: place.shims.pid("a") is None, "its shim is gone")
    is_free(place, "a")


def test_a_stopped_shim_at_create_is_killed(place):
    place.container("a")
    place.shims.order("Create", "hang")
    create = Later(place.client.tasks.Create, container_id="a", timeout=3)
    place.called("a", "Create")
    place.shims.kill("a", signal.SIGSTOP)
    with fails("DEADLINE_EXCEEDED"):
        create.result()
    place.shims.release("Create")
    eventually(lambda: place.shims.pid("a") is None and not place.bundle("a").exists(), "its shim is killed")
    is_free(place, "a")


@pytest.mark.parametrize("order", ["die", "error INTERNAL no luck"])
def test_a_create_that_fails(place, order):
    place.container("a")
    place.shims.order("Create", order)
    with fails("UNAVAILABLE", "INTERNAL") as failure:
        place.client.tasks.Create(container_id="a")
    assert "create task a" in failure.text and ("no luck" in failure.text or order == "die")
    place.shims.release("Create")
    is_free(place, "a")


def test_create_waits_for_what_is_there_already(place):
    """Directly after the start, too: the name is found to be taken."""
    place.run("a")
    place.server.kill()
    place.server.start()
    with fails("ALREADY_EXISTS"):
        place.client.tasks.Create(container_id="a")
    assert place.tasks() == {"a": RUNNING} and place.bundle("a").exists()


def test_create_waits_for_the_end_of_the_last_one(place):
    place.run("a")
    place.shims.order("Shutdown", "hang")
    place.client.tasks.Kill(container_id="a", signal=9)
    delete = Later(place.client.tasks.Delete, container_id="a")
    place.called("a", "Shutdown")
    create = Later(place.client.tasks.Create, container_id="a")
    assert delete.result().exit_status == 137
    assert create.result().pid
    place.shims.release("Shutdown")
    assert place.tasks() == {"a": CREATED}


def test_an_exit_of_the_task_before(place):
    """Its event comes when the next one runs."""
    pid = place.run("a")
    event = place.daemon.api.any("containerd.events.TaskExit", container_id="a", id="a", pid=pid + 1, exit_status=3)
    place.client.events.Forward(envelope={"namespace": place.client.namespace, "topic": "/tasks/exit", "event": event,
                                          "timestamp": {"seconds": 1700000000}})
    assert place.tasks() == {"a": RUNNING}
    event = place.daemon.api.any("containerd.events.TaskExit", container_id="a", id="a", pid=pid, exit_status=4)
    place.client.events.Forward(envelope={"namespace": place.client.namespace, "topic": "/tasks/exit", "event": event,
                                          "timestamp": {"seconds": 1700000000}})
    assert place.client.tasks.Wait(container_id="a").exit_status == 4


@pytest.mark.parametrize("order", ["hang", "error INTERNAL confused"])
def test_a_shim_that_does_not_answer_at_the_start(place, order):
    """Its container is left alone, nobody else waits, and it is found when it answers again."""
    place.run("a")
    place.run("b")
    place.server.kill()
    place.shims.order("State", order, "a")
    place.server.start()
    eventually(lambda: place.tasks()["b"] == RUNNING, "the other one is there")
    with fails("UNAVAILABLE"):
        place.client.tasks.Kill(container_id="a", signal=9)
    place.client.tasks.Kill(container_id="b", signal=9)
    assert place.bundle("a").exists() and ("a", "delete") not in place.shims.calls
    place.shims.release("State", "a")
    eventually(lambda: place.tasks()["a"] == RUNNING, "it is found again")
    place.client.tasks.Kill(container_id="a", signal=9)
    assert place.client.tasks.Wait(container_id="a").exit_status == 137


def test_a_shim_that_is_stopped_at_the_start_and_then_killed(place):
    place.run("a")
    place.server.kill()
    place.shims.kill("a", signal.SIGSTOP)
    place.server.start()
    eventually(lambda: "does not answer, and is asked again" in place.server.log.read_text(), "it is asked")
    assert list(place.tasks()) == ["a"]
    place.shims.kill("a")
    eventually(lambda: place.tasks() == {} and not place.bundle("a").exists(), "it is cleaned up")
    is_free(place, "a")


def test_a_sandboxs_shim_is_not_shut_down(place):
    """Also not by a daemon that was started anew."""
    place.run("pod")
    place.container("c")
    address = f"unix://{place.shims.orders}/{place.client.namespace}-pod.sock"
    place.client.tasks.Create(container_id="c", task_api_address=address, task_api_version=2)
    place.restart()
    eventually(lambda: place.tasks() == {"pod": RUNNING, "c": CREATED}, "both are found")
    place.client.tasks.Delete(container_id="c")
    assert ("c", "Shutdown") not in place.shims.calls and place.tasks() == {"pod": RUNNING}
    assert not place.bundle("c").exists()


def test_a_version_that_is_too_new(place):
    """A shim that is said to speak version 3, and speaks 2."""
    place.run("pod")
    place.container("c")
    address = f"unix://{place.shims.orders}/{place.client.namespace}-pod.sock"
    assert place.client.tasks.Create(container_id="c", task_api_address=address, task_api_version=3).pid
    assert place.shims.calls.count(("c", "Create")) == 2
    place.client.tasks.Delete(container_id="c")


@pytest.mark.parametrize("method, fields", [("Kill", {"signal": 9}), ("Exec", {"exec_id": "e"}), ("Pause", {}), ("Delete", {})])
def test_a_hung_call_and_its_client(place, method, fields):
    """The call ends with its client, and what looks at the task never waits."""
    place.run("a")
    place.shims.order(method, "hang")
    with fails("DEADLINE_EXCEEDED"):
        getattr(place.client.tasks, method)(container_id="a", timeout=0.5, **fields)
    assert place.tasks() == {"a": RUNNING}
    assert place.client.tasks.Get(container_id="a").process.status == RUNNING
    place.shims.release(method)
    place.called("a", method)


def test_a_delete_goes_on_without_its_client(place):
    place.run("a")
    place.client.tasks.Kill(container_id="a", signal=9)
    place.shims.order("Shutdown", "hang")
    with fails("DEADLINE_EXCEEDED"):
        place.client.tasks.Delete(container_id="a", timeout=0.1)
    eventually(lambda: not place.bundle("a").exists(), "it ends all the same")
    place.shims.release("Shutdown")
    eventually(lambda: place.shims.pid("a") is None, "and so does its shim")


def test_a_shim_that_hangs_at_its_end_is_killed(place):
    place.run("a")
    place.client.tasks.Kill(container_id="a", signal=9)
    place.client.tasks.Wait(container_id="a")
    place.shims.order("Shutdown", "hang")
    place.client.tasks.Delete(container_id="a")
    assert place.shims.pid("a") is None and not place.bundle("a").exists()
    place.shims.release("Shutdown")
