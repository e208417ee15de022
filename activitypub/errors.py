"""What can go wrong between two servers.

    ProtocolError
    ├── Malformed           cannot be read: not JSON, no such key format, an IRI that is none
    ├── Refused             read, but the sender may not say this
    ├── SignatureInvalid    the request is not signed as we demand, or by somebody else
    ├── KeyUnavailable      the key that a request names could not be had
    └── FetchFailed         a remote document could not be had, or a delivery did not arrive
        └── HostRefused     our own guard does not let us talk to that host

`retry` says whether the same attempt may succeed later. It is a property of the class, except where only the
circumstances tell (a 503 against a 404): KeyUnavailable and FetchFailed carry it on each instance.
"""


class ProtocolError(Exception):
    """What another server did that we cannot accept. The message is fit for logs and administrators."""

    retry: bool = False


class Malformed(ProtocolError):
    pass


class Refused(ProtocolError):
    pass


class SignatureInvalid(ProtocolError):
    pass


class KeyUnavailable(ProtocolError):
    """`gone`: the key's document answered 404 or 410, so its owner was deleted or never existed."""

    def __init__(self, message: str, *, key_id: str, retry: bool = False, gone: bool = False) -> None:
        super().__init__(message)
        self.key_id = key_id
        self.retry = retry
        self.gone = gone


class FetchFailed(ProtocolError):
    """`status`: of the answer, if there was one; `gone`: 404 or 410; `retry_after`: seconds asked for.

    `connected`: False if there was no connection, so that it is not about what was asked or sent. `sent`: False if nothing
    can have arrived there; a connection that broke off may have brought it all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        url: str,
        status: int | None = None,
        retry: bool = False,
        gone: bool = False,
        retry_after: float | None = None,
        connected: bool = True,
        sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.url = url
        self.connected = connected
        self.sent = sent
        self.status = status
        self.retry = retry
        self.gone = gone
        self.retry_after = retry_after


class HostRefused(FetchFailed):
    """Never worth a retry: only a change of our own configuration makes the host acceptable."""
