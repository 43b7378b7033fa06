"""A file that a command writes at its end.

A measurement takes a while, so the command checks before it that the file can be written. And it
never leaves a file half written: it writes a new file beside the old one, and replaces the old one
when all of the new one is on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from typing import IO

__all__ = ["check_writable", "write_whole"]


def check_writable(path: str) -> None:
    """Check that :func:`write_whole` can write a file. An existing file stays unchanged.

    Raises:
        OSError: the file cannot be written.
    """
    target = os.path.realpath(path)
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        pass
    else:
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            # To rename a file onto a device would replace the device.
            raise OSError(errno.EINVAL, "Not a regular file", path)
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    with _new_file_beside(target) as (_, name):
        os.unlink(name)


def write_whole(path: str, text: str) -> None:
    """Make ``text`` the content of a file. If that fails, nothing changes.

    Raises:
        OSError: the file cannot be written.
    """
    target = os.path.realpath(path)
    with _new_file_beside(target) as (file, name):
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        if os.path.exists(target):
            shutil.copymode(target, name)
        os.replace(name, target)


@contextlib.contextmanager
def _new_file_beside(target: str) -> Iterator[tuple[IO[str], str]]:
    """Make a file in the folder of another file. It is removed if the block fails."""
    name = os.path.join(os.path.dirname(target), f".handler-core-{uuid.uuid4().hex}")
    with open(name, "x", encoding="utf-8") as file:
        try:
            yield file, name
        except BaseException:
            os.unlink(name)
            raise
