# SPDX-License-Identifier: Apache-2.0
"""Blobs from servers that stall, lie, cut, refuse, redirect and send garbage."""

import os

import pytest

from harness.registry import BLOB, cut, digest_of, error, fails, fetch, fetch_fails, fetched, serve, times, tool

pytestmark = pytest.mark.davit


# ---- Bytes ----

def test_a_cut_connection_is_resumed(server, work):
    server.on("GET", "/v2/x/y/blobs/.*", cut(700_000))
    fetch(server, work)
    assert fetched(work)
    assert [r.headers.get("Range") for r in server.requests] == [None, "bytes=700000-"]


def test_resume_without_ranges(server, work):
    state = cut(700_000)
    server.on("GET", "/v2/x/y/blobs/.*", lambda r, h: state(r, h) if len(server.requests) == 1 else (200, {}, BLOB))
    fetch(server, work)
    assert fetched(work)


def test_always_cut(server, work):
    server.on("GET", "/v2/x/y/blobs/.*", cut(0, once=False))
    line = fetch_fails("UNAVAILABLE", server, work, "--attempts", 3)
    assert "3 attempts: the connection was cut" in line and len(server.requests) == 3


def test_always_a_little_further(server, work):
    """Every connection brings a part: that goes on for as long as it takes."""
    def answer(request, handler):
        start = int((request.headers.get("Range") or "bytes=0-").split("=")[1][:-1])
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", len(data) - start)
        handler.end_headers()
        handler.wfile.write(data[start:start + 1_200_000])
        handler.close_connection = True
    data = os.urandom(5_000_000)
    server.on("GET", "/v2/x/y/blobs/.*", answer)
    fetch(server, work, "--attempts", 2, data=data)
    assert fetched(work, data) and len(server.requests) == 5


@pytest.mark.parametrize("answer, code, text", [
    ((200, {}, BLOB[:-1]), "DATA_LOSS", f"has {len(BLOB) - 1} bytes, and not {len(BLOB)}"),
    ((200, {}, BLOB + b"x"), "DATA_LOSS", f"has {len(BLOB) + 1} bytes, and not {len(BLOB)}"),
    ((200, {}, BLOB[:-1] + bytes([BLOB[-1] ^ 1])), "DATA_LOSS", "what it sends does not have this digest"),
    ((206, {"Content-Range": f"bytes 5-{len(BLOB) - 1}/{len(BLOB)}"}, BLOB[5:]), "UNAVAILABLE", "asked for those from 0"),
    ((206, {"Content-Range": f"bytes 0-{len(BLOB) - 1}/{len(BLOB) + 9}"}, BLOB), "DATA_LOSS", f"has {len(BLOB) + 9} bytes"),
    ((206, {"Content-Range": "bytes x-y/z"}, BLOB), "UNAVAILABLE", "does not say which"),
    ((206, {}, BLOB), "UNAVAILABLE", "does not say which"),
    ((200, {"Content-Encoding": "gzip"}, BLOB), "UNAVAILABLE", "an encoding that nobody asked for"),
    ((204, {}, b""), "UNAVAILABLE", "204 not an answer that was expected"),
    (error(403, "DENIED", "keep out"), "PERMISSION", "403 forbidden: keep out"),
    (error(404, "BLOB_UNKNOWN", "never\nheard\x1b[31m of it" + "x" * 1000), "NOT_FOUND", "404 not found: never heard [31m of it"),
    ((404, {}, b"<html>" * 100_000), "NOT_FOUND", "404 not found"),
    ((301, {"Location": "/v2/x/y/blobs/again"}, b""), "UNAVAILABLE", "more than 10 redirects"),
    ((301, {"Location": "ftp://elsewhere/"}, b""), "INVALID", "redirect: "),
    ((301, {"Location": "http://user:pw@elsewhere/"}, b""), "INVALID", "redirect: not a URL"),
])
def test_wrong_answers(server, work, answer, code, text):
    server.on("GET", "/v2/x/y/blobs/.*", answer)
    line = fetch_fails(code, server, work)
    assert text in line and len(line) < 700 and line.isprintable(), line


def test_more_than_was_said(server, work):
    """Without a length: what comes is counted."""
    def answer(request, handler):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(BLOB + b"x")
        handler.close_connection = True
    server.on("GET", "/v2/x/y/blobs/.*", answer)
    assert "sends more than the" in fetch_fails("DATA_LOSS", server, work)


def test_no_http(server, work):
    def garbage(request, handler):
        handler.wfile.write(b"\0\1\2 this is not HTTP\r\n" * 100)
        handler.close_connection = True

    def endless_head(request, handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-Header: yes\r\n" * 100_000)
        handler.close_connection = True
    server.on("GET", "/v2/x/y/blobs/.*", garbage)
    fetch_fails("UNAVAILABLE", server, work)
    server.on("GET", "/v2/x/y/blobs/.*", endless_head)
    assert "headers of more than" in fetch_fails("UNAVAILABLE", server, work)


# ---- Time ----

def test_stalls(server, work):
    server.on("GET", "/v2/x/y/blobs/.*", server.stall)
    line = fetch_fails("DEADLINE", server, work, "--progress-ms", 150, "--attempts", 2)
    assert "2 attempts: nothing came for 150 ms" in line


def test_stalls_in_the_middle(server, work):
    def half(request, handler):
        if request.headers.get("Range"):
            return serve(BLOB, request)
        handler.send_response(200)
        handler.send_header("Content-Length", len(BLOB))
        handler.end_headers()
        handler.wfile.write(BLOB[:500_000])
        server.stall(request, handler)
    server.on("GET", "/v2/x/y/blobs/.*", half)
    fetch(server, work, "--progress-ms", 300)
    assert fetched(work)


def test_a_slow_sink_is_no_stall(server, work):
    server.blob(BLOB)
    fetch(server, work, "--slow", "--progress-ms", 200)
    assert fetched(work) and len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_overload_passes(server, work, status):
    server.on("GET", "/v2/x/y/blobs/.*", times(2, error(status, "BUSY", "not now"), (200, {}, BLOB)))
    fetch(server, work)
    assert fetched(work) and len(server.requests) == 3


def test_overload_stays(server, work):
    server.on("GET", "/v2/x/y/blobs/.*", error(429, "TOOMANYREQUESTS", "slow down"))
    line = fetch_fails("EXHAUSTED", server, work, "--attempts", 3)
    assert line.endswith("3 attempts: 429 too many requests: slow down") and len(server.requests) == 3


def test_retry_after(server, work):
    server.on("GET", "/v2/x/y/blobs/.*", times(1, error(503, "BUSY", "later", **{"Retry-After": "1"}), (200, {}, BLOB)))
    fetch(server, work)
    server.on("GET", "/v2/x/y/blobs/.*", error(429, "BUSY", "tomorrow", **{"Retry-After": "86400"}))
    assert "asks to come back after 86400 s: 429 too many requests: tomorrow" in fetch_fails("EXHAUSTED", server, work)


# ---- Ranges ----

MIB = 1 << 20
LARGE = os.urandom(11 * MIB + 4711)


def ranged(server, data=LARGE, repo="x/y"):
    """Serves it with ranges; the list that is returned gets what was asked for."""
    asked = []

    def answer(request, handler):
        asked.append(request.headers.get("Range"))
        start, end = asked[-1].split("=")[1].split("-")
        start, end = int(start), int(end or len(data) - 1)
        return 206, {"Content-Range": f"bytes {start}-{end}/{len(data)}"}, data[start:end + 1]
    server.on("GET", "/v2/x/y/blobs/.*", answer)
    return asked


@pytest.mark.parametrize("options", [(), ("--slow",), ("--max-per-host", 1), ("--max-per-host", 2, "--slow")])
def test_ranges(server, work, options):
    asked = ranged(server)
    fetch(server, work, "--parallel", 3, *options, data=LARGE)
    assert fetched(work, LARGE)
    assert sorted(asked, key=lambda r: int(r[6:].split("-")[0])) == [
        f"bytes={i}-{i + 2 * MIB - 1 if i + 2 * MIB < len(LARGE) else ''}" for i in range(0, len(LARGE), 2 * MIB)]


def test_a_small_blob_needs_no_ranges(server, work):
    server.blob(BLOB)
    fetch(server, work, "--parallel", 3)
    assert fetched(work) and len(server.requests) == 1


@pytest.mark.parametrize("options", [(), ("--slow",)])
def test_ranges_that_there_are_not(server, work, options):
    server.on("GET", "/v2/x/y/blobs/.*", (200, {}, LARGE))
    fetch(server, work, "--parallel", 3, *options, data=LARGE)
    assert fetched(work, LARGE) and len(server.requests) <= 4


def test_ranges_from_the_middle(server, work):
    asked = ranged(server)
    (work / "out").write_bytes(LARGE[:MIB])
    with open(work / "out", "r+b") as out:
        tool("--parallel", 3, "--offset", MIB, "blob", f"{server.host}/x/y@{digest_of(LARGE)}", len(LARGE), stdout=out)
    assert fetched(work, LARGE) and f"bytes={MIB}-{3 * MIB - 1}" in asked and len(asked) == 6
    with open(work / "out", "wb") as out:
        assert "stopped" in tool("--parallel", 3, "--stop-at", 5 * MIB, "blob", f"{server.host}/x/y@{digest_of(LARGE)}",
                                 len(LARGE), stdout=out).stderr
    assert LARGE.startswith((work / "out").read_bytes())


def test_ranges_that_break(server, work):
    """One is cut and goes on; one never comes, and so nothing does; one has other bytes."""
    asked = ranged(server)
    good = server.rules[-1][2]

    def breaks(request, handler):
        if request.headers["Range"] != f"bytes={2 * MIB}-{4 * MIB - 1}":
            return good(request, handler)
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {2 * MIB}-{4 * MIB - 1}/{len(LARGE)}")
        handler.send_header("Content-Length", 2 * MIB)
        handler.end_headers()
        handler.wfile.write(LARGE[2 * MIB:3 * MIB])
        handler.close_connection = True
    server.on("GET", "/v2/x/y/blobs/.*", breaks)
    fetch(server, work, "--parallel", 3, data=LARGE)
    assert fetched(work, LARGE) and f"bytes={3 * MIB}-{4 * MIB - 1}" in asked
    server.on("GET", "/v2/x/y/blobs/.*", lambda r, h: error(403, "DENIED", "not this one") if r.headers["Range"].startswith("bytes=4")
              else good(r, h))
    name = f"{server.host}/x/y@{digest_of(LARGE)}"
    with open(work / "out", "wb") as out:
        assert "403 forbidden: not this one" in fails("PERMISSION", "--parallel", 3, "blob", name, len(LARGE), stdout=out)
    other = bytes(len(LARGE))
    ranged(server, data=other)
    with open(work / "out", "wb") as out:
        assert "does not have this digest" in fails("DATA_LOSS", "--parallel", 3, "blob", name, len(LARGE), stdout=out)
