#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures containerd-shim-davit-v2 side by side with Debian's containerd-shim-runc-v2.

    bench/shim.py --shim BUILD/src/cmd/containerd-shim-davit-v2/containerd-shim-davit-v2 \\
        --davit BUILD/src/cmd/davit-oci/davit-oci [--log BUILD/bench/shim-log]

Each is driven as containerd drives it: the `start` command, then ttrpc; a process of ours takes the
events. By turns in one go, the order rotates, the first rounds do not count. Every shim is measured
over its own runtime, and containerd's over davit-oci as well, which shows what is the shim's part.

Memory is what nobody shares: Private_Clean + Private_Dirty of /proc/PID/smaps_rollup.

Needs root, Debian's busybox-static, containerd, runc, protobuf-compiler and python3-protobuf.
Nothing stays behind, after an error and after Ctrl-C neither.
"""

import argparse
import collections
import json
import os
import pathlib
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time

import bench
from bench import PATH, PATIENCE, WARM_UP, BenchError

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests/e2e"))
from harness import ttrpc  # noqa: E402
from harness.shim_api import OPTIONS, bootstrap  # noqa: E402
from harness.shim_daemon import FakeDaemon  # noqa: E402

GROUP = "io.containerd.runc.v2.group"
MORE = 10  # containers in one shim, besides the first
KIB, MIB = 1024, 1 << 20
LOG_MIB, LINES = 512, (8192, 80)
TIMES = {
    "start": "start of a shim",
    "exec": "exec of /bin/true: Exec+Start+Wait+Delete",
    "exec/start": "   Start",
    "cycle": "a container: Create+Start+Wait+Delete",
    "cycle/create": "   Create",
    "cycle/start": "   Start",
    "cycle/delete": "   Delete",
}
OURS, THEIRS = "davit", "containerd"
CLOCK = time.perf_counter_ns


def private_memory(pid):
    """KiB that no other process shares."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(("Private_Clean", "Private_Dirty")))


def reap(pid):
    """Waits for the end of a process that was left to us."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
        if time.monotonic() > deadline:
            raise BenchError(f"process {pid} does not end")
        time.sleep(0.0005)


class Sink:
    """The daemon's side, in a process of its own so that it does not disturb."""

    def __init__(self, api, directory):
        ready, child = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ready)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            bench.libc("prctl", bench.PR_SET_PDEATHSIG, signal.SIGKILL)
            FakeDaemon(api, directory)
            os.write(child, b"x")
            while True:
                signal.pause()
        os.close(child)
        if not select.select([ready], [], [], PATIENCE)[0] or os.read(ready, 1) != b"x":
            raise BenchError("the daemon's side does not start")
        os.close(ready)
        self.address = os.path.join(directory, "c.sock")


class Shim:
    """One running shim and a connection to it."""

    def __init__(self, peer, bundle, id):
        self.peer, self.id = peer, id
        self.microseconds, output = peer.start(bundle, id)
        _, address, _ = bootstrap(peer.api, output)
        self.rpc = ttrpc.Client(peer.api, address.removeprefix("unix://"))
        self.pid = self.rpc.Connect(id=id).shim_pid

    def shutdown(self):
        try:
            self.rpc.Shutdown(id=self.id)
        except ttrpc.Closed:
            pass
        self.rpc.close()
        os.close(self.peer.logs.pop(self.id))
        reap(self.pid)


class Peer:
    """A shim and the runtime below it."""

    def __init__(self, name, binary, runtime, place, api, sink):
        self.name, self.binary, self.runtime, self.place, self.api, self.sink = name, binary, runtime, place, api, sink
        self.failed, self.up, self.count = {}, None, 0
        self.env = {"PATH": f"{os.path.dirname(runtime)}:{PATH}", "TTRPC_ADDRESS": sink.address + ".ttrpc",
                    "GRPC_ADDRESS": sink.address, "NAMESPACE": "bench", "MAX_SHIM_VERSION": "2", "GOMAXPROCS": "2"}
        self.logs = {}    # id -> the fifo `log`, open for reading

    def new_bundle(self, what="sleep", group=None):
        """A directory named like the container, as the shim expects it, and the container's id."""
        self.count += 1
        id = f"{self.place.prefix}-{self.name}-{self.count}"
        path = os.path.join(self.place.top, "bundles", id)
        os.makedirs(os.path.join(path, "rootfs"))
        with open(os.path.join(self.place.bundle[what], "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        if group:
            config["annotations"] = {GROUP: group}
        with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        log = os.path.join(path, "log")
        os.mkfifo(log)
        self.logs[id] = os.open(log, os.O_RDWR | os.O_NONBLOCK)
        return path, id

    def start(self, bundle, id):
        """Runs `start`: its microseconds and what it printed."""
        argv = [self.binary, "-namespace", "bench", "-address", self.sink.address, "-publish-binary", "/bin/false", "-id", id, "start"]
        out, back = os.path.join(bundle, "start.out"), os.getcwd()
        actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                   (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                   (os.POSIX_SPAWN_DUP2, 1, 2)]
        os.chdir(bundle)
        begin = CLOCK()
        pid = os.posix_spawn(argv[0], argv, self.env, file_actions=actions)
        status = os.waitpid(pid, 0)[1]
        end = CLOCK()
        os.chdir(back)
        with open(out, "rb") as file:
            output = file.read()
        if status:
            raise BenchError(f"start: {output.decode(errors='replace')}")
        return (end - begin) / 1000, output

    def create_fields(self, bundle, id):
        options = self.api.any(OPTIONS, binary_name=self.runtime, root=os.path.join(self.place.state, self.name))
        return {"id": id, "bundle": bundle, "options": options}

    def run(self, bundle, id, shim=None):
        """A running container, in a shim of its own unless one is given."""
        if shim is None:
            shim = Shim(self, bundle, id)
        else:
            self.start(bundle, id)    # finds the one that runs
        shim.rpc.Create(**self.create_fields(bundle, id))
        shim.rpc.Start(id=id)
        return shim

    @staticmethod
    def end(shim, id):
        shim.rpc.Kill(id=id, signal=9)
        shim.rpc.Wait(id=id)
        shim.rpc.Delete(id=id)


# ---- what is measured ----------------------------------------------------------------------------


def timed(rpc, method, **fields):
    """Calls: (microseconds, answer)."""
    begin = CLOCK()
    answer = rpc.call(method, **fields)
    return (CLOCK() - begin) / 1000, answer


def op_start(peer):
    shim = Shim(peer, *peer.new_bundle())
    shim.shutdown()
    return {"start": shim.microseconds}


def op_exec(peer):
    if peer.up is None:
        bundle, id = peer.new_bundle()
        peer.up = peer.run(bundle, id)
        process = json.loads(pathlib.Path(bundle, "config.json").read_text(encoding="utf-8"))["process"]
        peer.spec = peer.api.json(json.dumps({**process, "args": ["/bin/true"]}))
    rpc, id = peer.up.rpc, peer.up.id
    begin = CLOCK()
    rpc.Exec(id=id, exec_id="e", spec=peer.spec)
    start, _ = timed(rpc, "Start", id=id, exec_id="e")
    rpc.Wait(id=id, exec_id="e")
    rpc.Delete(id=id, exec_id="e")
    return {"exec": (CLOCK() - begin) / 1000, "exec/start": start}


def op_cycle(peer):
    bundle, id = peer.new_bundle("true")
    shim = Shim(peer, bundle, id)
    begin = CLOCK()
    create, _ = timed(shim.rpc, "Create", **peer.create_fields(bundle, id))
    start, _ = timed(shim.rpc, "Start", id=id)
    shim.rpc.Wait(id=id)
    delete, _ = timed(shim.rpc, "Delete", id=id)
    whole = (CLOCK() - begin) / 1000
    shim.shutdown()
    return {"cycle": whole, "cycle/create": create, "cycle/start": start, "cycle/delete": delete}


def measure_memory(peer):
    """KiB, while another shim of the same binary runs, as on any machine with two pods; and of a shim that is alone:
    then the pages of its program are its own as well. A copy of the program is nobody else's."""
    found = memory_of_a_pod(peer)
    original, peer.binary = peer.binary, os.path.join(peer.place.top, "copy-of-" + os.path.basename(peer.binary))
    shutil.copy(original, peer.binary)
    try:
        return {**found, "alone": memory_of_a_pod(peer)["one"]}
    finally:
        os.unlink(peer.binary)
        peer.binary = original


def memory_of_a_pod(peer):
    """With one container, and for each of MORE others in the same shim."""
    group = f"{peer.place.prefix}-pod-{peer.name}-{peer.count}"
    first = peer.new_bundle(group=group)
    shim = peer.run(*first)
    ids = [first[1]]
    time.sleep(1)    # what Go's collector gives back
    one = private_memory(shim.pid)
    for _ in range(MORE):
        bundle, id = peer.new_bundle(group=group)
        peer.run(bundle, id, shim)
        ids.append(id)
    time.sleep(1)
    many = private_memory(shim.pid)
    for id in ids:
        peer.end(shim, id)
    shim.shutdown()
    return {"one": one, "more": (many - one) / MORE}


def cpu_seconds(pid):
    """Of all its threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="utf-8") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def measure_log(peer, length):
    """LOG_MIB of lines of that length, from a container into a file: MiB/s, and the shim's CPU time for a line in ns.
    Davit's shim writes them in CRI format; containerd's can only copy them, to a file of no format."""
    data = os.path.join(peer.place.rootfs, "data")
    with open(data, "wb") as file:
        file.write((b"x" * (length - 1) + b"\n") * (64 * MIB // length))
    bundle, id = peer.new_bundle()
    config = pathlib.Path(bundle, "config.json")
    spec = json.loads(config.read_text(encoding="utf-8"))
    spec["process"]["args"] = ["/bin/busybox", "cat", *["/data"] * (LOG_MIB // 64)]
    config.write_text(json.dumps(spec), encoding="utf-8")
    log = os.path.join(peer.place.state, "log")    # memory, not a disk
    uri = f"cri://{log}" if peer.name == OURS else f"file://{log}"
    shim = Shim(peer, bundle, id)
    stream = "?stream=stdout" if peer.name == OURS else ""
    shim.rpc.Create(**peer.create_fields(bundle, id), stdout=uri + stream, stderr="" if peer.name == OURS else uri)
    cpu, begin = cpu_seconds(shim.pid), CLOCK()
    shim.rpc.Start(id=id)
    shim.rpc.call("Wait", id=id, timeout=PATIENCE)
    shim.rpc.Delete(id=id)
    seconds, cpu = (CLOCK() - begin) / 1e9, cpu_seconds(shim.pid) - cpu
    size = os.path.getsize(log)
    os.unlink(log)
    os.unlink(data)
    shim.shutdown()
    n_lines = 64 * MIB // length * (LOG_MIB // 64)
    if size < n_lines * length:
        raise BenchError(f"only {size} bytes came into the log")
    return {"mib_s": n_lines * length / MIB / seconds, "ns_line": cpu / n_lines * 1e9}


def rounds(peers, n_rounds, settle):
    """(op, peer) -> microseconds"""
    samples = collections.defaultdict(list)
    for i in range(WARM_UP + n_rounds):
        for name, op in (("start", op_start), ("exec", op_exec), ("cycle", op_cycle)):
            turn = i % len(peers)
            for peer in peers[turn:] + peers[:turn]:
                if name in peer.failed:
                    continue
                time.sleep(settle)
                try:
                    found = op(peer)
                except (BenchError, OSError, AssertionError, ttrpc.RpcError, ttrpc.Closed) as err:
                    peer.failed[name] = f"{type(err).__name__}: {err}"
                    continue
                if i >= WARM_UP:
                    for key, value in found.items():
                        samples[key, peer.name].append(value)
        if sys.stderr.isatty():
            print(f"\rround {i + 1 - WARM_UP} of {n_rounds} ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return samples


# ---- the report ----------------------------------------------------------------------------------


def verdict(value, limit, is_met=None):
    return "met" if (value <= limit if is_met is None else is_met) else "NOT MET"


def print_table(samples, memory, peers):
    print("\nshim, microseconds: median / 90th percentile / fastest")
    print(f"{'':44}" + "".join(f"{peer.name:>26}" for peer in peers))
    for op, title in TIMES.items():
        cells = ""
        for peer in peers:
            values = samples.get((op, peer.name))
            text = f"{statistics.median(values):.0f} / {bench.percentile(values, 0.9):.0f} / {min(values):.0f}" if values else "-"
            cells += f"{text:>26}"
        print(f"{title:44}{cells}")
    print("\nshim, private memory, KiB")
    for key, title in (("one", "with one container"), ("more", f"for each more (of {MORE}, in the same shim)"),
                       ("alone", "with one container, the only shim that runs")):
        cells = "".join(f"{memory[peer.name][key]:>26.0f}" if memory.get(peer.name) else f"{'-':>26}" for peer in peers)
        print(f"{title:44}{cells}")


def print_logs(logs, peers):
    print(f"\nshim, {LOG_MIB} MiB from a container through its pipe into a file in memory: MiB/s, and the shim's CPU per line")
    for length in LINES:
        cells = ""
        for peer in peers:
            found = logs.get((length, peer.name))
            text = f"{found['mib_s']:.0f} MiB/s, {found['ns_line']:.0f} ns" if found else "-"
            cells += f"{text:>26}"
        print(f"{f'lines of {length} bytes':44}{cells}")


def print_goals(samples, memory, logs):
    print("\nshim: the budgets (ratios by the medians; in brackets by the fastest)")
    for op, limit in (("exec", 0.4), ("start", None), ("cycle", None)):
        ours, theirs = samples.get((op, OURS)), samples.get((op, THEIRS))
        if ours and theirs:
            ratio, fastest = (f(ours) / f(theirs) for f in (statistics.median, min))
            goal = f"goal <= {limit:g}  {verdict(ratio, limit)}" if limit else ""
            print(f"{TIMES[op]:44}{ratio:6.2f} ({fastest:.2f}) x {THEIRS:12} {goal}")
    if samples.get(("start", OURS)):
        median = statistics.median(samples["start", OURS]) / 1000
        print(f"{TIMES['start']:44}{median:6.2f} ms{'':20} goal <= 3  {verdict(median, 3)}")
    for key, limit, title in (("one", 0.6, "private memory with one container"), ("more", 0.1, "private memory for each more")):
        if memory.get(OURS):
            value = memory[OURS][key] / KIB
            ratio = f" ({value / (memory[THEIRS][key] / KIB):.2f} x {THEIRS})" if memory.get(THEIRS) and memory[THEIRS][key] > 0 else ""
            print(f"{title:44}{value:6.2f} MiB{ratio:19} goal <= {limit:g}  {verdict(value, limit)}")
    if logs.get((LINES[0], OURS)):
        rate = logs[LINES[0], OURS]["mib_s"] / KIB
        print(f"{'log of long lines':44}{rate:6.2f} GiB/s{'':17} goal >= 1  {verdict(rate, 1, rate >= 1)}")


def print_log(program):
    """The log writer without shim and pipe, from the io library's own program."""
    print("\nshim: log throughput", flush=True)
    done = subprocess.run([program], stdout=subprocess.PIPE, text=True, timeout=10 * PATIENCE, check=False)
    print(done.stdout.rstrip())
    if done.returncode:
        print(f"bench: {program}: exit status {done.returncode}", file=sys.stderr)


# ---- wiring --------------------------------------------------------------------------------------


def find_peers(args, place, api, sink):
    theirs, runc = shutil.which("containerd-shim-runc-v2", path=PATH), shutil.which("runc", path=PATH)
    found = []
    for name, shim, runtime in ((OURS, args.shim, args.davit), (THEIRS, theirs, runc), (THEIRS + "+davit-oci", theirs, args.davit)):
        if shim and runtime and os.access(shim, os.X_OK) and os.access(runtime, os.X_OK):
            found.append(Peer(name, os.path.abspath(shim), os.path.abspath(runtime), place, api, sink))
        else:
            print(f"bench: no {shim or 'shim'} over {runtime or 'runtime'}: {name} is left out", file=sys.stderr)
    return found


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shim", metavar="PATH", help="the containerd-shim-davit-v2 to measure")
    parser.add_argument("--davit", metavar="PATH", required=True, help="the davit-oci below it")
    parser.add_argument("--log", metavar="PATH", help="the program that measures the log writer")
    parser.add_argument("--rounds", type=int, metavar="N", help="default 50, with --quick 10")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--settle", type=float, default=10, metavar="MS", help="pause before each measurement (default 10)")
    parser.add_argument("--json", metavar="FILE", help="all figures, every sample")
    args, _ = parser.parse_known_args()    # `make bench BENCH=…` is for bench.py as well
    if not args.rounds:
        args.rounds = 10 if args.quick else 50
    return args


def measure(args, peers):
    samples = rounds(peers, args.rounds, args.settle / 1000)
    memory, logs = {}, {}
    for peer in peers:
        try:
            found = [measure_memory(peer) for _ in range(3)]
            memory[peer.name] = {key: statistics.median(f[key] for f in found) for key in found[0]}
        except (BenchError, OSError, AssertionError, ttrpc.RpcError, ttrpc.Closed) as err:
            peer.failed["memory"] = f"{type(err).__name__}: {err}"
        if peer.up:
            peer.end(peer.up, peer.up.id)
            peer.up.shutdown()
    for length in LINES:
        for peer in peers:
            try:
                found = [measure_log(peer, length) for _ in range(3)]
                logs[length, peer.name] = max(found, key=lambda f: f["mib_s"])
            except (BenchError, OSError, AssertionError, ttrpc.RpcError, ttrpc.Closed) as err:
                peer.failed[f"log of {length}-byte lines"] = f"{type(err).__name__}: {err}"
    return samples, memory, logs


def report(args, peers, samples, memory, logs):
    print_table(samples, memory, peers)
    print_logs(logs, peers)
    print_goals(samples, memory, logs)
    for peer in peers:
        for op, why in peer.failed.items():
            print(f"bench: {peer.name}: {op}: {why}", file=sys.stderr)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"microseconds": {f"{op} {name}": v for (op, name), v in samples.items()}, "memory_kib": memory}, file, indent=1)
    if args.log and os.access(args.log, os.X_OK):
        print_log(args.log)


def main():
    args = parse_args()
    if os.geteuid() != 0:
        raise BenchError("needs root")
    bench.libc("prctl", bench.PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, bench.stop)
    place, peers = None, []
    try:
        place = bench.Place()
        place.make_rootfs()
        place.make_bundles(args.davit)
        api = ttrpc.Api.compile(TOP / "api", place.top)
        peers = find_peers(args, place, api, Sink(api, place.top))
        bench.print_conditions(args.rounds, args.settle / 1000)
        if peers:
            report(args, peers, *measure(args, peers))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        bench.end_children()
        if place:
            place.clean()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BenchError as error:
        sys.exit(f"bench: {error}")
