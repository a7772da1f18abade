# SPDX-License-Identifier: Apache-2.0
"""Waiting for conditions, never for time."""

import os
import time

# Under emulation everything takes longer.
SLOWNESS = float(os.environ.get("DAVIT_E2E_SLOWNESS", "1"))


def eventually(condition, what, timeout=15):
    """Returns the first true value of condition(); fails when there is none before the deadline."""
    deadline = time.monotonic() + timeout * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"still not so after {timeout * SLOWNESS:g} s: {what}"
        time.sleep(0.01)
