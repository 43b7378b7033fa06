"""Files that a command writes at its end: refused at its start, and never left half written.

A measurement takes its time, so that a file cannot be written must be known before. And what was
there before stays until all of the new is on the disk: it is written beside, and then renamed.
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
    """Check that :func:`write_whole` can write there; what is there stays as it is.

    Raises:
        OSError: it cannot.
    """
    target = os.path.realpath(path)
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        pass
    else:
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):  # to rename a file onto a device would replace the device
            raise OSError(errno.EINVAL, "Not a regular file", path)
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    with _new_file_beside(target) as (_, name):
        os.unlink(name)


def write_whole(path: str, text: str) -> None:
    """Make ``text`` the content of a file, or leave all as it was.

    Raises:
        OSError: it cannot be written.
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
    """Make a file in the folder of another; it goes if the block fails."""
    name = os.path.join(os.path.dirname(target), f".handler-core-{uuid.uuid4().hex}")
    with open(name, "x", encoding="utf-8") as file:
        try:
            yield file, name
        except BaseException:
            os.unlink(name)
            raise
