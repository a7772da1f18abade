# SPDX-License-Identifier: Apache-2.0
"""exec: every flag, the process document, exit codes (255 for what exec itself cannot do), namespaces, cgroups."""

import json
import os

import pytest

from harness import machine
from harness.leftovers import is_alive
from harness.wait import eventually

PROCESS = {"terminal": False, "cwd": "/", "args": ["true"], "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}


def process_file(work, **changes):
    path = work / "process.json"
    path.write_text(json.dumps({**PROCESS, **changes}))
    return path


@pytest.fixture
def c(box):
    return box.running()


def test_output_and_status(c):
    result = c.exec("sh", "-c", "echo out; echo err >&2; exit 9", status=9)
    assert (result.out, result.err) == ("out\n", "err\n")


def test_stdin(c):
    assert c.exec("cat", input="hello\n").out == "hello\n"


def test_killed_by_signal(c):
    c.sh("kill -9 $$", status=137)
    c.sh("kill -15 $$", status=143)


def test_it_is_in_the_containers_namespaces(c):
    for kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
        if os.path.exists(f"/proc/self/ns/{kind}"):
            inside = c.sh(f"readlink /proc/self/ns/{kind}").out.strip()
            assert inside == os.readlink(f"/proc/{c.pid}/ns/{kind}"), kind


def test_it_sees_the_containers_processes(c):
    assert c.exec("ps", "-o", "pid,args").out.splitlines()[1].split()[0] == "1"


def test_it_is_in_the_containers_cgroup(c):
    def paths(text):
        return {line.split(":", 2)[1]: line.split(":", 2)[2] for line in text.splitlines()}
    pid = c.spawn("sleep", "1000")
    assert paths(open(f"/proc/{pid}/cgroup").read()) == paths(open(f"/proc/{c.pid}/cgroup").read())


def test_cwd(c):
    assert c.exec("pwd", options=["--cwd", "/bin"]).out == "/bin\n"


def test_cwd_that_is_missing_is_made(c):
    c.bundle.config["root"]["readonly"] = False
    result = c.runtime("exec", "--cwd", "/tmp/new/dir", c.id, "pwd", status=None)
    assert result.out == "/tmp/new/dir\n" or result.status == 255    # the root is read-only


def test_environment(c):
    out = c.exec("env", options=["-e", "A=1", "-e", "B=two words", "-e", "A=3"]).out.splitlines()
    assert "A=3" in out and "B=two words" in out and "A=1" not in out
    assert any(line.startswith("PATH=") for line in out)


@pytest.mark.parametrize("user, expected", [
    ("1000", "uid=1000(boat) gid=0(root)"), ("1000:1000", "uid=1000(boat) gid=1000(boat)"),
    ("4242:4343", "uid=4242 gid=4343"), ("0:5", "uid=0(root) gid=5")])
def test_user(c, user, expected):
    assert c.exec("id", options=["--user", user]).out.startswith(expected)


@pytest.mark.parametrize("user, home", [("1000", "/home/boat"), ("0", "/root"), ("4242", "/")])
def test_home_of_the_user(c, user, home):
    assert c.sh("echo $HOME", options=["-u", user]).out == f"{home}\n"


def test_additional_groups(c):
    assert c.exec("id", "-G", options=["-u", "1000:1000", "-g", "100", "-g", "65534"]).out.strip() == "1000 100 65534"


def test_no_new_privileges(c):
    assert "NoNewPrivs:\t1" in c.exec("cat", "/proc/self/status", options=["--no-new-privs"]).out


def test_process_file(c, work):
    path = process_file(work, args=["sh", "-c", "pwd; id -u; id -G; echo $X; ulimit -n"], cwd="/bin",
                        env=["PATH=/bin", "X=y"], user={"uid": 1000, "gid": 1000, "additionalGids": [7, 8]},
                        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}])
    assert c.runtime("exec", "--process", path, c.id).out.split() == ["/bin", "1000", "1000", "7", "8", "y", "77"]


@pytest.mark.davit    # runc takes these two from the container's config
def test_process_file_umask_and_oom(c, work):
    path = process_file(work, args=["sh", "-c", "umask; cat /proc/self/oom_score_adj"], oomScoreAdj=500,
                        user={"uid": 0, "gid": 0, "umask": 0o77})
    assert c.runtime("exec", "-p", path, c.id).out.split() == ["0077", "500"]


def test_process_file_that_is_missing_or_broken(c, work):
    c.runtime.fails("exec", "-p", work / "nothing", c.id, status=255)
    (work / "broken").write_text('{"args": [')
    c.runtime.fails("exec", "-p", work / "broken", c.id, status=255)


@pytest.mark.parametrize("changes", [
    {"args": []}, {"cwd": ""}, {"cwd": "relative"}])
def test_bad_process_file(c, work, changes):
    error = c.runtime.fails("exec", "-p", process_file(work, **changes), c.id, status=255).err
    assert len(error.strip().splitlines()) == 1, error


@pytest.mark.davit
@pytest.mark.parametrize("changes", [
    {"user": {"uid": -1, "gid": 0}}, {"env": "x"}, {"args": "true"}, {"user": {"uid": 0, "gid": 0, "umask": -1}},
    {"oomScoreAdj": 5000}, {"rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]},
    {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 99}] * 2}])
def test_bad_process_file_names_the_property(c, work, changes):
    error = c.runtime.fails("exec", "-p", process_file(work, **changes), c.id, status=255).err
    assert len(error.strip().splitlines()) == 1 and list(changes)[0] in error, error


def test_without_a_command(c):
    c.runtime.fails("exec", c.id, status=255)


def test_options_after_the_id_belong_to_the_command(c):
    assert c.exec("echo", "--cwd", "/bin", "-d", "--help").out == "--cwd /bin -d --help\n"


def test_program_that_does_not_exist(c):
    error = c.runtime.fails("exec", c.id, "no-such-program", status=255).err
    assert 'exec: "no-such-program": executable file not found in $PATH' in error
    error = c.runtime.fails("exec", c.id, "/no/such/program", status=255).err
    assert "no such file or directory" in error


def test_program_that_may_not_be_run(c):
    error = c.runtime.fails("exec", c.id, "/etc/passwd", status=255).err
    assert "permission denied" in error.lower()
    error = c.runtime.fails("exec", c.id, "/bin", status=255).err
    assert "permission denied" in error.lower() or "is a directory" in error


def test_program_in_a_wrong_format(c):
    (c.bundle.rootfs / "tmp/script").write_text("no interpreter line\n")
    (c.bundle.rootfs / "tmp/script").chmod(0o755)
    error = c.runtime.fails("exec", c.id, "/tmp/script", status=255).err
    assert "exec format error" in error.lower() and len(error.strip().splitlines()) == 1


def test_script_with_missing_interpreter(c):
    (c.bundle.rootfs / "tmp/script").write_text("#!/no/interpreter\n")
    (c.bundle.rootfs / "tmp/script").chmod(0o755)
    error = c.runtime.fails("exec", c.id, "/tmp/script", status=255).err
    assert "exec /tmp/script: no such file or directory" in error and len(error.strip().splitlines()) == 1


def test_pid_file_that_cannot_be_written(c):
    c.runtime.fails("exec", "--pid-file", "/nonexistent/x", c.id, "true", status=255)


def test_detached(c):
    pid = c.spawn("sleep", "1000")
    assert is_alive(pid) and pid != c.pid
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{c.pid}/ns/pid")
    c.kill("KILL")
    eventually(lambda: not is_alive(pid), "what was exec'ed dies with the container")


def test_unknown_stopped_and_paused_container(box):
    c = box.running()
    c.runtime.fails("exec", "nobody", "true", status=255)
    c.runtime("pause", c.id)
    error = c.runtime.fails("exec", c.id, "true", status=255).err
    assert "cannot exec in a paused container (use --ignore-paused to override)" in error
    c.runtime("resume", c.id)
    c.kill("KILL")
    c.wait("stopped")
    assert "cannot exec in a stopped container" in c.runtime.fails("exec", c.id, "true", status=255).err


def test_ignore_paused(c):
    c.runtime("pause", c.id)
    process = c.runtime.popen("exec", "--ignore-paused", c.id, "echo", "thawed")
    c.runtime("resume", c.id)
    assert process.communicate(timeout=60)[0] == "thawed\n"


def test_in_a_created_container(box):
    c = box("sleep", "1000")
    c.create()
    assert c.exec("echo", "early").out == "early\n"
    c.start()


def test_with_user_namespace(box):
    c = box("sleep", "1000")
    c.bundle.user_namespace()
    c.up()
    assert c.sh("id -u; cat /proc/self/uid_map").out.split() == ["0", "0", "100000", "65536"]


def test_umask_of_the_config_holds(box):
    c = box("sleep", "1000")
    c.bundle.process["user"]["umask"] = 0o27
    c.up()
    assert c.sh("umask").out == "0027\n"


def test_many_at_once(c):
    running = [c.runtime.popen("exec", c.id, "sh", "-c", f"echo {i}; exit {i}") for i in range(16)]
    for i, process in enumerate(running):
        assert (process.communicate(timeout=60)[0], process.returncode) == (f"{i}\n", i)


def writable_cgroups(box):
    c = box("sleep", "1000")
    c.bundle.mount_at("/sys/fs/cgroup")["options"].remove("ro")
    c.up()
    return c


@pytest.mark.parametrize("path", ["..", "../..", "a/../../..", "../x"])
def test_cgroup_that_escapes(c, path):
    assert "bad sub cgroup path" in c.runtime.fails("exec", "--cgroup", path, c.id, "true", status=255).err


@pytest.mark.davit    # runc 1.5 on cgroup v1 compares the strings
def test_cgroup_of_a_neighbour_with_a_longer_name(box, c):
    """Paths are compared by component: ../<id>x is not inside <id>."""
    neighbour = box("sleep", "1000", id=c.id + "x")
    neighbour.up()
    c.runtime.fails("exec", "--cgroup", f"../{neighbour.id}", c.id, "true", status=255)


def test_cgroup_that_does_not_exist(c):
    assert "no such file" in c.runtime.fails("exec", "--cgroup", "nothing", c.id, "true", status=255).err


def test_unknown_controller(c):
    machine.need_v1()
    assert "unknown controller" in c.runtime.fails("exec", "--cgroup", "what:/", c.id, "true", status=255).err


def test_sub_cgroups_v1(box):
    machine.need_v1()
    c = writable_cgroups(box)
    c.sh("mkdir /sys/fs/cgroup/pids/sub /sys/fs/cgroup/memory/sub2")
    out = c.exec("cat", "/proc/self/cgroup", options=["--cgroup", "pids:sub", "--cgroup", "memory:sub2"]).out
    assert ":pids:/sub\n" in out or f":pids:/{c.id}/sub\n" in out
    assert ":memory:/sub2\n" in out or f":memory:/{c.id}/sub2\n" in out


def test_sub_cgroup_v2(box):
    machine.need_v2()
    c = writable_cgroups(box)
    c.sh("mkdir /sys/fs/cgroup/sub")
    assert c.exec("cat", "/proc/self/cgroup", options=["--cgroup", "sub"]).out == "0::/sub\n"
    c.sh("echo 1 >/sys/fs/cgroup/sub/cgroup.procs; echo $$ >/sys/fs/cgroup/sub/cgroup.procs; "
         "echo +pids >/sys/fs/cgroup/cgroup.subtree_control")
    assert c.exec("cat", "/proc/self/cgroup").out == "0::/sub\n"    # the container's own takes no processes any more
