"""HTTP/1.1 whose requests must begin in time: a client that sends its head bit by bit is let go."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from windowshop.service.http.errors import ServiceError, to_json

HEAD_SECONDS = 10.0
HEAD_BYTES = 64 * 1024
LINGER_BYTES, LINGER_SECONDS = 4 * 2**20, 1.0
"""How much of what a refused client still sends is taken: a reset would take the answer from it."""


class PatientProtocol(HttpToolsProtocol):
    """Limits the head of a request, in bytes and seconds; bodies are limited further in."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to an unfinished head."""
        if self._is_refused:
            self._head_bytes += len(data)
            if self._head_bytes > LINGER_BYTES:
                self.transport.close()
            return
        if self._deadline is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._deadline is not None and self._head_bytes > HEAD_BYTES:
            message = f"The head of the request is larger than {HEAD_BYTES} bytes. Send less of it."
            self._refuse(ServiceError(431, "too_large", message))

    def on_message_begin(self) -> None:
        """Wait for the rest of a head."""
        super().on_message_begin()
        self._expect()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._arrived()
        super().on_headers_complete()

    def _expect(self) -> None:
        if self._deadline is None:
            self._head_bytes = 0
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._head_bytes:
            told = f"The head of the request took more than {HEAD_SECONDS:g} s. Send it faster."
            self._refuse(ServiceError(408, "too_slow", told))
        else:  # no request was begun
            self._arrived()
            self.transport.close()

    def _refuse(self, error: ServiceError) -> None:
        """Answer a head that is not whole, and close a little later."""
        self._arrived()
        if self.transport.is_closing():
            return
        self._is_refused = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # the answer before it is not through
            return
        content = to_json(error.body())
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
