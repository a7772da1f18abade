# SPDX-License-Identifier: Apache-2.0
"""A container's life as each generation of containerd asks for it: how `start` is told, and under which name it calls."""

import json
import subprocess

import pytest

from harness.shim_api import OPTIONS

pytestmark = pytest.mark.davit_shim
V2, V3 = "containerd.task.v2.Task", "containerd.task.v3.Task"


def stdin_of(generation, c):
    """What that containerd writes to the standard input of `start`."""
    api, shims = c.shims.api, c.shims
    if generation in ("1.6", "1.7"):
        return b""
    options = api.any(OPTIONS, binary_name=shims.oci.binary, root=str(shims.root))
    if generation == "2.0":
        return options.SerializeToString()
    params = api("containerd.runtime.bootstrap.v1.BootstrapParams", instance_id=c.id, namespace=shims.namespace,
                 containerd_version="2.3.0", containerd_grpc_address=str(shims.daemon.address),
                 containerd_ttrpc_address=str(shims.daemon.ttrpc_address), containerd_binary="/bin/false",
                 socket_dir=str(shims.work / "s"))
    params.extensions.add().value.CopyFrom(options)
    return params.SerializeToString()


@pytest.mark.parametrize("generation, service", [("1.6", V2), ("1.7", V2), ("2.0", V3), ("2.3", V3)])
def test_life(shim, generation, service):
    c = shim(script="echo out; read x; exit 7")
    io = c.fifos(stdin=True)
    if generation == "2.3":
        (shim.work / "s").mkdir(mode=0o700)
    c.launch(input=stdin_of(generation, c))
    assert c.version in ((3,) if generation == "2.3" else (2, 3))    # 2.0 cannot be told from 1.7
    if generation == "2.3":
        assert c.address.parent == shim.work / "s"
    c.rpc = c.connect(service)
    c.up(io=io)
    wait = c.send("Wait")
    io.out.wait_text("out\n")
    c.exec("e", "sh", "-c", "exit 3")
    assert c("Wait", exec_id="e").exit_status == 3
    c("Delete", exec_id="e")
    c("Pause")
    c("Resume")
    assert c("Stats").stats.value
    io.write("\n")
    assert c.rpc.result(wait).exit_status == 7
    assert c.delete().exit_status == 7
    c.expect_events("create", "start", "exec-added", "exec-started", "exit", "paused", "resumed", "exit", "delete")


def test_info_as_2_0_asks(shim):
    """`-info` with the options on its standard input."""
    options = shim.api.any(OPTIONS, binary_name=shim.oci.binary)
    done = subprocess.run([shim.binary, "-info"], input=options.SerializeToString(), capture_output=True, timeout=20, env=shim.environment)
    assert done.returncode == 0, done.stderr
    info = shim.api.type("containerd.types.RuntimeInfo").FromString(done.stdout)
    assert info.name == "io.containerd.davit.v2"
    assert json.loads(info.features.value)["ociVersionMin"]


def test_both_generations_at_once(shim):
    """A daemon that was upgraded while containers run finds them under the new name as well."""
    c = shim.sleeper().up()
    newer = c.connect(V3)
    wait = newer.send("Wait", id=c.id)
    assert newer.State(id=c.id).pid == c.pid == c("State").pid
    c.kill()
    assert newer.result(wait).exit_status == c("Wait").exit_status == 137
