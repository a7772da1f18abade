# SPDX-License-Identifier: Apache-2.0
"""binary:// and binary-v2://: the output goes to a program."""

import hashlib
import os

import pytest

from harness import leftovers
from harness.shim_volume import REFUSED, expected_hash, finished, random_file, volume
from harness.wait import eventually

LOGGER = """#!/bin/sh
trap '' TERM
env > {dir}/env; echo "$*" > {dir}/args; ls -l /proc/$$/fd > {dir}/fds
cat <&3 > {dir}/out 3<&- 4<&- 5>&- & cat <&4 > {dir}/err 3<&- 4<&- 5>&- &
exec 3<&- 4<&-
{ready}
exec 5>&-
wait
touch {dir}/ended
"""


@pytest.fixture
def logger(work):
    def make(ready="", text=LOGGER):
        path = work / "logger"
        path.write_text(text.format(dir=work, ready=ready))
        path.chmod(0o755)
        return path
    return make


def with_logger(shim, uri, script):
    c = shim(script=script)
    c.up(stdout=uri, stderr=uri)
    assert finished(c)
    c.delete()
    return c


def test_logger(shim, work, logger):
    c = with_logger(shim, f"binary://{logger()}?key=value&other=x%20y", "echo out; echo err >&2")
    eventually(lambda: (work / "ended").exists(), "the logger saw the end of both")
    assert (work / "out").read_text() == "out\n" and (work / "err").read_text() == "err\n"
    environment = (work / "env").read_text().split()
    assert f"CONTAINER_ID={c.id}" in environment and f"CONTAINER_NAMESPACE={shim.namespace}" in environment
    args = (work / "args").read_text().split()
    assert "key" in args and args[args.index("key") + 1] == "value" and "other" in args


@pytest.mark.davit_shim
def test_logger_gets_no_more_descriptors_than_it_shall(shim, work, logger):
    with_logger(shim, f"binary://{logger()}", "true")
    fds = {int(line.split(" -> ")[0].split()[-1]) for line in (work / "fds").read_text().splitlines() if " -> " in line}
    assert fds - {10, 11, 255} == {0, 1, 2, 3, 4, 5}    # the others: the shell's script


@pytest.mark.davit_shim
@volume("mib", 32, 1024)
def test_large_output_to_a_logger(shim, work, logger, mib):
    c = shim(script=f"i=0; while [ $i -lt {mib // 8} ]; do cat /data; i=$((i+1)); done")
    data = random_file(c)
    uri = f"binary://{logger()}"
    c.up(stdout=uri, stderr=uri)
    assert finished(c)
    c.delete()
    eventually(lambda: (work / "ended").exists(), "the logger has ended")
    with open(work / "out", "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == expected_hash(data, mib // 8)
    os.unlink(work / "out")


@pytest.mark.davit_shim
def test_logger_of_the_second_kind(shim, work, logger):
    with_logger(shim, f"binary-v2://{logger(ready='echo >&5')}", "echo out")
    eventually(lambda: (work / "ended").exists() and (work / "out").read_text() == "out\n", "it got everything")


@pytest.mark.davit_shim
@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexec 5>&-\nsleep 1000\n"], ids=["ended", "closed"])
def test_logger_of_the_second_kind_that_never_is_ready(shim, logger, text):
    c = shim.sleeper().launch()
    path = logger(text=text)
    uri = f"binary-v2://{path}"
    assert c.fails(REFUSED, "Create", **c.create_fields(stdout=uri, stderr=uri))
    eventually(lambda: not leftovers.processes([str(path)]), "it was stopped")


@pytest.mark.davit_shim
def test_logger_that_is_killed(shim, logger):
    """The process must not die of it: its output goes nowhere."""
    c = shim(script="until [ -e /go ]; do sleep 0.02; done; head -c 1000000 /dev/zero; echo $? > /status")
    path = logger()
    c.up(stdout=f"binary://{path}", stderr=f"binary://{path}")
    for pid in leftovers.processes([str(path)]):
        os.kill(pid, 9)
    (c.bundle.rootfs / "go").touch()
    assert finished(c)
    assert (c.bundle.rootfs / "status").read_text() == "0\n"


@pytest.mark.stress    # for 12 s it may still end by itself
def test_logger_that_does_not_end(shim, logger):
    """SIGTERM, then SIGKILL; Delete does not wait for that."""
    text = "#!/bin/sh\ntrap '' TERM\nexec 5>&-\nwhile :; do sleep 0.1; done\n"
    path = logger(text=text)
    c = shim(script="true")
    c.up(stdout=f"binary://{path}", stderr=f"binary://{path}")
    assert finished(c)
    c("Delete", timeout=20)
    eventually(lambda: not leftovers.processes([str(path)]), "the logger was ended", timeout=20)
