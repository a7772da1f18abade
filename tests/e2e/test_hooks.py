# SPDX-License-Identifier: Apache-2.0
"""The six hooks: when and where they run, what they are told, and that a failing one leaves nothing behind."""

import json
import os

import pytest

from harness.wait import eventually

ALL = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
OUTSIDE = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")


def recorder(c, *kinds):
    """Each hook notes its state, its mount and pid namespace, its environment and whether the process ran."""
    directory = c.bundle.path / "hooks"
    directory.mkdir()
    script = directory / "record"
    script.write_text(f"""#!/bin/sh
n=$1
cat >{directory}/$n.state
readlink /proc/self/ns/mnt >{directory}/$n.mnt
readlink /proc/self/ns/uts >{directory}/$n.uts
env >{directory}/$n.env
test -e {c.bundle.rootfs}/tmp/ran && echo yes >{directory}/$n.ran || echo no >{directory}/$n.ran
echo $n >>{directory}/order
""")
    script.chmod(0o755)
    c.bundle.config["hooks"] = {kind: [{"path": str(script), "args": ["record", kind], "env": ["PATH=/usr/bin:/bin", "K=v"]}]
                                for kind in kinds}
    return directory


def writable(c):
    c.bundle.config["root"]["readonly"] = False


def start_container_hook(c, script, **more):
    c.bundle.config.setdefault("hooks", {})["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", script], **more}]


def test_order(box):
    c = box(script="touch /tmp/ran; sleep 1000")
    writable(c)
    directory = recorder(c, *OUTSIDE)
    c.create()
    assert (directory / "order").read_text().split()[:3] == ["prestart", "createRuntime", "createContainer"]
    c.start()
    c.kill("KILL")
    c.wait("stopped")
    c.delete()
    assert (directory / "order").read_text().split() == list(OUTSIDE)


@pytest.mark.davit    # runc runs it at the end of create
def test_poststart_runs_at_start(box):
    c = box("sleep", "1000")
    directory = recorder(c, "poststart")
    c.create()
    assert not (directory / "order").exists()
    c.start()
    assert (directory / "order").read_text() == "poststart\n"


def test_state_on_stdin(box):
    c = box("sleep", "1000")
    c.bundle.config["annotations"] = {"key": "value"}
    directory = recorder(c, *OUTSIDE)
    c.create()
    pid = c.pid
    c.start()
    c.delete("--force")
    for kind in OUTSIDE:
        state = json.loads((directory / f"{kind}.state").read_text())
        assert state["id"] == c.id and state["bundle"] == str(c.bundle.path), kind
        assert state["ociVersion"].startswith("1.") and state["annotations"] == {"key": "value"}, kind
        if kind == "poststop":
            assert state["status"] == "stopped" and state.get("pid", 0) == 0
        else:
            # As seen from where the hook runs.
            assert state["pid"] == (1 if kind == "createContainer" else pid), kind
        if kind in ("prestart", "createRuntime", "createContainer"):
            assert state["status"] == "creating", kind


@pytest.mark.davit    # runc says "created" or "running" depending on its moment
def test_state_of_poststart_is_running(box):
    c = box("sleep", "1000")
    directory = recorder(c, "poststart")
    c.up()
    assert json.loads((directory / "poststart.state").read_text())["status"] == "running"


def test_where_they_run(box):
    c = box("sleep", "1000")
    directory = recorder(c, *OUTSIDE)
    c.up()
    inside = c.sh("readlink /proc/self/ns/mnt").out
    uts = c.sh("readlink /proc/self/ns/uts").out
    c.delete("--force")
    for kind in ("prestart", "createRuntime", "poststart", "poststop"):
        assert (directory / f"{kind}.mnt").read_text() == os.readlink("/proc/self/ns/mnt") + "\n", kind
    assert (directory / "createContainer.mnt").read_text() == inside
    assert (directory / "createContainer.uts").read_text() == uts


def test_environment_is_exactly_what_is_given(box):
    c = box("true")
    directory = recorder(c, *OUTSIDE)
    c.run()
    for kind in OUTSIDE:
        names = {line.split("=")[0] for line in (directory / f"{kind}.env").read_text().splitlines()}
        assert "K" in names and names <= {"K", "PATH", "PWD", "SHLVL", "_", "OLDPWD"}, kind


def test_start_container_runs_inside_and_before_the_program(box):
    c = box(script="cat /dev/shm/order; echo program")
    start_container_hook(c, "echo hook >/dev/shm/order; cat >/dev/shm/state; test $$ != 1; cat /etc/passwd | head -c 4 >>/dev/shm/order; echo >>/dev/shm/order")
    c.create()
    assert c.output() == ""
    c.start()
    text = c.wait_output("program")
    assert text.split() == ["hook", "root", "program"]


def test_start_container_state(box):
    c = box(script="cat /dev/shm/state")
    start_container_hook(c, "cat >/dev/shm/state")
    state = json.loads(c.run().out)
    assert state["id"] == c.id and state["status"] in ("created", "starting") and state["pid"] > 0


def test_start_container_without_env_has_the_processs(box):
    c = box(script="cat /dev/shm/env")
    c.bundle.process["env"].append("OF_THE=process")
    start_container_hook(c, "echo $OF_THE >/dev/shm/env")
    assert c.run().out == "process\n"


def test_create_container_sees_the_mounts(box):
    """All mounts are made and the host's paths still work: what device plug-ins rely on."""
    c = box("cat", "/mnt/file")
    c.bundle.add_mount("/mnt", "tmpfs", "tmpfs")
    c.bundle.config["hooks"] = {"createContainer": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"echo by hook >{c.bundle.rootfs}/mnt/file"]}]}
    assert c.run().out == "by hook\n"
    assert not (c.bundle.rootfs / "mnt/file").exists()


def test_create_runtime_can_use_the_pid(box):
    c = box("ip", "link", "show", "inhook")
    script = c.bundle.path / "hook"
    script.write_text("#!/usr/bin/python3\nimport json, subprocess, sys\n"
                      "pid = str(json.load(sys.stdin)['pid'])\n"
                      "subprocess.run(['nsenter', '-t', pid, '-n', 'ip', 'link', 'set', 'lo', 'mtu', '1111'], check=True)\n")
    script.chmod(0o755)
    c.bundle.config["hooks"] = {"createRuntime": [{"path": str(script), "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]}
    c.bundle.args("ip", "link", "show", "lo")
    assert "mtu 1111" in c.run().out


def test_several_hooks_run_in_order(box):
    c = box("true")
    path = c.bundle.path / "order"
    c.bundle.config["hooks"] = {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"echo {n} >>{path}"]} for n in range(5)]}
    c.run()
    assert path.read_text().split() == list("01234")


def failing(kind, script="echo what went wrong >&2; exit 9", **more):
    return {kind: [{"path": "/bin/true"}, {"path": "/bin/sh", "args": ["sh", "-c", script], **more}]}


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
@pytest.mark.parametrize("verb", ["create", "run"])
def test_failing_hook(box, kind, verb):
    c = box("true")
    c.bundle.config["hooks"] = failing(kind)
    error = c.fails(verb=verb).err
    assert f"error running {kind} hook #1" in error and "what went wrong" in error
    c.runtime.fails("state", c.id)
    assert not c.cgroup("pids").exists()


def test_failing_start_container_hook(box):
    c = box("echo", "must not run")
    c.bundle.config["hooks"] = failing("startContainer")
    result = c.run(status=None)
    assert result.status != 0 and "must not run" not in result.out
    assert "error running startContainer hook #1" in result.err and "what went wrong" in result.err


@pytest.mark.davit    # runc fails create already
def test_failing_poststart_hook_stops_the_container(box):
    c = box("sleep", "1000")
    c.bundle.config["hooks"] = failing("poststart")
    c.create()
    error = c.runtime.fails("start", c.id).err
    assert "poststart" in error and "what went wrong" in error
    eventually(lambda: c.runtime("state", c.id, status=None).status != 0 or c.status == "stopped", "it is stopped")


def test_failing_poststop_hook_is_only_a_warning(box):
    c = box("true").up().wait("stopped")
    c.delete()
    c = box("true")
    c.bundle.config["hooks"] = failing("poststop")
    c.up().wait("stopped")
    c.delete(status=None)
    c.runtime.fails("state", c.id)


def test_poststop_runs_after_a_forced_delete_and_after_run(box):
    for end in ("delete", "run"):
        c = box("sleep", "1000") if end == "delete" else box("true")
        directory = recorder(c, "poststop")
        if end == "run":
            c.run()
        else:
            c.up().delete("--force")
        assert (directory / "order").read_text() == "poststop\n", end


def test_poststop_runs_when_create_fails(box):
    """What a createRuntime hook set up, a poststop hook takes down."""
    c = box("true")
    directory = recorder(c, "poststop")
    c.bundle.config["hooks"].update(failing("createContainer"))
    c.fails(verb="create")
    assert not (directory / "order").exists() or (directory / "order").read_text() == "poststop\n"


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_hook_by_signal_and_missing_program(box, kind):
    c = box("true")
    c.bundle.config["hooks"] = failing(kind, "kill -9 $$")
    assert "hook" in c.fails(verb="create").err
    c.bundle.config["hooks"] = {kind: [{"path": "/no/such/hook"}]}
    assert "/no/such/hook" in c.fails(verb="create").err


def test_timeout(box):
    c = box("true")
    c.bundle.config["hooks"] = failing("createRuntime", "exec sleep 1000", timeout=1)
    assert "hook ran past specified timeout of 1" in c.fails(verb="create").err


def test_timeout_that_is_kept(box):
    c = box("true")
    c.bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/true", "timeout": 60}]}
    c.run()


@pytest.mark.davit
@pytest.mark.parametrize("hook, word", [({"path": "relative"}, "path"), ({"path": ""}, "path"), ({}, "path"),
                                        ({"path": "/bin/true", "timeout": 0}, "timeout"),
                                        ({"path": "/bin/true", "timeout": -5}, "timeout")])
def test_bad_hook(box, hook, word):
    c = box("true")
    c.bundle.config["hooks"] = {"createRuntime": [hook]}
    error = c.fails(verb="create").err
    assert word in error and "createRuntime" in error


def test_hook_that_reads_nothing(box):
    """A big state on the stdin of a hook that does not read must not block or kill the runtime."""
    c = box("true")
    c.bundle.config["annotations"] = {f"key{i}": "x" * 1000 for i in range(200)}
    c.bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/true"}], "poststop": [{"path": "/bin/true"}]}
    c.run()


def test_hook_that_writes_much(box):
    c = box("true")
    c.bundle.config["hooks"] = {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", "yes | head -c 1000000; yes | head -c 1000000 >&2"]}]}
    assert c.run().out == ""


def test_hook_has_only_its_three_descriptors(box):
    c = box("true")
    path = c.bundle.path / "fds"
    c.bundle.config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"ls -l /proc/$$/fd >>{path}"],
                                        "env": ["PATH=/usr/bin:/bin"]}] for kind in OUTSIDE}
    c.run()
    numbers = [int(line.split()[-3]) for line in path.read_text().splitlines() if "->" in line]
    assert len(numbers) >= 12 and set(n for n in numbers if n < 10) == {0, 1, 2}, path.read_text()


def script_of(c, text):
    path = c.bundle.path / "hook.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return {"path": str(path)}


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_umask_of_the_caller(box, kind):
    c = box("stat", "-c", "%a", "/made")
    c.bundle.config["hooks"] = {kind: [script_of(c, f": >{c.bundle.rootfs}/made")]}
    c.runtime.prefix = ["sh", "-c", 'umask 027; exec "$0" "$@"']
    assert c.run().out == "640\n"


def test_interpreter_is_no_program_of_the_host(box):
    """A hook that is the image's: "#!" must not lead out by a descriptor of the runtime."""
    c = box("true")
    hook = c.bundle.rootfs / "hook"
    for fd in range(3, 20):
        hook.write_text(f"#!/proc/self/fd/{fd}/..{c.bundle.rootfs}/bin/sh\n")
        hook.chmod(0o755)
        c.bundle.config["hooks"] = {"startContainer": [{"path": "/hook"}]}
        assert c.run(status=None).status != 0, fd


def test_what_a_hook_leaves_behind_dies_with_the_launch(box):
    """In the pid namespace of the host nobody else would end it, and its cgroup could not be removed."""
    c = box("/nonexistent")
    c.bundle.drop_namespace("pid")
    c.bundle.config["hooks"] = {"createContainer": [script_of(c, "sleep 1000 </dev/null >/dev/null 2>&1 &")]}
    c.fails()
