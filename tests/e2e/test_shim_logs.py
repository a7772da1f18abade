# SPDX-License-Identifier: Apache-2.0
"""Logs that the shim writes itself: cri:// and json://, partial lines, rotation, reopening, errors."""

import datetime
import hashlib
import json
import os
import re
import subprocess
import threading
import time

import pytest

from harness.shim_volume import REFUSED, finished, volume
from harness.wait import eventually

pytestmark = pytest.mark.davit_shim
CRI = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([PF]) (.*)", re.S)
LOGS = "davit.shim.v1.Logs"


class Cri:
    scheme = "cri"

    @staticmethod
    def records(data):
        """(time, stream, text) of each record; text ends with a newline where the line does."""
        assert data.endswith(b"\n") or not data
        for line in data.split(b"\n")[:-1]:
            when, stream, tag, text = CRI.fullmatch(line).groups()
            yield when.decode(), stream.decode(), text + (b"\n" if tag == b"F" else b"")


class Json:
    scheme = "json"

    @staticmethod
    def records(data):
        assert data.endswith(b"\n") or not data
        for line in data.split(b"\n")[:-1]:
            record = json.loads(line)
            yield record["time"], record["stream"], record["log"].encode()


@pytest.fixture(params=[Cri, Json], ids=["cri", "json"])
def kind(request):
    return request.param


def uris(kind, path, **options):
    """For Create: both streams into one log."""
    more = "".join(f"&{name.replace('_', '-')}={value}" for name, value in options.items())
    return {name: f"{kind.scheme}://{path}?stream={name}{more}" for name in ("stdout", "stderr")}


def rotated(path):
    """The files of a log, oldest first."""
    def number(p):
        return int(p.name.rpartition(".")[2])
    return [*sorted(path.parent.glob(f"{path.name}.[0-9]*"), key=number, reverse=True), path]


def whole(path):
    return b"".join(p.read_bytes() for p in rotated(path))


def text(kind, data, stream="stdout"):
    return b"".join(t for _, s, t in kind.records(data) if s == stream)


def run(shim, kind, path, script, **options):
    c = shim(script=script)
    c.up(**uris(kind, path, **options))
    assert finished(c)
    c.delete()
    return list(kind.records(whole(path)))


def test_lines(shim, work, kind):
    before = datetime.datetime.now(datetime.timezone.utc)
    records = run(shim, kind, work / "log", "echo one; echo; echo two three")
    assert [(stream, line) for _, stream, line in records] == [("stdout", b"one\n"), ("stdout", b"\n"), ("stdout", b"two three\n")]
    times = [datetime.datetime.fromisoformat(when) for when, _, _ in records]
    assert times == sorted(times)
    assert before <= times[0] and times[-1] <= datetime.datetime.now(datetime.timezone.utc)


def test_two_streams_keep_their_order(shim, work, kind):
    records = run(shim, kind, work / "log", "for i in 1 2 3; do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done")
    assert [(stream, line.decode()) for _, stream, line in records] == [
        (f"std{name}", f"{name} {i}\n") for i in (1, 2, 3) for name in ("out", "err")]


def test_two_files(shim, work, kind):
    c = shim(script="echo out; echo err >&2")
    c.up(stdout=f"{kind.scheme}://{work}/out?stream=stdout", stderr=f"{kind.scheme}://{work}/err?stream=stderr")
    assert finished(c)
    c.delete()
    assert text(kind, (work / "out").read_bytes()) == b"out\n"
    assert text(kind, (work / "err").read_bytes(), "stderr") == b"err\n"


@pytest.mark.parametrize("length, pieces", [(16383, 1), (16384, 1), (16385, 2), (40000, 3), (100_000, 7)])
def test_long_lines_are_split(shim, work, kind, length, pieces):
    records = run(shim, kind, work / "log", f"head -c {length} /dev/zero | tr '\\0' x; echo; echo short")
    lines = [line for _, _, line in records]
    assert b"".join(lines) == b"x" * length + b"\nshort\n"
    assert len(lines) == pieces + 1
    assert all(len(line.rstrip(b"\n")) <= 16384 for line in lines)
    assert not any(line.endswith(b"\n") for line in lines[:pieces - 1])


def test_other_line_length(shim, work, kind):
    records = run(shim, kind, work / "log", "echo 0123456789; echo 01", max_line=4)
    assert [line for _, _, line in records] == [b"0123", b"4567", b"89\n", b"01\n"]


def test_end_without_newline(shim, work, kind):
    records = run(shim, kind, work / "log", "echo whole; printf rest")
    assert [line for _, _, line in records] == [b"whole\n", b"rest"]


def test_slow_pieces_of_a_line_are_one_line(shim, work, kind):
    records = run(shim, kind, work / "log", "for i in 1 2 3; do printf $i; sleep 0.05; done; echo")
    assert [line for _, _, line in records] == [b"123\n"]


def test_bytes_of_all_kinds_in_cri(shim, work):
    c = shim("cat", "/data")
    data = os.urandom(200_000)
    (c.bundle.rootfs / "data").write_bytes(data)
    c.up(**uris(Cri, work / "log"))
    assert finished(c)
    c.delete()
    assert text(Cri, (work / "log").read_bytes()) == data


def test_bytes_of_all_kinds_in_json(shim, work):
    """JSON is text: what is none becomes U+FFFD, as with docker."""
    records = run(shim, Json, work / "log", r"""printf '"\\\t\001\303\244\377\n'""")
    assert "".join(line.decode() for _, _, line in records) == '"\\\t\x01ä\ufffd\n'


def test_json_attributes(shim, work):
    c = shim("echo", "x")
    c.up(stdout=f"json://{work}/log?attr.app=boat&attr.tier=a%20b", stderr="")
    assert finished(c)
    c.delete()
    assert json.loads((work / "log").read_text())["attrs"] == {"app": "boat", "tier": "a b"}


def test_log_is_appended_to(shim, work, kind):
    for n in range(2):
        run(shim, kind, work / "log", f"echo {n}")
    assert text(kind, (work / "log").read_bytes()) == b"0\n1\n"


def test_exec_and_terminal(shim, work, kind):
    c = shim.sleeper().up()
    c.exec("e", "echo", "from exec", io=None)
    c("Wait", exec_id="e")
    c("Delete", exec_id="e")
    for terminal in (False, True):
        path = work / f"log-{terminal}"
        fields = uris(kind, path)
        if terminal:
            fields.pop("stderr")
        spec = {**c.bundle.process, "args": ["sh", "-c", "echo a; echo b"], "terminal": terminal}
        c("Exec", exec_id="l", terminal=terminal, spec=shim.api.json(json.dumps(spec)), **fields)
        c("Start", exec_id="l")
        assert finished(c, "l")
        c("Delete", exec_id="l")
        assert text(kind, path.read_bytes()).replace(b"\r", b"") == b"a\nb\n"


def test_rotation(shim, work, kind):
    """With enough files kept, all of it is there, in order; each file has whole records and is no larger than told."""
    path = work / "log"
    run(shim, kind, path, "seq 1 20000", max_size="65536", max_file=100)
    files = rotated(path)
    assert len(files) > 3
    assert all(p.stat().st_size <= 65536 for p in files)
    assert b"".join(text(kind, p.read_bytes()) for p in files) == b"".join(b"%d\n" % n for n in range(1, 20001))


def test_rotation_keeps_so_many_files(shim, work, kind):
    path = work / "log"
    run(shim, kind, path, "seq 1 20000", max_size="65536", max_file=3)
    files = rotated(path)
    assert [p.name for p in files] == ["log.2", "log.1", "log"]
    lines = b"".join(text(kind, p.read_bytes()) for p in files).split()
    assert [int(line) for line in lines] == list(range(20001 - len(lines), 20001))


@pytest.mark.parametrize("options", ["max-size=1x", "max-size=-1", "stream=other", "max-file=0", "max-line=0", "max-line=99999999999", "colour=red"])
def test_bad_options(shim, work, kind, options):
    c = shim.sleeper().launch()
    uri = f"{kind.scheme}://{work}/log?{options}"
    assert c.fails(REFUSED, "Create", **c.create_fields(stdout=uri, stderr=uri))


@volume("lines", 300_000, 20_000_000)
def test_reopen_under_load(shim, work, kind, lines):
    """Renamed and reopened all the time, as kubelet does: each line once, in order, none split between two files."""
    path = work / "log"
    c = shim("seq", "1", str(lines))
    c.create(**uris(kind, path))
    client = c.connect(LOGS)
    c("Start")
    wait, count = c.send("Wait"), 0
    while not c.rpc.is_answered(wait):
        if path.exists():
            os.rename(path, work / f"kept.{count:06}")
            count += 1
        client.Reopen(container_id=c.id)
    c.rpc.result(wait)
    c.delete()
    files = [*sorted(work.glob("kept.*")), path]
    assert count > 3
    found, expected = hashlib.sha256(), hashlib.sha256()
    for file in files:
        found.update(text(kind, file.read_bytes()) if file.exists() else b"")
    for n in range(1, lines + 1):
        expected.update(b"%d\n" % n)
    assert found.hexdigest() == expected.hexdigest()


def test_reopen_without_a_log(shim):
    c = shim.sleeper().up()
    client = c.connect(LOGS)
    client.fails("FAILED_PRECONDITION", "Reopen", container_id=c.id)
    client.fails("NOT_FOUND", "Reopen", container_id="nobody")
    client.fails("NOT_FOUND", "Reopen", container_id=c.id, exec_id="nobody")


@volume("mib", 32, 2048)
def test_daemon_killed_in_the_middle(shim, work, kind, mib):
    """The log needs neither the daemon nor anybody else."""
    path = work / "log"
    c = shim(script=f"yes 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde | head -c {mib << 20}; echo end")
    c.up(**uris(kind, path))
    shim.daemon.stop()
    c.rpc.close()
    eventually(lambda: b"end" in tail(path), "all was written", timeout=60 + mib)
    shim.daemon.start()
    c.rpc = c.connect()
    assert finished(c)
    c.delete()
    with open(path, "rb") as file:
        count = sum(1 for _ in file)
    assert count == (mib << 20) // 64 + 1


def tail(path):
    if not path.exists():
        return b""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 200))
        return file.read()


def test_full_disk(shim, work, kind):
    """The process is not stopped by it. When there is room again, the log says how much is missing, and goes on."""
    small = work / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "small", str(small)], check=True)
    try:
        (small / "ballast").write_bytes(bytes(128 << 10))
        c = shim(script="head -c 5000700 /dev/zero | tr '\\0' x | fold -w 79; echo; touch /written; until [ -e /go ]; do sleep 0.02; done; echo last words")
        c.up(**uris(kind, small / "log"))
        eventually((c.bundle.rootfs / "written").exists, "the process is not held up")
        os.unlink(small / "ballast")
        (c.bundle.rootfs / "go").touch()
        assert finished(c)
        c.delete()
        lines = [line for _, _, line in kind.records((small / "log").read_bytes())]
        assert lines[-1] == b"last words\n" and lines[0] == b"x" * 79 + b"\n"
        assert any(re.search(rb"\d+ (bytes|records|lines)", line) for line in lines[1:-1]), lines[-5:]
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_log_that_cannot_be_opened(shim, work, kind):
    (work / "file").touch()
    c = shim.sleeper().launch()
    assert c.fails(REFUSED, "Create", **c.create_fields(**uris(kind, work / "file/log")))
    c.fails("NOT_FOUND", "State")


def test_log_file_is_private(shim, work, kind):
    run(shim, kind, work / "log", "echo x")
    assert (work / "log").stat().st_mode & 0o777 == 0o640


def test_many_small_writes_of_many_containers(shim, work, kind):
    """One shim, ten processes, each with a log: none gets another's lines."""
    c = shim.sleeper().up()
    threads = []
    for n in range(10):
        spec = {**c.bundle.process, "args": ["sh", "-c", f"i=0; while [ $i -lt 500 ]; do echo {n} $i; i=$((i+1)); done"]}
        c("Exec", exec_id=f"e{n}", spec=shim.api.json(json.dumps(spec)), **uris(kind, work / f"log{n}"))
        client = c.connect()
        threads.append(threading.Thread(target=lambda n=n, client=client: client.Start(id=c.id, exec_id=f"e{n}")))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(10):
        assert finished(c, f"e{n}")
        c("Delete", exec_id=f"e{n}")
        assert text(kind, (work / f"log{n}").read_bytes()) == b"".join(b"%d %d\n" % (n, i) for i in range(500))


def test_line_is_written_when_it_is_there(shim, work, kind):
    """`tail -f` sees it at once, not with the end of the process."""
    c = shim(script="echo now; sleep 1000")
    start = time.monotonic()
    c.up(**uris(kind, work / "log"))
    eventually(lambda: (work / "log").exists() and b"now" in (work / "log").read_bytes(), "the line is in the log")
    assert time.monotonic() - start < 10
