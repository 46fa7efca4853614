"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Take interrupts, also where the tests were started in the background of a shell, which has them ignored.

    Programs that tests start would inherit that, and could not be interrupted by a test.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
