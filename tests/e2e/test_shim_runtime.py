# SPDX-License-Identifier: Apache-2.0
"""Any OCI runtime below the shim: BinaryName and the other options, and runtimes that fail, lie or hang."""

import contextlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import time

import pytest

from harness import leftovers
from harness.machine import cgroup_mode
from harness.shim_api import OPTIONS
from harness.shim_fixtures import shim_path
from harness.shim_volume import REFUSED
from harness.ttrpc import Closed, RpcError
from harness.wait import SLOWNESS, eventually


@pytest.fixture
def fake(shim, work):
    """fake(script) is a runtime: a shell script that gets the arguments and ends with the real one, if it gets that far.
    $verb is the command, $real the real runtime; what it was called with is in fake.calls()."""
    path, log = work / "fake-runtime", work / "fake-calls"

    def write(script):
        other = work / "fake-runtime.new"
        other.write_text(f"""#!/bin/sh
echo "$*" >> {log}
real={shim.oci.binary}
for verb; do case $verb in create|start|exec|kill|delete|pause|resume|update|ps|state|events|features) break;; esac; done
{script}
exec $real "$@"
""")
        other.chmod(0o755)
        os.replace(other, path)
        return str(path)
    write.calls = lambda: log.read_text().splitlines() if log.exists() else []
    return write


@pytest.mark.parametrize("name", ["runc", "crun", "youki"])
def test_other_runtimes(shim, work, name):
    """The whole life: run, exec, pids, pause, kill, delete."""
    binary = shutil.which(name)
    if not binary:
        pytest.skip(f"no {name} on this machine")
    if name == "crun" and cgroup_mode() == "hybrid":    # which crun 1.8 refuses: the v2 tree is hidden from it
        wrapper = work / "crun"
        wrapper.write_text(f"#!/bin/sh\nexec unshare --mount sh -c 'umount /sys/fs/cgroup/unified && exec {binary} \"$@\"' crun \"$@\"\n")
        wrapper.chmod(0o755)
        binary = str(wrapper)
    c = shim(script="echo out; sleep 1000")
    c.bundle.config["ociVersion"] = "1.0.2"
    io = c.fifos()
    c.up(io=io, options={"binary_name": binary})
    io.out.wait_text("out\n")
    assert c.exec("e", "sh", "-c", "exit 5")
    assert c("Wait", exec_id="e").exit_status == 5
    c("Pause")
    c("Resume")
    assert [p.pid for p in c("Pids").processes] == [c.pid]
    c.end()
    assert io.out.wait_end() == "out\n"


def test_name_is_found_in_path(shim, work):
    (work / "bin").mkdir()
    (work / "bin/my-runtime").symlink_to(shim.oci.binary)
    shim.environment["PATH"] = f"{work}/bin:{shim.environment['PATH']}"
    c = shim(script="exit 4").create(options={"binary_name": "my-runtime"})
    c("Start")
    assert c("Wait").exit_status == 4


@pytest.mark.davit_shim
def test_default_runtime(shim):
    """Without BinaryName it is davit-oci, out of PATH."""
    c = shim(script="exit 4").create(options={"binary_name": ""})
    c("Start")
    assert c("Wait").exit_status == 4


def test_runtime_that_does_not_exist(shim):
    c = shim.sleeper().launch()
    message = c.fails(REFUSED, "Create", **c.create_fields(options={"binary_name": "/no/such/runtime"}))
    assert "/no/such/runtime" in message
    c.fails("NOT_FOUND", "State")
    c.up()


def test_root(shim, work):
    c = shim.sleeper().up(options={"root": str(work / "elsewhere")})
    assert (work / "elsewhere" / shim.namespace / c.id).is_dir()
    c.end()
    assert not (work / "elsewhere" / shim.namespace / c.id).exists()


def test_options_become_arguments(shim, fake):
    binary = fake("")
    c = shim.sleeper().up(options={"binary_name": binary, "no_pivot_root": True, "no_new_keyring": True})
    create = next(call for call in fake.calls() if " create " in call).split()
    assert "--no-pivot" in create and "--no-new-keyring" in create
    assert create[create.index("--root") + 1] == str(shim.root / shim.namespace)
    assert create[create.index("--log-format") + 1] == "json" and pathlib.Path(create[create.index("--log") + 1]).parent == c.bundle.path
    assert create[create.index("--bundle") + 1] == str(c.bundle.path) and create[-1] == c.id
    assert "--systemd-cgroup" not in create


def test_systemd_cgroup_becomes_an_argument(shim, fake):
    binary = fake("""case "$*" in *--systemd-cgroup*create*) echo seen >&2; exit 1;; esac""")
    c = shim.sleeper().launch()
    c.fails(REFUSED, "Create", **c.create_fields(options={"binary_name": binary, "systemd_cgroup": True}))
    assert any("--systemd-cgroup" in call for call in fake.calls())


def test_io_uid(shim):
    """The standard streams belong to the container's user."""
    c = shim(script="stat -L -c '%u %g' /proc/self/fd/1; stat -L -c '%u %g' /proc/self/fd/2; echo again > /dev/stdout")
    c.bundle.process["user"] = {"uid": 1000, "gid": 1001}
    io = c.fifos()
    c.up(io=io, options={"io_uid": 1000, "io_gid": 1001})
    assert io.out.wait_end() == "1000 1001\n1000 1001\nagain\n"


@pytest.mark.davit_shim
def test_unknown_option_is_named_in_a_warning(shim):
    """Field 99 of a newer containerd."""
    c = shim(script="exit 3").launch()
    options = shim.options()
    options.value += b"\x9a\x06\x03new"
    c.rpc.Create(id=c.id, **{**c.create_fields(), "options": options})
    c("Start")
    assert c("Wait").exit_status == 3
    eventually(lambda: "99" in shim.daemon.log, "a warning names the field")
    assert OPTIONS.rpartition(".")[0] in options.type_url


@pytest.mark.davit_shim
@pytest.mark.parametrize("value", [b"\xff\xff", b"\x32\xff\x01a"])
def test_options_that_cannot_be_read(shim, value):
    c = shim.sleeper().launch()
    fields = c.create_fields()
    fields["options"].value = value
    c.fails("INVALID_ARGUMENT", "Create", **fields)
    c.fails("NOT_FOUND", "State")


@pytest.mark.parametrize("script, words", [
    ("""[ $verb = create ] && { while [ $# -gt 0 ]; do [ "$1" = --log ] && log=$2; shift; done
     echo '{"level":"error","msg":"the runtime has its reasons","time":"2020-01-01T00:00:00Z"}' >> "$log"; exit 1; }""",
     "the runtime has its reasons"),
    ("[ $verb = create ] && { echo 'said to stderr' >&2; exit 1; }", ""),
    ("[ $verb = create ] && kill -9 $$", ""),
    ("[ $verb = create ] && exit 0", ""),
], ids=["log", "stderr", "killed", "no pid file"])
def test_create_fails(shim, fake, script, words):
    c = shim.sleeper().launch()
    binary = fake(script)
    message = c.fails(REFUSED, "Create", **c.create_fields(options={"binary_name": binary}))
    assert words in message and message
    c.fails("NOT_FOUND", "State")
    assert c.events() == []
    fake("")
    c.up()


def test_container_that_cannot_be_created(shim):
    c = shim("no-such-program").launch()
    assert "executable file not found in $PATH" in c.fails(REFUSED, "Create", **c.create_fields())
    assert not leftovers.cgroups([c.id])
    assert not list(shim.root.glob("*/*"))


def test_start_fails(shim, fake):
    c = shim.sleeper().create(options={"binary_name": fake("[ $verb = start ] && { echo no >&2; exit 1; }")})
    c.fails(REFUSED, "Start")
    fake("")
    assert c.status() in ("created", "stopped")
    c.kill()
    c("Wait")
    c.delete()


@pytest.mark.parametrize("verb, method, fields", [("pause", "Pause", {}), ("kill", "Kill", {"signal": 10}), ("update", "Update", {})])
def test_other_commands_fail(shim, fake, verb, method, fields):
    c = shim.sleeper().up(options={"binary_name": fake(f"[ $verb = {verb} ] && {{ echo no >&2; exit 1; }}")})
    if method == "Update":
        fields = {"resources": shim.api.json("{}")}
    if method != "Kill":    # which may be done without the runtime
        c.fails(REFUSED, method, **fields)
    assert c.status() == "running"
    fake("")


def test_delete_fails(shim, fake):
    """The container is still there, and can be deleted later."""
    c = shim(script="exit 2").up(options={"binary_name": fake("[ $verb = delete ] && { echo no >&2; exit 1; }")})
    c("Wait")
    c.fails(REFUSED, "Delete")
    fake("")
    assert c.status() == "stopped"
    assert c.delete().exit_status == 2


@pytest.mark.davit_shim
def test_create_hangs(shim, fake):
    """The client's deadline ends it; nothing stays, and the other containers are served meanwhile."""
    other = shim.sleeper().up()
    c = shim("sleep", "1000", group=None)
    c.launch()
    started = time.monotonic()
    call = c.send("Create", deadline=1, **c.create_fields(options={"binary_name": fake("[ $verb = create ] && sleep 1000")}))
    assert other.status() == "running" and c("Connect").task_pid == 0
    assert c.rpc.outcome(call)[0] == "DEADLINE_EXCEEDED"
    assert time.monotonic() - started < 5 * SLOWNESS
    eventually(lambda: not leftovers.processes([str(shim.work / "fake-runtime")]), "the runtime was killed")
    c.fails("NOT_FOUND", "State")
    fake("")
    c.up()


@pytest.mark.davit_shim
@pytest.mark.parametrize("verb, method, fields", [
    ("start", "Start", {}), ("pause", "Pause", {}), ("update", "Update", {})])
def test_other_commands_hang(shim, fake, verb, method, fields):
    c = shim.sleeper().create(options={"binary_name": fake(f"[ $verb = {verb} ] && sleep 1000")})
    if method != "Start":
        c("Start")
    if method == "Update":
        fields = {"resources": shim.api.json("{}")}
    call = c.send(method, deadline=1, **fields)
    assert c.status() in ("created", "running", "pausing")
    assert c.rpc.outcome(call)[0] == "DEADLINE_EXCEEDED"
    eventually(lambda: not leftovers.processes([str(shim.work / "fake-runtime")]), "the runtime was killed")
    fake("")
    assert c.status() in ("created", "running")


@pytest.mark.davit_shim
def test_exec_hangs(shim, fake):
    """Other calls for the container go on, and it can be killed."""
    c = shim.sleeper().up(options={"binary_name": fake("[ $verb = exec ] && sleep 1000")})
    c.add_exec("e", "true")
    call = c.send("Start", exec_id="e", deadline=2)
    assert c.status() == "running"
    c.kill()
    assert c("Wait").exit_status == 137
    assert c.rpc.outcome(call)[0] != "OK"
    eventually(lambda: not leftovers.processes([str(shim.work / "fake-runtime")]), "the runtime was killed")


@pytest.mark.davit_shim
def test_container_dies_while_the_runtime_hangs(shim, fake):
    """Reported at once, whatever the runtime does."""
    c = shim.sleeper().up(options={"binary_name": fake("[ $verb = pause ] && sleep 1000")})
    pause = c.send("Pause", deadline=3)
    os.kill(c.pid, signal.SIGKILL)
    assert c("Wait", timeout=2).exit_status == 137
    assert c.rpc.outcome(pause)[0] != "OK"


def test_console_that_never_comes(shim, fake):
    """A runtime that does as told but for the terminal."""
    c = shim.sleeper().launch()
    io = c.fifos(stderr=False)
    binary = fake("[ $verb = create ] && { echo no terminal >&2; exit 1; }")
    c.fails(REFUSED, "Create", **c.create_fields(io=io, terminal=True, options={"binary_name": binary}))
    c.fails("NOT_FOUND", "State")


@pytest.mark.davit_shim
def test_runtime_gets_no_descriptor_of_the_shim(shim, fake, work):
    """Standard streams alone; the log and the container's streams are its own affair."""
    c = shim.sleeper().up(options={"binary_name": fake(f"ls -l /proc/self/fd > {work}/open.$verb")})
    lines = [line for line in (work / "open.create").read_text().splitlines() if " -> " in line]
    foreign = [line for line in lines if "/proc/" not in line and int(line.split(" -> ")[0].split()[-1]) > 2]
    assert not [line for line in foreign if "fake-runtime" not in line and "open.create" not in line]
    assert c.status() == "running"


def test_bundle_files_that_delete_needs(shim):
    c = shim.sleeper().up()
    assert (c.bundle.path / "init.pid").read_text() == str(c.pid)
    assert (c.bundle.path / "runtime").read_text() == shim.oci.binary
    assert str(shim.root) in (c.bundle.path / "options.json").read_text()
    assert stat.S_IMODE((c.bundle.path / "options.json").stat().st_mode) & 0o077 == 0


def test_version():
    done = subprocess.run([shim_path(), "-v"], capture_output=True, text=True, timeout=20 * SLOWNESS)
    assert done.returncode == 0 and shim_path().name in done.stdout and "Version" in done.stdout


@pytest.mark.davit_shim
def test_sandbox_is_stopped_while_a_container_is_created(shim, fake, work):
    binary = fake(f"[ $verb = create ] && {{ : > {work}/begun; while [ ! -e {work}/gate ]; do sleep 0.02; done; }}")
    c = shim.sleeper(group="pod").launch()
    sandbox = c.connect("containerd.runtime.sandbox.v1.Sandbox")
    sandbox.CreateSandbox(sandbox_id=c.id, bundle_path=str(c.bundle.path))
    sandbox.StartSandbox(sandbox_id=c.id)
    create = c.rpc.send("Create", id=c.id, **c.create_fields(options={"binary_name": binary}))
    eventually((work / "begun").exists, "the runtime is at it")
    sandbox.StopSandbox(sandbox_id=c.id, timeout_secs=5)
    (work / "gate").touch()
    with pytest.raises(RpcError) as error:
        c.rpc.result(create)
    assert error.value.code == "FAILED_PRECONDITION" and "was stopped" in error.value.message
    c.fails("NOT_FOUND", "State")
    assert not list(shim.root.glob("*/*")) and not leftovers.cgroups([c.id])
    c.fails("FAILED_PRECONDITION", "Create", **c.create_fields())
    with contextlib.suppress(Closed):
        sandbox.ShutdownSandbox(sandbox_id=c.id)
    eventually(lambda: not leftovers.is_alive(c.shim_pid), "the shim has ended")
