# SPDX-License-Identifier: Apache-2.0
"""The registry client with servers of the test's own: manifests, credentials, mirrors, uploads, and what must not happen."""

import base64
import json
import os

import pytest

from harness import registry
from harness.registry import (BLOB, INDEX, MANIFEST, USER, cut, digest_of, error, fails, fetch, fetch_fails, fetched, send, times, tool)

pytestmark = pytest.mark.davit
IMAGE = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST}).encode()
BASIC = "Basic " + base64.b64encode(USER.encode()).decode()


# ---- Manifests ----

@pytest.mark.parametrize("head", [(405, {}, b""), (403, {}, b""), (200, {"Content-Type": MANIFEST}, b""),
                                  (200, {"Docker-Content-Digest": "x", "Content-Type": MANIFEST}, IMAGE)])
def test_resolve_by_get(server, head):
    server.manifest(IMAGE, "v1")
    server.on("HEAD", "/v2/x/y/manifests/v1", head)
    assert tool("resolve", f"{server.host}/x/y:v1").stdout.decode().split()[:2] == [digest_of(IMAGE), MANIFEST]


@pytest.mark.parametrize("answer, code, text", [
    ((200, {"Content-Type": MANIFEST, "Docker-Content-Digest": digest_of(b"x")}, IMAGE), "DATA_LOSS", "does not have the digest"),
    ((200, {"Content-Type": "text/html"}, b"<html>"), "UNAVAILABLE", "does not say what kind of manifest"),
    ((200, {"Content-Type": MANIFEST}, b"{" * 5_000_000), "EXHAUSTED", "more than 4194304 bytes"),
    ((200, {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}, b"{}"), "UNIMPLEMENTED", "schema 1"),
    (error(403, "DENIED", "keep out"), "PERMISSION", "403 forbidden: keep out"),
])
def test_wrong_manifests(server, answer, code, text):
    server.on("GET", "/v2/x/y/manifests/v1", answer).on("HEAD", "/v2/x/y/manifests/v1", (403, {}, b""))
    assert text in fails(code, "resolve", f"{server.host}/x/y:v1")
    if code == "DATA_LOSS":
        server.on("GET", "/v2/x/y/manifests/.*", answer)
        assert "does not have this digest" in fails(code, "document", f"{server.host}/x/y@{digest_of(b'x')}")


def test_another_manifest_than_that_of_the_digest(server):
    other = (200, {"Content-Type": MANIFEST, "Docker-Content-Digest": digest_of(IMAGE)}, IMAGE)
    server.on("*", "/v2/x/y/manifests/.*", other)
    assert "answers with another manifest" in fails("DATA_LOSS", "resolve", f"{server.host}/x/y@{digest_of(b'x')}")


# ---- Credentials ----

def challenge(text, status=401):
    return error(status, "UNAUTHORIZED", "authentication required", **{"WWW-Authenticate": text})


def guarded(wanted, text, answer):
    return lambda request, handler: (answer if request.authorization == wanted else challenge(text))


def test_credentials_do_not_follow_a_redirect(servers, server, work):
    storage = servers()
    storage.on("GET", "/.*", (200, {}, BLOB))
    server.on("GET", "/v2/x/y/blobs/.*", guarded(BASIC, "Basic realm=x", (307, {"Location": f"{storage.base}/bucket?sig=1"}, b"")))
    (work / "hosts" / server.host).mkdir(parents=True)
    (work / "hosts" / server.host / "hosts.toml").write_text('[header]\nx-key = "hosts-secret"\n')
    fetch(server, work, "--user", USER, "--header", "x-other:header-secret", "--hosts-dir", work / "hosts")
    assert fetched(work)
    assert server.requests[-1].authorization == BASIC and server.requests[-1].headers["x-key"] == "hosts-secret"
    assert server.requests[-1].headers["x-other"] == "header-secret"
    assert storage.requests and all("secret" not in str(r.headers) and not r.authorization for r in storage.requests)
    # Also when it asks for them, and also on a way back.
    storage.on("GET", "/.*", challenge("Basic realm=x"))
    assert "401 not authorised" in fetch_fails("UNAUTHENTICATED", server, work, "--user", USER)
    storage.on("GET", "/.*", (307, {"Location": f"{server.base}/back"}, b""))
    server.on("GET", "/back", challenge("Basic realm=x"))
    fetch_fails("UNAUTHENTICATED", server, work, "--user", USER)
    assert server.seen("GET", "/back")[0].authorization is None
    assert all(not r.authorization for r in storage.requests)


def test_a_redirect_at_the_same_server_keeps_them(server, work):
    server.on("GET", "/v2/x/y/blobs/.*", guarded(BASIC, "Basic realm=x", (302, {"Location": "/there"}, b"")))
    server.on("GET", "/there", guarded(BASIC, "Basic realm=x", (200, {}, BLOB)))
    fetch(server, work, "--user", USER)
    assert fetched(work)


@pytest.mark.parametrize("text", ["", "Negotiate", "Bearer", "Bearer realm=\"", "Basic realm=x, Basic realm=y" * 1000, "\x7f"])
def test_strange_challenges(server, text):
    server.on("*", "/v2/.*", challenge(text))
    done = tool("resolve", f"{server.host}/x/y:v1", status=1)
    assert "registry localhost" in done.stderr and len(server.requests) < 4


@pytest.mark.parametrize("answer, text", [
    ((200, {}, b"garbage"), "the answer is no JSON"),
    ((200, {}, b'{"token": 5}'), "there is no token in the answer"),
    ((200, {}, json.dumps({"token": "a\r\nX-Evil: yes"}).encode()), "there is no token in the answer"),
    ((200, {}, b'"' + b"x" * 300_000), "an answer of more than"),
    ((404, {}, b""), "404 not found"),
    ((302, {"Location": "/elsewhere"}, b""), "404 not found"),
    (error(500, "X", "broken"), "attempts: 500 internal server error: broken"),
])
def test_wrong_token_servers(server, answer, text):
    server.on("*", "/v2/.*", challenge(f'Bearer realm="{server.base}/token",service="s"')).on("GET", "/token", answer)
    done = tool("--attempts", 2, "resolve", f"{server.host}/x/y:v1", status=1)
    assert "ask localhost" in done.stderr and text in done.stderr, done.stderr


def test_a_token_that_is_refused(server):
    """It is asked for anew once, and not for ever."""
    server.on("*", "/v2/.*", challenge(f'Bearer realm="{server.base}/token",error="invalid_token"'))
    server.on("GET", "/token", lambda r, h: (200, {}, json.dumps({"token": f"t{len(server.requests)}-secret"}).encode()))
    assert "401 not authorised" in fails("UNAUTHENTICATED", "resolve", f"{server.host}/x/y:v1")
    assert len(server.seen("GET", "/token")) == 2


def test_a_token_over_plain_http(servers, certificates, work):
    server = servers(tls=certificates)
    server.on("*", "/v2/.*", challenge('Bearer realm="http://elsewhere.example/token"'))
    (work / "hosts" / server.host).mkdir(parents=True)
    (work / "hosts" / server.host / "hosts.toml").write_text(f'ca = "{certificates["ca.crt"]}"\n')
    trust = ("--hosts-dir", work / "hosts")
    assert "plain http from elsewhere.example" in fails("UNAVAILABLE", *trust, "--user", USER, "resolve", f"{server.host}/x/y:v1")
    server.on("*", "/v2/.*", (307, {"Location": "http://localhost:1/"}, b""))
    assert "redirects from https to plain http at localhost:1" in fails("UNAVAILABLE", *trust, "resolve", f"{server.host}/x/y:v1")


# ---- Mirrors ----

def mirrors(work, server, *others, server_caps=""):
    path = work / "hosts" / server.host
    path.mkdir(parents=True, exist_ok=True)
    (path / "hosts.toml").write_text(f'server = "{server.base}"\n{server_caps}\n' + "".join(
        f'[host."{o.base}"]\ncapabilities = ["pull", "resolve"]\n' for o in others))
    return "--hosts-dir", work / "hosts"


def test_mirrors_in_their_order(servers, work):
    first, second, origin = servers(), servers(), servers()
    trust = mirrors(work, origin, first, second)
    name = f"{origin.host}/x/y:v1"
    origin.manifest(IMAGE, "v1")
    second.manifest(IMAGE, "v1")
    first.on("*", ".*", error(500, "X", "broken"))
    tool(*trust, "resolve", name)
    # A mirror that is broken is passed over at once; one that answers is the end; both are told whose cache they are.
    assert len(first.requests) == 1 and len(second.requests) == 1 and not origin.requests
    assert second.requests[0].query == {"ns": origin.host}
    second.on("*", ".*", (404, {}, b""))
    tool(*trust, "resolve", name)
    assert len(origin.requests) == 1 and origin.requests[0].query == {}
    # The error that says most is told.
    origin.on("*", ".*", (404, {}, b""))
    first.on("*", ".*", error(403, "DENIED", "keep out"))
    assert f"registry {first.host}: 403 forbidden: keep out" in fails("PERMISSION", *trust, "resolve", name)


def test_a_blob_goes_on_at_the_next_mirror(servers, work):
    first, origin = servers(), servers()
    trust = mirrors(work, origin, first)
    origin.blob(BLOB)
    first.on("GET", ".*", times(1, cut(600_000), error(500, "X", "broken")))
    fetch(origin, work, *trust, "--attempts", 2)
    assert fetched(work)
    assert [r.headers.get("Range") for r in origin.requests] == ["bytes=600000-"]


def test_a_mirror_with_other_bytes(servers, work):
    first, origin = servers(), servers()
    trust = mirrors(work, origin, first)
    origin.blob(BLOB)
    first.on("GET", ".*", (200, {}, bytes(len(BLOB))))
    assert "restart" in fetch(origin, work, *trust).stderr
    assert fetched(work)


def test_no_server_may(servers, work):
    server = servers()
    trust = mirrors(work, server, server_caps='capabilities = ["resolve"]')
    assert "hosts.toml gives no server the capability" in fails("PRECONDITION", *trust, "blob", f"{server.host}/x/y@{digest_of(BLOB)}", 1)
    assert not server.requests


# ---- The rest ----

def test_referrers(server):
    subject = digest_of(IMAGE)

    def index(*entries):
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": MANIFEST, "digest": digest_of(n.encode()), "size": 1, "artifactType": t} for n, t in entries]}).encode()
    name = f"{server.host}/x/y@{subject}"
    kind = {"Content-Type": INDEX}
    assert tool("referrers", name).stdout == b""
    server.on("GET", "/v2/x/y/manifests/" + subject.replace(":", "-"), (200, kind, index(("a", "t/a"), ("b", "t/b"))))
    assert len(tool("referrers", name).stdout.splitlines()) == 2
    assert tool("referrers", name, "t/b").stdout.decode() == f"{digest_of(b'b')} t/b\n"
    server.on("GET", f"/v2/x/y/referrers/{subject}", lambda r, h: (200, kind, index(("d", "t/d"))) if "last" in r.query else
              (200, {**kind, "Link": f'</v2/x/y/referrers/{subject}?last=1>; rel="next"'}, index(("c", "t/c"))))
    assert [line.split()[1] for line in tool("referrers", name).stdout.decode().splitlines()] == ["t/c", "t/d"]
    server.on("GET", f"/v2/x/y/referrers/{subject}", (200, {**kind, "Link": "</again>; rel=next"}, index(("c", "t/c"))))
    server.on("GET", "/again", (200, {**kind, "Link": "</again>; rel=next"}, index(("c", "t/c"))))
    assert "more than 32 pages" in fails("EXHAUSTED", "referrers", name)
    server.on("GET", f"/v2/x/y/referrers/{subject}", (200, {**kind, "Link": "<http://elsewhere/>; rel=next"}, index()))
    assert "at another server" in fails("UNAVAILABLE", "referrers", name)


def test_as_many_at_a_time_as_are_allowed(server, work):
    """Eight layers, two at a time."""
    layers = [os.urandom(50_000) for _ in range(8)]
    config = b"{}"
    state = {"now": 0, "most": 0}

    def counted(data):
        def answer(request, handler):
            with server.lock:
                state["now"] += 1
                state["most"] = max(state["most"], state["now"])
            send(handler, 200, {}, data)
            with server.lock:
                state["now"] -= 1
        return answer
    for data in (*layers, config):
        server.on("GET", f"/v2/x/y/blobs/{digest_of(data)}", counted(data))
    server.manifest(json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(d), "size": len(d)} for d in layers],
    }).encode(), "v1")
    (work / "image").mkdir()
    tool("--max-per-host", 2, "pull", f"{server.host}/x/y:v1", work / "image")
    assert 1 <= state["most"] <= 3      # the server may still be at the end of an answer that was read
    assert len(list((work / "image").iterdir())) == 10


def test_client_certificate(servers, certificates, work):
    server = servers(tls=certificates, need_client=True)
    server.manifest(IMAGE, "v1")
    path = work / "hosts" / server.host
    path.mkdir(parents=True)
    (path / "hosts.toml").write_text(f'ca = "{certificates["ca.crt"]}"\n')
    fails("UNAVAILABLE", "--attempts", 1, "--hosts-dir", work / "hosts", "resolve", f"{server.host}/x/y:v1")
    (path / "hosts.toml").write_text(f'ca = "{certificates["ca.crt"]}"\n'
                                     f'client = [["{certificates["client.crt"]}", "{certificates["client.key"]}"]]\n')
    tool("--hosts-dir", work / "hosts", "resolve", f"{server.host}/x/y:v1")


def test_proxy(servers, server, work):
    proxy = servers()
    proxy.on("*", ".*", (200, {"Content-Type": MANIFEST, "Docker-Content-Digest": digest_of(IMAGE)}, IMAGE))
    env = {"http_proxy": proxy.base}
    tool("--scheme", "http", "resolve", "registry.example/x/y:v1", env=env)
    assert proxy.requests[0].path == "http://registry.example/v2/x/y/manifests/v1"
    fails("UNAVAILABLE", "--scheme", "http", "resolve", "registry.example/x/y:v1", env={**env, "no_proxy": ".example"})
    assert len(proxy.requests) == 1


def test_uploads(server, work):
    (work / "blob").write_bytes(BLOB)
    name = f"{server.host}/x/y@{digest_of(BLOB)}"
    elsewhere = (202, {"Location": "http://user:secret@elsewhere/"}, b"")
    server.on("POST", "/v2/x/y/blobs/uploads/", elsewhere)
    assert "the location of the upload: not a URL" in fails("INVALID", "push-blob", name, work / "blob")
    server.on("POST", "/v2/x/y/blobs/uploads/", (202, {}, b""))
    assert "does not say where" in fails("UNAVAILABLE", "push-blob", name, work / "blob")
    # An upload that breaks is begun anew.
    server.on("POST", "/v2/x/y/blobs/uploads/", (202, {"Location": "/up?state=1"}, b""))
    got = []
    server.on("PUT", "/up", times(2, error(500, "X", "lost"), lambda r, h: (got.append(r), (201, {}, b""))[1]))
    assert tool("push-blob", name, work / "blob").stdout == b"sent\n"
    assert got[0].body == BLOB and got[0].query == {"state": "1", "digest": digest_of(BLOB)}
    server.on("PUT", "/up", error(500, "X", "lost"))
    assert "500 internal server error: lost" in fails("UNAVAILABLE", "push-blob", name, work / "blob")
    # A registry that took something else.
    (work / "manifest").write_bytes(IMAGE)
    server.on("PUT", "/v2/x/y/manifests/v1", (201, {"Docker-Content-Digest": digest_of(b"x")}, b""))
    assert "took it under another digest" in fails("DATA_LOSS", "push-document", f"{server.host}/x/y:v1", work / "manifest", MANIFEST)


def test_an_upload_to_another_server_gets_no_credentials(servers, server, work):
    storage = servers()
    storage.on("PUT", "/up", (201, {}, b""))
    (work / "blob").write_bytes(BLOB)
    server.on("HEAD", "/v2/.*", guarded(BASIC, "Basic realm=x", (404, {}, b"")))
    server.on("POST", "/v2/.*", guarded(BASIC, "Basic realm=x", (202, {"Location": f"{storage.base}/up"}, b"")))
    assert tool("--user", USER, "push-blob", f"{server.host}/x/y@{digest_of(BLOB)}", work / "blob").stdout == b"sent\n"
    assert storage.requests[0].body == BLOB and not storage.requests[0].authorization
