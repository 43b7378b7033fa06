"""What travels on the connection: frames of an id and a payload.

A frame is a header (the id in 8 bytes, the payload's length in 4, both big-endian) and the
payload. The reply to a request has the request's id, so many requests may be on their way at
once. Frames with the id :data:`NOTICE` come from the server unasked.
"""

from __future__ import annotations

import struct

__all__ = ["MAX_PAYLOAD", "NOTICE", "FrameReader", "ProtocolError", "check_payload", "pack"]

#: The id of what the server sends unasked. Requests count from 1.
NOTICE = 0

#: The longest payload, in bytes. A longer one is a peer that speaks something else.
MAX_PAYLOAD = 16 * 1024 * 1024

_HEADER = struct.Struct("!QI")


class ProtocolError(ConnectionError):
    """The peer sent what this protocol does not allow. The connection is of no more use."""


def check_payload(payload: bytes) -> None:
    """Check what a caller wants to send.

    Raises:
        TypeError: it is not ``bytes``.
        ValueError: it is longer than :data:`MAX_PAYLOAD`.
    """
    if not isinstance(payload, bytes):
        raise TypeError(f"a payload is bytes, not {payload!r}")
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload has at most {MAX_PAYLOAD} bytes, not {len(payload)}")


def pack(frame_id: int, payload: bytes) -> bytes:
    """Return the frame."""
    return _HEADER.pack(frame_id, len(payload)) + payload


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take what has arrived, and return the ids and payloads that are complete with it.

        Raises:
            ProtocolError: a frame says that it is longer than any may be.
        """
        unread = self._unread
        unread += data
        frames = []
        start = 0
        while start + _HEADER.size <= len(unread):
            frame_id, length = _HEADER.unpack_from(unread, start)
            if length > MAX_PAYLOAD:
                raise ProtocolError(f"a frame of {length} bytes: the most is {MAX_PAYLOAD}")
            payload = start + _HEADER.size
            end = payload + length
            if end > len(unread):
                break
            frames.append((frame_id, bytes(unread[payload:end])))
            start = end
        del unread[:start]
        return frames
