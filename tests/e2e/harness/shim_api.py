# SPDX-License-Identifier: Apache-2.0
"""What tests and benchmarks know of a shim's interface."""

import json

OPTIONS = "containerd.runc.v1.Options"


def bootstrap(api, output):
    """What `start` printed, in any of the three forms: (version, address, protocol)."""
    if output.startswith(b"unix://"):
        return 2, output.decode(), "ttrpc"
    if output.startswith(b"{"):
        found = json.loads(output)
    else:
        found = api.type("containerd.runtime.bootstrap.v1.BootstrapResult").FromString(output)
        found = {"version": found.version, "address": found.address, "protocol": found.protocol}
    return found["version"], found["address"], found["protocol"]
