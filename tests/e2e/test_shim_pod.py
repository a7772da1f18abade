# SPDX-License-Identifier: Apache-2.0
"""A pod's containers in one shim; and the sandbox service."""

import contextlib
import os
import signal

import pytest

from harness import leftovers
from harness.shim import GROUP
from harness.ttrpc import Closed, RpcError
from harness.wait import eventually

SANDBOX = "containerd.runtime.sandbox.v1.Sandbox"


def pod(shim, n=3):
    first = shim.sleeper(group="pod")
    return [first, *(shim.sleeper(group="pod") for _ in range(n - 1))]


def test_one_shim_for_all(shim):
    containers = [c.launch() for c in pod(shim)]
    assert len({c.address for c in containers}) == len({c.shim_pid for c in containers}) == 1
    for c in containers:
        c.up()
    assert {c.status() for c in containers} == {"running"}
    assert len({c.pid for c in containers}) == 3
    assert containers[0].rpc.State(id=containers[2].id).pid == containers[2].pid


@pytest.mark.parametrize("label", ["io.containerd.runc.v2.group", GROUP])
def test_both_annotations(shim, label):
    containers = []
    for _ in range(2):
        c = shim.sleeper()
        c.bundle.config["annotations"] = {label: "pod"}
        containers.append(c.launch())
    assert containers[0].shim_pid == containers[1].shim_pid


def test_first_annotation_counts_more(shim):
    first, second = shim.sleeper(group="pod"), shim.sleeper(group="pod")
    second.bundle.config["annotations"]["io.containerd.runc.v2.group"] = "other"
    assert first.launch().shim_pid != second.launch().shim_pid


def test_no_annotation_no_group(shim):
    assert shim.sleeper().launch().shim_pid != shim.sleeper().launch().shim_pid


def test_shim_lives_until_the_last_is_deleted(shim):
    containers = [c.up() for c in pod(shim)]
    for c in containers[:-1]:
        c.end()
        c("Shutdown")
    last = containers[-1]
    assert last.status() == "running"
    last.end()
    last.shutdown()
    eventually(lambda: not leftovers.is_alive(last.shim_pid), "the shim has ended")
    assert not last.address.exists()


def test_a_container_that_dies_disturbs_no_other(shim):
    first, second, third = (c.up() for c in pod(shim))
    os.kill(first.pid, signal.SIGKILL)
    assert first("Wait").exit_status == 137
    second.end()
    assert third.status() == "running"
    third.exec("e", "true")
    assert third("Wait", exec_id="e").exit_status == 0


def test_same_exec_id_in_two_containers(shim):
    first, second, _ = (c.up() for c in pod(shim))
    a, b = first.exec("e", "sleep", "1000"), second.exec("e", "sleep", "1000")
    assert a != b
    first.kill(exec_id="e")
    assert first("Wait", exec_id="e").exit_status == 137
    assert second.status("e") == "running"


def test_ids_are_not_mixed_up(shim):
    first, second, _ = (c.launch() for c in pod(shim))
    first.up()
    second.fails("NOT_FOUND", "State")
    second.fails("NOT_FOUND", "Kill", signal=9)
    assert first.status() == "running"


def test_second_shim_after_the_first_was_killed(shim):
    """A stale socket is replaced."""
    first, second, _ = pod(shim)
    first.launch()
    os.kill(first.shim_pid, signal.SIGKILL)
    eventually(lambda: not leftovers.is_alive(first.shim_pid), "the shim is gone")
    second.launch()
    assert second.shim_pid != first.shim_pid
    assert second.up().status() == "running"


def test_start_of_many_at_once(shim):
    """One of them becomes the pod's shim, the others find it."""
    import threading
    containers, failures = pod(shim, 8), []

    def launch(c):
        try:
            c.launch()
        except Exception as err:    # pylint: disable=broad-except
            failures.append(err)
    for c in containers:
        c.bundle.save()
    threads = [threading.Thread(target=launch, args=(c,)) for c in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len({c.shim_pid for c in containers}) == 1


# ---- the sandbox service ----------------------------------------------------------------------------------


@pytest.fixture
def sandbox(shim):
    """A shim whose sandbox service is called."""
    c = shim.sleeper(group="pod").launch()
    client = c.connect(SANDBOX)
    try:
        client.PingSandbox(sandbox_id=c.id)
    except RpcError as err:
        if err.code == "UNIMPLEMENTED":
            pytest.skip("no sandbox service in this shim")
    c.sandbox = client
    return c


@pytest.mark.davit_shim
def test_sandbox_life(sandbox):
    call, id = sandbox.sandbox, sandbox.id
    call.CreateSandbox(sandbox_id=id, bundle_path=str(sandbox.bundle.path))
    platform = call.Platform(sandbox_id=id).platform
    assert platform.os == "linux" and platform.architecture
    started = call.StartSandbox(sandbox_id=id)
    assert started.created_at.seconds > 0
    status = call.SandboxStatus(sandbox_id=id, verbose=True)
    assert status.sandbox_id == id and status.pid == started.pid and status.state == "SANDBOX_READY"
    wait = call.send("WaitSandbox", sandbox_id=id)
    call.PingSandbox(sandbox_id=id)
    assert not call.is_answered(wait)
    call.StopSandbox(sandbox_id=id, timeout_secs=5)
    assert call.result(wait).exited_at.seconds > 0
    assert call.SandboxStatus(sandbox_id=id).state == "SANDBOX_NOTREADY"
    try:
        call.ShutdownSandbox(sandbox_id=id)
    except Closed:
        pass
    eventually(lambda: not leftovers.is_alive(sandbox.shim_pid), "the shim has ended")


@pytest.mark.davit_shim
def test_container_in_a_sandbox(shim, sandbox):
    call, id = sandbox.sandbox, sandbox.id
    call.CreateSandbox(sandbox_id=id, bundle_path=str(sandbox.bundle.path))
    call.StartSandbox(sandbox_id=id)
    member = shim.sleeper(group="pod").up()
    assert member.shim_pid == sandbox.shim_pid
    call.StopSandbox(sandbox_id=id, timeout_secs=5)
    assert member("Wait").exit_status == 137
    member.delete()


@pytest.mark.davit_shim
@pytest.mark.parametrize("method", ["StartSandbox", "StopSandbox", "WaitSandbox", "SandboxStatus", "SandboxMetrics"])
def test_unknown_sandbox(sandbox, method):
    sandbox.sandbox.fails(("NOT_FOUND", "FAILED_PRECONDITION"), method, sandbox_id="nobody")


@pytest.mark.davit_shim
def test_sandbox_is_created_once(sandbox):
    fields = {"sandbox_id": sandbox.id, "bundle_path": str(sandbox.bundle.path)}
    sandbox.sandbox.CreateSandbox(**fields)
    sandbox.sandbox.fails(("ALREADY_EXISTS", "FAILED_PRECONDITION"), "CreateSandbox", **fields)
    sandbox("Shutdown")
    sandbox.sandbox.PingSandbox(sandbox_id=sandbox.id)    # a sandbox keeps its shim, also before its start
    with contextlib.suppress(Closed):
        sandbox.sandbox.ShutdownSandbox(sandbox_id=sandbox.id)


@pytest.mark.davit_shim
def test_sandbox_without_a_bundle(sandbox):
    """What would be mounted then would be mounted on the host's own /rootfs."""
    mount = {"type": "tmpfs", "source": "tmpfs"}
    sandbox.sandbox.fails("INVALID_ARGUMENT", "CreateSandbox", sandbox_id=sandbox.id, bundle_path="", rootfs=[mount])
