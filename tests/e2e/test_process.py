# SPDX-License-Identifier: Apache-2.0
"""The process object: environment, user, working directory, limits, privileges, program look-up."""

import os
import resource

import pytest

from harness import machine


def test_environment_is_exactly_what_is_given(box):
    c = box("env")
    c.bundle.process["env"] = ["PATH=/bin", "A=b", "HOME=/x", "EMPTY="]
    assert sorted(c.run().out.splitlines()) == ["A=b", "EMPTY=", "HOME=/x", "PATH=/bin"]


def test_last_of_equal_variables_wins(box):
    c = box("env")
    c.bundle.process["env"] = ["PATH=/nowhere", "A=1", "A=2", "PATH=/bin"]
    out = c.run().out.splitlines()
    assert "A=2" in out and "A=1" not in out and "PATH=/bin" in out


@pytest.mark.parametrize("uid, home", [(0, "/root"), (1000, "/home/boat"), (4242, "/")])
def test_home(box, uid, home):
    c = box(script="echo $HOME")
    c.bundle.process["user"] = {"uid": uid, "gid": 0}
    c.bundle.process["env"] = ["PATH=/bin"]
    assert c.run().out == f"{home}\n"


def test_empty_home_is_filled(box):
    c = box(script="echo $HOME")
    c.bundle.process["env"] = ["PATH=/bin", "HOME="]
    assert c.run().out == "/root\n"


def test_no_passwd_file(box):
    c = box(script="echo $HOME; id -u")
    (c.bundle.rootfs / "etc/passwd").unlink()
    c.bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert c.run().out == "/\n1000\n"


def test_user_and_groups(box):
    c = box(script="id; id -G")
    c.bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5, 77, 4000000000]}
    first, groups = c.run().out.splitlines()
    assert first.startswith("uid=1000(boat) gid=1000(boat)")
    assert set(groups.split()) == {"1000", "5", "77", "4000000000"}


def test_groups_of_the_caller_are_dropped(box):
    c = box("grep", "Groups", "/proc/self/status")
    c.runtime.prefix = ["setpriv", "--groups", "5,6,7"]
    assert c.run().out.split()[1:] in ([], ["0"])


@pytest.mark.parametrize("umask, text", [(None, "0022"), (0, "0000"), (0o77, "0077")])
def test_umask(box, umask, text):
    c = box(script="umask")
    if umask is not None:
        c.bundle.process["user"]["umask"] = umask
    assert c.run().out == f"{text}\n"


def test_umask_of_the_caller_does_not_matter(box):
    c = box(script="umask; stat -c %a /dev /proc/1/root/dev/null")
    c.runtime.prefix = ["sh", "-c", 'umask 077; exec "$0" "$@"']
    assert c.run().out.split() == ["0022", "755", "666"]


def test_cwd(box):
    c = box("pwd")
    c.bundle.process["cwd"] = "/home/boat"
    assert c.run().out == "/home/boat\n"


def test_cwd_is_made(box):
    c = box(script="pwd; stat -c '%a %u' .")
    c.bundle.process["cwd"] = "/home/new/dir"
    assert c.run().out.split() == ["/home/new/dir", "755", "0"]


def test_cwd_of_another_user(box):
    """The directory is entered as the container's user, who may have more rights there than root has."""
    c = box("pwd")
    (c.bundle.rootfs / "home/boat").chmod(0o700)
    c.bundle.process.update(cwd="/home/boat", user={"uid": 1000, "gid": 1000})
    assert c.run().out == "/home/boat\n"


def test_cwd_that_is_a_file(box):
    c = box("pwd")
    c.bundle.process["cwd"] = "/etc/passwd"
    assert "not a directory" in c.fails().err.lower()


def test_program_is_found_in_path(box):
    c = box("thing")
    (c.bundle.rootfs / "usr/thing").write_text("#!/bin/sh\necho found $0\n")
    (c.bundle.rootfs / "usr/thing").chmod(0o755)
    c.bundle.process["env"] = ["PATH=/nowhere:/usr:/bin"]
    assert c.run().out == "found /usr/thing\n"


def test_program_that_is_not_in_path(box):
    error = box("no-such-program").fails().err
    assert 'exec: "no-such-program": executable file not found in $PATH' in error


def test_program_that_does_not_exist(box):
    assert "no such file or directory" in box("/no/such/program").fails().err


def test_program_that_may_not_be_run(box):
    assert "permission denied" in box("/etc/passwd").fails().err


def test_program_relative_to_cwd(box):
    c = box("./sh", "-c", "echo yes")
    c.bundle.process["cwd"] = "/bin"
    assert c.run().out == "yes\n"


def test_argv_is_passed_as_it_is(box):
    args = ["", " ", "a b", "$HOME", "ü", '"', "\\", "x" * 50000]
    c = box("sh", "-c", 'for a; do printf "%s\\n" "$a"; done', "sh", *args)
    assert c.run().out.split("\n")[:-1] == args


@pytest.mark.parametrize("kind, flag", [("NOFILE", "n"), ("CORE", "c"), ("STACK", "s"), ("NPROC", "u")])
def test_rlimits(box, kind, flag):
    _, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{kind}"))
    unit = {"CORE": 512, "STACK": 1024}.get(kind, 1)
    c = box(script=f"ulimit -S{flag}; ulimit -H{flag}")
    c.bundle.process["rlimits"] = [{"type": f"RLIMIT_{kind}", "soft": 100 * unit, "hard": 200 * unit}]
    assert hard == resource.RLIM_INFINITY or hard >= 200 * unit
    assert c.run().out.split() == ["100", "200"]


@pytest.mark.davit    # runc's init needs some more
@pytest.mark.parametrize("verb", ["run", "create"])
def test_no_room_for_descriptors(box, verb):
    c = box("echo", "yes")
    c.bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 3, "hard": 3}]
    if verb == "run":
        assert c.run().out == "yes\n"
    else:
        c.create()
        assert c.status == "created"
        c.start()
        assert c.wait("stopped").output() == "yes\n"


def test_rlimits_not_named_stay(box):
    c = box("cat", "/proc/self/limits")
    c.bundle.process["rlimits"] = []
    inside = {line[:26]: line[26:].split()[:2] for line in c.run().out.splitlines()[1:]}
    outside = {line[:26]: line[26:].split()[:2] for line in open("/proc/self/limits").read().splitlines()[1:]}
    assert inside == outside


def test_raising_a_hard_limit_without_the_capability(box):
    if machine.has_cap("sys_resource"):
        pytest.skip("CAP_SYS_RESOURCE is there")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    c = box("true")
    c.bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": hard + 1, "hard": hard + 1}]
    assert "operation not permitted" in c.fails().err.lower()


@pytest.mark.davit
def test_raising_a_hard_limit_says_which_and_why(box):
    if machine.has_cap("sys_resource"):
        pytest.skip("CAP_SYS_RESOURCE is there")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    c = box("true")
    c.bundle.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": hard + 1, "hard": hard + 1}]
    error = c.fails().err
    assert "RLIMIT_NOFILE" in error and "CAP_SYS_RESOURCE" in error


@pytest.mark.parametrize("value", [True, False])
def test_no_new_privileges(box, value):
    c = box("grep", "NoNewPrivs", "/proc/self/status")
    c.bundle.process["noNewPrivileges"] = value
    assert c.run().out.split()[1] == str(int(value))


def test_oom_score_adj(box):
    c = box("cat", "/proc/self/oom_score_adj")
    c.bundle.process["oomScoreAdj"] = 321
    assert c.run().out == "321\n"


def test_oom_score_adj_is_inherited_when_not_given(box):
    c = box("cat", "/proc/self/oom_score_adj")
    c.bundle.process.pop("oomScoreAdj", None)
    c.runtime.prefix = ["sh", "-c", 'echo 99 >/proc/self/oom_score_adj; exec "$0" "$@"']
    assert c.run().out == "99\n"


def test_lowering_oom_score_adj_without_the_capability(box):
    if machine.has_cap("sys_resource"):
        pytest.skip("CAP_SYS_RESOURCE is there")
    c = box("true")
    c.bundle.process["oomScoreAdj"] = -900
    assert "permission denied" in c.fails().err.lower()


@pytest.mark.davit
def test_lowering_oom_score_adj_says_why(box):
    if machine.has_cap("sys_resource"):
        pytest.skip("CAP_SYS_RESOURCE is there")
    c = box("true")
    c.bundle.process["oomScoreAdj"] = -900
    error = c.fails().err
    assert "oomScoreAdj" in error and "-900" in error and "CAP_SYS_RESOURCE" in error


@pytest.mark.davit    # runc lets the caller's mask through
def test_signal_mask_and_dispositions_are_clean(box):
    c = box("grep", "^Sig[BIC]", "/proc/self/status")
    c.runtime.prefix = ["env", "--block-signal=USR1", "--ignore-signal=USR2"]
    rows = dict(line.split(":\t") for line in c.run().out.splitlines())
    assert rows["SigBlk"] == "0000000000000000"
    with open("/proc/self/status") as status:
        own = next(line for line in status if line.startswith("SigIgn"))
    inherited = int(own.split()[1], 16) | 1 << 11    # ours, and USR2
    assert int(rows["SigIgn"], 16) & ~inherited == 0


def test_process_is_a_session_leader(box):
    fields = box("cat", "/proc/self/stat").run().out.rpartition(")")[2].split()
    assert fields[2] == fields[3] == "1"    # process group and session


def test_stdio_of_another_user_can_be_reopened(box):
    """/dev/stdout of a container that does not run as root."""
    c = box(script="echo again >/dev/stdout; echo err >/dev/stderr")
    c.bundle.process["user"] = {"uid": 1000, "gid": 1000}
    result = c.run()
    assert (result.out, result.err) == ("again\n", "err\n")


def test_dev_null_as_stdio_keeps_its_owner(box):
    c = box(script="ls -ln /dev/null")
    c.bundle.process["user"] = {"uid": 1000, "gid": 1000}
    c.run()
    assert os.stat("/dev/null").st_uid == 0


def test_signals_that_the_caller_ignores_are_not_ignored(box):
    c = box("grep", "SigIgn", "/proc/self/status")
    c.runtime.prefix = ["sh", "-c", "trap '' HUP PIPE USR1; exec \"$0\" \"$@\""]
    c.create()
    c.start()
    assert int(c.wait_output("SigIgn").split()[1], 16) & ~(3 << 31) == 0    # 32 and 33 are the C library's own
    c.delete("--force")
    for signal_set in c.run().out.split()[1:]:
        assert int(signal_set, 16) & ~(1 | 3 << 31) == 0    # `run` may leave HUP as nohup made it


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(box, closed):
    """No descriptor of the runtime takes their place."""
    c = box("sleep", "1000")
    c.bundle.process["user"] = {"uid": 1000, "gid": 1000}
    c.runtime.prefix = ["sh", "-c", f'exec "$0" "$@" {closed}']
    c.create()
    c.runtime.prefix = []
    streams = [os.readlink(f"/proc/{c.pid}/fd/{i}") for i in range(3)]
    assert set(streams) <= {"/dev/null", str(c.bundle.path / "out")}, streams
    c.start()
    assert c.status == "running"
