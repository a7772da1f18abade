# SPDX-License-Identifier: Apache-2.0
"""create, start, state, kill, delete, run: the road of a container, and the steps that are not on it."""

import datetime
import json
import os
import signal

import pytest

from harness.leftovers import is_alive
from harness.wait import eventually


def test_create_start_kill_delete(box):
    c = box("sleep", "100")
    c.create()
    assert c.status == "created"
    c.start()
    assert c.status == "running"
    c.kill("KILL")
    c.wait("stopped")
    c.delete()
    c.runtime.fails("state", c.id)
    assert not (c.runtime.root / c.id).exists()


def test_created_container_has_not_run_anything(box):
    c = box(script="echo ran")
    c.create()
    assert c.output() == ""
    c.start()
    c.wait_output("ran")
    c.wait("stopped")


def test_state_document(box):
    c = box("sleep", "100")
    c.bundle.config["annotations"] = {"org.example.key": "value"}
    before = datetime.datetime.now(datetime.timezone.utc)
    c.create()
    text = c.runtime("state", c.id).out
    state = json.loads(text)
    assert list(state) == ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"]
    assert text.startswith('{\n  "ociVersion"')
    assert state["ociVersion"].startswith("1.")
    assert state["id"] == c.id
    assert state["bundle"] == str(c.bundle.path)
    assert state["rootfs"] == str(c.bundle.rootfs)
    assert state["annotations"] == {"org.example.key": "value"}
    assert state["owner"] == ""
    created = datetime.datetime.fromisoformat(state["created"][:26].rstrip("Z") + "+00:00")
    assert before - datetime.timedelta(seconds=2) <= created <= datetime.datetime.now(datetime.timezone.utc)
    assert os.path.exists(f"/proc/{state['pid']}")


def test_state_of_stopped_container_has_no_pid(box):
    c = box("true").up().wait("stopped")
    assert c.state()["pid"] == 0


def test_state_of_unknown_container(oci):
    assert "container does not exist" in oci.fails("state", "nobody").err


@pytest.mark.parametrize("verb", ["start", "kill", "delete", "pause", "resume", "ps", "events"])
def test_unknown_container(oci, verb):
    assert "container does not exist" in oci.fails(verb, "nobody").err


def test_delete_force_of_unknown_container(oci):
    oci("delete", "--force", "nobody")


def test_id_is_taken(box):
    c = box("sleep", "100")
    c.create()
    assert "container with given ID already exists" in c.fails(verb="create").err
    assert c.status == "created"


def test_id_is_free_again_after_delete(box):
    c = box("true")
    for _ in range(3):
        c.up().wait("stopped").delete()


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "../x", "a b", "a\nb", "ä", "a;b", "a*"])
def test_bad_id(box, id):
    c = box("true")
    c.id = id
    error = c.fails(verb="create").err
    assert "invalid container ID format" in error or "container id cannot be empty" in error


@pytest.mark.parametrize("suffix", ["_", "+", ".", "A9", "-x"])
def test_good_id(box, work, suffix):
    c = box("true", id=f"{work.name}-{suffix}")
    c.run()


def test_start_twice(box):
    c = box("sleep", "100").up()
    assert "cannot start an already running container" in c.runtime.fails("start", c.id).err
    c.kill("KILL")
    c.wait("stopped")
    assert "cannot start a container that has stopped" in c.runtime.fails("start", c.id).err


def test_delete_of_running_container(box):
    c = box("sleep", "100").up()
    error = c.runtime.fails("delete", c.id).err
    assert f"cannot delete container {c.id} that is not stopped: running" in error
    assert c.status == "running"
    c.delete("--force")
    c.runtime.fails("state", c.id)


def test_delete_of_created_container(box):
    c = box("sleep", "100")
    c.create()
    pid = c.pid
    c.delete()
    assert not is_alive(pid)
    c.runtime.fails("state", c.id)


def test_delete_of_paused_container_by_force(box):
    c = box.running()
    c.runtime("pause", c.id)
    c.delete("--force")
    c.runtime.fails("state", c.id)


def test_delete_by_force_takes_children_along(box):
    c = box(script="sleep 1000 & sleep 1000 & (setsid sleep 1000 &) ; echo ready; wait").up()
    c.wait_output("ready")
    c.delete("--force")


def test_init_dies_and_takes_children_along(box):
    c = box(script="setsid sleep 1000 & echo ready; exec sleep 1000").up()
    c.wait_output("ready")
    c.signal_init()
    c.wait("stopped")
    c.delete()


@pytest.mark.parametrize("name", ["TERM", "SIGTERM", "sigterm", "term", "15", 15])
def test_kill_understands(box, name):
    c = box.running()
    c.kill(name)
    c.wait("stopped")


def test_kill_defaults_to_term(box):
    c = box.running()
    c.kill()
    c.wait("stopped")


@pytest.mark.parametrize("name", ["NOPE", "999", "-1", "9x"])
def test_kill_with_unknown_signal(box, name):
    c = box.running()
    assert "signal" in c.runtime.fails("kill", c.id, "--", name).err
    assert c.status == "running"


def test_kill_delivers_the_signal(box):
    c = box(script="trap 'echo got usr1; exit 0' USR1; echo ready; while :; do sleep 1000 & wait $!; done").up()
    c.wait_output("ready")
    c.kill("USR1")
    c.wait_output("got usr1")
    c.wait("stopped")


def test_kill_of_created_container(box):
    c = box("sleep", "100")
    c.create()
    c.kill("KILL")
    c.wait("stopped")


def test_kill_of_stopped_container(box):
    c = box("true").up().wait("stopped")
    assert "container not running" in c.runtime.fails("kill", c.id).err


def test_kill_signal_zero_asks_only(box):
    c = box.running()
    c.kill(0)
    assert c.status == "running"


def test_kill_all_with_shared_pid_namespace(box):
    c = box(script="sleep 1000 & echo ready; exec sleep 1000")
    c.bundle.drop_namespace("pid")
    c.up()
    c.wait_output("ready")
    c.kill("KILL")
    c.wait("stopped")
    eventually(lambda: not c.cgroup("pids").joinpath("cgroup.procs").read_text().strip(), "all processes are dead")
    c.delete()


def test_delete_with_shared_pid_namespace_kills_the_rest(box):
    c = box(script="sleep 1000 & echo ready")
    c.bundle.drop_namespace("pid")
    c.up()
    c.wait_output("ready")
    c.wait("stopped")
    c.delete("--force")


def test_pause_and_resume(box):
    c = box(script="i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.05; done").up()
    c.wait_output("tick 2")
    c.runtime("pause", c.id)
    assert c.status == "paused"
    before = c.output()
    assert c.status == "paused"
    assert c.output() == before
    c.runtime("resume", c.id)
    assert c.status == "running"
    c.wait_output(f"tick {len(before.splitlines()) + 2}")


def test_pause_needs_a_running_container(box):
    c = box("true").up().wait("stopped")
    c.runtime.fails("pause", c.id)
    c.runtime.fails("resume", c.id)


def test_resume_needs_a_paused_container(box):
    c = box.running()
    assert "not paused" in c.runtime.fails("resume", c.id).err
    assert c.status == "running"


def test_kill_of_paused_container(box):
    c = box.running()
    c.runtime("pause", c.id)
    c.kill("KILL")
    c.runtime("resume", c.id, status=None)
    c.wait("stopped")


def test_created_container_may_be_paused(box):
    c = box("sleep", "100")
    c.create()
    c.runtime("pause", c.id)
    assert c.status == "paused"
    c.runtime("resume", c.id)
    assert c.status == "created"
    c.start()


@pytest.mark.parametrize("verb", ["create", "run"])
def test_pid_file(box, verb):
    c = box("sleep", "100")
    path = c.bundle.path / "pid"
    if verb == "create":
        c.create("--pid-file", path)
    else:
        with open(os.devnull, "r+") as null:
            c.bundle.save()
            c.runtime.popen("run", "-d", "--bundle", c.bundle.path, "--pid-file", path, c.id,
                            stdout=null, stderr=null).wait(30)
    assert path.read_text() == str(c.pid)
    assert [p.name for p in c.bundle.path.iterdir() if p.name.startswith(".")] == []


def test_relative_pid_file_belongs_to_the_callers_directory(box, work):
    c = box("sleep", "100")
    c.create("--pid-file", "pid", cwd=work)
    assert (work / "pid").read_text() == str(c.pid)


def test_pid_file_that_cannot_be_written(box):
    box("sleep", "100").fails("--pid-file", "/nonexistent/pid", verb="create")


def test_bundle_defaults_to_the_working_directory(box):
    c = box("echo", "here")
    c.bundle.save()
    assert c.runtime("run", c.id, cwd=c.bundle.path).out == "here\n"


def test_no_bundle(oci, work):
    assert "config.json" in oci.fails("create", "--bundle", work, work.name + "-x").err
    oci.fails("create", "--bundle", work / "nowhere", work.name + "-x")


def test_a_container_dies_by_signal_and_state_says_stopped(box):
    c = box("sleep", "100").up()
    os.kill(c.pid, signal.SIGKILL)
    c.wait("stopped")
    c.delete()
    c.runtime.fails("delete", c.id)


def test_root_is_made_with_mode_0700(box):
    c = box("sleep", "100")
    c.create()
    assert c.runtime.root.stat().st_mode & 0o777 == 0o700


def test_reading_commands_make_no_root(oci):
    oci("state", "nobody", status=1)
    assert not oci.root.exists()


def test_no_command_follows_a_foreign_state(box):
    """A pid that was given to somebody else is not the container's process."""
    c = box("sleep", "100").up()
    pid = c.pid
    c.signal_init()
    c.wait("stopped")
    assert c.state()["pid"] == 0
    assert "container not running" in c.runtime.fails("kill", c.id).err
    assert not is_alive(pid)


def test_only_one_of_many_starts_wins(box):
    for _ in range(8):
        c = box("sleep", "1000")
        c.create()
        starts = [c.runtime.popen("start", c.id) for _ in range(4)]
        assert sorted(p.wait(30) for p in starts) == [0, 1, 1, 1]
        assert all("already running" in p.stderr.read() for p in starts if p.returncode)
        c.delete("--force")
