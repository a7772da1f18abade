#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures davit-oci side by side with runc, crun and `bare`, the system calls alone.

    bench/bench.py --davit BUILD/src/cmd/davit-oci/davit-oci --bare BUILD/bench/bare

All of them get the same rootfs (busybox) and the config that `runc spec` writes, run by turns in
one go (every round has each of them once, the order rotates, the first rounds do not count), and
each has its own --root. A time is that of spawn to wait4, seen from a process that does nothing
else.

crun 1.8 refuses hybrid hierarchies. Its worker has a mount namespace in which a tmpfs hides the v2
tree; that happens once, before anything is timed.

Needs root, Debian's busybox-static, and of the peers those that are to be measured. Nothing stays
behind: containers, cgroups, mounts and files go at the end, after an error and after Ctrl-C too.
"""

import argparse
import collections
import ctypes
import gc
import glob
import json
import os
import re
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

WARM_UP = 3
BURST = 10
PATIENCE = 60  # seconds for one command
GOALS = (("bare", 1.5, "<="), ("crun", 0.55, "<"), ("runc", 0.2, "<"))
OPS = {
    "floor": "any program (bare nothing)",
    "run": "run /bin/true",
    "burst": "run /bin/true, ten in a row, each",
    "exec": "exec /bin/true",
    "delete": "delete -f of a running container",
    "cycle": "create + start + delete",
    "create": "   create",
    "start": "   start",
    "remove": "   delete",
}
CGROUP_ROOT = "/sys/fs/cgroup"
UNIFIED = CGROUP_ROOT + "/unified"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class BenchError(Exception):
    """Something the person at the keyboard has to know; ends the program."""


def libc(name, *args):
    """Calls a C function that returns -1 on failure."""
    args = [arg.encode() if isinstance(arg, str) else arg for arg in args]
    if getattr(LIBC, name)(*args) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def is_mount(path, fs_type):
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return any(line.split()[1:3] == [path, fs_type] for line in mounts)


# ---- the worker: spawns and times ----------------------------------------------------------------


class Worker:
    """A process that runs commands on demand and says how long each took."""

    def __init__(self, log_path, cwd, hide_unified):
        request, self._to = os.pipe()
        self._from, reply = os.pipe()
        self._log_path, self._cwd = log_path, cwd
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(self._to)
                os.close(self._from)
                self._main(request, reply, hide_unified)
                status = 0
            except Exception as err:  # pylint: disable=broad-except
                print(f"bench: worker: {err}", file=sys.stderr)
            finally:
                os._exit(status)
        os.close(request)
        os.close(reply)
        self._replies = os.fdopen(self._from, encoding="utf-8")
        self._is_usable = True

    def _main(self, request, reply, hide_unified):
        os.setpgid(0, 0)  # Ctrl-C is for the harness, which then ends us in good order
        libc("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if hide_unified:
            libc("unshare", CLONE_NEWNS)
            libc("mount", None, "/", None, MS_REC | MS_PRIVATE, None)
            libc("umount2", UNIFIED, MNT_DETACH)
            libc("mount", "hidden", UNIFIED, "tmpfs", 0, None)
        os.chdir(self._cwd)
        null = os.open("/dev/null", os.O_RDWR)
        log = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for target, source in ((0, null), (1, null), (2, log)):
            os.dup2(source, target)
        env = {"PATH": PATH}
        gc.disable()
        with os.fdopen(request, encoding="utf-8") as requests:
            for line in requests:
                n, argv = json.loads(line)
                begin = time.perf_counter_ns()
                for _ in range(n):
                    pid = os.posix_spawn(argv[0], argv, env)
                    status = os.wait4(pid, 0)[1]
                    if status:
                        break
                end = time.perf_counter_ns()
                answer = [(end - begin) / n, os.waitstatus_to_exitcode(status)]
                os.write(reply, (json.dumps(answer) + "\n").encode())

    def run(self, argv, n=1):
        """Returns microseconds per run; raises BenchError with the command's own words."""
        if not self._is_usable:
            raise BenchError("an earlier command did not end")
        log_size = os.path.getsize(self._log_path) if os.path.exists(self._log_path) else 0
        os.write(self._to, (json.dumps([n, argv]) + "\n").encode())
        ready, _, _ = select.select([self._replies], [], [], PATIENCE)
        line = self._replies.readline() if ready else ""
        if not line:
            self._is_usable = False
            raise BenchError(f"no end of {' '.join(argv)}")
        ns, status = json.loads(line)
        if status != 0:
            with open(self._log_path, encoding="utf-8", errors="replace") as log:
                log.seek(log_size)
                text = log.read().strip().splitlines()
            raise BenchError(f"exit status {status}: {text[-1] if text else 'no message'}")
        return ns / 1000

    def run_aside(self, argv, **how):
        """Runs a command in the worker's mount namespace, where its timing does not matter."""
        subprocess.run(["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", *argv], check=True,
                       timeout=PATIENCE, cwd=self._cwd, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)

    def close(self):
        os.close(self._to)
        self._replies.close()


# ---- the peers -----------------------------------------------------------------------------------


class Peer:
    """A runtime with runc's command line."""

    def __init__(self, name, binary, place):
        self.name, self.binary, self.place = name, binary, place
        self.root = os.path.join(place.state, name)
        self.id = f"{place.prefix}-{name}"
        self.failed = {}  # op -> why
        os.mkdir(self.root, 0o700)
        hide = name == "crun" and is_mount(UNIFIED, "cgroup2")
        log = os.path.join(place.top, name + ".log")
        self.worker = Worker(log, place.top, hide)

    def argv(self, verb, *args):
        return [self.binary, "--root", self.root, verb, *args]

    def run(self, container, what="true"):
        return self.argv("run", "--bundle", self.place.bundle[what], container)

    def sleep(self, container):
        """Argument lists that leave a sleeping container."""
        return [self.argv("run", "--detach", "--bundle", self.place.bundle["sleep"], container)]

    def exec(self, container, what="true"):
        return self.argv("exec", container, *self.place.args[what])

    def create(self, container):
        return self.argv("create", "--bundle", self.place.bundle["true"],
                         "--pid-file", self.pid_file(container), container)

    def start(self, container):
        return self.argv("start", container)

    def delete(self, container, force=False):
        return self.argv("delete", *(["--force"] if force else []), container)

    def pid_file(self, container):
        return os.path.join(self.root, container + ".pid")


class Bare(Peer):
    """The yardstick has a command line of its own."""

    def argv(self, verb, *args):
        container, args = args[-1], args[:-1]
        ns = ["--cgroupns"] if self.place.has_cgroup_ns else []
        return [self.binary, "--id", container, "--state", self.root, *ns, verb, *args]

    def run(self, container, what="true"):
        return self.argv("run", self.place.rootfs, *self.place.args[what], container)

    def sleep(self, container):
        create = self.argv("create", self.place.rootfs, *self.place.args["sleep"], container)
        return [create, self.start(container)]

    def exec(self, container, what="true"):
        return self.argv("exec", *self.place.args[what], container)

    def create(self, container):
        return self.argv("create", self.place.rootfs, *self.place.args["true"], container)

    def delete(self, container, force=False):
        return self.argv("delete", container)

    def pid_file(self, container):
        return os.path.join(self.root, container, "pid")


class Place:
    """The temporary directory with rootfs and bundles, and how to get rid of all of it."""

    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="davit-bench-")
        # Runtimes keep their state in /run; on a disk's file system it would cost milliseconds.
        memory = [path for path in ("/run", "/dev/shm") if is_mount(path, "tmpfs")]
        self.state = tempfile.mkdtemp(prefix="davit-bench-", dir=(memory or [self.top])[0])
        self.prefix = f"davit-bench-{os.getpid()}"
        self.rootfs = os.path.join(self.top, "rootfs")
        self.args = {
            "true": ["/bin/true"],
            "sleep": ["/bin/sleep", "100000"],
            "nothing": ["/bin/bare", "nothing"],
        }
        self.bundle, self.has_cgroup_ns = {}, False

    def make_rootfs(self):
        busybox = "/bin/busybox"
        if not os.path.exists(busybox):
            raise BenchError("no /bin/busybox: apt-get install busybox-static")
        for name in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
            os.makedirs(os.path.join(self.rootfs, name))
        shutil.copy(busybox, os.path.join(self.rootfs, "bin"))
        for name in ("true", "sleep", "sh"):
            os.symlink("busybox", os.path.join(self.rootfs, "bin", name))

    def make_bundles(self, spec_maker):
        subprocess.run([spec_maker, "spec", "--bundle", self.top], check=True)
        with open(os.path.join(self.top, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        config["process"]["terminal"] = False
        config["root"]["path"] = self.rootfs
        kinds = [namespace["type"] for namespace in config["linux"]["namespaces"]]
        self.has_cgroup_ns = "cgroup" in kinds
        for name, args in self.args.items():
            self.bundle[name] = os.path.join(self.top, "bundle-" + name)
            os.mkdir(self.bundle[name])
            config["process"]["args"] = args
            path = os.path.join(self.bundle[name], "config.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(config, file, indent="\t")

    def _cgroups(self):
        """Our directories, deepest first, whichever parent a runtime chose for them."""
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            own = {line.rstrip("\n").split(":", 2)[2] for line in file} | {"/"}
        found = set()
        for hierarchy in glob.glob(CGROUP_ROOT + "/*/") + [CGROUP_ROOT]:
            for path in own:
                for top in glob.glob(f"{hierarchy}/{path}/{self.prefix}*"):
                    found.update(directory for directory, _, _ in os.walk(top))
        return sorted((os.path.normpath(path) for path in found), key=len, reverse=True)

    def _mounts(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            points = [line.split()[4] for line in mounts]
        return [point for point in points if point.startswith((self.top + "/", self.state + "/"))]

    def clean(self):
        """Kills what is left, and removes cgroups, mounts and files. Says what it could not."""
        deadline = time.monotonic() + 5
        while self._cgroups() and time.monotonic() < deadline:
            for path in self._cgroups():
                try:
                    with open(path + "/cgroup.procs", encoding="utf-8") as procs:
                        for pid in map(int, procs.read().split()):
                            if pid > 0:  # 0: of a pid namespace that we do not see
                                os.kill(pid, signal.SIGKILL)
                    os.rmdir(path)
                except OSError:
                    pass  # gone, or busy until the next round
            time.sleep(0.01)
        for point in reversed(self._mounts()):
            LIBC.umount2(point.encode(), MNT_DETACH)
        if not self._mounts():  # never remove files through a mount
            shutil.rmtree(self.state, ignore_errors=True)
            shutil.rmtree(self.top, ignore_errors=True)
        for path in [*self._cgroups(), *glob.glob(self.top), *glob.glob(self.state)]:
            print(f"bench: could not remove {path}", file=sys.stderr)


# ---- what is measured ----------------------------------------------------------------------------


def wait_gone(pid):
    deadline = time.monotonic() + PATIENCE
    while os.path.exists(f"/proc/{pid}"):
        if time.monotonic() > deadline:
            raise BenchError(f"the container's process {pid} does not end")
        time.sleep(0.0005)


class Bench:
    """Rounds of operations by turns."""

    def __init__(self, peers, settle):
        self.peers, self.settle = peers, settle
        self.samples = collections.defaultdict(list)  # (op, peer) -> microseconds

    def timed(self, peer, argv):
        time.sleep(self.settle)
        return peer.worker.run(argv)

    def op_floor(self, peer):
        if peer.name != "bare":
            return {}
        return {"floor": self.timed(peer, [peer.binary, "nothing"])}

    def op_run(self, peer):
        return {"run": self.timed(peer, peer.run(peer.id))}

    def op_burst(self, peer):
        """Locks are still hot from the run before: the best case of those who take them."""
        peer.worker.run(peer.run(peer.id))
        return {"burst": peer.worker.run(peer.run(peer.id), BURST)}

    def op_exec(self, peer):
        return {"exec": self.timed(peer, peer.exec(peer.id + "-up"))}

    def op_delete(self, peer):
        for argv in peer.sleep(peer.id):
            peer.worker.run(argv)
        return {"delete": self.timed(peer, peer.delete(peer.id, force=True))}

    def op_cycle(self, peer):
        create = self.timed(peer, peer.create(peer.id))
        with open(peer.pid_file(peer.id), encoding="utf-8") as file:
            pid = int(file.read())
        start = peer.worker.run(peer.start(peer.id))
        wait_gone(pid)
        delete = self.timed(peer, peer.delete(peer.id))
        return {"cycle": create + start + delete,
                "create": create, "start": start, "remove": delete}

    def attempt(self, peer, op, fn):
        """A peer that fails an operation is not asked again."""
        if op in peer.failed:
            return {}
        try:
            return fn(peer)
        except (BenchError, OSError, ValueError) as err:
            peer.failed[op] = str(err)
            try:
                peer.worker.run(peer.delete(peer.id, force=True))
            except BenchError:
                pass
            return {}

    def bring_up(self, peer):
        for argv in peer.sleep(peer.id + "-up"):
            peer.worker.run(argv)
        return {}

    def rounds(self, n_rounds):
        ops = {"floor": self.op_floor, "run": self.op_run, "burst": self.op_burst,
               "exec": self.op_exec, "delete": self.op_delete, "cycle": self.op_cycle}
        for peer in self.peers:
            self.attempt(peer, "exec", self.bring_up)
        for i in range(WARM_UP + n_rounds):
            for op, fn in ops.items():
                turn = i % len(self.peers)
                for peer in self.peers[turn:] + self.peers[:turn]:
                    for name, value in self.attempt(peer, op, fn).items():
                        if i >= WARM_UP:
                            self.samples[name, peer.name].append(value)
            if sys.stderr.isatty():
                print(f"\rround {i + 1 - WARM_UP} of {n_rounds} ", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)


def measure_memory(peer, bare, n=5):
    """Peak of the runtime's processes: verb -> median KiB. The container itself has ~0.5 MiB."""
    def once(argv, *after):
        with tempfile.TemporaryFile() as file:
            fd = file.fileno()
            command = [bare, "measure", *argv]
            peer.worker.run_aside(command, pass_fds=(3,), preexec_fn=lambda: os.dup2(fd, 3))
            for argv_after in after:
                peer.worker.run(argv_after)
            file.seek(0)
            return int(file.read())

    results = {}
    create = peer.create(peer.id)
    for verb, argv, after in (
            ("run", peer.run(peer.id, "nothing"), ()),
            ("create", create, (peer.delete(peer.id, force=True),)),
            ("exec", peer.exec(peer.id + "-up", "nothing"), ())):
        try:
            results[verb] = statistics.median(once(argv, *after) for _ in range(n))
        except subprocess.SubprocessError as err:
            status = getattr(err, "returncode", "none: it did not end")
            peer.failed["memory of " + verb] = f"exit status {status}"
        except (BenchError, OSError, ValueError) as err:
            peer.failed["memory of " + verb] = str(err)
    return results


def trace_syscalls(peer):
    """Counts and system time of `run`, by strace: {call: (n, seconds)}."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        peer.worker.run_aside(["strace", "-f", "-c", "-o", file.name, *peer.run(peer.id)])
        calls = {}
        for line in file:
            match = re.match(r"\s*[\d.]+\s+([\d.]+)\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if match and match[3] != "total":
                calls[match[3]] = (int(match[2]), float(match[1]))
        return calls


# ---- the report ----------------------------------------------------------------------------------


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def summarise(bench):
    """op -> peer -> figures."""
    table = {}
    for op in OPS:
        for peer in bench.peers:
            values = bench.samples.get((op, peer.name))
            if values:
                table.setdefault(op, {})[peer.name] = {
                    "n": len(values), "min": min(values), "median": statistics.median(values),
                    "p90": percentile(values, 0.9), "samples": [round(v, 1) for v in values]}
    return table


def compare(table, op):
    """The goals of davit-oci: [(peer, ratio, ratio of the fastest, goal, is_met)]."""
    row, result = table.get(op, {}), []
    for name, limit, sign in GOALS:
        if "davit-oci" in row and name in row:
            ratio, fastest = (row["davit-oci"][key] / row[name][key] for key in ("median", "min"))
            is_met = ratio <= limit if sign == "<=" else ratio < limit
            result.append((name, ratio, fastest, f"{sign} {limit:g}", is_met))
    return result


def print_times(table, peers):
    print("\nmicroseconds: median / 90th percentile / fastest")
    print(f"{'':34}" + "".join(f"{peer.name:>26}" for peer in peers))
    for op, title in OPS.items():
        cells = ""
        for peer in peers:
            f = table.get(op, {}).get(peer.name)
            text = f"{f['median']:.0f} / {f['p90']:.0f} / {f['min']:.0f}" if f else "-"
            cells += f"{text:>26}"
        print(f"{title:34}{cells}")


def print_goals(table):
    if "davit-oci" not in table.get("run", {}):
        return
    print("\ndavit-oci by the medians; in brackets by the fastest, which other load disturbs less"
          "\n(`run` is the budget, the rest shows the way)")
    for op, title in OPS.items():
        for name, ratio, fastest, goal, is_met in compare(table, op):
            verdict = "met" if is_met else "NOT MET"
            print(f"{title:34}{ratio:6.2f} ({fastest:.2f}) x {name:6} goal {goal:8}{verdict}")


def print_peers(table, peers):
    print("\nratios of the medians to bare")
    for op, title in OPS.items():
        row = table.get(op, {})
        if len(row) > 1 and "bare" in row:
            base = row["bare"]["median"]
            cells = "".join(f"{peer.name:>12} {row[peer.name]['median'] / base:5.2f}"
                            for peer in peers if peer.name in row and peer.name != "bare")
            print(f"{title:34}{cells}")


def print_memory(memory, peers):
    print("\npeak memory of the runtime's processes, KiB (maxrss; from 0.5 MiB up)")
    print(f"{'':34}" + "".join(f"{peer.name:>12}" for peer in peers))
    for verb in ("run", "create", "exec"):
        cells = (memory.get(peer.name, {}).get(verb) for peer in peers)
        print(f"{verb:34}" + "".join(f"{c:12.0f}" if c else f"{'-':>12}" for c in cells))


def print_syscalls(syscalls):
    print("\nsystem calls of `run /bin/true`, the container's own included")
    for name, calls in syscalls.items():
        total, seconds = (sum(column) for column in zip(*calls.values()))
        print(f"{name:12} {total:6} calls, {seconds * 1e3:8.2f} ms in the kernel")
    for name in ("davit-oci", "bare"):
        calls = syscalls.get(name)
        if not calls:
            continue
        by_n = sorted(calls.items(), key=lambda item: -item[1][0])[:15]
        by_time = sorted(calls.items(), key=lambda item: -item[1][1])[:15]
        print(f"\n{name:12} by count{'':22} by time (under strace: an order, not a price)")
        for (call, (n, _)), (slow, (n_slow, seconds)) in zip(by_n, by_time):
            print(f"{'':4}{n:6} {call:28} {seconds * 1e6:9.0f} us {n_slow:5} {slow}")


def print_conditions(rounds, settle):
    def ticks():
        with open("/proc/stat", encoding="utf-8") as stat:
            values = [int(v) for v in stat.readline().split()[1:9]]
        return sum(values), values[3] + values[4]

    total, idle = ticks()
    time.sleep(0.5)
    total_after, idle_after = ticks()
    share = (idle_after - idle) / max(1, total_after - total)
    modes = {CGROUP_ROOT: "v2", UNIFIED: "hybrid"}
    mode = next((modes[path] for path in modes if is_mount(path, "cgroup2")), "v1")
    print(f"Linux {os.uname().release}, {os.cpu_count()} CPUs {share:.0%} idle, cgroups {mode}, "
          f"{rounds} rounds after {WARM_UP}, {settle * 1e3:g} ms between measurements")
    if share < 0.9:
        print("bench: others use this machine: do not trust the figures", file=sys.stderr)


# ---- wiring --------------------------------------------------------------------------------------


def find_peers(args):
    """[(name, path)] in the order of the table; says who is missing."""
    given = {"davit-oci": args.davit, "bare": args.bare,
             "crun": shutil.which("crun", path=PATH), "runc": shutil.which("runc", path=PATH)}
    found = []
    for name, path in given.items():
        if path and os.access(path, os.X_OK):
            found.append((name, os.path.abspath(path)))
        else:
            print(f"bench: no {name}{f' at {path}' if path else ''}: left out", file=sys.stderr)
    return found


def reap(_number, _frame):
    """As the subreaper we inherit the containers' first processes."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_children():
    """Whatever still runs is ours: workers, runtimes cut off in the middle, containers."""
    while True:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="utf-8") as file:
                for pid in file.read().split():
                    os.kill(int(pid), signal.SIGKILL)
            os.waitpid(-1, 0)
        except ProcessLookupError:
            pass
        except (ChildProcessError, FileNotFoundError):
            return


def stop(_number, _frame):
    raise KeyboardInterrupt


def measure(args, peers):
    bench = Bench(peers, args.settle / 1000)
    previous = signal.signal(signal.SIGCHLD, reap)
    try:
        bench.rounds(args.rounds)
    finally:
        signal.signal(signal.SIGCHLD, previous)
    return bench


def report(args, peers, bench, bare):
    memory, syscalls = {}, {}
    table = summarise(bench)
    print_times(table, peers)
    print_peers(table, peers)
    print_goals(table)
    if bare:
        shutil.copy(bare, os.path.join(peers[0].place.rootfs, "bin", "bare"))
        memory = {peer.name: measure_memory(peer, bare) for peer in peers}
        print_memory(memory, peers)
    if args.syscalls and not shutil.which("strace"):
        print("bench: no strace: system calls not counted", file=sys.stderr)
    elif args.syscalls:
        for peer in peers:
            if "run" in peer.failed:
                continue
            try:
                syscalls[peer.name] = trace_syscalls(peer)
            except subprocess.SubprocessError as err:
                peer.failed["system calls"] = type(err).__name__
        print_syscalls(syscalls)
    for peer in peers:
        for op, why in peer.failed.items():
            print(f"bench: {peer.name}: {op}: {why}", file=sys.stderr)
    if args.json:
        goals = {op: [list(goal) for goal in compare(table, op)] for op in OPS}
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"microseconds": table, "memory_kib": memory, "goals": goals,
                       "syscalls": syscalls, "failed": {p.name: p.failed for p in peers}},
                      file, indent=1)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--davit", metavar="PATH", help="the davit-oci to measure")
    parser.add_argument("--bare", metavar="PATH", help="the yardstick, built from bench/bare.c")
    parser.add_argument("--rounds", type=int, metavar="N", help="default 100, with --quick 15")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--settle", type=float, default=10, metavar="MS",
                        help="pause before each measurement: what the one before left to the "
                             "kernel's workers shall not be charged to the next (default 10)")
    parser.add_argument("--syscalls", action="store_true", help="count them, by strace")
    parser.add_argument("--json", metavar="FILE", help="all figures, every sample")
    args = parser.parse_args()
    if not args.rounds:
        args.rounds = 15 if args.quick else 100
    return args


def main():
    args = parse_args()
    if os.geteuid() != 0:
        raise BenchError("needs root")
    found = find_peers(args)
    makers = [path for name, path in reversed(found) if name != "bare"]
    if not makers:
        raise BenchError("no runtime that could write a config")
    libc("prctl", PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    place, peers = None, []
    try:
        place = Place()
        place.make_rootfs()
        place.make_bundles(makers[0])
        for name, path in found:
            peers.append((Bare if name == "bare" else Peer)(name, path, place))
        print_conditions(args.rounds, args.settle / 1000)
        report(args, peers, measure(args, peers), dict(found).get("bare"))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for peer in peers:
            peer.worker.close()
        end_children()
        if place:
            place.clean()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BenchError as error:
        sys.exit(f"bench: {error}")
