#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures davitd side by side with Debian's containerd, each over its own shim and runtime.

    bench/daemon.py --build BUILD [--rounds N] [--image-mib N] [--containers N] [--stopped N] [--only WHAT,...]

Both daemons have directories of their own, the same client (ctr) and the same images; they are measured in
turns, the order rotates, the first round does not count. WHAT: events, run, import, memory, calls, restart.

Needs root, Debian's busybox-static, containerd and runc. Nothing stays behind.
"""

import argparse
import collections
import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/e2e"))
from harness import leftovers  # noqa: E402
from harness.containerd import CONFIG  # noqa: E402

IMAGE, BIG = "davit.test/busybox:1", "davit.test/big:1"
BUSYBOX = "/bin/busybox"
GOALS = {"run": "< 0.3", "import": "<= 0.5", "restart": "< 1 s"}


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layout(path, name, layers):
    """An OCI archive of @layers, tar archives."""
    packed = [gzip.compress(layer, 6) for layer in layers]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
                         "rootfs": {"type": "layers", "diff_ids": [sha(layer) for layer in layers]}}).encode()
    kind = "application/vnd.oci.image."
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", "digest": sha(config), "size": len(config)},
        "layers": [{"mediaType": kind + "layer.v1.tar+gzip", "digest": sha(blob), "size": len(blob)} for blob in packed]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [{
        "mediaType": kind + "manifest.v1+json", "digest": sha(manifest), "size": len(manifest),
        "annotations": {"io.containerd.image.name": name}}]}).encode()
    with tarfile.open(path, "w") as archive:
        for file, data in [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index),
                           *((f"blobs/sha256/{sha(blob)[7:]}", blob) for blob in (config, manifest, *packed))]:
            info = tarfile.TarInfo(file)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def busybox_layer():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(BUSYBOX, "bin/busybox")
        for name in ("true", "sh", "sleep"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return out.getvalue()


def big_layers(mib, count=3):
    """Layers of this machine's /usr, @mib together before compression."""
    layers, out, archive = [], None, None
    limit = (mib << 20) // count
    for directory, _, names in sorted(os.walk("/usr")):
        for name in sorted(names):
            path = os.path.join(directory, name)
            if not (os.path.isfile(path) or os.path.islink(path)):
                continue
            if archive is None:
                out = io.BytesIO()
                archive = tarfile.open(fileobj=out, mode="w")
            archive.add(path, path[1:], recursive=False)
            if out.tell() >= limit:
                archive.close()
                layers.append(out.getvalue())
                archive = None
                if len(layers) == count:
                    return layers
    archive.close()
    return [*layers, out.getvalue()]


class Peer:
    def __init__(self, name, command, runtime, directory, path):
        self.name, self.command, self.runtime, self.directory = name, command, runtime, directory
        self.env = {"PATH": path, "HOME": str(directory), "LC_ALL": "C.UTF-8"}
        self.start()

    def start(self):
        """Seconds until it has answered."""
        before = time.perf_counter()
        with open(self.directory / "log", "a") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, cwd=self.directory)
        while subprocess.run(self.ctr_command("version"), capture_output=True, env=self.env, timeout=60).returncode:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} does not run: {(self.directory / 'log').read_text()[-500:]}")
            time.sleep(0.005)
        return time.perf_counter() - before

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ctr_command(self, *args):
        return ["ctr", "--address", str(self.directory / "sock"), "--timeout", "5s" if args == ("version",) else "0", *map(str, args)]

    def ctr(self, *args):
        done = subprocess.run(self.ctr_command(*args), capture_output=True, text=True, env=self.env, timeout=600)
        if done.returncode:
            sys.exit(f"{self.name}: ctr {args}: {done.stderr}")
        return done.stdout

    def run(self, number):
        """A container from end to end, by the client that belongs to the daemon."""
        if self.name != "davit":
            return self.ctr("run", "--rm", "--runtime", self.runtime, IMAGE, f"end-{number}", "true")
        done = subprocess.run(["davit", "--address", str(self.directory / "sock"), "run", "--rm", IMAGE, "true"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.env, timeout=600)
        return sys.exit(f"davit run: {done.stderr}") if done.returncode else done.stdout

    def rss(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

    def stop(self):
        for row in self.ctr("tasks", "ls", "-q").split():
            subprocess.run(self.ctr_command("tasks", "rm", "--force", row), capture_output=True, env=self.env)
        self.process.terminate()
        self.process.wait()
        leftovers.sweep([str(self.directory)])
        shutil.rmtree(self.directory, ignore_errors=True)


def timed(fn, *args):
    before = time.perf_counter()
    fn(*args)
    return time.perf_counter() - before


def in_turns(peers, rounds, measure, after=lambda peer: None):
    """Medians, by name."""
    found = collections.defaultdict(list)
    for number in range(rounds + 1):
        for peer in peers if number % 2 else reversed(peers):
            value = measure(peer, number)
            after(peer)
            if number:
                found[peer.name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}, {name: min(values) for name, values in found.items()}


def report(what, values, unit="ms", scale=1000, goal=""):
    ours, theirs = values["davit"], values["containerd"]
    ratio = f"{ours / theirs:5.2f}" if theirs else "    -"
    print(f"{what:42} {ours * scale:10.1f} {theirs * scale:10.1f} {unit:4} {ratio}  {goal}", flush=True)


def bench_run(peers, options):
    middle, fastest = in_turns(peers, options.rounds, lambda peer, number: timed(peer.run, number))
    report("davit run --rm, ctr run --rm, /bin/true", middle, goal=GOALS["run"])
    report("   the fastest", fastest)
    middle, fastest = in_turns(peers, options.rounds, lambda peer, number: timed(
        peer.ctr, "run", "--rm", "--runtime", peer.runtime, IMAGE, f"run-{number}", "true"))
    report("ctr run --rm on both, /bin/true", middle)
    report("   the fastest", fastest)
    middle, _ = in_turns(peers, options.rounds, lambda peer, number: timed(peer.ctr, "version"))
    report("   of it: ctr version, for the client's part", middle)


def bench_import(peers, options):
    archive = options.directory / "big.tar"
    layout(archive, BIG, big_layers(options.image_mib))

    def forget(peer):
        peer.ctr("images", "rm", "--sync", BIG)
        subprocess.run(["sync"], check=True)

    middle, fastest = in_turns(peers, 3, lambda peer, number: timed(peer.ctr, "images", "import", archive), forget)
    report(f"ctr images import, {archive.stat().st_size >> 20} MiB of {options.image_mib}", middle, goal=GOALS["import"])
    report("   the fastest", fastest)


def bench_memory(peers, options):
    report("RSS, idle", {peer.name: peer.rss() for peer in peers}, "MiB", 1, "<= 12")
    for peer in peers:
        for number in range(options.containers):
            peer.ctr("run", "-d", "--runtime", peer.runtime, IMAGE, f"many-{number}", "sleep", "100000")
    time.sleep(3)    # both give memory back only after a while
    report(f"RSS, {options.containers} containers", {peer.name: peer.rss() for peer in peers}, "MiB", 1, "<= 30")


def load(peer, options, *args):
    done = subprocess.run([options.build / "bench/grpc-load", peer.directory / "sock", *map(str, args)], capture_output=True, text=True, timeout=300)
    if done.returncode:
        sys.exit(f"{peer.name}: grpc-load {args}: {done.stderr}")
    return json.loads(done.stdout)


def bench_calls(peers, options):
    for method in ("version", "containers"):
        middle, _ = in_turns(peers, 3, lambda peer, number: timed(load, peer, options, "calls", method, 1000, 10))
        report(f"1000 calls, ten at a time: {method}", middle)


def bench_events(peers, options):
    middle, _ = in_turns(peers, 3, lambda peer, number: timed(load, peer, options, "events", 100, 1000))
    report("1000 events to 100 listeners", middle)


def bench_restart(peers, options):
    for peer in peers:
        for number in range(options.stopped):
            peer.ctr("containers", "create", "--runtime", peer.runtime, IMAGE, f"stopped-{number}", "true")

    def restart(peer, number):
        peer.kill()
        return peer.start() + timed(peer.ctr, "tasks", "ls")

    middle, _ = in_turns(peers, 3, restart)
    running = {peer.name: len(peer.ctr("tasks", "ls", "-q").split()) for peer in peers}
    report(f"start, {options.stopped} stopped + {running['davit']} running; tasks ls", middle, goal=GOALS["restart"])


BENCHES = {"events": bench_events, "run": bench_run, "import": bench_import, "memory": bench_memory, "calls": bench_calls, "restart": bench_restart}


def make_peers(options):
    ours, theirs = options.directory / "davit", options.directory / "containerd"
    ours.mkdir()
    theirs.mkdir()
    programs = options.build / "src/cmd"
    path = ":".join([*(str(programs / name) for name in ("davit", "davit-oci", "davit-unpack", "containerd-shim-davit-v2")), "/usr/sbin:/usr/bin:/sbin:/bin"])
    (theirs / "config.toml").write_text(CONFIG.format(directory=theirs))
    yield Peer("davit", [programs / "davitd/davitd", "--root", ours / "root", "--state", ours / "state", "--address", ours / "sock"],
               "io.containerd.davit.v2", ours, path)
    yield Peer("containerd", ["containerd", "--config", theirs / "config.toml"], "io.containerd.runc.v2", theirs, "/usr/sbin:/usr/bin:/sbin:/bin")


def main():
    parser = argparse.ArgumentParser(description="davitd beside containerd")
    parser.add_argument("--build", type=lambda text: pathlib.Path(text).resolve(), required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--image-mib", type=int, default=300)
    parser.add_argument("--containers", type=int, default=100)
    parser.add_argument("--stopped", type=int, default=200)
    parser.add_argument("--only", default=",".join(BENCHES))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with contextlib.ExitStack() as stack:
        options.directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="davit-bench-")))
        layout(options.directory / "small.tar", IMAGE, [busybox_layer()])
        peers = []
        for peer in make_peers(options):
            stack.callback(peer.stop)
            peers.append(peer)
            peer.ctr("images", "import", options.directory / "small.tar")
        print(f"{'':42} {'davitd':>10} {'containerd':>10}      ratio  goal")
        for what in options.only.split(","):
            BENCHES[what](peers, options)


if __name__ == "__main__":
    main()
