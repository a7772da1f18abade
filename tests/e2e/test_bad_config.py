# SPDX-License-Identifier: Apache-2.0
"""Malformed configs: one line that names the property (and the value), exit code 1, nothing left behind."""

import json

import pytest

# change: path of the property -> value; words that the message must have.
TYPES = [
    ("ociVersion", 1), ("ociVersion", "2.0.0"), ("ociVersion", "one"), ("root", "rootfs"), ("root.path", 5), ("root.readonly", "yes"),
    ("hostname", 5), ("domainname", []), ("mounts", {}), ("mounts", "x"), ("hooks", []), ("annotations", {"a": 1}),
    ("process", []), ("process.terminal", "no"), ("process.cwd", 1), ("process.args", "sh"), ("process.args", [1]), ("process.env", {}),
    ("process.env", [1]), ("process.user", 0), ("process.user.uid", "root"), ("process.user.uid", -1), ("process.user.uid", 1.5),
    ("process.user.uid", 1 << 40), ("process.user.gid", -1), ("process.user.umask", -1), ("process.user.additionalGids", 5),
    ("process.user.additionalGids", [-1]), ("process.capabilities", []), ("process.capabilities.bounding", "CAP_KILL"),
    ("process.rlimits", {}), ("process.noNewPrivileges", "x"), ("process.oomScoreAdj", "x"), ("process.oomScoreAdj", 1.5),
    ("process.consoleSize", 5), ("process.scheduler", "SCHED_OTHER"), ("process.ioPriority", 4),
    ("process.execCPUAffinity", "0"), ("linux", []), ("linux.namespaces", {}), ("linux.namespaces", ["pid"]),
    ("linux.uidMappings", {}), ("linux.devices", "x"), ("linux.cgroupsPath", 7), ("linux.resources", []),
    ("linux.resources.memory", 5), ("linux.resources.memory.limit", "64M"), ("linux.resources.cpu.shares", -1),
    ("linux.resources.cpu.quota", "x"), ("linux.resources.cpu.cpus", 0), ("linux.resources.pids.limit", "many"),
    ("linux.resources.devices", {}), ("linux.resources.blockIO.weight", -1), ("linux.resources.unified", []),
    ("linux.seccomp", []), ("linux.seccomp.defaultAction", 5), ("linux.seccomp.syscalls", {}), ("linux.maskedPaths", "x"),
    ("linux.readonlyPaths", [5]), ("linux.sysctl", []), ("linux.sysctl", {"kernel.msgmax": 5}), ("linux.rootfsPropagation", 1),
    ("linux.timeOffsets", []), ("linux.personality", "LINUX"), ("linux.memoryPolicy", "MPOL_BIND"), ("linux.netDevices", []),
]

VALUES = [
    ("root.path", "", ["root"]), ("root.path", "/does/not/exist", ["/does/not/exist"]), ("root.path", "config.json", ["config.json"]),
    ("process.cwd", "", ["cwd"]), ("process.cwd", "relative", ["cwd"]), ("process.args", [], ["args"]),
    ("process.rlimits", [{"type": "RLIMIT_WHAT", "soft": 1, "hard": 1}], ["RLIMIT_WHAT"]),
    ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1}] * 2, ["RLIMIT_NOFILE"]),
    ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 20, "hard": 10}], ["RLIMIT_NOFILE"]),
    ("process.oomScoreAdj", 5000, ["oomScoreAdj", "5000"]), ("process.oomScoreAdj", -1001, ["oomScoreAdj", "-1001"]),
    ("process.scheduler", {"policy": "SCHED_WHAT"}, ["SCHED_WHAT"]),
    ("process.scheduler", {"policy": "SCHED_OTHER", "nice": 40}, ["nice"]),
    ("process.scheduler", {"policy": "SCHED_OTHER", "priority": 5}, ["priority"]),
    ("process.scheduler", {"policy": "SCHED_OTHER", "flags": ["WHAT"]}, ["WHAT"]),
    ("process.ioPriority", {"class": "WHAT", "priority": 4}, ["WHAT"]),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 9}, ["priority", "9"]),
    ("process.execCPUAffinity", {"initial": "a-b"}, ["execCPUAffinity", "a-b"]),
    ("process.execCPUAffinity", {"final": "5-2"}, ["execCPUAffinity", "5-2"]),
    ("process.env", ["NO_EQUALS_SIGN"], None),
    ("linux.namespaces", [{"type": "what"}], ["what"]), ("linux.namespaces", [{}], ["namespace"]),
    ("linux.devices", [{"path": "relative", "type": "c", "major": 1, "minor": 3}], ["relative"]),
    ("linux.devices", [{"path": "/dev/x", "type": "q", "major": 1, "minor": 3}], ["type"]),
    ("linux.devices", [{"path": "/dev/x", "type": "c", "major": -1, "minor": 3}], ["major"]),
    ("linux.resources.devices", [{"allow": True, "type": "q", "access": "r"}], ["type"]),
    ("linux.resources.devices", [{"allow": True, "type": "c", "access": "xyz"}], ["access"]),
    ("linux.resources.memory", {"limit": -5}, ["memory"]),
    ("linux.resources.hugepageLimits", [{"pageSize": "3MB", "limit": 1}], ["3MB"]),
    ("linux.sysctl", {"vm.swappiness": "1"}, ["vm.swappiness"]),
    ("linux.rootfsPropagation", "sideways", ["sideways"]), ("linux.personality", {"domain": "MINIX"}, ["MINIX"]),
    ("linux.intelRdt", {"closID": "../x"}, ["clos"]),
    ("mounts", [{"destination": ""}], ["destination"]), ("mounts", [{"type": "tmpfs"}], ["destination"]),
    ("mounts", [{"destination": "/proc/self", "type": "tmpfs", "source": "x"}], ["/proc/self"]),
    ("mounts", [{"destination": "/proc", "type": "tmpfs", "source": "x"}], ["/proc"]),
    ("mounts", [{"destination": "/mnt", "type": "bind", "options": ["bind"]}], ["/mnt"]),
    ("hostname", "x" * 65, ["hostname"]), ("domainname", "x" * 65, ["domainname"]),
]

TEXTS = ["", " ", "{", "[]", "null", "5", '"text"', "{}", '{"ociVersion": "1.0.2"', '{"ociVersion": "1.0.2"} trailing', "\0", "{'a': 1}",
         '{"a": 1, "a": ', "[" * 100000, '{"ociVersion": "1.0.2", "root": {"path": "\\ud800"}}']


def change(config, path, value):
    *parents, last = path.split(".")
    for key in parents:
        config = config.setdefault(key, {})
    config[last] = value


def check(c):
    """The message, after everything that must hold for all of them was checked."""
    result = c.fails(verb="create", timeout=20)
    lines = [line for line in result.err.splitlines() if line]
    assert len(lines) == 1, result
    assert not c.runtime.root.exists() or not (c.runtime.root / c.id).exists()
    assert not c.cgroup("pids").exists()
    assert "unknown error" not in result.err
    return result.err


@pytest.mark.davit    # runc names Go types
@pytest.mark.parametrize("path, value", TYPES, ids=[f"{p}={json.dumps(v)[:30]}" for p, v in TYPES])
def test_wrong_type(box, path, value):
    c = box("true")
    cgroup = c.cgroup("pids")
    change(c.bundle.config, path, value)
    c.cgroup = lambda controller: cgroup
    error = check(c)
    assert path.split(".")[-1].lower() in error.lower(), f"{path}={value!r}: {error}"


@pytest.mark.davit
@pytest.mark.parametrize("path, value, words", VALUES, ids=[f"{p}={json.dumps(v)[:50]}" for p, v, _ in VALUES])
def test_wrong_value(box, path, value, words):
    c = box("true")
    change(c.bundle.config, path, value)
    if words is None:
        c.run(status=None)
        return
    error = check(c)
    for word in words:
        assert word.lower() in error.lower(), f"{path}={value!r}: {error}"


@pytest.mark.parametrize("key", [pytest.param("ociVersion", marks=pytest.mark.davit), "process", "root"])
def test_missing(box, key):
    c = box("true")
    del c.bundle.config[key]
    error = c.fails(verb="create").err
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("key", ["args", "cwd"])
def test_missing_of_process(box, key):
    c = box("true")
    del c.bundle.process[key]
    assert key in c.fails(verb="create").err.lower()


@pytest.mark.davit
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_not_a_config(box, text):
    c = box("true")
    c.bundle.save = lambda: (c.bundle.path / "config.json").write_text(text)
    check(c)


@pytest.mark.davit
def test_syntax_error_says_where(box):
    c = box("true")
    text = json.dumps(c.bundle.config, indent=2).replace('"terminal": false', '"terminal": flase')
    number = next(i for i, line in enumerate(text.splitlines(), 1) if "flase" in line)
    c.bundle.save = lambda: (c.bundle.path / "config.json").write_text(text)
    assert str(number) in check(c)


def test_no_config(box):
    c = box("true")
    c.bundle.save = lambda: (c.bundle.path / "config.json").unlink()
    assert "config.json not found" in c.fails(verb="create").err


def test_config_is_a_directory(box):
    c = box("true")

    def make():
        (c.bundle.path / "config.json").unlink()
        (c.bundle.path / "config.json").mkdir()
    c.bundle.save = make
    c.fails(verb="create")


@pytest.mark.davit
def test_config_that_never_ends(box):
    """Sizes are limited; a device file is no config."""
    c = box("true")

    def make():
        (c.bundle.path / "config.json").unlink()
        (c.bundle.path / "config.json").symlink_to("/dev/zero")
    c.bundle.save = make
    check(c)


def test_unknown_properties_are_ignored(box):
    c = box("true")
    c.bundle.config["x-unknown"] = {"a": [1, {"b": None}]}
    c.bundle.process["x"] = 1
    c.bundle.linux["y"] = []
    c.bundle.config["windows"] = {"layerFolders": ["x"]}
    c.bundle.config["vm"] = {"kernel": {"path": "/x"}}
    c.run()


def test_nulls_are_like_missing(box):
    c = box("true")
    c.bundle.config.update(hooks=None, annotations=None, domainname=None)
    c.bundle.process.update(rlimits=None, scheduler=None, oomScoreAdj=None)
    c.bundle.linux.update(sysctl=None, seccomp=None, devices=None, timeOffsets=None)
    c.run()


@pytest.mark.parametrize("version", ["1.0.0", "1.0.2-dev", "1.2.1", "1.3.0"])
def test_versions(box, version):
    c = box("true")
    c.bundle.config["ociVersion"] = version
    c.run()


@pytest.mark.davit
@pytest.mark.parametrize("change_", [
    lambda c: c.bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["size=nonsense"]),
    lambda c: c.bundle.process.update(user={"uid": 1, "gid": 1}, args=["/bin/nothing"]),
    lambda c: c.bundle.resources.update(cpu={"cpus": "4095"}),
    lambda c: c.bundle.linux.update(sysctl={"kernel.msgmax": "x"}),
    lambda c: c.bundle.config.update(hooks={"createContainer": [{"path": "/bin/false"}]}),
    lambda c: c.bundle.add_mount("/mnt/a", "bind", "/etc/passwd/x", ["bind"])],
    ids=["mount", "program", "cpuset", "sysctl", "hook", "source"])
def test_half_way_up_is_fully_undone(box, change_):
    """Something that only fails late: by then there are a state, cgroups, a process and mounts."""
    c = box("true")
    change_(c)
    check(c)
