"""The frames that travel on the connection: each has an id and a payload.

A frame is a header and the payload. The header holds the id in 8 bytes and the length of the
payload in 4 bytes, both big-endian. The reply to a request has the same id as the request, so
many requests may be in flight. Frames with the id :data:`NOTICE` are notices: the server sends
them without a request.
"""

from __future__ import annotations

import struct

__all__ = ["MAX_PAYLOAD", "NOTICE", "FrameReader", "ProtocolError", "check_payload", "pack"]

#: The id of notices. The ids of requests begin at 1.
NOTICE = 0

#: The longest payload, in bytes. A peer that sends a longer one uses another protocol.
MAX_PAYLOAD = 16 * 1024 * 1024

_HEADER = struct.Struct("!QI")


class ProtocolError(ConnectionError):
    """The peer broke the protocol. The connection cannot be used any more."""


def check_payload(payload: bytes) -> None:
    """Check the payload that a caller wants to send.

    Raises:
        TypeError: the payload is not ``bytes``.
        ValueError: the payload is longer than :data:`MAX_PAYLOAD`.
    """
    if not isinstance(payload, bytes):
        raise TypeError(f"a payload is bytes, not {payload!r}")
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload has at most {MAX_PAYLOAD} bytes, not {len(payload)}")


def pack(frame_id: int, payload: bytes) -> bytes:
    """Return a frame."""
    return _HEADER.pack(frame_id, len(payload)) + payload


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take received bytes, and return the ids and payloads of the frames that they complete.

        Raises:
            ProtocolError: the header of a frame has a length above :data:`MAX_PAYLOAD`.
        """
        unread = self._unread
        unread += data
        frames = []
        start = 0
        while start + _HEADER.size <= len(unread):
            frame_id, length = _HEADER.unpack_from(unread, start)
            if length > MAX_PAYLOAD:
                raise ProtocolError(f"a frame of {length} bytes; the limit is {MAX_PAYLOAD}")
            payload = start + _HEADER.size
            end = payload + length
            if end > len(unread):
                break
            frames.append((frame_id, bytes(unread[payload:end])))
            start = end
        del unread[:start]
        return frames
