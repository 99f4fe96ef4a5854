"""The listener together with the certificate that it shows. Must never leave a bad pair of files unexplained."""

from callgate.config.checks import refusal
from callgate.config.model import ListenConfig
from callgate.errors import UsageError
from callgate.http1.listener import Listener
from callgate.http1.tls import Certificate


def certificate_of(listen: ListenConfig, *, from_file: bool) -> Certificate | None:
    """The certificate that is configured, None if there is none.

    Raises ConfigError (HTTP030, HTTP031) if the files are bad and `from_file` says that callgate.yaml names them,
    UsageError if the command line does.
    """
    if listen.tls_cert is None or listen.tls_key is None:
        return None
    try:
        return Certificate(listen.tls_cert, listen.tls_key)
    except UsageError as error:
        if from_file:
            raise refusal(error.code, error.message, error.help) from None
        raise


class CertifiedListener:
    """What a gate that serves needs of its listener."""

    def __init__(self, listener: Listener, certificate: Certificate | None) -> None:
        self._listener = listener
        self._certificate = certificate
        self.stop_accepting = listener.stop_accepting
        self.close = listener.close

    @property
    def connections(self) -> int:
        return self._listener.connections

    def reload_tls(self) -> None:
        if self._certificate is not None:
            self._certificate.refresh()
