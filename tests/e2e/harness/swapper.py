# SPDX-License-Identifier: Apache-2.0
"""An attacker who exchanges two names as fast as possible while the runtime works on one of them."""

import ctypes
import multiprocessing
import os

_libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def exchange(a, b):
    if _libc.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(a))


def _swap_for_ever(a, b):
    while True:
        try:
            exchange(a, b)
        except OSError:
            pass    # EBUSY: something is mounted on one of them just now


class Swapper:
    """with Swapper(a, b): both names exist all the time, and change places all the time."""

    def __init__(self, a, b):
        exchange(a, b)
        exchange(a, b)
        self.process = multiprocessing.get_context("fork").Process(
            target=_swap_for_ever, args=(str(a), str(b)), daemon=True)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()
