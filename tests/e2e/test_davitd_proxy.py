# SPDX-License-Identifier: Apache-2.0
"""Snapshotters of other processes: a plugin in Python behind davitd's Snapshots service."""

import concurrent.futures

import pytest

grpc = pytest.importorskip("grpc")

from harness import store_fixtures
from harness.grpc_client import fails
from harness.wait import eventually

pytestmark = pytest.mark.davit
SERVICE = "containerd.services.snapshots.v1.Snapshots"


class Plugin(grpc.GenericRpcHandler):
    """Snapshots as a table. Its mounts name the key."""

    def __init__(self, api, path):
        self.api, self.rows = api, {}
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        self.server.add_generic_rpc_handlers((self,))
        self.server.add_insecure_port(f"unix:{path}")
        self.server.start()

    def service(self, details):
        name = details.method.rpartition("/")[2]
        request, self_response = self.api.method(SERVICE, name)
        make = grpc.unary_stream_rpc_method_handler if name == "List" else grpc.unary_unary_rpc_method_handler
        return make(lambda r, c: getattr(self, name.lower())(r, c, self_response), request.FromString,
                    lambda message: message.SerializeToString())

    def known(self, key, context):
        if key not in self.rows:
            context.abort(grpc.StatusCode.NOT_FOUND, f"snapshot {key} does not exist")
        return self.rows[key]

    def prepare(self, request, context, response):
        if request.parent:
            self.known(request.parent, context)
        self.rows[request.key] = (request.parent, dict(request.labels))
        return response()

    view = prepare

    def mounts(self, request, context, response):
        self.known(request.key, context)
        answer = response()
        answer.mounts.add(type="bind", source=f"/far/{request.key}", options=["rbind", "rw"])
        return answer

    def commit(self, request, context, response):
        self.rows[request.name] = self.known(request.key, context)
        del self.rows[request.key]
        return response()

    def remove(self, request, context, response):
        self.known(request.key, context)
        del self.rows[request.key]
        return response()

    def usage(self, request, context, response):
        self.known(request.key, context)
        return response(size=1000, inodes=3)

    def list(self, _request, _context, response):
        for key in list(self.rows):
            answer = response()
            answer.info.add(name=key)
            yield answer


@pytest.fixture
def far(make_daemon):
    if store_fixtures.davitd_path().name == "containerd":
        pytest.skip("needs davitd")

    def configure(directory):
        (directory / "config.toml").write_text(f'version = 3\n[proxy_plugins.far]\ntype = "snapshot"\naddress = "{directory}/far.sock"\n')

    return make_daemon("--config", "config.toml", prepare=configure)


def test_life(api, far):
    plugin = Plugin(api, far.directory / "far.sock")
    snapshots = far.client().snapshots
    mounts = snapshots.Prepare(snapshotter="far", key="one", labels={"containerd.io/snapshot/x": "y"}).mounts
    key, = plugin.rows
    assert [(m.type, m.source, list(m.options)) for m in mounts] == [("bind", f"/far/{key}", ["rbind", "rw"])]
    assert plugin.rows[key] == ("", {"containerd.io/snapshot/x": "y"})
    snapshots.Commit(snapshotter="far", name="A", key="one")
    base, = plugin.rows
    assert base != key
    usage = snapshots.Usage(snapshotter="far", key="A")
    assert (usage.size, usage.inodes) == (1000, 3)
    snapshots.View(snapshotter="far", key="look", parent="A")
    child, = set(plugin.rows) - {base}
    assert plugin.rows[child][0] == base
    names = [info.name for answer in snapshots.List(snapshotter="far") for info in answer.info]
    assert sorted(names) == ["A", "look"]
    far.crash()
    snapshots = far.clients[-1].snapshots
    assert snapshots.Mounts(snapshotter="far", key="look").mounts[0].source == f"/far/{child}"
    snapshots.Remove(snapshotter="far", key="look")
    snapshots.Remove(snapshotter="far", key="A")
    eventually(lambda: not plugin.rows, "the plugin was told")
    plugin.server.stop(None).wait()


def test_plugin_is_not_there(far):
    client = far.client()
    with fails("UNAVAILABLE") as failure:
        client.snapshots.Prepare(snapshotter="far", key="one")
    assert "snapshotter far" in failure.text
    client.snapshots.Prepare(snapshotter="native", key="one")    # the others are not affected


def test_strays_are_removed(api, far):
    plugin = Plugin(api, far.directory / "far.sock")
    plugin.rows["davit-4711"] = ("", {})
    plugin.rows["of somebody else"] = ("", {})
    far.client().snapshots.Cleanup(snapshotter="far")
    eventually(lambda: list(plugin.rows) == ["of somebody else"], "what no row knows is gone")
    plugin.server.stop(None).wait()


# ---- differs ------------------------------------------------------------------------------------------------

DIFF = "containerd.services.diff.v1.Diff"


class Differ(grpc.GenericRpcHandler):
    """Says what it is told to: a function of the request and the context for each method."""

    def __init__(self, api, path, **methods):
        self.api, self.methods, self.calls = api, methods, []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((self,))
        self.server.add_insecure_port(f"unix:{path}")
        self.server.start()

    def service(self, details):
        name, metadata = details.method.rpartition("/")[2], dict(details.invocation_metadata)
        request, response = self.api.method(DIFF, name)

        def answer(message, context):
            self.calls.append((name, metadata.get("containerd-namespace"), metadata.get("containerd-lease")))
            return self.methods[name](message, context, response)
        return grpc.unary_unary_rpc_method_handler(answer, request.FromString, lambda m: m.SerializeToString()) \
            if name in self.methods else None


@pytest.fixture
def differs(make_daemon):
    if store_fixtures.davitd_path().name == "containerd":
        pytest.skip("needs davitd")

    def configure(directory):
        text = "".join(f'[proxy_plugins.{name}]\ntype = "diff"\naddress = "{directory}/{name}.sock"\n' for name in ("one", "two"))
        (directory / "config.toml").write_text(f"version = 3\n{text}")

    return make_daemon("--config", "config.toml", prepare=configure)


def applied(digest):
    def answer(request, _context, response):
        found = response()
        found.applied.CopyFrom(request.diff)
        found.applied.digest = digest
        return found
    return answer


def test_differs(api, differs):
    one, two = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
    layer = {"media_type": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{'0' * 64}", "size": 1}

    def only_twos(request, context, response):
        if request.diff.media_type != "of/two":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "not mine")
        return applied(two)(request, context, response)

    plugins = [Differ(api, differs.directory / "one.sock", Apply=lambda _r, context, _a: context.abort(grpc.StatusCode.UNIMPLEMENTED, "no")),
               Differ(api, differs.directory / "two.sock", Apply=only_twos)]
    client = differs.client()
    leased = client.using(lease=client.leases.Create(id="l").lease.id)
    assert leased.diff.Apply(diff={**layer, "media_type": "of/two"}).applied.digest == two
    assert [plugin.calls for plugin in plugins] == [[("Apply", client.namespace, "l")]] * 2
    with fails("NOT_FOUND", "INVALID_ARGUMENT"):    # neither of them: our own, which has no such blob
        client.diff.Apply(diff=layer, mounts=[{"type": "bind", "source": str(differs.directory), "options": ["rw"]}])
    with fails("UNIMPLEMENTED") as failure:
        client.diff.Apply(diff={**layer, "media_type": "of/nobody"})
    assert "of/nobody" in failure.text
    plugins[0].methods["Apply"] = applied(one)
    assert client.diff.Apply(diff={**layer, "media_type": "of/two"}).applied.digest == one
    plugins[0].methods["Apply"] = lambda _r, context, _a: context.abort(grpc.StatusCode.DATA_LOSS, "broken")
    with fails("DATA_LOSS") as failure:
        client.diff.Apply(diff=layer)
    assert "differ one" in failure.text and "broken" in failure.text
    found = {(p.type, p.id): p for p in client.introspection.Plugins().plugins if p.type == "io.containerd.differ.v1"}
    assert not found["io.containerd.differ.v1", "one"].HasField("init_err")
    for plugin in plugins:
        plugin.server.stop(None).wait()


def test_differ_that_is_not_there(differs):
    with fails("UNAVAILABLE") as failure:
        differs.client().diff.Apply(diff={"media_type": "x", "digest": f"sha256:{'0' * 64}", "size": 1})
    assert "differ one" in failure.text and "one.sock" in failure.text
