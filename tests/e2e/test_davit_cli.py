# SPDX-License-Identifier: Apache-2.0
"""What every verb of davit has: help, a manual page, completion, errors that say what to do. Most needs no daemon."""

import re
import shutil
import subprocess

import pytest

from harness.davit_cli import Davit, davit_path

pytestmark = pytest.mark.davit


@pytest.fixture(scope="module")
def davit(one_store_daemon):
    return Davit(one_store_daemon)


def offered(davit, *words):
    *lines, kind = davit("__complete", *words).splitlines()
    return [line.split("\t")[0] for line in lines], kind


def verbs(davit, *group):
    return [verb for verb in offered(davit, *group, "")[0] if verb]


def test_help_of_every_verb(davit):
    groups = re.findall(r"^  (\S+) +Manage", davit("--help"), re.M)
    assert {"container", "image", "namespace", "system"} <= set(groups)
    calls = [(verb,) for verb in verbs(davit) if verb not in groups]
    calls += [(group, verb) for group in groups for verb in verbs(davit, group)]
    assert len(calls) > 40
    for call in calls:
        text = davit(*call, "--help")
        assert text.startswith("Usage:  davit ") and "--help" in text, call
        assert text == davit("help", *call)


def test_manual_pages(davit):
    pages = sorted(davit_path().parent.glob("davit*.1"))
    if not pages or not shutil.which("man"):
        pytest.skip("no manual pages (make), or no man")
    for page in pages:
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, timeout=60,
                              env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "MANPAGER": "cat"})
        assert done.returncode == 0 and done.stderr == "" and "NAME" in done.stdout, (page, done.stderr)


def test_completion_by_the_tables(davit):
    assert offered(davit, "name") == (["namespace"], ":words")
    assert offered(davit, "-n", "x", "system", "ch") == (["check"], ":words")
    assert offered(davit, "load", "--inp") == (["--input"], ":words")
    assert offered(davit, "load", "-i", "x")[1] == ":files"


def test_completion_by_the_daemon(davit):
    davit("namespace", "create", "complete-me")
    try:
        assert offered(davit, "namespace", "rm", "comp") == (["complete-me"], ":words")
        assert offered(davit, "--namespace", "comp") == (["complete-me"], ":words")
    finally:
        davit("namespace", "rm", "complete-me")


@pytest.mark.parametrize("line,words", [("davit versi", "version"), ("davit system d", "df"), ("davit image ls --no", "--no-trunc")])
def test_completion_of_bash(davit, line, words):
    script = (f'source <("{davit_path()}" completion bash); compopt() {{ :; }}; COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; '
              f'_davit "{davit_path()}"; echo "${{COMPREPLY[*]}}"')
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30).stdout.strip() == words


@pytest.mark.parametrize("args,status,told", [
    (("nope",), 1, "'nope' is not a command of davit\nSee 'davit --help'."),
    (("image", "nope"), 1, "'image nope' is not a command of davit\nSee 'davit image --help'."),
    (("--nope",), 125, "unknown flag: --nope"),
    (("images", "-x"), 125, "unknown shorthand flag: 'x' in -x\nSee 'davit image ls --help'."),
    (("rmi",), 1, "'davit image rm' requires at least 1 argument\nUsage:  davit image rm [OPTIONS] IMAGE [IMAGE...]"),
    (("version", "x"), 1, "'davit version' takes no arguments"),
    (("completion", "tcsh"), 1, "there is no completion for 'tcsh'")])
def test_usage_errors(davit, args, status, told):
    assert f"davit: {told}" in davit.fails(*args, status=status)


def test_version(davit):
    assert re.fullmatch(r"davit version \S+, build \S+\n", davit("--version"))
