# SPDX-License-Identifier: Apache-2.0
"""What the tests of the registry client share."""

import pytest

from . import registry


@pytest.fixture(scope="session")
def certificates(session_dir):
    return registry.Certificates(session_dir / "certificates")


@pytest.fixture
def servers():
    """servers() makes a server that does what the test says."""
    made = []

    def make(**kwargs):
        made.append(registry.Server(**kwargs))
        return made[-1]
    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(servers):
    return servers()
