# SPDX-License-Identifier: Apache-2.0
"""Sandboxes: the Controller over the shim's sandbox service, and tasks that join one."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

from harness import leftovers
from harness.grpc_client import fails, grpc
from harness.store_fixtures import davitd_path
from harness.wait import eventually

pytestmark = pytest.mark.davit
RUNTIME = {"name": "io.containerd.davit.v2"}
SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Spec"


@pytest.fixture(autouse=True)
def davit_alone(store_daemon):
    if not store_daemon.is_davit:
        pytest.skip("Debian's containerd has no such service")


class Pod:
    """One sandbox; its containers are made by tasks that join it."""

    def __init__(self, daemon, client, work, template, name="pod"):
        self.daemon, self.api, self.work, self.template, self.name = daemon, client, work, template, name

    def create(self, **fields):
        self.api.sandboxes.Create(sandbox={"sandbox_id": self.name, "runtime": RUNTIME, "sandboxer": "shim"})
        self.api.sandbox.Create(sandbox_id=self.name, **fields)
        return self

    def start(self):
        self.started = self.api.sandbox.Start(sandbox_id=self.name)
        return self

    def status(self):
        return self.api.sandbox.Status(sandbox_id=self.name)

    def state(self):
        return self.status().state

    def container(self, name, command=("sleep", "1000"), **fields):
        """A running task; with sandbox=… its container says which sandbox it belongs to."""
        bundle = self.work / name
        bundle.mkdir()
        subprocess.run([davitd_path().parents[1] / "davit-oci/davit-oci", "spec", "--bundle", bundle], check=True)
        spec = json.loads((bundle / "config.json").read_text())
        spec["process"].update(terminal=False, args=list(command))
        spec["linux"]["cgroupsPath"] = f"/{self.work.name}/{name}"
        for namespace in spec["linux"]["namespaces"]:
            if namespace["type"] in ("ipc", "uts"):
                namespace["path"] = f"/proc/{self.started.pid}/ns/{namespace['type']}"
        spec.pop("hostname", None)
        container = {"id": name, "runtime": RUNTIME, "spec": self.daemon.api.json(json.dumps(spec), SPEC)}
        self.api.containers.Create(container={**container, **{k: fields.pop(k) for k in ("sandbox",) if k in fields}})
        rootfs = [{"type": "bind", "source": str(self.template), "options": ["rbind", "ro"]}]
        self.api.tasks.Create(container_id=name, rootfs=rootfs, **fields)
        self.api.tasks.Start(container_id=name)
        return name

    def shim_pid(self):
        """Of the process that has the bundle as its directory."""
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cwd").readlink() == self.bundle and (process / "exe").readlink().name.startswith("containerd-shim"):
                    return int(process.name)
        raise AssertionError(f"no shim in {self.bundle}")

    @property
    def bundle(self):
        return self.daemon.directory / f"state/io.containerd.sandbox.controller.v1.shim/{self.api.namespace}/{self.name}"

    def wait(self):
        """A Wait in the background; its result() is the answer."""
        answer = []
        thread = threading.Thread(target=lambda: answer.append(self.api.sandbox.Wait(sandbox_id=self.name)))
        thread.start()

        def result():
            thread.join(30)
            return answer[0]
        return result


@pytest.fixture
def pod(store_daemon, client, work, rootfs_template):
    return Pod(store_daemon, client, work, rootfs_template)


@contextlib.contextmanager
def topics(client, daemon, *expected):
    """These events come, in this order."""
    request, response = daemon.api.method("containerd.services.events.v1.Events", "Subscribe")
    call = client.channel.unary_stream("/containerd.services.events.v1.Events/Subscribe", request_serializer=request.SerializeToString,
                                       response_deserializer=response.FromString)
    stream = call(request(filters=[f"namespace=={client.namespace},topic~=^/(sandboxes|probe)/"]), timeout=60)
    seen = queue_of(stream)
    # Subscribed once a probe has come back.
    def probe():
        client.events.Publish(topic="/probe/x", event={"type_url": "x", "value": b""})
        return "/probe/x" in seen
    eventually(probe, "events come")
    yield
    wanted = list(expected)
    eventually(lambda: [t for t in seen if t != "/probe/x"] == wanted, f"events {wanted}")
    stream.cancel()


def queue_of(stream):
    seen = []

    def run():
        with contextlib.suppress(grpc.RpcError):
            for envelope in stream:
                seen.append(envelope.topic)
    threading.Thread(target=run, daemon=True).start()
    return seen


def test_life(pod, client, store_daemon):
    with topics(client, store_daemon, "/sandboxes/create", "/sandboxes/start", "/sandboxes/exit"):
        pod.create()
        assert pod.state() == "SANDBOX_NOTREADY"
        with fails("ALREADY_EXISTS"):
            client.sandbox.Create(sandbox_id="pod")
        started = pod.start().started
        assert started.pid > 0 and started.created_at.seconds > 0 and started.version in (2, 3)
        assert started.address.startswith("ttrpc+unix:///")
        status = pod.status()
        assert (status.state, status.pid, status.address) == ("SANDBOX_READY", started.pid, started.address)
        assert client.sandbox.Platform(sandbox_id="pod").platform.os == "linux"
        assert client.sandbox.Metrics(sandbox_id="pod").metrics.id == "pod"
        client.sandbox.Update(sandbox_id="pod", fields=["labels.x"])
        with fails("UNIMPLEMENTED"):
            client.sandbox.Update(sandbox_id="pod", fields=["spec"])
        with fails("FAILED_PRECONDITION"):
            client.sandbox.Start(sandbox_id="pod")
        with fails("FAILED_PRECONDITION"):
            client.sandbox.Shutdown(sandbox_id="pod")
        result = pod.wait()
        for _ in range(2):
            client.sandbox.Stop(sandbox_id="pod", timeout_secs=5)
        assert result().exited_at.seconds > 0
        assert client.sandbox.Wait(sandbox_id="pod") == result()
        assert pod.state() == "SANDBOX_NOTREADY"
    client.sandbox.Shutdown(sandbox_id="pod")
    assert not pod.bundle.exists()
    for method in (client.sandbox.Status, client.sandbox.Stop, client.sandbox.Wait, client.sandbox.Shutdown):
        with fails("NOT_FOUND"):
            method(sandbox_id="pod")


def test_errors(client):
    with fails("NOT_FOUND"):
        client.sandbox.Create(sandbox_id="nobody")
    for sandboxer, code in (("podsandbox", "UNIMPLEMENTED"), ("x", "NOT_FOUND")):
        with fails(code):
            client.sandbox.Create(sandbox_id="pod", sandboxer=sandboxer)
    with fails("INVALID_ARGUMENT"):
        client.sandbox.Create(sandbox_id="../pod", sandbox={"runtime": RUNTIME})
    with fails("NOT_FOUND"):
        client.sandbox.Create(sandbox_id="pod", sandbox={"runtime": {"name": "io.containerd.none.v9"}})
    with fails("NOT_FOUND"):
        client.sandbox.Create(sandbox_id="pod", sandbox={"runtime": RUNTIME}, netns_path="/nowhere")
    # Nothing is left in the way of the next try.
    client.sandbox.Create(sandbox_id="pod", sandbox={"runtime": RUNTIME})
    client.sandbox.Shutdown(sandbox_id="pod")


@pytest.mark.parametrize("how", ["sandbox", "address"])
def test_containers_in_it(pod, client, how):
    pod.create().start()
    fields = {"sandbox": "pod"} if how == "sandbox" else \
        {"task_api_address": pod.started.address, "task_api_version": pod.started.version}
    member = pod.container("member", **fields)
    pids = {client.tasks.Get(container_id=member).process.pid, pod.started.pid}
    assert len({os.readlink(f"/proc/{pid}/ns/ipc") for pid in pids}) == 1
    shim = pod.shim_pid()
    assert all(f"PPid:\t{shim}\n" in pathlib.Path(f"/proc/{pid}/status").read_text() for pid in pids)
    # The shim is the sandbox's: the end of its last task is not its own.
    early = pod.container("early", ("true",), **fields)
    assert client.tasks.Wait(container_id=early).exit_status == 0
    client.tasks.Delete(container_id=early)
    pod.daemon.crash()
    client = pod.api = pod.daemon.client(client.namespace)
    assert client.tasks.Get(container_id=member).process.status == 2 and pod.state() == "SANDBOX_READY"
    client.sandbox.Stop(sandbox_id="pod", timeout_secs=5)
    assert client.tasks.Wait(container_id=member).exit_status == 137
    client.sandbox.Shutdown(sandbox_id="pod")
    client.tasks.Delete(container_id=member)
    eventually(lambda: not leftovers.is_alive(shim), "the shim has ended with its last container")


def test_no_sandbox_to_join(pod, client):
    pod.create()
    pod.started = client.version and type("Started", (), {"pid": os.getpid()})
    with fails("NOT_FOUND"):
        pod.container("lonely", sandbox="other")
    with fails("FAILED_PRECONDITION"):
        pod.container("early", sandbox="pod")
    assert not client.tasks.List().tasks
    client.sandbox.Shutdown(sandbox_id="pod")


def test_end_while_no_daemon_is_there(pod, client, store_daemon):
    pod.create().start()
    store_daemon.server.kill()
    os.kill(pod.started.pid, signal.SIGKILL)
    store_daemon.server.start()
    pod.api = client = store_daemon.client(client.namespace)
    answer = client.sandbox.Wait(sandbox_id="pod")
    assert answer.exit_status == 137 and answer.exited_at.seconds > 0
    assert pod.state() == "SANDBOX_NOTREADY"
    store_daemon.crash()
    client = store_daemon.client(client.namespace)
    assert client.sandbox.Wait(sandbox_id="pod") == answer
    client.sandbox.Shutdown(sandbox_id="pod")


@pytest.mark.parametrize("is_daemon_there", [True, False])
def test_shim_killed(pod, client, store_daemon, is_daemon_there):
    pod.create().start()
    member = pod.container("member", sandbox="pod")
    pid = client.tasks.Get(container_id=member).process.pid
    if not is_daemon_there:
        store_daemon.server.kill()
    os.kill(pod.shim_pid(), signal.SIGKILL)
    if not is_daemon_there:
        store_daemon.server.start()
        pod.api = client = store_daemon.client(client.namespace)
    assert client.sandbox.Wait(sandbox_id="pod").exit_status == 137
    assert pod.state() == "SANDBOX_NOTREADY"
    eventually(lambda: not client.tasks.List().tasks, "its task is gone, too")
    eventually(lambda: not any(map(leftovers.is_alive, (pid, pod.started.pid))), "their processes are gone")
    client.sandbox.Stop(sandbox_id="pod")
    client.sandbox.Shutdown(sandbox_id="pod")
    assert not pod.bundle.exists()
    client.sandboxes.Delete(sandbox_id="pod")
    Pod(store_daemon, client, pod.work, pod.template).create().start()
    client.sandbox.Stop(sandbox_id="pod")
    client.sandbox.Shutdown(sandbox_id="pod")


def test_shim_that_hangs(pod, client, store_daemon, work, rootfs_template):
    pod.create().start()
    shim = pod.shim_pid()
    os.kill(shim, signal.SIGSTOP)
    with fails("DEADLINE_EXCEEDED"):
        client.sandbox.Status(sandbox_id="pod", timeout=0.3)
    other = Pod(store_daemon, client, work, rootfs_template, "other").create().start()
    assert other.state() == "SANDBOX_READY"
    client.sandbox.Shutdown(sandbox_id="pod")
    eventually(lambda: not any(map(leftovers.is_alive, (shim, pod.started.pid))), "their processes are gone")
    client.sandbox.Stop(sandbox_id="other")
    client.sandbox.Shutdown(sandbox_id="other")


def test_shim_without_sandboxes(client, store_daemon):
    if not pathlib.Path("/usr/bin/containerd-shim-runc-v2").exists():
        pytest.skip("no containerd-shim-runc-v2")
    with fails("UNIMPLEMENTED") as failure:
        client.sandbox.Create(sandbox_id="pod", sandbox={"runtime": {"name": "io.containerd.runc.v2"}})
    assert "io.containerd.runc.v2" in failure.text


# ---- what a pod's configuration asks for ------------------------------------------------------------------


def config(daemon, **fields):
    return daemon.api.any("runtime.v1.PodSandboxConfig", **fields)


def namespaces(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("ipc", "net", "pid", "uts")}


def enter(pid, *command):
    return subprocess.run(["nsenter", "-t", str(pid), "-n", "-u", "-i", *command], capture_output=True, text=True, check=True).stdout.strip()


def cgroups(work):
    return [str(p) for p in pathlib.Path("/sys/fs/cgroup").glob(f"**/{work.name}/pod")]


def test_pod_configuration(pod, client, store_daemon, work):
    sysctls = {"net.ipv4.ip_unprivileged_port_start": "77", "kernel.shm_rmid_forced": "1"}
    pod.create(options=config(store_daemon, hostname="snail", linux_={"cgroup_parent": f"/{work.name}", "sysctls": sysctls})).start()
    pid = pod.started.pid
    ours, theirs = namespaces("self"), namespaces(pid)
    assert {kind for kind in ours if ours[kind] != theirs[kind]} == {"ipc", "net", "pid", "uts"}
    assert enter(pid, "hostname") == "snail" != os.uname().nodename
    assert enter(pid, "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/shm_rmid_forced") == "77\n1"
    assert f"/{work.name}/pod\n" in pathlib.Path(f"/proc/{pid}/cgroup").read_text() and cgroups(work)
    assert namespaces(pod.shim_pid()) == ours
    client.sandbox.Stop(sandbox_id="pod", timeout_secs=30)
    client.sandbox.Shutdown(sandbox_id="pod")
    assert not cgroups(work)


def test_pod_on_the_host(pod, client, store_daemon):
    context = {"namespace_options": {"network": "NODE", "pid": "NODE", "ipc": "NODE"}}
    pod.create(options=config(store_daemon, hostname="snail", linux_={"security_context": context})).start()
    assert namespaces(pod.started.pid) == namespaces("self")
    client.sandbox.Stop(sandbox_id="pod")
    client.sandbox.Shutdown(sandbox_id="pod")


@pytest.mark.parametrize("code, fields", [
    ("INVALID_ARGUMENT", {"hostname": "x" * 65}),
    ("INVALID_ARGUMENT", {"linux_": {"sysctls": {"kernel.hostname": "x"}}}),
    ("INVALID_ARGUMENT", {"linux_": {"sysctls": {"net./../kernel/panic": "1"}}}),
    ("INVALID_ARGUMENT", {"linux_": {"sysctls": {"net.x": "1"}, "security_context": {"namespace_options": {"network": "NODE"}}}}),
    ("UNIMPLEMENTED", {"linux_": {"security_context": {"namespace_options": {"userns_options": {"mode": "POD"}}}}}),
], ids=["name", "sysctl", "path", "host", "userns"])
def test_pod_configuration_refused(client, store_daemon, code, fields):
    with fails(code):
        client.sandbox.Create(sandbox_id="pod", sandbox={"runtime": RUNTIME}, options=config(store_daemon, **fields))


def test_pod_that_cannot_start(pod, client, store_daemon, work):
    """An error names the sysctl; nothing is left of the attempt, and the sandbox can be shut down."""
    pod.create(options=config(store_daemon, linux_={"cgroup_parent": f"/{work.name}", "sysctls": {"net.ipv4.ip_unprivileged_port_start": "x"}}))
    with fails("INVALID_ARGUMENT") as failure:
        pod.start()
    assert "net.ipv4.ip_unprivileged_port_start" in failure.text and not cgroups(work)
    client.sandbox.Shutdown(sandbox_id="pod")


def test_cgroup_after_the_shim_was_killed(pod, client, store_daemon, work):
    pod.create(options=config(store_daemon, linux_={"cgroup_parent": f"/{work.name}"})).start()
    os.kill(pod.shim_pid(), signal.SIGKILL)
    client.sandbox.Wait(sandbox_id="pod")
    assert not cgroups(work)
    client.sandbox.Shutdown(sandbox_id="pod")
