# SPDX-License-Identifier: Apache-2.0
"""The Content service: what containerd's own suite for content stores checks, and what its clients rely on."""

import hashlib
import itertools
import random
import time

import pytest

from harness.grpc_client import fails
from harness.wait import eventually

pytestmark = pytest.mark.davit
STAT, WRITE, COMMIT = range(3)
KEEP = {"containerd.io/gc.root": "2026-01-01T00:00:00Z"}
seeds = itertools.count(int(time.time()))


def some_bytes(size):
    return random.Random(next(seeds)).randbytes(size)


def digest(data, name="sha256"):
    return f"{name}:{hashlib.new(name, data).hexdigest()}"


def seconds(stamp):
    return stamp.seconds + stamp.nanos / 1e9


def is_between(before, stamp, after):
    return before - 1e-6 <= seconds(stamp) <= after + 1e-6


class Writer:
    """As containerd's client: it knows the offset, and sends it with each request."""

    def __init__(self, client, ref, size=0, expected=""):
        self.stream = client.content.Write()
        self.offset = self.stat(ref=ref, total=size, expected=expected).offset

    def stat(self, **more):
        return self.stream(action=STAT, **more)

    def write(self, data, step=0):
        for at in range(0, len(data), step or len(data) or 1):
            answer = self.stream(action=WRITE, offset=self.offset, data=data[at:at + step if step else None])
            self.offset = answer.offset
        return self

    def truncate(self):
        self.stream(action=WRITE, offset=0)
        self.offset = 0

    def commit(self, size=0, expected="", labels=KEEP):
        answer = self.stream(action=COMMIT, offset=self.offset, total=size, expected=expected, labels=labels)
        assert self.stream.end() in ([], [answer])    # containerd says it twice
        return answer

    def close(self):
        return self.stream.end()


def put(client, data, ref=None, **kwargs):
    Writer(client, ref or digest(data), len(data), digest(data)).write(data).commit(len(data), digest(data), **kwargs)
    return digest(data)


def read(client, name, **kwargs):
    return b"".join(message.data for message in client.content.Read(digest=name, **kwargs))


def check_info(client, data, before, after, labels=KEEP):
    info = client.content.Info(digest=digest(data)).info
    assert (info.digest, info.size, dict(info.labels)) == (digest(data), len(data), labels)
    assert is_between(before, info.created_at, after)
    return info


def test_writers_with_all_that_may_be_known_before(client):
    for size, knows_size, knows_digest in [(256, 0, 0), (256, 1, 0), (256, 0, 1), (256, 1, 1), (1 << 22, 1, 1)]:
        data = some_bytes(size)
        w = Writer(client, f"c{size}{knows_size}{knows_digest}", size * knows_size, digest(data) * knows_digest)
        w.write(data, 32 if size == 256 else 1 << 20)
        before = time.time()
        assert w.commit().digest == digest(data)
        info = check_info(client, data, before, time.time())
        assert info.created_at == info.updated_at
        assert read(client, digest(data)) == data


def test_status_follows_the_writer(client):
    data = some_bytes(256)
    begin = time.time()
    w = Writer(client, "ref", 256, digest(data))
    opened, last = time.time(), begin
    for offset, more in (0, 0), (0, 64), (64, 128), (192, 64):
        if more:
            last = time.time()
            w.write(data[offset:offset + more])
        st = w.stat()
        assert (st.offset, st.total, st.digest) == (offset + more, 256, digest(data[:offset + more]))
        assert is_between(begin, st.started_at, opened) and is_between(last, st.updated_at, time.time())
    w.commit()
    check_info(client, data, last, time.time())


def test_a_writer_is_resumed(client):
    data = some_bytes(256)
    begin = time.time()
    w = Writer(client, "ref", 256, digest(data)).write(data[:128])
    first = w.stat()
    w.close()
    w = Writer(client, "ref", 256, digest(data))
    again = w.stat()
    assert (again.offset, again.total, again.digest) == (128, 256, digest(data[:128]))
    assert again.started_at == first.started_at
    assert is_between(begin, again.updated_at, time.time())
    assert w.write(data[128:]).stat().digest == digest(data)
    w.commit()
    assert read(client, digest(data)) == data


@pytest.mark.parametrize("way", ["truncate", "continue"])
def test_resuming_at_any_point(client, way):
    for size, part in itertools.product((500, 5000, 50000), (0, 0.1, 0.5, 0.9, 1)):
        data, limit = some_bytes(size), int(size * part)
        ref = f"ref-{size}-{part}"
        Writer(client, ref, size, digest(data)).write(data[:limit]).close()
        w = Writer(client, ref, size, digest(data))
        assert w.offset == limit
        if way == "truncate" and limit:
            w.truncate()
        before = time.time()
        w.write(data[w.offset:], 1024).commit(size, digest(data))
        check_info(client, data, before, time.time())
        assert read(client, digest(data)) == data


def test_what_exists_cannot_be_committed_again(client):
    data = some_bytes(256)
    put(client, data)
    for expected in digest(data), "":
        w = Writer(client, f"again-{expected}").write(data)
        with fails("ALREADY_EXISTS"):
            w.commit(len(data), expected)
        with fails("NOT_FOUND"):
            client.content.Status(ref=f"again-{expected}")


def test_what_exists_is_told_at_once(client):
    data = some_bytes(256)
    put(client, data)
    with fails("ALREADY_EXISTS") as f:
        Writer(client, "other", 256, digest(data))
    assert digest(data) in f.text
    w = Writer(client, "third").write(data[:10])
    with fails("ALREADY_EXISTS"):
        w.stat(expected=digest(data))
    with fails("NOT_FOUND"):
        client.content.Status(ref="third")


def is_locked(client, ref):
    with fails("UNAVAILABLE") as f:
        Writer(client, ref)
    assert ref in f.text
    return True


def test_a_commit_that_fails_leaves_the_ingest(client):
    data, other = some_bytes(256), some_bytes(256)
    put(client, data)
    w = Writer(client, "ref").write(data)
    assert is_locked(client, "ref")
    with fails("ALREADY_EXISTS"):
        w.commit(256, digest(data))
    w = Writer(client, "ref")
    assert w.offset == 0
    assert is_locked(client, "ref")
    w.write(data + b"more")
    with fails("FAILED_PRECONDITION"):
        w.commit(260, digest(other))
    w = Writer(client, "ref")
    assert w.offset == 260 and is_locked(client, "ref")
    with fails("FAILED_PRECONDITION"):
        w.commit(256)
    w = Writer(client, "ref")
    assert w.offset == 260
    w.commit(260)
    assert read(client, digest(data + b"more")) == data + b"more"
    for _ in range(2):
        Writer(client, "ref").close()


def test_labels_are_updated(client):
    data = some_bytes(256)
    before = time.time()
    put(client, data, labels={**KEEP, "k1": "v1", "k2": "v2"})
    check_info(client, data, before, time.time(), {**KEEP, "k1": "v1", "k2": "v2"})
    now = {**KEEP, "k1": "new", "k3": "v3"}
    info = client.content.Update(info={"digest": digest(data), "labels": now}).info
    assert dict(info.labels) == now and seconds(info.updated_at) > seconds(info.created_at)
    masks = [(["labels.k3", "labels.k1"], {"k1": "v1"}, {**KEEP, "k1": "v1"}),
             (["labels.a.dot"], {"a.dot": "x"}, {**KEEP, "k1": "v1", "a.dot": "x"}),
             (["labels"], {**KEEP, "only": "this"}, {**KEEP, "only": "this"})]
    for paths, given, expected in masks:
        client.content.Update(info={"digest": digest(data), "labels": given}, update_mask={"paths": paths})
        assert dict(client.content.Info(digest=digest(data)).info.labels) == expected, paths
    with fails("INVALID_ARGUMENT"):
        client.content.Update(info={"digest": digest(data)}, update_mask={"paths": ["size"]})
    with fails("INVALID_ARGUMENT"):
        client.content.Update(info={"digest": digest(data), "labels": {"k": "x" * 5000}})
    with fails("NOT_FOUND"):
        client.content.Update(info={"digest": digest(b"nobody has this"), "labels": {}})
    with fails("INVALID_ARGUMENT"):
        w = Writer(client, "long").write(b"x")
        w.commit(labels={"k": "x" * 5000})


def test_reading_parts(client):
    data = some_bytes((3 << 20) + 17)
    name, size = put(client, data), len(data)
    assert max(len(m.data) for m in client.content.Read(digest=name)) <= 1 << 20
    for offset, length in (0, 5), (5, 0), (5, 7), (size - 3, 100), (size, 0), (size, 4), (-1, 3), (1 << 20, 1 << 20), (3, -1):
        start = max(offset, 0)
        expected = data[start:start + length] if length > 0 else data[start:]
        assert read(client, name, offset=offset, size=length) == expected, (offset, length)
    with fails("OUT_OF_RANGE"):
        read(client, name, offset=size + 1)
    with fails("NOT_FOUND"):
        read(client, digest(b"nobody has this"))
    for bad in "", "sha256", "sha256:123", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:../../../../etc/passwd":
        with fails("INVALID_ARGUMENT"):
            read(client, bad)
        with fails("INVALID_ARGUMENT"):
            client.content.Info(digest=bad)
        with fails("INVALID_ARGUMENT"):
            client.content.Delete(digest=bad)


def test_an_empty_blob(client):
    Writer(client, "empty").commit(expected=digest(b""))
    assert client.content.Info(digest=digest(b"")).info.size == 0
    assert client.content.Read(digest=digest(b"")) == []


def test_requests_that_make_no_sense(client):
    with fails("INVALID_ARGUMENT"):
        client.content.Write()(action=STAT)
    with fails("FAILED_PRECONDITION"):
        client.using(namespace=None).content.Info(digest=digest(b""))
    with fails("INVALID_ARGUMENT"):
        client.using(namespace="not/a/name").content.Info(digest=digest(b""))
    w = Writer(client, "ref").write(b"12345")
    with fails("OUT_OF_RANGE"):
        w.stream(action=WRITE, offset=3, data=b"x")
    w = Writer(client, "ref")
    assert w.offset == 5
    with fails("OUT_OF_RANGE"):
        w.stream(action=WRITE, offset=6, data=b"x")
    w = Writer(client, "ref")
    w.stream(action=WRITE, offset=0, data=b"abc")
    st = w.stat()
    assert (st.offset, st.digest) == (3, digest(b"abc"))
    w.close()


def test_other_algorithms(client, store_daemon):
    data = some_bytes(1000)
    w = Writer(client, "early", 1000, digest(data, "sha512") if store_daemon.is_davit else "").write(data)
    w.commit(1000, digest(data, "sha512") if store_daemon.is_davit else "")
    if store_daemon.is_davit:    # 1.6 knows no other than sha256 for commits
        assert client.content.Info(digest=digest(data, "sha512")).info.size == 1000
        w = Writer(client, "late").write(data)
        w.commit(1000, digest(data, "sha384"))
        assert read(client, digest(data, "sha384")) == data


def test_ingests_are_listed_and_aborted(client):
    before = time.time()
    Writer(client, "one", 10).write(b"123").close()
    w = Writer(client, "two")
    st = client.content.Status(ref="one").status
    assert (st.ref, st.offset, st.total) == ("one", 3, 10)
    assert is_between(before, st.started_at, time.time()) and seconds(st.updated_at) >= seconds(st.started_at)
    assert sorted(s.ref for s in client.content.ListStatuses().statuses) == ["one", "two"]
    assert [s.ref for s in client.content.ListStatuses(filters=["ref==two"]).statuses] == ["two"]
    assert [s.ref for s in client.content.ListStatuses(filters=["ref~=/^o/", "ref==nothing"]).statuses] == ["one"]
    with fails("INVALID_ARGUMENT"):
        client.content.ListStatuses(filters=["ref=="])
    assert not client.using(namespace="elsewhere").content.ListStatuses().statuses
    client.content.Abort(ref="one")
    with fails("NOT_FOUND"):
        client.content.Status(ref="one")
    with fails("NOT_FOUND"):
        client.content.Abort(ref="one")
    w.close()
    client.content.Abort(ref="two")
    assert not client.content.ListStatuses().statuses


def test_blobs_are_listed_and_deleted(client):
    names = sorted(put(client, b"blob %d" % i, labels={**KEEP, "odd": str(i % 2)}) for i in range(230))
    messages = client.content.List()
    assert [i.digest for m in messages for i in m.info] == names
    assert max(len(m.info) for m in messages) <= 100
    found = [i.digest for m in client.content.List(filters=["labels.odd==1"]) for i in m.info]
    assert len(found) == 115
    assert [i.digest for m in client.content.List(filters=[f"digest=={names[7]}"]) for i in m.info] == [names[7]]
    assert [i for m in client.content.List(filters=["size==0"]) for i in m.info] == []
    with fails("INVALID_ARGUMENT"):
        client.content.List(filters=["labels.\"odd"])
    assert client.using(namespace="elsewhere").content.List() == []
    client.content.Delete(digest=names[0])
    with fails("NOT_FOUND"):
        client.content.Delete(digest=names[0])
    with fails("NOT_FOUND"):
        read(client, names[0])


def test_namespaces_share_what_they_know(client, store_daemon):
    data = some_bytes(1000)
    put(client, data)
    other = store_daemon.client()
    w = Writer(other, "ref", 1000, digest(data))
    st = w.stat()
    assert (st.offset, st.total, st.digest) == (1000, 1000, digest(data))
    w.commit(1000, digest(data), labels={**KEEP, "mine": "yes"})
    assert read(other, digest(data)) == data
    assert dict(client.content.Info(digest=digest(data)).info.labels) == KEEP
    client.content.Delete(digest=digest(data))
    assert read(other, digest(data)) == data


def test_what_is_shared_can_be_appended_to(client, store_daemon):
    data, more = some_bytes(1000), b"appended bytes"
    put(client, data)
    other = store_daemon.client()
    w = Writer(other, "ref", 1000, digest(data)).write(more)
    assert w.offset == 1000 + len(more)
    w.commit(1000 + len(more), digest(data + more))
    assert read(other, digest(data + more)) == data + more
    assert read(client, digest(data)) == data
    with fails("NOT_FOUND"):
        read(other, digest(data))


def test_a_client_that_goes_away_gives_the_ref_back(client):
    w = Writer(client, "ref", 100).write(b"12345")
    w.stream.cancel()

    def resumed():
        try:
            again = Writer(client, "ref", 100)
        except Exception:
            return False
        assert again.offset == 5
        again.close()
        return True

    eventually(resumed, "the ref is free")


def test_large_messages(client):
    data = some_bytes(12 << 20)
    w = Writer(client, "ref", len(data), digest(data)).write(data)
    w.commit(len(data), digest(data))
    assert read(client, digest(data)) == data


def test_an_upload_survives_a_crash_of_the_daemon(client, store_daemon):
    data = some_bytes(3 << 20)
    put(client, b"committed before")
    Writer(client, "ref", len(data), digest(data)).write(data[:2 << 20])
    store_daemon.crash()
    client = store_daemon.client(client.namespace)
    assert read(client, digest(b"committed before")) == b"committed before"
    st = client.content.Status(ref="ref").status
    assert (st.offset, st.total) == (2 << 20, len(data))
    w = Writer(client, "ref", len(data), digest(data))
    assert w.offset == 2 << 20
    w.write(data[2 << 20:]).commit(len(data), digest(data))
    assert read(client, digest(data)) == data


def test_many_writers_of_one_blob(client):
    data = some_bytes(100000)
    writers = [Writer(client, f"ref{i}", len(data), digest(data)).write(data) for i in range(8)]
    outcomes = []
    for w in writers:
        try:
            w.commit(len(data), digest(data))
            outcomes.append("made")
        except Exception as error:
            outcomes.append(error.code().name)
    assert outcomes == ["made"] + ["ALREADY_EXISTS"] * 7
    assert read(client, digest(data)) == data
    assert not client.content.ListStatuses().statuses
