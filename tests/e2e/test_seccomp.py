# SPDX-License-Identifier: Apache-2.0
"""Seccomp: every action, argument comparisons, flags, the ENOSYS rule, the order of set-up, the listener."""

import errno
import os
import subprocess

import pytest

from harness import machine, seccomp_agent
from harness.wait import eventually

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers are x86-64's")

NR = {"mkdir": 83, "personality": 135, "getpid": 39, "sysinfo": 99, "uname": 63, "clone3": 435, "socket": 41}
ARCHS = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]


def profile(*rules, default="SCMP_ACT_ALLOW", **more):
    return {"defaultAction": default, "architectures": ARCHS, "syscalls": list(rules), **more}


def rule(names, action, **more):
    return {"names": names.split(), "action": action, **more}


def filtered(box, script, *rules, **more):
    c = box(script=script)
    c.bundle.linux["seccomp"] = profile(*rules, **more)
    return c


MKDIR = "mkdir mkdirat"


@pytest.mark.parametrize("nnp", [True, False])
def test_errno(box, nnp):
    c = filtered(box, "mkdir /dev/shm/x", rule(MKDIR, "SCMP_ACT_ERRNO"))
    c.bundle.process["noNewPrivileges"] = nnp
    assert "Operation not permitted" in c.run(status=1).err


def test_errno_with_a_value(box):
    c = filtered(box, "mkdir /dev/shm/x", rule(MKDIR, "SCMP_ACT_ERRNO", errnoRet=errno.ENETDOWN))
    assert "Network is down" in c.run(status=1).err


def test_mode_is_filter(box):
    c = filtered(box, "grep Seccomp: /proc/self/status", rule(MKDIR, "SCMP_ACT_ERRNO"))
    assert c.run().out.split()[1] == "2"
    assert box("grep", "Seccomp:", "/proc/self/status").run().out.split()[1] == "0"


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP"])
def test_kill(box, action):
    c = filtered(box, "mkdir /dev/shm/x; echo status $?", rule(MKDIR, action))
    c.bundle.process["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    assert "status 159" in c.run().out    # 128 + SIGSYS


def test_trace_without_a_tracer(box):
    c = filtered(box, "mkdir /dev/shm/x", rule(MKDIR, "SCMP_ACT_TRACE", errnoRet=7))
    assert "Function not implemented" in c.run(status=1).err


def test_log_lets_it_pass(box):
    assert filtered(box, "mkdir /dev/shm/x && echo made", rule(MKDIR, "SCMP_ACT_LOG")).run().out == "made\n"


def test_unknown_system_call_is_no_error(box):
    """Profiles name calls that this machine has never heard of."""
    filtered(box, "true", rule("mkdir no_such_call_ever", "SCMP_ACT_ERRNO")).run()


@pytest.mark.parametrize("part", [{"action": "SCMP_ACT_WHAT"}, {"args": [{"index": 9, "value": 1, "op": "SCMP_CMP_EQ"}]},
                                  {"args": [{"index": 0, "value": 1, "op": "SCMP_CMP_WHAT"}]}])
def test_bad_rule(box, part):
    c = filtered(box, "true", {**rule(MKDIR, "SCMP_ACT_ERRNO"), **part})
    c.fails()


def test_bad_architecture_and_default_action(box):
    c = filtered(box, "true", rule(MKDIR, "SCMP_ACT_ERRNO"))
    c.bundle.linux["seccomp"]["architectures"] = ["SCMP_ARCH_ABACUS"]
    assert "SCMP_ARCH_ABACUS" in c.fails().err
    c.bundle.linux["seccomp"].update(architectures=[], defaultAction="SCMP_ACT_WHAT")
    assert "SCMP_ACT_WHAT" in c.fails().err


COMPARISONS = [("SCMP_CMP_EQ", 5, 0, [5], [4, 6]), ("SCMP_CMP_NE", 5, 0, [4, 6], [5]), ("SCMP_CMP_LT", 5, 0, [4], [5, 6]),
               ("SCMP_CMP_LE", 5, 0, [4, 5], [6]), ("SCMP_CMP_GT", 5, 0, [6], [5, 4]), ("SCMP_CMP_GE", 5, 0, [5, 6], [4]),
               ("SCMP_CMP_MASKED_EQ", 0xf0, 0x50, [0x5f, 0x150], [0x60]),
               ("SCMP_CMP_EQ", 0x500000001, 0, [0x500000001], [1, 0x500000000])]


@pytest.mark.parametrize("op, value, value_two, hit, miss", COMPARISONS)
def test_argument_comparison(box, probe, op, value, value_two, hit, miss):
    """On an unused argument of getpid, which does not mind."""
    args = [{"index": 2, "value": value, "valueTwo": value_two, "op": op}]
    c = filtered(box, "", rule("getpid", "SCMP_ACT_ERRNO", errnoRet=77, args=args))
    probe(c)
    calls = [f"{NR['getpid']} 0 0 {n}" for n in hit + miss]
    c.bundle.sh("exec probe " + " -- ".join(calls))
    lines = c.run().out.splitlines()
    assert lines[:len(hit)] == ["errno 77"] * len(hit)
    assert all(line.startswith("ok") for line in lines[len(hit):])


def test_several_arguments_must_all_match(box, probe):
    args = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]
    c = filtered(box, f"exec probe {NR['getpid']} 1 2 -- {NR['getpid']} 1 3 -- {NR['getpid']} 0 2",
                 rule("getpid", "SCMP_ACT_ERRNO", errnoRet=77, args=args))
    probe(c)
    assert [line.split()[0] for line in c.run().out.splitlines()] == ["errno", "ok", "ok"]


def test_same_argument_several_times_is_or(box, probe):
    args = [{"index": 0, "value": n, "op": "SCMP_CMP_EQ"} for n in (1, 3)]
    c = filtered(box, f"exec probe {NR['getpid']} 1 -- {NR['getpid']} 2 -- {NR['getpid']} 3",
                 rule("getpid", "SCMP_ACT_ERRNO", errnoRet=77, args=args))
    probe(c)
    assert [line.split()[0] for line in c.run().out.splitlines()] == ["errno", "ok", "errno"]


ENOUGH = ("read write open openat close execve exit exit_group brk mmap mprotect munmap arch_prctl set_tid_address "
          "set_robust_list rseq prlimit64 getrandom readlink readlinkat newfstatat fstat stat lstat ioctl rt_sigaction "
          "rt_sigprocmask getuid getgid geteuid getegid getpid getppid fcntl uname capget capset prctl getcwd chdir futex "
          "access faccessat faccessat2 wait4 clone vfork fork dup dup2 pipe pipe2 setuid setgid setgroups fchown lseek "
          "pread64 getdents64 statfs fstatfs gettid kill tgkill sigaltstack rt_sigreturn close_range openat2 setresuid "
          "setresgid setfsuid setfsgid poll ppoll epoll_create1 epoll_ctl epoll_pwait nanosleep sched_getaffinity "
          "sched_yield madvise getrlimit setrlimit fchdir writev readv statx umask execveat sendmsg sendto recvmsg socket "
          "connect setsid keyctl personality unlinkat fchownat dup3 clock_gettime timer_create timer_settime timer_delete")


def test_allow_list_with_default_errno(box, probe):
    c = filtered(box, f"exec probe {NR['sysinfo']} 0", rule(ENOUGH, "SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO",
                 defaultErrnoRet=errno.ENOTTY)
    probe(c)
    assert c.run().out == f"errno {errno.ENOTTY}\n"


def test_calls_newer_than_the_profile_do_not_exist(box, probe):
    """EPERM for clone3 or statx breaks new C libraries: what the profile's author cannot have known is ENOSYS."""
    c = filtered(box, f"exec probe {NR['sysinfo']} 0 -- 999 -- 600", rule(ENOUGH.replace(" execveat", ""), "SCMP_ACT_ALLOW"),
                 default="SCMP_ACT_ERRNO")
    probe(c)
    assert c.run().out.splitlines() == [f"errno {errno.EPERM}", f"errno {errno.ENOSYS}", f"errno {errno.ENOSYS}"]


def test_old_calls_keep_the_default_action(box, probe):
    c = filtered(box, f"exec probe {NR['mkdir']} s:/dev/shm/x 511", rule(ENOUGH, "SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO",
                 defaultErrnoRet=errno.EACCES)
    probe(c)
    assert c.run().out == f"errno {errno.EACCES}\n"


@pytest.mark.parametrize("flags", [[], ["SECCOMP_FILTER_FLAG_LOG"], ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
                                   ["SECCOMP_FILTER_FLAG_TSYNC"], ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]])
def test_flags(box, flags):
    c = filtered(box, "mkdir /dev/shm/x", rule(MKDIR, "SCMP_ACT_ERRNO"), flags=flags)
    assert "Operation not permitted" in c.run(status=1).err


def test_unknown_flag(box):
    c = filtered(box, "true", rule(MKDIR, "SCMP_ACT_ERRNO"), flags=["SECCOMP_FILTER_FLAG_WHAT"])
    assert "SECCOMP_FILTER_FLAG_WHAT" in c.fails().err


def test_spectre_mitigation_is_not_forced(box):
    """Without flags SPEC_ALLOW is the default, as in runc: no slow-down for every container."""
    c = filtered(box, "grep -i Speculation_Store_Bypass /proc/self/status", rule(MKDIR, "SCMP_ACT_ERRNO"))
    assert "force mitigated" not in c.run(status=None).out


def test_exec_is_filtered_too(box):
    c = filtered(box, "sleep 1000", rule(MKDIR, "SCMP_ACT_ERRNO"))
    c.up()
    assert "Operation not permitted" in c.sh("mkdir /dev/shm/x", status=1).err


def test_runtime_survives_the_filter_that_it_loads(box):
    """The steps between loading and execve do without what profiles tend to forbid."""
    filtered(box, "true", rule("close_range fsopen fsconfig fspick openat2 open_tree move_mount mount_setattr mount "
                               "pivot_root unshare setns clone3 keyctl bpf", "SCMP_ACT_ERRNO", errnoRet=errno.ENOSYS)).run()


def test_start_container_hook_is_filtered(box):
    c = filtered(box, "true", rule(MKDIR, "SCMP_ACT_KILL"))
    c.bundle.process["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    c.bundle.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "exec mkdir /dev/shm/x"]}]}
    result = c.run(status=None)
    assert result.status != 0
    assert "error running startContainer hook" in result.err and "bad system call" in result.err


def test_thirty_two_bit_calls_are_filtered_too(box, work):
    machine.need_program("cc")
    source = work / "p.c"
    source.write_text('int main(void){int r; asm volatile("int $0x80":"=a"(r):"a"(39),"b"(0),"c"(0):"memory"); return -r;}')
    c = filtered(box, "/p; echo $?", rule(MKDIR, "SCMP_ACT_ERRNO", errnoRet=77))
    subprocess.run(["cc", "-static", "-o", str(c.bundle.rootfs / "p"), str(source)], check=True)
    assert c.run().out == "77\n"    # 39 is mkdir for 32-bit programs


# The listener

@pytest.fixture
def agent(work):
    if not seccomp_agent.supported():
        pytest.skip("the kernel has no SECCOMP_RET_USER_NOTIF")
    made = []

    def make(answer=lambda nr, args: 0):
        made.append(seccomp_agent.Agent(work / f"agent{len(made)}", answer))
        return made[-1]
    yield make
    for one in made:
        one.close()
        assert one.errors == []


def notified(box, agent, script, names="mkdir", **more):
    return filtered(box, script, rule(names, "SCMP_ACT_NOTIFY"), listenerPath=agent.path, listenerMetadata="some metadata", **more)


@pytest.mark.parametrize("nnp", [True, False])
def test_notify(box, agent, nnp):
    listener = agent(lambda nr, args: errno.ENOMEDIUM)
    c = notified(box, listener, "mkdir /dev/shm/x")
    c.bundle.process["noNewPrivileges"] = nnp
    assert "No medium found" in c.run(status=1).err
    assert listener.calls[0][0] == NR["mkdir"]


def test_notify_state(box, agent):
    listener = agent(lambda nr, args: 0)
    c = notified(box, listener, "mkdir /dev/shm/x; sleep 1000")
    c.bundle.config["annotations"] = {"a": "b"}
    c.up()
    state = listener.states[0]
    assert state["fds"] == ["seccompFd"] and state["metadata"] == "some metadata" and state["ociVersion"].startswith("1.")
    assert state["state"]["id"] == c.id and state["state"]["status"] == "creating"
    assert state["state"]["bundle"] == str(c.bundle.path) and state["state"]["annotations"] == {"a": "b"}
    assert state["pid"] == state["state"]["pid"] == c.pid


def test_notify_in_exec(box, agent):
    listener = agent(lambda nr, args: errno.ENOMEDIUM)
    c = notified(box, listener, "sleep 1000").up()
    assert "No medium found" in c.sh("mkdir /dev/shm/x", status=1).err
    assert listener.states[-1]["state"]["status"] == "running"
    assert listener.states[-1]["pid"] != c.pid


def test_notify_of_calls_that_the_runtime_needs_itself(box, agent):
    listener = agent(lambda nr, args: seccomp_agent.Agent.CONTINUE_CALL)
    c = notified(box, listener, "true", "execve openat open read close fcntl")
    c.run()
    assert listener.calls


def test_wait_killable(box, agent):
    machine.need_kernel(5, 19, "WAIT_KILLABLE_RECV")
    listener = agent(lambda nr, args: 0)
    notified(box, listener, "mkdir /dev/shm/x", flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]).run()


def test_notify_write_is_refused(box, agent):
    c = notified(box, agent(), "true", "write")
    assert "SCMP_ACT_NOTIFY cannot be used for the write syscall" in c.fails().err


def test_notify_as_default_is_refused(box, agent):
    listener = agent()
    c = filtered(box, "true", rule("read", "SCMP_ACT_ALLOW"), default="SCMP_ACT_NOTIFY", listenerPath=listener.path)
    assert "SCMP_ACT_NOTIFY" in c.fails().err


@pytest.mark.parametrize("path", ["", "/no/such/agent.sock"])
def test_notify_without_an_agent(box, path):
    filtered(box, "true", rule("mkdir", "SCMP_ACT_NOTIFY"), listenerPath=path).fails()


def test_agent_goes_away(box, agent):
    listener = agent()
    c = notified(box, listener, "read x; mkdir /dev/shm/x")
    c.bundle.save()
    process = c.runtime.popen("run", "--bundle", c.bundle.path, c.id, stdin=subprocess.PIPE)
    eventually(lambda: listener.states, "the agent has the descriptor")
    listener.close()
    listener.close = lambda: None
    _, error = process.communicate("\n", timeout=60)
    assert "Function not implemented" in error


def test_listener_path_without_notify_is_not_used(box):
    filtered(box, "true", rule(MKDIR, "SCMP_ACT_ERRNO"), listenerPath="/no/such/agent.sock").run()
