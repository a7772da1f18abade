# SPDX-License-Identifier: Apache-2.0
"""The command line by itself: help, version, wrong usage, logs, spec, features. Makes no container."""

import json
import os
import re
import subprocess

import pytest

VERBS = ["create", "delete", "events", "exec", "features", "kill", "list", "pause", "ps", "resume", "run",
         "spec", "start", "state", "update"]
LATER_VERBS = ["checkpoint", "restore"]


class Cli:
    """Runs the binary in a directory of its own, with nothing in front of the arguments."""

    def __init__(self, binary, cwd):
        self.binary, self.cwd = str(binary), cwd
        self.name = os.path.basename(self.binary)

    def __call__(self, *args, status=0, binary=None, **kwargs):
        done = subprocess.run([binary or self.binary, *map(str, args)], cwd=self.cwd, text=True, timeout=30,
                              stdin=subprocess.DEVNULL, capture_output=True, **kwargs)
        assert done.returncode == status, f"{args}: {done}"
        return done

    def fails(self, *args, status=1):
        """The message, out of its log line."""
        return self.message(self(*args, status=status))

    @staticmethod
    def message(done):
        match = re.fullmatch(r'time="[^"]+" level=error msg=(".*")\n', done.stderr)
        assert match, done
        return json.loads(match[1]).strip()


@pytest.fixture
def cli(binary, work):
    return Cli(binary, work)


def sections(text):
    return re.findall(r"^([A-Z ]+):$", text, re.M)


# ---- help ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("args", [["-h"], ["--help"], ["-help"], ["help"], ["h"], []])
def test_help(cli, args):
    out = cli(*args).stdout
    assert out.startswith(f"NAME:\n   {cli.name} - Open Container Initiative runtime\n")
    assert sections(out)[0] == "NAME"
    assert {"USAGE", "VERSION", "COMMANDS", "GLOBAL OPTIONS"} <= set(sections(out))
    for verb in VERBS:
        assert re.search(rf"^   {verb} +\S", out, re.M), verb


@pytest.mark.parametrize("verb", VERBS + LATER_VERBS)
def test_help_of_a_command(cli, verb):
    out = cli(verb, "--help").stdout
    assert out.startswith(f"NAME:\n   {cli.name} {verb} - ")
    assert f"USAGE:\n   {cli.name} {verb} " in out
    assert cli(verb, "-h").stdout == out
    assert cli("help", verb).stdout == out


def test_help_uses_the_name_that_was_called(cli, work):
    (work / "runc").symlink_to(cli.binary)
    out = cli("--help", binary=str(work / "runc")).stdout
    assert "\n   runc - Open Container Initiative runtime\n" in out
    assert cli("--version", binary=str(work / "runc")).stdout.startswith("runc version ")


def test_help_wins_over_missing_arguments(cli):
    assert "USAGE" in cli("create", "-h").stdout
    assert "USAGE" in cli("create", "x", "-h").stdout


def test_version(cli):
    for option in "-v", "--version":
        lines = cli(option).stdout.splitlines()
        assert re.fullmatch(rf"{cli.name} version \d+\.\d+\.\d+\S*", lines[0])
        keys = [line.split(":")[0] for line in lines[1:]]
        assert [k for k in keys if k in ("commit", "spec", "libseccomp")][-2:] == ["spec", "libseccomp"]
        assert "spec: 1.3.0" in lines


# ---- wrong usage -----------------------------------------------------------------------------------

@pytest.mark.parametrize("args, message", [
    (["create"], '"create" requires exactly 1 argument(s)'),
    (["create", "a", "b"], '"create" requires exactly 1 argument(s)'),
    (["create", "a", "--nope"], '"create" requires exactly 1 argument(s)'),
    (["list", "a"], '"list" requires exactly 0 argument(s)'),
    (["kill"], '"kill" requires a minimum of 1 argument(s)'),
    (["kill", "a", "b", "c"], '"kill" requires a maximum of 2 argument(s)'),
    (["exec"], '"exec" requires a minimum of 1 argument(s)'),
    (["ps"], '"ps" requires a minimum of 1 argument(s)'),
    (["spec", "x"], '"spec" requires exactly 0 argument(s)'),
])
def test_number_of_arguments(cli, args, message):
    done = cli(*args, status=1)
    assert cli.message(done) == f"{cli.binary}: {message}"
    assert done.stdout.startswith(f"Incorrect Usage.\n\nNAME:\n   {cli.name} {args[0]} - ")


@pytest.mark.parametrize("args, message", [
    (["create", "--nope", "x"], "flag provided but not defined: -nope"),
    (["delete", "-xf", "x"], "flag provided but not defined: -xf"),
    (["create", "---x"], "bad flag syntax: ---x"),
    (["create", "--bundle"], "flag needs an argument: -bundle"),
    (["create", "--preserve-fds", "abc", "x"], 'invalid value "abc" for flag -preserve-fds: parse error'),
    (["delete", "-f=xx", "a"], 'invalid boolean value "xx" for -f: parse error'),
    (["events", "--interval", "3", "x"], 'invalid value "3" for flag -interval: parse error'),
])
def test_wrong_options(cli, args, message):
    done = cli(*args, status=1)
    assert cli.message(done) == message
    assert done.stdout.startswith(f"Incorrect Usage: {message}\n\nNAME:\n   {cli.name} {args[0]} - ")


@pytest.mark.parametrize("args, message", [
    (["--nope"], "flag provided but not defined: -nope"),
    (["--root"], "flag needs an argument: -root"),
    (["--debug=maybe", "list"], 'invalid boolean value "maybe" for -debug: parse error'),
])
def test_wrong_global_options(cli, args, message):
    done = cli(*args, status=1)
    assert cli.message(done) == message
    assert done.stdout.startswith(f"Incorrect Usage. {message}\n\nNAME:\n   {cli.name} - ")


@pytest.mark.parametrize("args", [["foo"], ["foo", "-h"], ["help", "foo"], ["h", "foo"]])
def test_unknown_command(cli, args):
    assert cli.fails(*args, status=3) == "No help topic for 'foo'"


def test_root_must_not_be_the_file_system_s(cli):
    for root in "/", "//", "/tmp/..", "../" * 20:
        assert cli.fails("--root", root, "list") == "Option --root argument should not be set to /"


def test_log_format_is_checked(cli):
    assert cli.fails("--log-format", "xml", "list") == "invalid log-format: xml"


def test_format_is_checked(cli, work):
    assert cli.fails("--root", work, "list", "--format", "xml") == "invalid format option"


def test_unknown_container(cli, work):
    for args in ["state", "x"], ["start", "x"], ["delete", "x"], ["kill", "x"], ["pause", "x"], ["resume", "x"], \
                ["ps", "x"], ["events", "--stats", "x"], ["update", "--pids-limit", "5", "x"]:
        assert cli.fails("--root", work, *args).startswith("container does not exist")
    assert cli.fails("--root", work, "exec", "x", "true", status=255).startswith("exec failed: container does not exist")
    cli("--root", work, "delete", "--force", "x")


def test_bad_ids(cli, work):
    for bad in "a/b", "..", "a b", "\u00e4":
        assert "invalid container ID format" in cli.fails("--root", work, "state", bad)
    assert "container id cannot be empty" in cli.fails("--root", work, "state", "")
    assert "container id cannot be empty" in cli.fails("--root", work, "exec", "", "true", status=255)


@pytest.mark.davit
def test_what_is_not_there_yet(cli, work):
    assert cli.fails("checkpoint", "--image-path", work, "--leave-running", "x") == "not supported yet: checkpoint"
    assert cli.fails("restore", "-d", "--bundle", work, "x") == "not supported yet: restore"
    for verb in "create", "run":
        assert cli.fails("--systemd-cgroup", verb, "x") == \
            f"{cli.name} {verb} failed: not supported yet: systemd cgroup driver"
    assert not set(LATER_VERBS) & set(re.findall(r"^   (\w+) ", cli("-h").stdout, re.M))


@pytest.mark.davit
def test_values_of_update(cli, work):
    for option, value in ("memory", "10x"), ("cpu-quota", "1.5"), ("cpu-period", "-1"), ("cpu-idle", "no"):
        assert cli.fails("--root", work, "update", f"--{option}", value, "x") == \
            f'invalid value for {option}: "{value}"'


# ---- logs ------------------------------------------------------------------------------------------

def test_text_log_file(cli, work):
    done = cli("--log", "log", "--root", work, "state", "x", status=1)
    assert re.fullmatch(r"container does not exist.*\n", done.stderr)
    assert re.fullmatch(r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+" level=error msg="container does not exist.*"\n',
                        (work / "log").read_text())


def test_json_log_file(cli, work):
    for _ in range(2):
        cli("--log", "log", "--log-format", "json", "--root", work, "state", "x", status=1)
    lines = (work / "log").read_text().splitlines()
    assert len(lines) == 2, "appended to"
    for line in map(json.loads, lines):
        assert line["level"] == "error" and "container does not exist" in line["msg"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+", line["time"])
        assert set(line) == {"level", "msg", "time"}


def test_json_log_on_stderr(cli, work):
    done = cli("--log-format", "json", "--root", work, "state", "x", status=1)
    assert "container does not exist" in json.loads(done.stderr)["msg"]


def test_log_file_that_cannot_be_opened(cli, work):
    assert cli.fails("--log", "no/dir/log", "list") == "open no/dir/log: no such file or directory"


# ---- state directory -------------------------------------------------------------------------------

def test_empty_list(cli, work):
    assert cli("--root", work, "list").stdout.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert cli("--root", work, "list", "-q").stdout == ""
    assert cli("--root", work, "list", "-f", "json").stdout == "null\n"


def test_list_of_a_root_that_is_not_there(cli, work):
    missing = work / "missing"
    assert cli.fails("--root", missing, "list") == f"open {missing}: no such file or directory"
    assert not missing.exists()


@pytest.mark.davit
def test_default_root_of_an_ordinary_user(cli, work):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    runtime_dir = work / "xdg"
    runtime_dir.mkdir()
    os.chown(runtime_dir, 65534, 65534)
    env = {"XDG_RUNTIME_DIR": str(runtime_dir), "PATH": os.environ["PATH"]}
    assert cli("list", "-q", env=env, user=65534, group=65534, extra_groups=[]).stdout == ""
    assert (runtime_dir / "davit-oci").stat().st_mode == 0o041700

    os.chown(runtime_dir, 0, 0)
    (runtime_dir / "davit-oci").rmdir()
    done = cli("list", env=env, user=65534, group=65534, extra_groups=[], status=1)
    assert "the path in $XDG_RUNTIME_DIR must be writable by the user" in done.stderr


@pytest.mark.davit
def test_root_does_not_use_xdg_runtime_dir(cli, work):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    cli("list", "-q", env={"XDG_RUNTIME_DIR": str(work)})
    assert not (work / "davit-oci").exists()


# ---- spec ------------------------------------------------------------------------------------------

def test_spec(cli, work):
    assert cli("spec").stdout == ""
    text = (work / "config.json").read_text()
    assert text.startswith('{\n\t"ociVersion": "1.3.0",\n')
    config = json.loads(text)
    assert config["process"]["args"] == ["sh"] and config["process"]["terminal"] is True
    assert config["root"] == {"path": "rootfs", "readonly": True}

    assert cli.fails("spec") == "File config.json exists. Remove it first"
    assert (work / "config.json").read_text() == text


def test_spec_elsewhere(cli, work):
    (work / "bundle").mkdir()
    cli("spec", "--bundle", "bundle", "--rootless")
    config = json.loads((work / "bundle/config.json").read_text())
    assert {"type": "user"} in config["linux"]["namespaces"]
    assert config["linux"]["uidMappings"] == [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
    assert cli.fails("spec", "-b", "missing") == "chdir missing: no such file or directory"


def test_bundle_without_config(cli, work):
    for verb in "create", "run":
        for bundle, why in (".", "JSON specification file config.json not found"), ("missing", "no such file or directory"):
            message = cli.fails("--root", work / "st", verb, "-b", bundle, "x")
            assert message.startswith(f"{cli.name} {verb} failed: ") and message.endswith(why)
    assert not (work / "st/x").exists()


# ---- features --------------------------------------------------------------------------------------

def test_features(cli):
    doc = json.loads(cli("features").stdout)
    assert doc["ociVersionMin"] == "1.0.0" and doc["ociVersionMax"] == "1.3.0"
    assert doc["hooks"] == ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    assert {"rro", "rbind", "tmpcopyup"} <= set(doc["mountOptions"])
    assert doc["mountOptions"] == sorted(doc["mountOptions"])
    linux = doc["linux"]
    assert linux["namespaces"] == ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"]
    assert linux["capabilities"][0] == "CAP_CHOWN" and "CAP_CHECKPOINT_RESTORE" in linux["capabilities"]
    assert linux["cgroup"]["v1"] and linux["cgroup"]["v2"]
    assert "SCMP_ACT_NOTIFY" in linux["seccomp"]["actions"] and "SCMP_ARCH_X86_64" in linux["seccomp"]["archs"]
    assert set(linux["seccomp"]["supportedFlags"]) <= set(linux["seccomp"]["knownFlags"])
    assert linux["mountExtensions"] == {"idmap": {"enabled": True}}
    assert "MPOL_BIND" in linux["memoryPolicy"]["modes"]


@pytest.mark.davit
def test_features_tell_what_is_missing(cli):
    doc = json.loads(cli("features").stdout)
    assert doc["linux"]["cgroup"]["systemd"] is False
    assert doc["annotations"]["org.opencontainers.runc.checkpoint.enabled"] == "false"
    assert doc["annotations"]["davit.version"] == cli("--version").stdout.split()[2]


# ---- odds and ends ---------------------------------------------------------------------------------

def test_output_that_cannot_be_written(cli):
    with open("/dev/full", "w") as full:
        done = subprocess.run([cli.binary, "features"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "no space left on device" in done.stderr


@pytest.mark.davit
def test_no_name(cli):
    done = subprocess.run(["bash", "-c", f"exec -a '' {cli.binary} list x"], capture_output=True, text=True)
    assert done.returncode == 1 and "NAME:\n   davit-oci list - " in done.stdout
