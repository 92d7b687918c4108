"""What the tests of grading share. Helpers stand in modules of their own: a process that a test starts finds those, but
of the conftests of all folders only the first."""

import pytest
from tiny_course import TinyCourse


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return TinyCourse(tmp_path_factory.mktemp("course"))
