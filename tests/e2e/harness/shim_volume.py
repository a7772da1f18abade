# SPDX-License-Identifier: Apache-2.0
"""Much data through a container's streams, checked by hash."""

import hashlib
import os

import pytest

MIB = 1 << 20
REFUSED = ("UNKNOWN", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "INTERNAL", "UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED")


def random_file(c, name="data", size=8 * MIB):
    """Random bytes in the container: loss, doubling and disorder all change the hash."""
    data = os.urandom(size)
    (c.bundle.rootfs / name).write_bytes(data)
    return data


def expected_hash(data, times):
    found = hashlib.sha256()
    for _ in range(times):
        found.update(data)
    return found.hexdigest()


def finished(c, exec_id=""):
    return c("Wait", timeout=600, exec_id=exec_id).exit_status == 0


def volume(name, ci, stress):
    """A test's size in MiB: one for CI, one for make test-shim-stress."""
    return pytest.mark.parametrize(name, [ci, pytest.param(stress, marks=pytest.mark.stress)])
