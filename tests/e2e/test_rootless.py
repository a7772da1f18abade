# SPDX-License-Identifier: Apache-2.0
"""Without root: an ordinary user runs containers with `spec --rootless`; also through newuidmap."""

import json
import os
import shutil
import subprocess

import pytest

from harness import machine, runtime
from harness.terminal import FdSocket, Terminal

UID = 12345    # in no passwd file


def as_user(uid, directory, subids=None):
    """A command prefix that becomes the user; with @subids in a mount namespace with files for newuidmap."""
    environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"HOME={directory}", f"XDG_RUNTIME_DIR={directory}/xdg"]
    drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", *environment]
    if subids is None:
        return drop
    script = "".join(f"mount --bind {directory}/{name} /etc/{name} && " for name in ("passwd", "subuid", "subgid"))
    return ["unshare", "--mount", "sh", "-c", script + 'exec "$0" "$@"', *drop]


def may_make_user_namespaces():
    done = subprocess.run(["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "unshare", "--user", "true"],
                          capture_output=True, text=True)
    return done.returncode == 0, done.stderr.strip()


class RootlessMaker(runtime.Maker):
    def __call__(self, *args, **kwargs):
        c = super().__call__(*args, spec_args=["--rootless"], **kwargs)
        c.bundle.linux.pop("cgroupsPath", None)
        return c


@pytest.fixture
def user(binary, work, oci, session_dir):
    """Makes containers of the user @UID."""
    if not machine.is_root():
        pytest.skip("needs root to become a user")
    allowed, reason = may_make_user_namespaces()
    if not allowed:
        pytest.skip(f"users may not make user namespaces here: {reason}")
    home = work / "home"
    (home / "xdg").mkdir(parents=True)
    copy = session_dir / f"{os.path.basename(binary)}-for-users"    # the build directory may be root's alone
    if not copy.exists():
        shutil.copy(binary, copy)
        copy.chmod(0o755)
    subprocess.run(["chown", "-R", f"{UID}:{UID}", str(home)], check=True)
    rt = runtime.Runtime(copy, home / "state", as_user(UID, home))

    maker = RootlessMaker(rt, home, f"{work.name}-", owner=UID)
    yield maker
    for id in maker.ids:
        rt("delete", "--force", id, status=None)
    assert not rt.root.exists() or not list(rt.root.glob(f"{work.name}-*"))


def test_run(user):
    result = user(script="id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map; cat /proc/self/setgroups; echo $$").run()
    assert result.out.split() == ["0", "0", "0", str(UID), "1", "0", str(UID), "1", "deny", "1"]


def test_spec(user):
    c = user("true")
    kinds = {n["type"] for n in c.bundle.linux["namespaces"]}
    assert "user" in kinds and "network" not in kinds
    assert c.bundle.linux["uidMappings"][0]["size"] == 1
    assert not c.bundle.linux.get("resources")
    assert c.bundle.mount_at("/sys")["type"] in ("none", "bind")
    assert not any(o.startswith("gid=") for o in c.bundle.mount_at("/dev/pts")["options"])


def test_life_cycle(user):
    c = user(script="echo up; sleep 1000")
    c.create()
    assert c.status == "created"
    c.start()
    assert c.status == "running"
    assert c.exec("id", "-u").out == "0\n"
    assert c.exec("sh", "-c", "exit 7", status=7).out == ""
    assert json.loads(c.runtime("list", "-f", "json").out)[0]["id"] == c.id
    c.kill("KILL")
    c.wait("stopped")
    c.delete()
    c.runtime.fails("state", c.id)


def test_process_belongs_to_the_user(user):
    c = user("sleep", "1000").up()
    assert os.stat(f"/proc/{c.pid}").st_uid == UID
    c.delete("--force")


def test_state_belongs_to_the_user(user):
    c = user("sleep", "1000").up()
    assert c.runtime.root.stat().st_uid == UID and c.runtime.root.stat().st_mode & 0o777 == 0o700
    assert (c.runtime.root / c.id).stat().st_uid == UID


def test_default_root_is_below_the_runtime_directory(user):
    c = user("sleep", "1000")
    c.bundle.save()
    command = [*c.runtime.prefix, c.runtime.binary]
    null = subprocess.DEVNULL
    subprocess.run([*command, "run", "-d", "--bundle", str(c.bundle.path), c.id], stdin=null, stdout=null, stderr=null, check=True)
    try:
        xdg = c.runtime.root.parent / "xdg"
        assert [p for p in xdg.glob("*/*") if p.name == c.id]
    finally:
        subprocess.run([*command, "delete", "--force", c.id], check=True)


def test_mounts(user):
    c = user(script="awk '{print $2, $3}' /proc/self/mounts; echo x >/dev/null; touch /dev/shm/f; ls /dev/pts; echo $(ls /proc | grep -c '^[0-9]')")
    out = c.run().out
    for expected in ("/proc proc", "/dev tmpfs", "/dev/pts devpts", "/dev/shm tmpfs", "/dev/mqueue mqueue"):
        assert expected in out


def test_bind_of_the_users_own_file(user):
    c = user("cat", "/mnt/f")
    (c.bundle.path / "data").mkdir()
    (c.bundle.path / "data/f").write_text("mine\n")
    c.bundle.add_mount("/mnt", "bind", c.bundle.path / "data", ["bind", "ro"])
    assert c.run().out == "mine\n"


def test_hosts_secrets_stay_secret(user, work):
    (work / "secret").write_text("s")
    (work / "secret").chmod(0o600)
    c = user("cat", "/mnt/secret")
    c.bundle.add_mount("/mnt", "bind", work, ["bind"])
    assert "Permission denied" in c.run(status=1).err


def test_additional_groups_are_refused(user):
    c = user("true")
    c.bundle.process["user"]["additionalGids"] = [0, 5]
    error = c.fails().err
    assert "group" in error.lower() or "gid" in error.lower()


def test_other_user_is_refused(user):
    c = user("true")
    c.bundle.process["user"] = {"uid": 5, "gid": 0}
    c.fails()


def test_mapping_to_somebody_else_is_refused(user):
    c = user("true")
    c.bundle.linux["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    c.fails()


def test_limits_without_permission_are_an_error(user):
    """What was asked for and cannot be done is said, not skipped."""
    c = user("true")
    c.bundle.linux["resources"] = {"memory": {"limit": 100 << 20}}
    c.bundle.linux["cgroupsPath"] = f"/{c.id}"
    assert "cgroup" in c.fails().err.lower()


def test_terminal(user, work):
    c = user(script="tty; echo hello; sleep 1000")
    c.bundle.process["terminal"] = True
    console = FdSocket(work / "home/console")
    os.chown(work / "home/console", UID, UID)
    c.create("--console-socket", console.path)
    terminal = Terminal(console.receive()[0])
    c.start()
    assert "/dev/pts/0" in terminal.read_until("hello")
    terminal.close()


def test_new_network_namespace(user):
    c = user("ip", "addr", "show", "lo")
    c.bundle.set_namespace("network")
    assert "LOOPBACK,UP" in c.run().out


def test_seccomp_and_no_new_privileges(user):
    c = user(script="mkdir /dev/shm/x")
    c.bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100}]}
    assert "Network is down" in c.run(status=1).err


def test_pause_says_why_not(user):
    c = user("sleep", "1000").up()
    result = c.runtime("pause", c.id, status=None)
    assert result.status == 0 or result.err.strip()


def test_root_does_not_see_it_and_cannot_be_fooled(user, oci):
    user("sleep", "1000").up()
    oci.root.mkdir(exist_ok=True)
    assert oci("list", "-q").out == ""


@pytest.fixture
def subids(user, work):
    """The same user with a passwd entry and subordinate ids, for newuidmap."""
    machine.need_program("newuidmap")
    home = work / "home"
    (home / "passwd").write_text(open("/etc/passwd").read() + f"dvuser:x:{UID}:{UID}::{home}:/bin/sh\n")
    for name in ("subuid", "subgid"):
        (home / name).write_text("dvuser:400000:65536\n")
    for name in ("subuid", "subgid"):
        if not os.path.exists(f"/etc/{name}"):
            pytest.skip(f"no /etc/{name}")
    user.runtime.prefix = as_user(UID, home, True)
    return user


def test_newuidmap(subids):
    c = subids(script="cat /proc/self/uid_map; id -u; id -g; stat -c %u /mnt/f")
    maps = [{"containerID": 0, "hostID": UID, "size": 1}, {"containerID": 1, "hostID": 400000, "size": 65536}]
    c.bundle.linux.update(uidMappings=maps, gidMappings=maps)
    c.bundle.process["user"] = {"uid": 7, "gid": 8}
    (c.bundle.rootfs / "mnt/f").touch()
    os.chown(c.bundle.rootfs / "mnt/f", 400006, 400006)
    assert c.run().out.split() == ["0", str(UID), "1", "1", "400000", "65536", "7", "8", "7"]


def test_newuidmap_of_ids_that_are_not_ours(subids):
    c = subids("true")
    maps = [{"containerID": 0, "hostID": UID, "size": 1}, {"containerID": 1, "hostID": 900000, "size": 65536}]
    c.bundle.linux.update(uidMappings=maps, gidMappings=maps)
    assert "newuidmap" in c.fails().err or "map" in c.fails().err


def test_inside_a_user_namespace_of_root(box, work):
    """Root of a user namespace, as in a nested container: cgroups and devices are not its to make."""
    machine.need_userns()
    c = box("true", spec_args=["--rootless"])
    c.bundle.linux["uidMappings"] = c.bundle.linux["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    c.bundle.linux.pop("cgroupsPath", None)
    c.bundle.sh("id -u")
    inner = runtime.Runtime(c.runtime.binary, work / "inner", ["unshare", "--user", "--map-root-user", "--mount"])
    c.runtime = inner
    assert c.run().out == "0\n"


def test_descriptors_of_a_process_that_enters(user, helper):
    """CVE-2016-9962 among equals: the container's root has the uid of the runtime."""
    c = user("watch", "fds")
    helper(c, "watch")
    c.up()
    c.wait_output("watching")
    for _ in range(20):
        c.exec("true")
    # Those of init; and of "true", once it is a program of the container. Its /proc it has not opened.
    seen = {line for line in c.output().splitlines() if not line.startswith("/proc/1/")}
    assert not [line for line in seen if "/fd/" in line and line.endswith(" /proc") or " socket:" in line]


@pytest.mark.parametrize("score", [500, 1000])
def test_oom_score_of_exec(user, score):
    c = user("sleep", "1000")
    c.bundle.process["oomScoreAdj"] = 300
    c.up()
    process = {**c.bundle.process, "args": ["cat", "/proc/self/oom_score_adj"], "oomScoreAdj": score}
    path = c.bundle.path / "process.json"
    path.write_text(json.dumps(process))
    path.chmod(0o644)
    for _ in range(3):
        assert c.runtime("exec", "--process", path, c.id).out == f"{score}\n"
