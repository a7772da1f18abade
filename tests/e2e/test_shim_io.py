# SPDX-License-Identifier: Apache-2.0
"""Standard streams: fifos, terminals, files, nothing; byte by byte, whatever their readers do."""

import hashlib
import os
import threading

import pytest

from harness import leftovers
from harness.fifo import Reader
from harness.shim_fixtures import is_davits
from harness.shim_volume import MIB, REFUSED, expected_hash, finished, random_file, volume
from harness.wait import eventually

# ---- fifos -----------------------------------------------------------------------------------------------


@volume("mib", 64, 4096)
def test_large_output(shim, mib):
    c = shim(script=f"i=0; while [ $i -lt {mib // 8} ]; do cat /data; i=$((i+1)); done")
    data = random_file(c)
    io = c.fifos(keep=False)
    c.up(io=io)
    assert finished(c)
    assert io.out.wait_end(timeout=60) == mib * MIB
    assert io.out.hash.hexdigest() == expected_hash(data, mib // 8)
    assert io.err.wait_end() == 0


@volume("mib", 16, 1024)
def test_both_streams_at_once(shim, mib):
    c = shim(script=f"for s in 1 2; do (i=0; while [ $i -lt {mib} ]; do cat /data$s >&$s; i=$((i+1)); done) & done; wait")
    data = {stream: random_file(c, f"data{stream}", MIB) for stream in (1, 2)}
    io = c.fifos(keep=False)
    c.up(io=io)
    assert finished(c)
    for reader, stream in ((io.out, 1), (io.err, 2)):
        assert reader.wait_end(timeout=60) == mib * MIB
        assert reader.hash.hexdigest() == expected_hash(data[stream], mib)


@volume("mib", 2, 256)
def test_slow_reader(shim, mib):
    c = shim("cat", "/data")
    data = random_file(c, size=mib * MIB)
    io = c.fifos(chunk=4096, pause=0.0005, keep=False)
    c.up(io=io)
    assert finished(c)
    assert io.out.wait_end(timeout=600) == len(data)
    assert io.out.hash.hexdigest() == expected_hash(data, 1)


@volume("mib", 8, 512)
def test_reader_that_goes_away_and_returns(shim, mib):
    """The process waits meanwhile, and nothing that it wrote is lost."""
    c = shim("cat", "/data")
    data = random_file(c, size=mib * MIB)
    part = len(data) // 12
    io = c.fifos(enough=part)
    c.up(io=io)
    pieces, reader = [], io.out
    for _ in range(10):
        eventually(lambda: reader.length >= part, "some of it has come")
        pieces.append(reader.close())
        assert c.status() == "running"
        reader = io.readers["stdout"] = Reader(io.paths["stdout"], enough=part)
    pieces.append(reader.close())
    io.readers["stdout"] = Reader(io.paths["stdout"])
    io.out.wait_end(timeout=120)
    assert finished(c)
    assert b"".join([*pieces, io.out.data]) == data


@pytest.mark.davit_shim    # with containerd's all of that is lost
def test_reader_that_comes_when_all_is_over(shim):
    """The process wrote, ended, and nobody was there. The end of the file comes too."""
    c = shim(script="echo one; echo two >&2")
    io = c.fifos()
    c.create(io=io)
    for reader in io.readers.values():
        reader.close()
    c("Start")
    assert finished(c)
    late = {name: Reader(path) for name, path in io.paths.items()}
    io.readers = late
    assert late["stdout"].wait_end() == "one\n" and late["stderr"].wait_end() == "two\n"


@pytest.mark.davit_shim    # containerd's waits in Create for the readers
def test_nobody_reads_yet(shim):
    c = shim(script="echo one")
    io = c.fifos()
    for reader in io.readers.values():
        reader.close()
    c.up(io=io)
    assert finished(c)
    io.readers = {name: Reader(path) for name, path in io.paths.items()}
    assert io.out.wait_end() == "one\n"


def test_reader_that_goes_away_after_the_end(shim):
    c = shim(script="echo one")
    io = c.fifos()
    c.up(io=io)
    io.out.wait_text("one")
    io.out.close()
    assert finished(c)
    c.delete()


def test_process_never_gets_sigpipe(shim):
    c = shim(script="trap 'echo pipe > /pipe' PIPE; i=0; while [ $i -lt 100 ]; do echo line $i || echo failed > /failed; i=$((i+1)); done; touch /done")
    io = c.fifos()
    c.create(io=io)
    for reader in io.readers.values():
        reader.close()
    c("Start")
    assert finished(c)
    assert (c.bundle.rootfs / "done").exists()
    assert not (c.bundle.rootfs / "pipe").exists() and not (c.bundle.rootfs / "failed").exists()


@volume("mib", 32, 1024)
def test_daemon_killed_in_the_middle(shim, mib):
    """Daemon and client go together; both return."""
    c = shim(script=f"i=0; while [ $i -lt {mib // 8} ]; do cat /data; i=$((i+1)); done")
    data = random_file(c)
    io = c.fifos()
    c.up(io=io)
    eventually(lambda: io.out.length > MIB, "it has begun")
    shim.daemon.stop()
    c.rpc.close()
    first = io.out.close()
    shim.daemon.start()
    c.rpc = c.connect()
    assert c.status() == "running"
    io.readers["stdout"] = Reader(io.paths["stdout"], keep=False)
    assert finished(c)
    io.out.wait_end(timeout=120)
    assert len(first) + io.out.length == mib * MIB
    whole = data * 2
    middle = len(first) % len(data)
    tail, found = hashlib.sha256(), hashlib.sha256(first).hexdigest()
    tail.update(whole[middle:middle + (len(data) - middle)])
    for _ in range((mib * MIB - len(first)) // len(data)):
        tail.update(data)
    assert found == hashlib.sha256((data * (len(first) // len(data) + 1))[:len(first)]).hexdigest()
    assert io.out.hash.hexdigest() == tail.hexdigest()


@volume("mib", 32, 1024)
def test_large_input(shim, mib):
    """Through stdin, and back."""
    c = shim("cat")
    data = os.urandom(MIB)
    io = c.fifos(stdin=True, keep=False)
    c.up(io=io)

    def feed():
        for _ in range(mib):
            io.write(data)
        io.close_stdin()
        c.connect().CloseIO(id=c.id, stdin=True)
    thread = threading.Thread(target=feed)
    thread.start()
    assert finished(c)
    thread.join()
    assert io.out.wait_end(timeout=120) == mib * MIB
    assert io.out.hash.hexdigest() == expected_hash(data, mib)


def test_input_that_is_closed_while_it_is_on_its_way(shim):
    """CloseIO comes before the process has read a byte."""
    c = shim(script="until [ -e /go ]; do sleep 0.02; done; md5sum")
    io = c.fifos(stdin=True)
    c.up(io=io)
    data = os.urandom(40_000)
    io.write(data)
    io.close_stdin()
    c("CloseIO", stdin=True)
    (c.bundle.rootfs / "go").touch()
    assert finished(c)
    assert io.out.wait_end().split()[0] == hashlib.md5(data).hexdigest()


def test_client_that_leaves_does_not_end_the_input(shim):
    c = shim("cat")
    io = c.fifos(stdin=True)
    c.up(io=io)
    for n in range(5):
        io.write(f"{n}\n")
        io.out.wait_text(f"{n}\n")
        io.close_stdin()
        assert c.status() == "running"


@pytest.mark.davit_shim    # containerd's leaves the container
def test_fifo_that_does_not_exist(shim):
    c = shim.sleeper().launch()
    missing = str(shim.work / "missing/fifo")
    c.fails(REFUSED, "Create", **c.create_fields(stdout=missing, stderr=missing))
    c.fails("NOT_FOUND", "State")
    assert not leftovers.cgroups([c.id])


def test_descriptors_are_closed(shim):
    c = shim.sleeper().up()
    before = len(c.descriptors())
    for n in range(20):
        io = c.fifos(stdin=True)
        c.exec(f"e{n}", "echo", "x", io=io)
        assert finished(c, f"e{n}") and io.out.wait_end() == "x\n"
        c("Delete", exec_id=f"e{n}")
    eventually(lambda: len(c.descriptors()) <= before, f"as many descriptors as before: {c.descriptors()}")


# ---- terminals -------------------------------------------------------------------------------------------


@volume("mib", 4, 256)
def test_large_output_of_a_terminal(shim, mib):
    c = shim(script="stty raw; cat /data")
    data = random_file(c, size=mib * MIB)
    io = c.fifos(stderr=False, keep=False)
    c.up(io=io, terminal=True)
    assert finished(c)
    assert io.out.wait_end(timeout=120) == len(data)
    assert io.out.hash.hexdigest() == expected_hash(data, 1)


def test_input_of_a_terminal(shim):
    """Raw, so that the bytes are the bytes."""
    c = shim(script="stty raw -echo; echo ready; head -c 200000 | md5sum")
    io = c.fifos(stdin=True, stderr=False)
    c.up(io=io, terminal=True)
    io.out.wait_text("ready")
    data = os.urandom(200_000)
    io.write(data)
    assert finished(c)
    assert hashlib.md5(data).hexdigest() in io.out.wait_end()


def test_reader_of_a_terminal_that_goes_away_and_returns(shim):
    c = shim(script="stty raw; i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done")
    io = c.fifos(stderr=False)
    c.up(io=io, terminal=True)
    eventually(lambda: io.out.length > 1000, "it has begun")
    first = io.out.close()
    io.readers["stdout"] = Reader(io.paths["stdout"])
    assert finished(c)
    text = (first + io.out.wait_end().encode()).decode()
    assert text.split("\n")[:-1] == [f"line {n}" for n in range(3000)]


# ---- files -----------------------------------------------------------------------------------------------


def test_file(shim, work):
    path = work / "logs/deep/out.log"
    c = shim(script="echo out; sleep 0.05; echo err >&2" if is_davits() else "echo out")
    uri = f"file://{path}"
    c.up(stdout=uri, stderr=uri)
    assert finished(c)
    c.delete()
    assert path.read_text() == ("out\nerr\n" if is_davits() else "out\n")    # containerd's may lose one of two
    assert path.stat().st_mode & 0o777 == 0o644 and path.parent.stat().st_mode & 0o777 == 0o755


def test_file_is_appended_to(shim, work):
    path = work / "out.log"
    path.write_text("before\n")
    c = shim(script="echo after")
    for _ in range(2):
        c.up(stdout=f"file://{path}", stderr=f"file://{path}")
        assert finished(c)
        c.delete()
    assert path.read_text() == "before\nafter\nafter\n"


@pytest.mark.davit_shim    # containerd's takes stdout's for both
def test_two_files(shim, work):
    c = shim(script="echo out; echo err >&2")
    c.up(stdout=f"file://{work}/out", stderr=f"file://{work}/err")
    assert finished(c)
    c.delete()
    assert (work / "out").read_text() == "out\n" and (work / "err").read_text() == "err\n"


@volume("mib", 64, 2048)
def test_large_file(shim, work, mib):
    c = shim(script=f"i=0; while [ $i -lt {mib // 8} ]; do cat /data; i=$((i+1)); done")
    data = random_file(c)
    c.up(stdout=f"file://{work}/out", stderr=f"file://{work}/out")
    assert finished(c)
    c.delete()
    with open(work / "out", "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == expected_hash(data, mib // 8)
    os.unlink(work / "out")


def test_file_that_cannot_be_made(shim, work):
    (work / "file").touch()
    c = shim.sleeper().launch()
    uri = f"file://{work}/file/below/out"
    c.fails(REFUSED, "Create", **c.create_fields(stdout=uri, stderr=uri))
    c.fails("NOT_FOUND", "State")


# ---- nothing, and what is no scheme ------------------------------------------------------------------------


def test_nothing(shim):
    c = shim(script="for n in 0 1 2; do x=\"$x $(readlink /proc/1/fd/$n)\"; done; echo $x > /streams; head -c 100000000 /dev/zero").up()
    assert finished(c)
    assert (c.bundle.rootfs / "streams").read_text().split() == ["/dev/null"] * 3


@pytest.mark.parametrize("uri", [
    "gopher://x/y", "http://127.0.0.1/", "streaming+ttrpc://x", "binary:///no/such/logger",
    pytest.param("fifo:///no/such/fifo", marks=pytest.mark.davit_shim), pytest.param("cri://relative", marks=pytest.mark.davit_shim),
    pytest.param("json:///x?max-size=much", marks=pytest.mark.davit_shim), pytest.param("file://", marks=pytest.mark.davit_shim)])
def test_schemes_that_do_not_work(shim, uri):
    c = shim.sleeper().launch()
    assert c.fails(REFUSED, "Create", **c.create_fields(stdout=uri, stderr=uri))
    c.fails("NOT_FOUND", "State")
    c.up()


@pytest.mark.davit_shim    # containerd's opens the URI as a path
def test_fifo_scheme(shim):
    c = shim(script="echo out; echo err >&2")
    io = c.fifos()
    uris = {name: f"fifo://{path}" for name, path in io.fields.items()}
    c.create(**uris)
    c("Start")
    assert finished(c)
    assert (io.out.wait_end(), io.err.wait_end()) == ("out\n", "err\n")
