# SPDX-License-Identifier: Apache-2.0
"""The registry client with Debian's docker-registry: resolving, fetching, pushing; TLS, passwords, tokens."""

import json
import os

import pytest

from harness import registry
from harness.registry import MANIFEST, USER, digest_of, fails, tool

pytestmark = pytest.mark.davit
LAYER = os.urandom(3_000_000)
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                     "rootfs": {"type": "layers", "diff_ids": [digest_of(LAYER)]}}).encode()
IMAGE = json.dumps({
    "schemaVersion": 2, "mediaType": MANIFEST,
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(CONFIG), "size": len(CONFIG)},
    "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest_of(LAYER), "size": len(LAYER)}],
}).encode()


@pytest.fixture(scope="module")
def directory(session_dir):
    path = session_dir / "registries"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def plain(directory):
    server = registry.DockerRegistry(directory / "plain")
    yield server
    server.close()


@pytest.fixture(scope="module")
def basic(directory, certificates):
    """With TLS and a password."""
    server = registry.DockerRegistry(directory / "basic", auth=registry.htpasswd_auth(directory), tls=certificates)
    yield server
    server.close()


@pytest.fixture(scope="module")
def tokens(certificates):
    server = registry.TokenServer(certificates)
    yield server
    server.close()


@pytest.fixture(scope="module")
def token(directory, tokens):
    server = registry.DockerRegistry(directory / "token", auth=tokens.auth())
    yield server
    server.close()


def push_image(work, name, *options):
    repo = name.rsplit(":", 1)[0]
    for i, blob in enumerate((LAYER, CONFIG)):
        (work / f"{i}").write_bytes(blob)
        tool(*options, "push-blob", f"{repo}@{digest_of(blob)}", work / f"{i}")
    (work / "manifest").write_bytes(IMAGE)
    tool(*options, "push-document", name, work / "manifest", MANIFEST)


def pull_image(work, name, *options):
    (work / "out").mkdir()
    tool(*options, "pull", name, work / "out")
    assert (work / "out/manifest.json").read_bytes() == IMAGE
    for blob in (LAYER, CONFIG):
        assert (work / "out" / digest_of(blob)[7:]).read_bytes() == blob


def hosts(work, server, toml):
    path = work / "hosts" / server.host
    path.mkdir(parents=True)
    (path / "hosts.toml").write_text(toml)
    return "--hosts-dir", work / "hosts"


def test_push_and_pull(plain, work):
    name = f"{plain.host}/some/image:v1"
    push_image(work, name)
    assert tool("resolve", name).stdout.decode().split() == [digest_of(IMAGE), MANIFEST, str(len(IMAGE))]
    pull_image(work, name)
    by_digest = f"{plain.host}/some/image@{digest_of(IMAGE)}"
    assert tool("document", by_digest).stdout == IMAGE
    assert tool("resolve", by_digest).stdout.decode().split()[0] == digest_of(IMAGE)
    line = fails("NOT_FOUND", "resolve", f"{plain.host}/some/image:v2")
    assert line.endswith(f"repository {plain.host}/some/image: tag v2: registry {plain.host}: 404 not found")
    line = fails("NOT_FOUND", "document", f"{plain.host}/some/image@{digest_of(b'')}")
    assert "404 not found: manifest unknown" in line


def test_pushing_what_is_there(plain, work):
    (work / "blob").write_bytes(os.urandom(100_000))
    digest = digest_of((work / "blob").read_bytes())
    assert tool("push-blob", f"{plain.host}/one@{digest}", work / "blob").stdout == b"sent\n"
    assert tool("push-blob", f"{plain.host}/one@{digest}", work / "blob").stdout == b"existed\n"
    assert tool("--mount-from", "one", "push-blob", f"{plain.host}/two@{digest}", work / "blob").stdout == b"mounted\n"
    assert tool("--mount-from", "none", "push-blob", f"{plain.host}/three@{digest}", work / "blob").stdout == b"sent\n"


@pytest.mark.parametrize("options", [("--chunk", 1000), ("--chunk", 32768, "--slow"), ("--slow",)])
def test_ways_of_pushing(plain, work, options):
    (work / "blob").write_bytes(os.urandom(40_001))
    digest = digest_of((work / "blob").read_bytes())
    assert tool(*options, "push-blob", f"{plain.host}/ways@{digest}", work / "blob").stdout == b"sent\n"
    with open(work / "back", "wb") as back:
        tool("blob", f"{plain.host}/ways@{digest}", 40_001, stdout=back)
    assert (work / "back").read_bytes() == (work / "blob").read_bytes()


def test_what_was_pushed_wrongly_is_not_there(plain, work):
    (work / "blob").write_bytes(b"something else")
    line = fails("INVALID", "push-blob", f"{plain.host}/wrong@{digest_of(b'this')}", work / "blob")
    assert "did not match" in line
    (work / "cut").write_bytes(os.urandom(500_000))
    cut = digest_of((work / "cut").read_bytes())
    line = fails("DATA_LOSS", "--stop-at", 100_000, "push-blob", f"{plain.host}/wrong@{cut}", work / "cut")
    assert line.endswith(f"push blob {cut}: the file cannot be read")
    fails("NOT_FOUND", "blob", f"{plain.host}/wrong@{cut}", 500_000)


def test_resume(plain, work):
    push_image(work, f"{plain.host}/resume:v1")
    name = f"{plain.host}/resume@{digest_of(LAYER)}"
    with open(work / "part", "wb") as part:
        assert "stopped" in tool("--stop-at", 1_000_000, "blob", name, len(LAYER), stdout=part).stderr
    part = (work / "part").read_bytes()
    assert 1_000_000 <= len(part) < len(LAYER) and LAYER.startswith(part)
    with open(work / "part", "r+b") as rest:
        tool("--offset", len(part), "blob", name, len(LAYER), stdout=rest)
    assert (work / "part").read_bytes() == LAYER
    assert f'"GET /v2/resume/blobs/{digest_of(LAYER)} HTTP/1.1" 206' in plain.log.read_text()
    # All of it, and something that is none of it.
    with open(work / "part", "r+b") as rest:
        tool("--offset", len(LAYER), "blob", name, len(LAYER), stdout=rest)
    (work / "part").write_bytes(b"x" * 1000)
    with open(work / "part", "r+b") as rest:
        fails("DATA_LOSS", "--offset", 1000, "blob", name, len(LAYER), stdout=rest)


def test_tls_and_password(basic, certificates, work):
    trust = hosts(work, basic, f'ca = "{certificates["ca.crt"]}"\n')
    name = f"{basic.host}/tls/image:v1"
    assert "certificate is not trusted" in fails("UNAVAILABLE", "resolve", name)
    push_image(work, name, *trust, "--user", USER)
    pull_image(work, name, *trust, "--user", USER)
    assert "credentials are needed, and there are none" in fails("UNAUTHENTICATED", *trust, "resolve", name)
    assert "credentials were refused" in fails("UNAUTHENTICATED", *trust, "--user", "davit:secretive", "resolve", name)
    assert tool(*trust, "--user", USER, "ping", name).stdout == b"welcome\n"
    (work / "hosts" / basic.host / "hosts.toml").write_text("skip_verify = true\n")
    tool(*trust, "--user", USER, "resolve", name)


def test_tokens(token, tokens, work):
    name = f"{token.host}/token/image:v1"
    push_image(work, name, "--user", USER)
    pull_image(work, name, "--user", USER)
    tool("--identity", "refresh-secret", "resolve", name)
    before = len(tokens.requests)
    assert "ask localhost" in fails("UNAUTHENTICATED", "resolve", name)
    assert "credentials were refused" in fails("UNAUTHENTICATED", "--user", "davit:secretive", "resolve", name)
    assert "credentials were refused" in fails("UNAUTHENTICATED", "--identity", "other-secret", "resolve", name)
    assert len(tokens.requests) == before + 3
    tokens.anonymous = True
    tool("resolve", name)
    assert tool("--user", USER, "ping", name).stdout == b"welcome\n"
    # One image needs one token for pulling, however many requests run side by side.
    (work / "again").mkdir()
    before = len(tokens.requests)
    tool("--user", USER, "pull", name, work / "again")
    assert len(tokens.requests) == before + 1


def test_docker_config_and_helpers(basic, certificates, work):
    trust = hosts(work, basic, f'ca = "{certificates["ca.crt"]}"\n')
    name = f"{basic.host}/config/image:v1"
    push_image(work, name, *trust, "--user", USER)
    config = work / "config.json"
    use = (*trust, "--docker-config", config, "resolve", name)
    assert "there are none" in fails("UNAUTHENTICATED", *use)       # no such file
    config.write_text(json.dumps({"auths": {f"https://{basic.host}": {"auth": registry.base64.b64encode(USER.encode()).decode()}}}))
    tool(*use)
    (work / "bin").mkdir()
    helper = work / "bin/docker-credential-test"
    env = {"PATH": f"{work}/bin:/usr/bin:/bin"}
    config.write_text(json.dumps({"credHelpers": {basic.host: "test"}}))
    assert "program docker-credential-test in PATH: no such file" in fails("UNAUTHENTICATED", *use, env=env)
    helper.write_text(f'#!/bin/sh\nread -r server\n[ "$1 $server" = "get {basic.host}" ] || exit 2\n'
                      'echo \'{"Username":"davit","Secret":"secret"}\'\n')
    helper.chmod(0o755)
    tool(*use, env=env)
    config.write_text(json.dumps({"credsStore": "test"}))
    tool(*use, env=env)
    helper.write_text("#!/bin/sh\necho credentials not found in native keychain\nexit 1\n")
    assert "there are none" in fails("UNAUTHENTICATED", *use, env=env)
    helper.write_text("#!/bin/sh\necho the keyring is locked\nexit 7\n")
    line = fails("UNAUTHENTICATED", *use, env=env)
    assert "credentials: docker-credential-test: exit status 7: the keyring is locked" in line
    helper.write_text('#!/bin/sh\necho \'{"Secret": "secret"\'\n')
    assert "what it prints is no JSON" in fails("UNAUTHENTICATED", *use, env=env)


def test_threads(plain, work):
    """The same by threads that block: layers side by side, and bytes from and to them."""
    name = f"{plain.host}/threads:v1"
    for i, blob in enumerate((LAYER, CONFIG)):
        (work / f"{i}").write_bytes(blob)
        assert tool("session-push", f"{plain.host}/threads@{digest_of(blob)}", work / f"{i}").stdout == b"sent\n"
    assert tool("session-push", f"{plain.host}/threads@{digest_of(LAYER)}", work / "0").stdout == b"existed\n"
    (work / "chunks").write_bytes(os.urandom(200_000))
    chunks = digest_of((work / "chunks").read_bytes())
    assert tool("--chunk", 70_000, "session-push", f"{plain.host}/threads@{chunks}", work / "chunks").stdout == b"sent\n"
    (work / "short").write_bytes(b"short")
    line = fails("DATA_LOSS", "--stop-at", 0, "session-push", f"{plain.host}/threads@{digest_of(b'short')}", work / "short")
    assert line.endswith("the source ends after 5 bytes")
    (work / "manifest").write_bytes(IMAGE)
    tool("push-document", name, work / "manifest", MANIFEST)
    (work / "out").mkdir()
    tool("session-pull", name, work / "out")
    for blob in (LAYER, CONFIG):
        assert (work / "out" / digest_of(blob)[7:]).read_bytes() == blob
    assert "interrupted" in fails("CANCELLED", "--stop-at", 1_000_000, "session-pull", name, work / "out")
    fails("NOT_FOUND", "session-pull", f"{plain.host}/threads:none", work / "out")


def test_login_and_logout(work):
    """What is kept in config.json, or given to a helper; nothing else in the file changes."""
    config, host = work / "docker/config.json", "registry.example:5000"
    use = ("--docker-config", config, "--user", USER)
    tool(*use, "erase", f"{host}/x")
    assert not config.exists()
    tool(*use, "store", f"{host}/x")
    auth = registry.base64.b64encode(USER.encode()).decode()
    assert json.loads(config.read_text()) == {"auths": {host: {"auth": auth}}}
    assert config.stat().st_mode & 0o777 == 0o600 and config.parent.stat().st_mode & 0o777 == 0o700
    other = {"HttpHeaders": {"a": ["b", 1.5, None]}, "auths": {f"https://{host}/v1/": {"auth": "eDp5"}, "other.example": {"auth": "eTp6"}}}
    config.unlink()
    (work / "real.json").write_text(json.dumps(other))
    config.symlink_to(work / "real.json")
    tool(*use, "store", f"{host}/x")
    assert config.is_symlink()
    assert json.loads(config.read_text()) == {**other, "auths": {host: {"auth": auth}, "other.example": {"auth": "eTp6"}}}
    tool(*use, "erase", f"{host}/x")
    assert json.loads(config.read_text()) == {**other, "auths": {"other.example": {"auth": "eTp6"}}}
    tool(*use, "store", "busybox")
    assert json.loads(config.read_text())["auths"]["https://index.docker.io/v1/"] == {"auth": auth}
    config.write_text("{broken")
    assert "not JSON" in fails("INVALID", *use, "store", f"{host}/x")
    assert config.read_text() == "{broken" and len(list(work.iterdir())) == 2
    (work / "docker-credential-test").write_text(f'#!/bin/sh\n(echo "$1"; cat; echo) >>{work}/asked\n')
    (work / "docker-credential-test").chmod(0o755)
    config.write_text('{"credsStore": "test"}')
    env = {"PATH": f"{work}:/usr/bin:/bin"}
    tool(*use, "store", f"{host}/x", env=env)
    tool(*use, "erase", f"{host}/x", env=env)
    verb, given, *rest = (work / "asked").read_text().splitlines()
    assert [verb, json.loads(given)] == ["store", {"ServerURL": host, "Username": "davit", "Secret": "secret"}]
    assert rest == ["erase", host, ""] and config.read_text() == '{"credsStore": "test"}'
