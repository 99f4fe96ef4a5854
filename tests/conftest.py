"""What every test starts from."""

import signal


def pytest_configure() -> None:
    """Programs under test are told to end by signals, which a shell's background job would have them ignore."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
