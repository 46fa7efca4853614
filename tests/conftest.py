"""What holds for all tests."""

import signal

from hypothesis import settings

settings.register_profile("tests", deadline=None, derandomize=True, database=None)
settings.load_profile("tests")


def pytest_configure() -> None:
    """Take interrupts, also where the tests were started in the background of a shell, which has them ignored.

    Programs that tests start would inherit that, and could not be interrupted by a test.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
