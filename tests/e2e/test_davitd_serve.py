# SPDX-License-Identifier: Apache-2.0
"""davitd as a daemon: its configuration, sockets, signals, systemd, metrics, and what it says of itself."""

import http.client
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from harness import grpc_client, machine
from harness.grpc_client import fails
from harness.store_fixtures import davitd_path, program_path
from harness.wait import eventually

pytestmark = pytest.mark.davit
CONFIG = """root = "{0}/root"
state = "{0}/state"
[grpc]
address = "{0}/sock"
{grpc}
[metrics]
address = "{0}/metrics.sock"
[read_only]
address = "{0}/ro.sock"
mode = 0o666
[log]
level = "{level}"
"""


class Served:
    """A davitd with a configuration of its own, and NOTIFY_SOCKET."""

    def __init__(self, api, directory, grpc=""):
        self.api, self.directory, self.clients = api, directory, []
        self.grpc, self.config = grpc, directory / "config.toml"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(directory / "notify"))
        self.notify.settimeout(30)
        self.write()
        self.log = directory / "log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([davitd_path(), "--config", self.config], stderr=log, env={
                "PATH": program_path(davitd_path()), "NOTIFY_SOCKET": str(directory / "notify")})

    def write(self, level="debug", more=""):
        self.config.write_text(more + CONFIG.format(self.directory, level=level, grpc=self.grpc))

    def told(self):
        return self.notify.recv(4096).decode()

    def client(self, name="sock"):
        self.clients.append(grpc_client.Client(self.api, self.directory / name, "ns"))
        return self.clients[-1]

    def get(self, path, method="GET"):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.directory / "metrics.sock"))
        connection.request(method, path, body="x" if method == "POST" else None)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def says(self, text):
        eventually(lambda: text in self.log.read_text(), f"the log says {text!r}")

    def close(self):
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.notify.close()


@pytest.fixture
def serve(api, tmp_path):
    if grpc_client.grpc is None or not machine.is_root() or not os.access(davitd_path(), os.X_OK):
        pytest.skip("needs root, python3-grpcio and davitd")
    served = []

    def start(**how):
        served.append(Served(api, tmp_path, **how))
        assert served[-1].told() == "READY=1"
        return served[-1]
    yield start
    for one in served:
        one.close()


def run(*args, **env):
    return subprocess.run([davitd_path(), *args], capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"], **env})


def test_says_who_it_is_and_remembers_it(store_daemon):
    client = store_daemon.client()
    first = client.introspection.Server()
    assert len(first.uuid) == 36 and first.pid > 0 and first.pidns == os.stat("/proc/self/ns/pid").st_ino
    assert client.version.Version().version
    store_daemon.crash()
    assert client.introspection.Server().uuid == first.uuid


def test_plugins_are_found_by_filters(client):
    names = {(p.type, p.id) for p in client.introspection.Plugins().plugins}
    assert {("io.containerd.snapshotter.v1", "overlayfs"), ("io.containerd.grpc.v1", "tasks"),
            ("io.containerd.runtime.v2", "task")} <= names
    found = client.introspection.Plugins(filters=["type==io.containerd.snapshotter.v1,id==overlayfs"]).plugins
    assert len(found) == 1 and found[0].exports["root"].endswith("overlayfs") and found[0].platforms[0].os == "linux"
    with fails("INVALID_ARGUMENT"):
        client.introspection.Plugins(filters=["type=="])


def test_a_runtime_is_asked_what_it_is(store_daemon, client):
    def ask(path, kind="io.containerd.runtime.v2", name="task"):
        request = store_daemon.api.type("containerd.types.RuntimeRequest")(runtime_path=path)
        return client.introspection.PluginInfo(type=kind, id=name, options={
            "type_url": "containerd.types.RuntimeRequest", "value": request.SerializeToString()})
    answer = ask("io.containerd.davit.v2")
    info = store_daemon.api.type("containerd.types.RuntimeInfo").FromString(answer.extra.value)
    assert answer.plugin.id == "task" and answer.extra.type_url == "containerd.types.RuntimeInfo" and info.name
    with fails("NOT_FOUND"):
        ask("io.containerd.nothing.v9")
    with fails("INVALID_ARGUMENT"):
        ask("nothing")
    with fails("NOT_FOUND"):
        client.introspection.PluginInfo(type="io.containerd.runtime.v2", id="none")
    with fails("UNIMPLEMENTED"):
        ask("io.containerd.davit.v2", "io.containerd.event.v1", "exchange")
    assert client.introspection.PluginInfo(type="io.containerd.event.v1", id="exchange").plugin.id == "exchange"


def test_sockets_have_owner_and_mode(serve):
    served = serve(grpc="uid = 0\ngid = 12345\nmode = 0o640")
    found = os.lstat(served.directory / "sock")
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o640 and (found.st_uid, found.st_gid) == (0, 12345)
    assert stat.S_IMODE(os.lstat(served.directory / "sock.ttrpc").st_mode) == 0o600
    reader = served.client("ro.sock")
    assert reader.version.Version().version
    assert reader.snapshots.List(snapshotter="overlayfs") == []
    with fails("PERMISSION_DENIED"):
        reader.snapshots.Prepare(snapshotter="overlayfs", key="x")


def test_one_daemon_for_a_root(serve):
    served = serve()
    second = run("--config", served.config)
    assert second.returncode == 1 and "is used by another daemon" in second.stderr
    root = served.directory / "root"
    other = run("--root", root, "--state", served.directory / "s2", "--address", served.directory / "sock2")
    assert other.returncode == 1 and f"the root directory {root} is used by another daemon" in other.stderr


def test_reloading_and_stopping(serve):
    served = serve()
    served.write(level="warn", more="oom_score = 7\n")
    served.process.send_signal(signal.SIGHUP)
    assert served.told().startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert served.told() == "READY=1"
    served.says("a restart is needed for changes of oom_score")
    served.config.write_text("root = 1")
    served.process.send_signal(signal.SIGHUP)
    served.says("the configuration stays as it is")
    assert served.client().version.Version().version
    served.process.terminate()
    while (told := served.told()) != "STOPPING=1":
        assert told.startswith(("RELOADING", "READY"))
    assert served.process.wait(30) == 0


def test_metrics_and_health(serve):
    served = serve()
    client = served.client()
    client.version.Version()
    with fails("NOT_FOUND"):
        client.snapshots.Stat(snapshotter="overlayfs", key="a-secret-free-name")
    status, text = served.get("/v1/metrics")
    assert status == 200
    labels = 'grpc_method="{}",grpc_service="containerd.services.{}",grpc_type="unary"'
    assert f'grpc_server_handled_total{{grpc_code="OK",{labels.format("Version", "version.v1.Version")}}} 1\n' in text
    assert f'grpc_server_handled_total{{grpc_code="NotFound",{labels.format("Stat", "snapshots.v1.Snapshots")}}} 1\n' in text
    assert "\nprocess_resident_memory_bytes " in text
    assert served.get("/healthz") == (200, "ok\n")
    assert served.get("/nothing")[0] == 404
    assert served.get("/healthz", "POST")[0] == 405
    served.says("Snapshots/Stat failed: NotFound after ")


def test_a_connection_that_says_nothing_holds_up_nobody(serve):
    served = serve()
    silent = []
    for _ in range(20):
        silent.append(socket.socket(socket.AF_UNIX))
        silent[-1].connect(str(served.directory / "metrics.sock"))
    assert served.get("/healthz")[0] == 200
    for one in silent:
        one.close()


def test_defaults_are_a_configuration(tmp_path):
    first = run("config", "default")
    assert first.returncode == 0 and first.stderr == ""
    (tmp_path / "c.toml").write_text(first.stdout)
    dump, plain = run("-c", tmp_path / "c.toml", "config", "dump"), run("-c", "/dev/null", "config", "dump")
    assert dump.returncode == 0 and dump.stdout == plain.stdout and dump.stderr == ""
    assert run("config").returncode == 1 and run("config", "x").returncode == 1


def test_bad_configurations(tmp_path):
    missing = run("--config", tmp_path / "none", "config", "dump")
    assert missing.returncode == 1 and f"read {tmp_path}/none: no such file or directory" in missing.stderr
    (tmp_path / "c.toml").write_text("[log]\nlevel = 'loud'\n")
    bad = run("--config", tmp_path / "c.toml")
    assert bad.returncode == 1 and f'{tmp_path}/c.toml, line 2: log.level: "loud" is none of' in bad.stderr
    assert run("--log-level", "loud").returncode == 1
    (tmp_path / "c.toml").write_text("adress = 1\n[plugins.'io.containerd.grpc.v1.cri']\nx = 1\n")
    odd = run("--config", tmp_path / "c.toml", "config", "dump")
    assert odd.returncode == 0 and "options that davitd does not have: adress of" in odd.stderr


def test_it_is_small_when_idle(serve):
    served = serve()
    served.client().version.Version()
    time.sleep(2)
    rss = next(int(line.split()[1]) for line in open(f"/proc/{served.process.pid}/status") if line.startswith("VmRSS"))
    assert rss <= 12 << 10, f"{rss} KiB"


def test_fault_points():
    names = run("--list-faults").stdout.split()
    assert names == [] or "meta.commit.synced" in names
    assert run(DAVIT_FAULT="nonsense").returncode == 1
