"""Stands in for pytest-docker: servers of SUITE_SERVICES run, tests that ask for others are skipped."""

from __future__ import annotations

import os

import pytest


class Services:
    """What suites use of the fixture of that name."""

    def start(self, *names: str) -> None:
        """Skip the test that asks for a server that is not there.

        Args:
            names: the servers, as the suite's compose file calls them.
        """
        for name in names:
            if name not in os.environ["SUITE_SERVICES"].split():
                pytest.skip(f"no {name} here")

    def wait_for_service(self, *_arguments: object) -> None:
        """Do nothing: what runs was waited for before the suite began."""


@pytest.fixture(scope="session")
def docker_services() -> Services:
    """The servers of the suite."""
    return Services()
