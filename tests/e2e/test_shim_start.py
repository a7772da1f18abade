# SPDX-License-Identifier: Apache-2.0
"""The shim's command line: what daemons of all generations say and get, and what is left of starts that fail."""

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import time

import pytest

from harness import machine
from harness.shim_command import GROUP, Commands, words
from harness.wait import eventually

pytestmark = pytest.mark.davit_shim


@pytest.fixture
def commands(shim_binary, binary, work):
    made = Commands(shim_binary, binary, work)
    yield made
    made.finish()


@pytest.fixture
def params(commands, api):
    """What containerd 2.3 writes."""
    def make(id, options=None, **fields):
        p = api("containerd.runtime.bootstrap.v1.BootstrapParams", instance_id=id, namespace=commands.namespace,
                containerd_version="2.3.4", containerd_grpc_address=str(commands.address), **fields)
        if options is not None:
            p.extensions.add().value.CopyFrom(api.any("containerd.runc.v1.Options", **options))
        return p.SerializeToString()
    return make


# ---- words ----------------------------------------------------------------------------------------


def test_version(commands):
    for flag in ("-v", "-version", "--version"):
        lines = commands.run([commands.binary, flag]).stdout.decode().split("\n")
        assert lines[0] == "containerd-shim-davit-v2:"
        assert [line.split(":")[0].strip() for line in lines[1:3]] == ["Version", "Revision"]
        assert lines[-2:] == ["", ""]


def test_help(commands):
    text = commands.run([commands.binary, "-h"]).stdout.decode()
    for word in ("-namespace", "-address", "-publish-binary", "-id", "-bundle", "-debug", "-info", "start", "delete"):
        assert f"  {word}" in text


@pytest.mark.parametrize("argv,says", [
    (["-namespace", "n", "-wrong", "start"], "flag provided but not defined: -wrong"),
    (["-namespace", "n", "begin"], '"begin"'),
    (["-namespace", "n", "-id", "x", "start", "more"], '"more"'),
    (["start"], "namespace"),
    (["-namespace", "a/b", "-id", "x", "start"], "a/b"),
    (["-namespace", "n", "start"], "id"),
    (["-namespace", "n", "delete"], "-id"),
    (["-namespace", "n", "-id", "x", "-bundle", "not/absolute", "delete"], "not/absolute"),
])
def test_wrong_words(commands, work, argv, says):
    done = commands.run([commands.binary, *argv], status=1, cwd=work)
    assert done.stdout == b"" and done.stderr.count(b"\n") == 1
    assert says in done.stderr.decode()


# ---- start ----------------------------------------------------------------------------------------


def test_start_for_1_6(commands):
    bundle, path = commands.bundle("c1"), commands.socket("c1")
    assert commands.start("c1", bundle) == f"unix://{path}".encode()
    assert (bundle / "address").read_text() == f"unix://{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_ISSOCK(path.stat().st_mode)


@pytest.mark.parametrize("options", [None, {"binary_name": "runc"}])
def test_start_for_1_7_to_2_2(commands, api, options):
    bundle, path = commands.bundle("c1"), commands.socket("c1")
    given = api.any("containerd.runc.v1.Options", **options).SerializeToString() if options else b""
    out = commands.start("c1", bundle, env={"MAX_SHIM_VERSION": "2"}, input=given)
    assert json.loads(out) == {"version": 2, "address": f"unix://{path}", "protocol": "ttrpc"}
    assert (bundle / "address").read_text() == f"unix://{path}"


def test_server_that_nobody_knows_of(commands):
    """Its daemon was killed before the first request, and has removed the bundle since."""
    bundle, path = commands.bundle("c1"), commands.socket("c1")
    commands.start("c1", bundle)
    assert commands.server() and path.exists()
    shutil.rmtree(bundle)
    eventually(lambda: not commands.processes() and not path.exists(), "it has ended, and its socket is gone")


def test_start_for_2_3(commands, api, params):
    bundle, path = commands.bundle("c1"), commands.socket("c1", commands.sockets)
    out = commands.start("c1", bundle, env={"MAX_SHIM_VERSION": "2"},
                         input=params("c1", options={}, socket_dir=str(commands.sockets)))
    result = api.type("containerd.runtime.bootstrap.v1.BootstrapResult").FromString(out)
    assert (result.version, result.address, result.protocol) == (3, f"unix://{path}", "ttrpc")
    assert os.readlink(bundle / "s") == str(commands.sockets) and not (bundle / "address").exists()
    assert stat.S_IMODE(commands.sockets.stat().st_mode) == 0o700


def test_the_server_process(commands):
    bundle = commands.bundle("c1")
    commands.socket("c1")
    log = os.open(bundle / "log", os.O_RDONLY | os.O_NONBLOCK)
    commands.start("c1", bundle, "-debug", env={"TTRPC_ADDRESS": "/nowhere"})
    pid = commands.server()
    assert words(pid)[1:] == ["-namespace", commands.namespace, "-id", "c1", "-address", str(commands.address),
                              "-publish-binary", "/bin/false", "-debug"]
    assert os.readlink(f"/proc/{pid}/cwd") == str(bundle)
    assert os.getpgid(pid) == pid
    assert [os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1, 2)] == ["/dev/null", "/dev/null", f"{bundle}/log"]
    parent = int(open("/proc/self/oom_score_adj").read())
    assert int(open(f"/proc/{pid}/oom_score_adj").read()) == min(parent + 1, 1000)
    os.close(log)


def test_a_group_has_one_shim(commands):
    path = commands.socket("pod")
    for id in ("pod", "a", "b"):
        bundle = commands.bundle(id, annotations={GROUP: "pod"})
        assert commands.start(id, bundle) == f"unix://{path}".encode()
        assert (bundle / "address").read_text() == f"unix://{path}"
    assert words(commands.server())[4] == "pod"


def test_many_starts_at_once(commands):
    path = commands.socket("pod")
    bundles = {f"c{n}": commands.bundle(f"c{n}", annotations={GROUP: "pod"}) for n in range(12)}
    starts = [subprocess.Popen(commands.argv(id, "start"), cwd=bundle, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for id, bundle in bundles.items()]
    assert {p.communicate()[0] for p in starts} == {f"unix://{path}".encode()}
    assert all(p.returncode == 0 for p in starts)
    commands.server()


def test_a_dead_shim_is_replaced(commands):
    bundle, path = commands.bundle("c1"), commands.socket("c1")
    commands.start("c1", bundle)
    first = commands.server()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not commands.processes(), "the shim is dead")
    assert path.exists()
    commands.start("c1", bundle)
    assert commands.server() != first


def test_shim_cgroup(commands, api, params):
    root = machine.CGROUP if machine.cgroup_mode() == "v2" else machine.v1_controllers()["pids"]
    group = root / f"{commands.namespace}-shim"
    group.mkdir()
    try:
        bundle = commands.bundle("c1")
        commands.socket("c1")
        commands.start("c1", bundle, input=params("c1", options={"shim_cgroup": f"/{group.name}"}))
        assert (group / "cgroup.procs").read_text().split() == [str(commands.server())]
    finally:
        commands.finish()
        eventually(lambda: not (group / "cgroup.procs").read_text(), "the cgroup is empty")
        group.rmdir()


def test_sched_core(commands):
    """Where no core has siblings there is nothing to be done, and that is no failure."""
    bundle = commands.bundle("c1")
    commands.socket("c1")
    done = subprocess.run(commands.argv("c1", "start"), cwd=bundle, stdin=subprocess.DEVNULL, capture_output=True,
                          env=commands.environment(SCHED_CORE="1"))
    if b"invalid argument" in done.stderr:
        pytest.skip("this kernel has no core scheduling")
    assert done.returncode == 0 and done.stderr == b""


def test_serving_on_a_socket_of_its_own(commands, work):
    path, bundle = work / "own.sock", commands.bundle("c1")
    argv = [w for w in commands.argv("c1", "", "-socket", str(path)) if w]
    process = subprocess.Popen(argv, cwd=bundle, stdin=subprocess.DEVNULL, env=commands.environment())
    eventually(lambda: is_committed(path), "it serves")
    assert b"already" in commands.run(argv, status=1, cwd=bundle).stderr
    process.terminate()
    assert process.wait(10) == 0 and not path.exists()


def test_events_have_a_spool(commands):
    """Its name is the socket's, which a server learns from its start."""
    bundle, path = commands.bundle("c1"), commands.socket("c1")
    spool = path.with_name(path.name + ".events")
    spool.write_bytes(b"no spool")
    log = os.open(bundle / "log", os.O_RDONLY | os.O_NONBLOCK)
    commands.start("c1", bundle, env={"TTRPC_ADDRESS": "/nowhere"})
    eventually(lambda: spool.stat().st_size == 0, "the server has opened its spool")
    os.close(log)


# ---- failures -------------------------------------------------------------------------------------


def nothing_is_left(commands, bundle, path):
    eventually(lambda: not commands.processes(), "no process is left")
    assert not path.exists() and not (bundle / "address").exists() and not os.path.lexists(bundle / "s")


@pytest.mark.parametrize("what,says", [
    ("no config", "config.json"), ("bad config", "config.json"), ("bad input", "standard input"),
    ("no cgroup", "shim_cgroup"), ("relative socket_dir", "socket directory"), ("long socket_dir", "longer than"),
])
def test_failed_start(commands, params, what, says):
    bundle, path, given = commands.bundle("c1"), commands.socket("c1"), b""
    if what == "no config":
        (bundle / "config.json").unlink()
    elif what == "bad config":
        (bundle / "config.json").write_text('{"annotations":')
    elif what == "bad input":
        given = b"no protobuf at all"
    elif what == "no cgroup":
        given = params("c1", options={"shim_cgroup": "/no/such/cgroup"})
    else:
        given = params("c1", socket_dir="s" if what.startswith("relative") else "/" + "s" * 80)
    assert says in commands.fails("c1", bundle, input=given)
    nothing_is_left(commands, bundle, path)


def test_too_much_input(commands):
    bundle, path = commands.bundle("c1"), commands.socket("c1")
    assert "more than" in commands.fails("c1", bundle, input=bytes(11 << 20))
    nothing_is_left(commands, bundle, path)


def test_answer_that_cannot_be_written(commands):
    bundle, path = commands.bundle("c1"), commands.socket("c1")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(commands.argv("c1", "start"), cwd=bundle, stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, env=commands.environment())
    assert done.returncode == 1 and b"write the answer" in done.stderr
    nothing_is_left(commands, bundle, path)


def is_committed(path):
    try:
        return stat.S_IMODE(path.stat().st_mode) == 0o600
    except FileNotFoundError:
        return False


def test_killed_at_any_time(commands):
    """Whenever a start is killed: its server ends by itself, and the next start works."""
    path, n_killed = commands.socket("c1"), 0
    bundle = commands.bundle("c1")
    for n in range(60):
        process = subprocess.Popen(commands.argv("c1", "start"), cwd=bundle, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, env=commands.environment())
        end = time.monotonic() + random.Random(n).uniform(0, 0.004)
        while time.monotonic() < end:
            pass
        process.kill()
        output = process.communicate()[0]
        n_killed += process.returncode != 0
        if process.returncode != 0 and not is_committed(path):
            eventually(lambda: not commands.processes(), f"the server of a killed start ends (round {n}, {output})")
        assert commands.start("c1", bundle) == f"unix://{path}".encode()
        os.kill(commands.server(), signal.SIGKILL)
        eventually(lambda: not commands.processes(), "the shim is dead")
    assert n_killed > 0


# ---- delete ---------------------------------------------------------------------------------------


def response(api, done):
    return api.type("containerd.task.v2.DeleteResponse").FromString(done.stdout)


def use_runtime(bundle, path):
    (bundle / "runtime").write_text(str(path))


def test_delete_of_a_hung_shim(commands, api):
    bundle, path = commands.bundle("c1"), commands.socket("c1")
    use_runtime(bundle, commands.runtime)
    commands.start("c1", bundle)
    (bundle / "init.pid").write_text("4194303")
    os.kill(commands.server(), signal.SIGSTOP)
    begin = time.monotonic()
    answer = response(api, commands.delete("c1", bundle))
    assert (answer.pid, answer.exit_status) == (4194303, 137) and abs(answer.exited_at.seconds - time.time()) < 60
    assert not path.exists() and not commands.processes()
    assert response(api, commands.delete("c1", bundle)).exit_status == 137
    assert time.monotonic() - begin < 10


def test_delete_leaves_the_shim_of_others(commands, api):
    path = commands.socket("pod")
    bundles = [commands.bundle(id, annotations={GROUP: "pod"}) for id in ("pod", "c2")]
    for bundle in bundles:
        use_runtime(bundle, commands.runtime)
        commands.start(bundle.name, bundle)
    commands.delete("c2", bundles[1])
    assert path.exists() and commands.server()


def test_delete_where_the_runtime_is_gone(commands, api):
    """What is in the container's cgroup is killed, and the cgroup removed."""
    mode = machine.cgroup_mode()
    roots = [machine.CGROUP] if mode == "v2" else sorted({str(p) for p in machine.v1_controllers().values()})
    name = f"{commands.namespace}-c1"
    groups = [os.path.join(root, name) for root in roots]
    bundle = commands.bundle("c1", linux={"cgroupsPath": f"/{name}"})
    use_runtime(bundle, "/no/such/runtime")
    victim = subprocess.Popen(["sleep", "1000"])
    try:
        for group in groups:
            os.mkdir(group)
            if "cpuset" in group:
                for file in ("cpuset.cpus", "cpuset.mems"):
                    with open(f"{os.path.dirname(group)}/{file}") as source, open(f"{group}/{file}", "w") as target:
                        target.write(source.read())
            with open(f"{group}/cgroup.procs", "w") as procs:
                procs.write(str(victim.pid))
        (bundle / "init.pid").write_text(str(victim.pid))
        assert response(api, commands.delete("c1", bundle)).pid == victim.pid
        assert victim.wait(10) == -signal.SIGKILL
        assert not [g for g in groups if os.path.exists(g)]
    finally:
        victim.kill()
        victim.wait()
        for group in groups:
            if os.path.exists(group):
                os.rmdir(group)


# ---- -info ----------------------------------------------------------------------------------------


def info(commands, api, **kwargs):
    out = commands.run([commands.binary, "-info"], **kwargs).stdout
    return api.type("containerd.types.RuntimeInfo").FromString(out)


def test_info(commands, api):
    options = api.any("containerd.runc.v1.Options", binary_name=str(commands.runtime), systemd_cgroup=True)
    found = info(commands, api, input=options.SerializeToString())
    assert found.name == "io.containerd.davit.v2" and found.version.version and found.version.revision
    assert found.options == options
    assert found.features.type_url == "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
    assert json.loads(found.features.value)["ociVersionMax"]


def test_info_finds_the_runtime_in_path(commands, api):
    found = info(commands, api, env={"PATH": f"{commands.runtime.parent}:{os.environ['PATH']}"})
    assert json.loads(found.features.value)["linux"] and not found.HasField("options")


def test_info_of_a_runtime_without_features(commands, api):
    options = api.any("containerd.runc.v1.Options", binary_name="/bin/false")
    assert not info(commands, api, input=options.SerializeToString()).HasField("features")


def test_info_without_a_runtime(commands, api):
    options = api.any("containerd.runc.v1.Options", binary_name="no-such-runtime")
    done = commands.run([commands.binary, "-info"], status=1, input=options.SerializeToString())
    assert b"no-such-runtime" in done.stderr and done.stdout == b""
