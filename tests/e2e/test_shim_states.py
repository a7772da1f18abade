# SPDX-License-Identifier: Apache-2.0
"""Every method in every state: what is allowed, the code of what is not, and that a refusal changes nothing.

Where containerd's own shim says "unknown", Davit's says what it is.
"""

import json

import pytest

from harness.shim_fixtures import is_davits
from harness.ttrpc import RpcError

OK, NF, FP, AE, UI = "OK", "NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS", "UNIMPLEMENTED"
STATES = ("absent", "created", "running", "paused", "stopped")
INIT = {
    "State": (NF, OK, OK, OK, OK),
    "Create": (OK, AE, AE, AE, AE),
    "Start": (NF, OK, FP, FP, FP),
    "Delete": (NF, OK, FP, FP, OK),
    "Pids": (NF, OK, OK, OK, OK),
    "Pause": (NF, FP, OK, FP, FP),
    "Resume": (NF, FP, FP, OK, FP),
    "Kill": (NF, OK, OK, OK, NF),
    "Exec": (NF, OK, OK, FP, FP),
    "ResizePty": (NF, OK, OK, OK, (OK, FP)),
    "CloseIO": (NF, OK, OK, OK, OK),
    "Update": (NF, OK, OK, OK, FP),
    "Wait": (NF, None, None, None, OK),    # None: no answer yet
    "Stats": (NF, OK, OK, OK, (OK, NF)),
    "Checkpoint": (NF, FP, UI, UI, FP),
    "Connect": (OK, OK, OK, OK, OK),
    "Shutdown": (OK, OK, OK, OK, OK),
}
EXEC_STATES = ("absent", "added", "running", "stopped")
EXEC = {
    "State": (NF, OK, OK, OK),
    "Exec": (OK, AE, AE, AE),
    "Start": (NF, OK, FP, FP),
    "Delete": (NF, OK, FP, OK),
    "Kill": (NF, FP, OK, NF),
    "ResizePty": (NF, OK, OK, (OK, FP)),
    "CloseIO": (NF, OK, OK, OK),
    "Wait": (NF, None, None, OK),
}
CHANGES = ("Create", "Start", "Delete", "Pause", "Resume", "Exec", "Shutdown")


def codes(expected):
    """What the shim under test may answer."""
    expected = {expected} if isinstance(expected, str) else set(expected)
    if not is_davits() and expected != {OK}:
        expected |= {"UNKNOWN"}
    return expected


def in_state(shim, state):
    c = shim.sleeper().launch()
    if state != "absent":
        c.create()
    if state in ("running", "paused", "stopped"):
        c("Start")
    if state == "paused":
        c("Pause")
    if state == "stopped":
        c.kill()
        c("Wait")
    return c


def fields(c, method, exec_id=""):
    """A good request."""
    process = json.dumps({**c.bundle.process, "args": ["sleep", "1000"]})
    found = {
        "Create": c.create_fields(),
        "Kill": {"signal": 18},    # SIGCONT, which nobody minds
        "Exec": {"exec_id": exec_id or "new", "spec": c.shims.api.json(process)},
        "ResizePty": {"width": 80, "height": 24},
        "CloseIO": {"stdin": True},
        "Update": {"resources": c.shims.api.json("{}")},
        "Checkpoint": {"path": str(c.shims.work / "checkpoint")},
    }.get(method, {})
    return {**found, **({"exec_id": exec_id} if exec_id else {})}


def status(c, exec_id=""):
    try:
        return c.status(exec_id)
    except RpcError as err:
        return err.code


def outcome(c, method, **how):
    """(code, message) of a call; None when it is not answered, while a State after it is."""
    stream = c.send(method, **how)
    if method == "Wait":
        c("Connect")
        c("Connect")
        if not c.rpc.is_answered(stream):
            return None, ""
    return c.rpc.outcome(stream)


@pytest.mark.parametrize("state", STATES)
def test_init(shim, state):
    column = STATES.index(state)
    c = in_state(shim, state)
    for method, row in INIT.items():
        if not is_davits() and method in ("Checkpoint", "Create") and state != "absent":
            continue    # runc's shim takes the bundle's log and rootfs from the living container
        before = status(c)
        code, message = outcome(c, method, **fields(c, method))
        if row[column] is None:
            assert code is None, f"{method} of a container that is {state}: {code} {message}"
            continue
        assert code in codes(row[column]), f"{method} of a container that is {state}: {code} {message}"
        if code != OK:
            assert message
            assert status(c) == before, f"{method}, refused, changes what is {state}"
        elif method in CHANGES:
            c.finish()
            c = in_state(shim, state)


def exec_in_state(shim, c, state):
    name = f"e{next(shim.numbers)}"
    if state != "absent":
        c.add_exec(name, "sleep", "1000")
    if state in ("running", "stopped"):
        c("Start", exec_id=name)
    if state == "stopped":
        c.kill(exec_id=name)
        c("Wait", exec_id=name)
    return name


@pytest.mark.parametrize("state", EXEC_STATES)
def test_exec(shim, state):
    column = EXEC_STATES.index(state)
    c = shim.sleeper().up()
    name = exec_in_state(shim, c, state)
    for method, row in EXEC.items():
        before = status(c, name)
        code, message = outcome(c, method, **fields(c, method, name))
        if row[column] is None:
            assert code is None, f"{method} of an exec that is {state}: {code} {message}"
            continue
        assert code in codes(row[column]), f"{method} of an exec that is {state}: {code} {message}"
        if code != OK:
            assert status(c, name) == before, f"{method}, refused, changes what is {state}"
        elif method in CHANGES:
            name = exec_in_state(shim, c, state)


@pytest.mark.parametrize("method", ["State", "Start", "Delete", "Kill", "Wait", "ResizePty", "CloseIO"])
def test_exec_of_an_unknown_container(shim, method):
    c = shim.sleeper().launch()
    c.fails("NOT_FOUND", method, **fields(c, method, "e"))


def test_exec_that_is_added_when_init_ends(shim):
    c = shim.sleeper().up()
    c.add_exec("e", "true")
    c.kill()
    c("Wait")
    c.fails(codes(FP), "Start", exec_id="e")
    assert c.status("e") in ("created", "stopped")
    c("Delete", exec_id="e")


def test_paused_container_is_killed(shim):
    c = shim.sleeper().up()
    c("Pause")
    c.kill()
    assert c("Wait").exit_status == 137
