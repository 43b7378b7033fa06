"""The text protocol of memcached, as functions of bytes. Nothing here knows a socket."""

from __future__ import annotations

import operator
import re
from typing import NamedTuple, NoReturn

# A key must not contain what separates the words of a command: spaces and control characters.
_KEY = re.compile(rb"[^\x00-\x20\x7f]{1,250}")

# No line of the protocol is longer. A peer that sends a longer one is no memcached.
_LONGEST_LINE = 2048

# No value is larger. A client without this limit would keep all that a wrong peer sends.
_LARGEST_VALUE = 1 << 30

# The server reads no larger number than this as the time.
_LONGEST_TIME = 2**31 - 1


class MemcachedError(Exception):
    """The server has refused one command. The connection is still good."""


class ProtocolError(ConnectionError):
    """The server has sent what is no answer. The connection cannot be used any more."""


class Answer(NamedTuple):
    """The last line of an answer, and the value before it if there is one."""

    line: bytes
    value: bytes | None = None


def checked_key(key: str) -> bytes:
    """Return a key as bytes.

    Raises:
        ValueError: the server would take a part of the key for another command.
    """
    encoded = key.encode()
    if not _KEY.fullmatch(encoded):
        raise ValueError(f"a key has 1 to 250 bytes and no spaces or control characters: {key!r}")
    return encoded


def get_command(key: str) -> bytes:
    return b"get %b\r\n" % checked_key(key)


def set_command(key: str, value: bytes, expire: int = 0) -> bytes:
    """Return the command that stores a value for ``expire`` seconds, or for ever if it is 0.

    The server reads more than 30 days as a date, in seconds since 1970.

    Raises:
        TypeError: the time is no integer. Half a second would become 0, which is for ever.
        ValueError: the server would refuse the first line, and take the value for a command.
    """
    expire = operator.index(expire)
    if not 0 <= expire <= _LONGEST_TIME:
        raise ValueError(f"a time has 0 to {_LONGEST_TIME} seconds: {expire}")
    if len(value) > _LARGEST_VALUE:
        raise ValueError(f"a value has at most {_LARGEST_VALUE} bytes: {len(value)}")
    return b"set %b 0 %d %d\r\n%b\r\n" % (checked_key(key), expire, len(value), value)


def delete_command(key: str) -> bytes:
    return b"delete %b\r\n" % checked_key(key)


def incr_command(key: str, number: int) -> bytes:
    return b"incr %b %d\r\n" % (checked_key(key), operator.index(number))


class AnswerReader:
    """Cuts the bytes that arrive into answers. They may arrive in pieces of any size."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._length: int | None = None  # of the value that comes next
        self._value: bytes | None = None

    def feed(self, data: bytes) -> list[Answer]:
        """Take what has arrived, and return the answers that are complete now.

        Raises:
            ProtocolError: this is no answer of memcached.
        """
        self._unread += data
        answers = []
        while self._take_value() and (line := self._take_line()) is not None:
            if line.startswith(b"VALUE "):
                if self._value is not None:
                    raise ProtocolError(f"a second value in one answer: {line!r}")
                self._length = _length_in(line)
            else:
                answers.append(Answer(line, self._value))
                self._value = None
        return answers

    def _take_line(self) -> bytes | None:
        end = self._unread.find(b"\r\n", 0, _LONGEST_LINE)
        if end < 0:
            if len(self._unread) >= _LONGEST_LINE:
                raise ProtocolError(f"a line of more than {_LONGEST_LINE} bytes")
            return None
        line = bytes(self._unread[:end])
        del self._unread[: end + 2]
        return line

    def _take_value(self) -> bool:
        """Take the value if one comes next. Return False if it is not complete."""
        length = self._length
        if length is not None:
            if len(self._unread) < length + 2:
                return False
            if self._unread[length : length + 2] != b"\r\n":
                raise ProtocolError(f"a value does not end after {length} bytes")
            self._value = bytes(self._unread[:length])
            del self._unread[: length + 2]
            self._length = None
        return True


def _length_in(line: bytes) -> int:
    """Return the length in ``VALUE <key> <flags> <length>``."""
    words = line.split(b" ")
    if len(words) < 4 or not words[3].isdigit():
        raise ProtocolError(f"a value without a length: {line!r}")
    length = int(words[3])
    if length > _LARGEST_VALUE:
        raise ProtocolError(f"a value of more than {_LARGEST_VALUE} bytes: {line!r}")
    return length


# What the answers to the commands mean.


def value_in(answer: Answer) -> bytes | None:
    """Return the value that ``get`` has found, or None."""
    return answer.value if answer.line == b"END" else _refuse(answer)


def was_stored(answer: Answer) -> bool:
    return answer.line == b"STORED" or _refuse(answer)


def was_deleted(answer: Answer) -> bool:
    return answer.line == b"DELETED" or (answer.line != b"NOT_FOUND" and _refuse(answer))


def number_in(answer: Answer) -> int | None:
    """Return the sum, or None if there is no such key."""
    if answer.line == b"NOT_FOUND":
        return None
    return int(answer.line) if answer.line.isdigit() else _refuse(answer)


def _refuse(answer: Answer) -> NoReturn:
    text = answer.line.decode(errors="replace")
    if re.match("ERROR$|(CLIENT|SERVER)_ERROR ", text):
        raise MemcachedError(text)
    raise ProtocolError(f"the answer to another command: {text!r}")
