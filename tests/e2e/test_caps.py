# SPDX-License-Identifier: Apache-2.0
"""Capabilities: what is asked for is what the process has, in all five sets."""

import os

import pytest

from harness import machine

BITS = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_SETPCAP": 8, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_ADMIN": 21,
        "CAP_AUDIT_WRITE": 29, "CAP_SYSLOG": 34}
STATUS = ("cat", "/proc/self/status")


def mask(*names):
    return sum(1 << BITS[name] for name in names)


def sets(result):
    """inheritable, permitted, effective, bounding, ambient"""
    rows = dict(line.split(":\t", 1) for line in result.out.splitlines() if ":\t" in line)
    return tuple(int(rows[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"))


def test_default_of_spec(box):
    default = mask("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
    inheritable, permitted, effective, bounding, ambient = sets(box(*STATUS).run())
    assert (inheritable, permitted, effective, bounding) == (0, default, default, default)
    assert ambient == 0


def test_none(box):
    c = box(*STATUS)
    c.bundle.process["capabilities"] = {}
    assert sets(c.run()) == (0, 0, 0, 0, 0)


@pytest.mark.davit    # runc lets the container have all of its own
def test_absent_means_none(box):
    c = box(*STATUS)
    c.bundle.process.pop("capabilities")
    assert sets(c.run()) == (0, 0, 0, 0, 0)


def test_bounding_limits_what_exec_can_gain(box):
    c = box(*STATUS)
    c.bundle.process["capabilities"] = {
        "bounding": ["CAP_KILL"], "permitted": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"]}
    _, permitted, effective, bounding, _ = sets(c.run())
    assert (permitted, effective, bounding) == (mask("CAP_KILL"),) * 3


def test_ambient_for_a_user(box):
    c = box(*STATUS)
    c.bundle.process["user"] = {"uid": 1000, "gid": 1000}
    names = ["CAP_KILL", "CAP_CHOWN"]
    c.bundle.process["capabilities"] = {
        "bounding": names, "permitted": names, "inheritable": names, "ambient": ["CAP_KILL"]}
    inheritable, permitted, effective, bounding, ambient = sets(c.run())
    assert (ambient, permitted, effective) == (mask("CAP_KILL"),) * 3
    assert (inheritable, bounding) == (mask(*names),) * 2


def test_user_without_ambient_has_nothing(box):
    c = box(*STATUS)
    c.bundle.process["user"] = {"uid": 1000, "gid": 1000}
    _, permitted, effective, _, ambient = sets(c.run())
    assert (permitted, effective, ambient) == (0, 0, 0)


def test_ambient_that_is_not_inheritable_is_a_warning(box):
    c = box(*STATUS)
    names = ["CAP_KILL", "CAP_CHOWN"]
    c.bundle.process["capabilities"].update(
        inheritable=["CAP_KILL"], ambient=names, permitted=names, effective=names, bounding=names)
    result = c.run()
    assert "can't raise ambient capability CAP_CHOWN: " in result.err
    assert sets(result)[4] == mask("CAP_KILL")


def test_unknown_names_are_a_warning(box):
    c = box(*STATUS)
    c.bundle.process["capabilities"] = {
        "bounding": ["CAP_KILL", "CAP_UNKNOWN", "KILL"], "permitted": ["CAP_KILL", "CAP_UNKNOWN"]}
    result = c.run()
    assert "CAP_UNKNOWN" in result.err
    assert sets(result)[3] == mask("CAP_KILL")


def test_everything_that_we_have(box):
    """All known names; what the runtime itself has not got cannot be given."""
    known = [n for n in box(*STATUS).runtime("features").out.split('"') if n.startswith("CAP_")]
    if not known:
        pytest.skip("features lists no capabilities")
    c = box(*STATUS)
    c.bundle.caps(*[n for n in known if n != "CAP_SYS_RESOURCE" or machine.has_cap("sys_resource")])
    _, permitted, effective, bounding, _ = sets(c.run())
    assert bin(bounding).count("1") >= len(known) - 1 and permitted == effective == bounding


def test_one_that_we_have_not(box):
    """It can be asked for in the bounding set only in vain."""
    if machine.has_cap("sys_resource"):
        pytest.skip("this machine has them all")
    c = box(*STATUS)
    c.bundle.process["capabilities"]["bounding"].append("CAP_SYS_RESOURCE")
    assert not sets(c.run())[3] >> machine.CAPS["sys_resource"] & 1


def test_exec_has_the_containers(box):
    c = box.running()
    assert sets(c.exec(*STATUS)) == sets(box(*STATUS).run())


def test_exec_cap_adds(box):
    c = box("sleep", "1000")
    c.bundle.process["capabilities"] = {}
    c.up()
    assert sets(c.exec(*STATUS)) == (0, 0, 0, 0, 0)
    added = mask("CAP_KILL", "CAP_AUDIT_WRITE")
    assert sets(c.exec(*STATUS, options=["--cap", "CAP_KILL", "--cap", "CAP_AUDIT_WRITE"])) == (0, added, added, added, 0)


def test_exec_cap_raises_ambient_where_inheritable(box):
    c = box("sleep", "1000")
    c.bundle.process["capabilities"] = {
        "inheritable": ["CAP_CHOWN", "CAP_SYSLOG"], "permitted": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"],
        "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG"], "ambient": ["CAP_CHOWN"]}
    c.up()
    some, all_three = mask("CAP_KILL", "CAP_CHOWN"), mask("CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG")
    inheritable = mask("CAP_CHOWN", "CAP_SYSLOG")
    assert sets(c.exec(*STATUS)) == (inheritable, some, some, all_three, mask("CAP_CHOWN"))
    assert sets(c.exec(*STATUS, options=["--cap", "CAP_SYSLOG"])) == (
        inheritable, all_three, all_three, all_three, inheritable)


def test_in_a_user_namespace(box):
    c = box(*STATUS)
    c.bundle.user_namespace()
    c.bundle.caps("CAP_SYS_ADMIN", "CAP_KILL")
    assert sets(c.run())[1] == mask("CAP_SYS_ADMIN", "CAP_KILL")


def test_they_work(box):
    c = box(script="chown 7 /tmp/f && stat -c %u /tmp/f")
    (c.bundle.rootfs / "tmp/f").write_text("")
    c.bundle.config["root"]["readonly"] = False
    c.bundle.caps("CAP_CHOWN")
    assert c.run().out == "7\n"
    c.bundle.caps("CAP_KILL")
    c.run(status=1)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number is x86-64's")
@pytest.mark.parametrize("nnp, uid", [(True, "1000"), (False, "0")])
def test_setuid_programs_and_no_new_privileges(box, probe, nnp, uid):
    geteuid = "107"
    c = box("/bin/probe", geteuid)
    probe(c)
    (c.bundle.rootfs / "bin/probe").chmod(0o4755)
    c.bundle.process.update(user={"uid": 1000, "gid": 1000}, noNewPrivileges=nnp)
    assert c.run().out == f"ok {uid}\n"
