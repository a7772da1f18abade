# SPDX-License-Identifier: Apache-2.0
"""Registries for tests: Debian's docker-registry, a server of tokens for it, and one that does whatever a test says."""

import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from . import machine
from .wait import SLOWNESS, eventually

TOP = pathlib.Path(__file__).resolve().parents[3]
TOOL = TOP / "build/src/registry/registry-tool"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
HTPASSWD = "davit:$2y$05$KrBtgDGJqgchmlUzRtlNCunNw5U5ioD5OxMvrmB8Xt/KHzQRpndsu\n"   # the password is "secret"
USER = "davit:secret"
BLOB = os.urandom(1_500_000)


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tool_path():
    davitd = os.environ.get("DAVITD")
    beside = pathlib.Path(davitd).absolute().parents[2] / "registry/registry-tool" if davitd and "/" in davitd else TOOL
    return beside if beside.exists() else TOOL


def tool(*args, env=None, stdout=subprocess.PIPE, status=0):
    """Runs registry-tool; status None: any. stdout of the result are bytes, stderr is text."""
    done = subprocess.run([str(tool_path()), *map(str, args)], stdout=stdout, stderr=subprocess.PIPE,
                          timeout=30 * SLOWNESS, env={"PATH": "/usr/bin:/bin", **(env or {})})
    done.stderr = done.stderr.decode()
    assert status is None or done.returncode == status, f"{args}: status {done.returncode}: {done.stderr}"
    return done


def fails(code, *args, **kwargs):
    """The tool has to fail with that code; returns the message, which shows no secret."""
    done = tool(*args, status=1, **kwargs)
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith(code + ": "), line
    assert "secret" not in line, line
    return line


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- Certificates ----

class Certificates:
    """An authority, and what it signed: a server on this machine, and a client."""

    def __init__(self, directory):
        machine.need_program("openssl")
        self.directory = directory
        directory.mkdir()
        self.run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key")
        self.run("req", "-x509", "-key", "ca.key", "-days", "2", "-subj", "/CN=davit test authority",
                 "-out", "ca.crt", "-addext", "keyUsage=critical,keyCertSign,digitalSignature")
        self.sign("server", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self.sign("client", "extendedKeyUsage=clientAuth")

    def __getitem__(self, name):
        return self.directory / name

    def run(self, *args, stdin=None):
        return subprocess.run(["openssl", *args], cwd=self.directory, check=True, capture_output=True, input=stdin).stdout

    def sign(self, name, extension):
        (self.directory / "ext").write_text(extension + "\n")
        self.run("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                 "-extfile", "ext", "-out", f"{name}.crt")


# ---- docker-registry ----

class DockerRegistry:
    """@auth: a dictionary for the section of that name; @tls: Certificates."""

    def __init__(self, directory, auth=None, tls=None):
        machine.need_program("docker-registry")
        directory.mkdir()
        self.port, self.log = free_port(), directory / "log"
        self.host = f"localhost:{self.port}"
        config = {
            "version": 0.1, "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}", "secret": "for uploads"},
        }
        if auth:
            config["auth"] = auth
        if tls:
            config["http"]["tls"] = {"certificate": str(tls["server.crt"]), "key": str(tls["server.key"])}
        (directory / "config.yml").write_text(json.dumps(config))   # JSON is YAML
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(directory / "config.yml")], stdout=log, stderr=log)
        eventually(self.answers, "docker-registry listens")

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self.process.kill()
        self.process.wait()


def htpasswd_auth(directory):
    (directory / "htpasswd").write_text(HTPASSWD)
    return {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}


# ---- A server that does what the test says ----

class Request:
    def __init__(self, handler, body):
        self.method, self.path = handler.command, handler.path
        self.headers, self.body = handler.headers, body
        self.url = urllib.parse.urlsplit(handler.path)
        self.query = {k: v for k, v in urllib.parse.parse_qsl(self.url.query)}
        self.scopes = [v for k, v in urllib.parse.parse_qsl(self.url.query) if k == "scope"]

    @property
    def authorization(self):
        return self.headers.get("Authorization")


class Server:
    """on("GET", "/v2/x/.*", answer) says what to answer: (status, headers, body), or a function that gets the request and the
    handler, and may also write by itself and return None. The last that fits counts. All requests are kept."""

    def __init__(self, tls=None, need_client=False):
        self.rules, self.requests, self.lock = [], [], threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def log_message(self, *args):
                pass

            def answer(self):
                n = int(self.headers.get("Content-Length") or 0)
                outer.answer(self, Request(self, self.rfile.read(n) if n else b""))

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls["server.crt"], tls["server.key"])
            if need_client:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(tls["ca.crt"])
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        self.host = f"localhost:{self.port}"
        self.base = f"{'https' if tls else 'http'}://{self.host}"
        self.ended = threading.Event()      # for handlers that stall
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def on(self, method, pattern, answer):
        self.rules.append((method, re.compile(pattern + r"\Z"), answer))
        return self

    def answer(self, handler, request):
        with self.lock:
            self.requests.append(request)
        for method, pattern, answer in reversed(self.rules):
            if method in (request.method, "*") and pattern.match(request.url.path):
                break
        else:
            answer = (404, {}, b"")
        if callable(answer):
            answer = answer(request, handler)
        if answer:
            send(handler, *answer)

    def seen(self, method, pattern=".*"):
        return [r for r in self.requests if r.method == method and re.match(pattern + r"\Z", r.url.path)]

    def stall(self, request, handler):
        """Says nothing until the test is over."""
        self.ended.wait(60)
        handler.close_connection = True

    def close(self):
        self.ended.set()
        self.http.shutdown()
        self.http.server_close()

    # -- a registry --

    def blob(self, data, repo="x/y"):
        """Serves it, with ranges; returns its digest."""
        def answer(request, handler):
            wanted = re.match(r"bytes=(\d+)-(\d*)\Z", request.headers.get("Range") or "")
            if not wanted:
                return 200, {}, data
            start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
            return 206, {"Content-Range": f"bytes {start}-{end}/{len(data)}"}, data[start:end + 1]
        self.on("GET", f"/v2/{repo}/blobs/{digest_of(data)}", answer)
        return digest_of(data)

    def manifest(self, data, tag, repo="x/y", media_type=MANIFEST):
        answer = (200, {"Content-Type": media_type, "Docker-Content-Digest": digest_of(data)}, data)
        for name in (tag, digest_of(data)):
            for method in ("GET", "HEAD"):
                self.on(method, f"/v2/{repo}/manifests/{name}", answer)
        return digest_of(data)


def send(handler, status, headers, body):
    handler.send_response(status)
    headers = dict(headers)
    headers.setdefault("Content-Length", len(body))
    for name, value in headers.items():
        for one in value if isinstance(value, list) else [value]:
            handler.send_header(name, one)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def error(status, code, message, **headers):
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return status, {"Content-Type": "application/json", **headers}, body


# ---- Tokens ----

class TokenServer(Server):
    """Gives tokens that docker-registry takes (auth()), to whom it knows: "davit:secret", or the refresh token "refresh-secret"."""

    def __init__(self, certificates, **kwargs):
        super().__init__(**kwargs)
        self.certificates, self.anonymous = certificates, False
        self.on("GET", "/token", self.by_password).on("POST", "/token", self.by_refresh_token)

    def auth(self):
        return {"token": {"realm": f"{self.base}/token", "service": "test-registry", "issuer": "test-issuer",
                          "rootcertbundle": str(self.certificates["ca.crt"])}}

    def by_password(self, request, handler):
        known = "Basic " + base64.b64encode(USER.encode()).decode()
        if request.authorization != known and not (self.anonymous and not request.authorization):
            return error(401, "DENIED", "who are you?")
        return self.give(request.scopes, request.query.get("service"))

    def by_refresh_token(self, request, handler):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != "refresh-secret":
            return error(401, "DENIED", "not this one")
        return self.give(form["scope"].split(), form.get("service"), name="access_token")

    def give(self, scopes, service, name="token"):
        access = []
        for scope in scopes:
            kind, rest = scope.split(":", 1)
            path, actions = rest.rsplit(":", 1)
            access.append({"type": kind, "name": path, "actions": actions.split(",")})
        body = json.dumps({name: self.sign(service, access), "expires_in": 300}).encode()
        return 200, {"Content-Type": "application/json"}, body

    def sign(self, service, access):
        now = int(time.time())
        der = self.certificates.run("x509", "-in", "server.crt", "-outform", "DER")
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {"iss": "test-issuer", "sub": "davit", "aud": service, "exp": now + 300, "nbf": now - 10, "iat": now,
                  "jti": str(time.monotonic_ns()), "access": access}
        text = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        return f"{text}.{encode(self.certificates.run('dgst', '-sha256', '-sign', 'server.key', stdin=text.encode()))}"


def encode(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# ---- The blob of a test ----

def fetch(server, work, *options, name=None, status=0, data=BLOB, env=None):
    """Into work/out; returns the tool's result."""
    with open(work / "out", "wb") as out:
        return tool(*options, "blob", name or f"{server.host}/x/y@{digest_of(data)}", len(data), stdout=out, status=status, env=env)


def fetch_fails(code, server, work, *options):
    with open(work / "out", "wb") as out:
        line = fails(code, *options, "blob", f"{server.host}/x/y@{digest_of(BLOB)}", len(BLOB), stdout=out)
    assert f"repository {server.host}/x/y: blob {digest_of(BLOB)}: " in line
    return line


def fetched(work, data=BLOB):
    return (work / "out").read_bytes() == data


def cut(at, once=True):
    """Says the right length, and closes the connection after so many bytes; the first time, or always."""
    state = {"n": 0}

    def answer(request, handler):
        state["n"] += 1
        if once and state["n"] > 1:
            return serve(BLOB, request)
        handler.send_response(200)
        handler.send_header("Content-Length", len(BLOB))
        handler.end_headers()
        handler.wfile.write(BLOB[:at])
        handler.close_connection = True
    return answer


def serve(data, request):
    wanted = request.headers.get("Range")
    if not wanted:
        return 200, {}, data
    start = int(wanted.split("=")[1].split("-")[0])
    return 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]


def times(n, first, then):
    """The first answer so many times, and then the other one."""
    state = {"n": 0}

    def answer(request, handler):
        state["n"] += 1
        found = first if state["n"] <= n else then
        return found(request, handler) if callable(found) else found
    return answer
