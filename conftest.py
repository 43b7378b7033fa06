"""What all tests start from, those of the plugins too."""

import signal


def pytest_configure() -> None:
    """Have SIGINT raise ``KeyboardInterrupt``."""
    # A shell starts what runs in the background with SIGINT ignored, which children inherit, and
    # some tests are about Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
