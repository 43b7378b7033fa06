"""System calls that do not give the interpreter's lock away, compiled.

This module exists in a compiled build for Linux only. :mod:`handler_core.network._short_calls` says
what such calls are for, and does the same with ``ctypes`` where this module is missing. When they
may keep the lock, :mod:`handler_core.network._lock_turns` decides.

**Signals.** No signal handler runs inside a call that keeps the lock, and it is over in a
microsecond. A wait gives the lock away. A signal ends it, and its handler runs then. If that does
not raise, the wait goes on for what is left of its time.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.list cimport PyList_AsTuple
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.errno cimport EINTR, errno
from libc.limits cimport INT_MAX
from libc.math cimport ceil
from libc.stdlib cimport free, malloc

from handler_core.network._lock_turns cimport may_keep_lock, note_wait

import errno as _errno
import os

__all__ = ["Receiver", "announce", "quick_select", "quick_send", "recv", "send", "take_last"]

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int c_poll "poll"(pollfd *entries, unsigned long count, int milliseconds)
    short POLLIN, POLLOUT, POLLPRI, POLLHUP, POLLERR, POLLNVAL

cdef extern from "<sys/socket.h>" nogil:
    ssize_t c_send "send"(int fd, const void *data, size_t size, int flags)
    ssize_t c_recv "recv"(int fd, void *buffer, size_t size, int flags)
    int MSG_DONTWAIT

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *now)
    int CLOCK_MONOTONIC

cdef extern from "Python.h":
    long PyLong_AsLongAndOverflow(object number, int *overflow) except? -1

# More bytes take longer to copy than two switches of threads.
cdef enum:
    MOST_SENT = 65_536
    MOST_RECEIVED = 16_384
    # Entries that need no memory from the heap.
    FEW = 16
    # The longest timeout of one `poll`, in seconds. It counts milliseconds in a C int.
    LONGEST_POLL = 2_000_000
    # What a function returns for "take the ordinary way".
    ORDINARY = -1

# Nobody else touches it while the lock is kept.
cdef char _received[MOST_RECEIVED]


# Select.


def quick_select(rlist, wlist, xlist, timeout, bint may_block):
    """Do what ``select.select`` does, for lists and tuples of any descriptors.

    Args:
        rlist: what to watch for reading.
        wlist: what to watch for writing.
        xlist: what to watch for exceptional conditions.
        timeout: seconds, or None.
        may_block: False lets it return at once, whatever the timeout is.

    Returns:
        The three lists. None means that the ordinary way is to be taken: nothing is ready yet and
        ``may_block`` is False, or the arguments are unusual or wrong.

    Raises:
        OSError: a descriptor is not open.
    """
    cdef double seconds = -1
    cdef Py_ssize_t count
    cdef pollfd few[FEW]
    cdef pollfd *entries = few
    if timeout is not None:
        if type(timeout) is not float and type(timeout) is not int:
            return None
        seconds = timeout
        if not 0 <= seconds <= LONGEST_POLL:
            return None
    # Copies, since the caller's lists may change while it waits.
    cdef tuple readers = _as_tuple(rlist)
    cdef tuple writers = _as_tuple(wlist)
    cdef tuple others = _as_tuple(xlist)
    if readers is None or writers is None or others is None:
        return None
    count = PyTuple_GET_SIZE(readers) + PyTuple_GET_SIZE(writers) + PyTuple_GET_SIZE(others)
    if count <= FEW:
        return _select(entries, count, readers, writers, others, seconds, may_block)
    entries = <pollfd *> malloc(count * sizeof(pollfd))
    if entries == NULL:
        raise MemoryError
    try:
        return _select(entries, count, readers, writers, others, seconds, may_block)
    finally:
        free(entries)


cdef inline tuple _as_tuple(object fileobjs):
    if type(fileobjs) is list:
        return () if not <list> fileobjs else PyList_AsTuple(fileobjs)
    return fileobjs if type(fileobjs) is tuple else None


cdef object _select(
    pollfd *entries,
    Py_ssize_t count,
    tuple readers,
    tuple writers,
    tuple others,
    double seconds,
    bint may_block,
):
    """Wait, with one entry for each object of each list."""
    cdef pollfd *writing = entries + PyTuple_GET_SIZE(readers)
    cdef pollfd *excepting = writing + PyTuple_GET_SIZE(writers)
    cdef int found
    if not (
        _fill(entries, readers, POLLIN)
        and _fill(writing, writers, POLLOUT)
        and _fill(excepting, others, POLLPRI)
    ):
        return None
    found = _wait(entries, count, seconds, may_block)
    if found == ORDINARY:
        return None
    if found == 0:
        return [], [], []
    _check_open(entries, count)
    return (
        _ready(entries, readers, POLLIN | POLLHUP | POLLERR),
        _ready(writing, writers, POLLOUT | POLLHUP | POLLERR),
        _exceptional(entries, excepting, others),
    )


cdef bint _fill(pollfd *entries, tuple fileobjs, short events) except -1:
    """Make an entry for each object. Return False if one of them is no ordinary one."""
    cdef Py_ssize_t index
    cdef int fd
    for index in range(PyTuple_GET_SIZE(fileobjs)):
        fd = _descriptor(<object> PyTuple_GET_ITEM(fileobjs, index))
        if fd == ORDINARY:
            return False
        entries[index].fd = fd
        entries[index].events = events
        entries[index].revents = 0
    return True


cdef int _descriptor(object fileobj) except -2:
    cdef int overflow = 0
    cdef long fd
    cdef object number = fileobj
    if type(number) is not int:
        try:
            number = fileobj.fileno()
        except (AttributeError, TypeError):
            return ORDINARY
        if type(number) is not int:
            return ORDINARY
    fd = PyLong_AsLongAndOverflow(number, &overflow)
    return <int> fd if 0 <= fd <= INT_MAX and not overflow else ORDINARY


cdef int _wait(
    pollfd *entries, unsigned long count, double seconds, bint may_block
) except -2:
    """Return how many entries are ready."""
    cdef int found, error
    cdef double start, left
    if not may_block:
        # The tasks of such a caller share its thread. So other threads are few, and get the lock.
        with nogil:
            found = c_poll(entries, count, 0)
        return found if found > 0 or (found == 0 and seconds == 0) else ORDINARY
    if count <= FEW and may_keep_lock():
        found = c_poll(entries, count, 0)
        if found > 0 or (found == 0 and seconds == 0):
            return found
    start = _now()
    left = seconds
    while True:
        with nogil:
            found = c_poll(entries, count, -1 if left < 0 else <int> ceil(left * 1000))
            error = errno
        if found >= 0:
            break
        if error != EINTR:
            return ORDINARY  # which gets the error too, and raises it
        PyErr_CheckSignals()
        if seconds >= 0:
            left = max(seconds - (_now() - start), 0.0)
    note_wait(_now() - start)
    return found


cdef inline double _now() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


cdef int _check_open(pollfd *entries, Py_ssize_t count) except -1:
    cdef Py_ssize_t index
    for index in range(count):
        if entries[index].revents & POLLNVAL:
            raise OSError(
                _errno.EBADF, f"{os.strerror(_errno.EBADF)}: {entries[index].fd}"
            )
    return 0


cdef list _ready(pollfd *entries, tuple fileobjs, short events):
    cdef Py_ssize_t index
    cdef list ready = []
    for index in range(PyTuple_GET_SIZE(fileobjs)):
        if entries[index].revents & events:
            ready.append(<object> PyTuple_GET_ITEM(fileobjs, index))
    return ready


cdef list _exceptional(pollfd *entries, pollfd *excepting, tuple fileobjs):
    """Hang-up and error count only for a descriptor that is in no other list."""
    cdef Py_ssize_t index
    cdef list ready = []
    cdef pollfd *each
    cdef short events
    for index in range(PyTuple_GET_SIZE(fileobjs)):
        events = excepting[index].revents
        if events & POLLPRI:
            ready.append(<object> PyTuple_GET_ITEM(fileobjs, index))
        elif events & (POLLHUP | POLLERR):
            each = entries
            while each != excepting and each.fd != excepting[index].fd:
                each += 1
            if each == excepting:
                ready.append(<object> PyTuple_GET_ITEM(fileobjs, index))
    return ready


# Sockets.


def quick_send(sock, data):
    """Send some of ``data``, without a wait; return how many bytes.

    -1 means that the ordinary way is to be taken: for much data, and for anything but bytes, a
    bytearray, or a view whose bytes lie side by side.
    """
    if type(data) is bytes:
        if len(<bytes> data) > MOST_SENT or not may_keep_lock():
            return ORDINARY
        return _send(sock, <const char *> <bytes> data, len(<bytes> data), MSG_DONTWAIT)
    if type(data) is bytearray:
        if len(<bytearray> data) > MOST_SENT:
            return ORDINARY
    elif type(data) is not memoryview or data.nbytes > MOST_SENT or not data.c_contiguous:
        return ORDINARY
    return quick_send(sock, bytes(data))


cdef class Receiver:
    """Receives what has arrived, without a wait.

    Args:
        size: the most that it receives at once, in bytes. It has a limit of its own too.
    """

    cdef Py_ssize_t _size

    def __init__(self, Py_ssize_t size):
        self._size = max(0, min(size, MOST_RECEIVED))

    def recv(self, sock, Py_ssize_t size, int flags):
        """Return up to ``size`` bytes. ``b""`` is the end.

        None means that the ordinary way is to be taken.
        """
        cdef ssize_t count
        cdef int fd
        if size < 0 or not may_keep_lock():
            return None
        fd = sock.fileno()
        count = c_recv(fd, _received, min(size, self._size), flags | MSG_DONTWAIT)
        return None if count < 0 else PyBytes_FromStringAndSize(_received, count)


cdef ssize_t _send(object sock, const char *data, size_t size, int flags) except -2:
    cdef int fd = sock.fileno()
    return c_send(fd, data, size, flags)


# Socket pairs. What a function does here is done at once: no Python code runs in between.


def announce(queue, dict may_announce, sender):
    """If the queue has something, and the token is away, put the token into the kernel.

    Returns -1 if the kernel did not take it. See ``_pair_direction``.
    """
    if not queue or not may_announce:
        return 0
    may_announce.clear()
    return _send(sender, b"\0", 1, MSG_DONTWAIT)


def take_last(queue, dict is_queued, dict may_announce, entry, receiver):
    """Take one chunk, and take the token out of the kernel if the queue is empty then.

    Raises:
        IndexError: the queue was empty.
    """
    cdef char token
    cdef int fd
    chunk = queue.popleft()
    if is_queued and not queue:
        fd = receiver.fileno()
        c_recv(fd, &token, 1, MSG_DONTWAIT)
        may_announce.setdefault(b"\0", entry)
    return chunk


def send(sock, bytes data, size_t size, int flags):
    """Call C's ``send``, and return what it returns."""
    return _send(sock, data, size, flags)


def recv(sock, bytearray buffer, size_t size, int flags):
    """Call C's ``recv``, and return what it returns."""
    cdef int fd = sock.fileno()
    return c_recv(fd, <char *> buffer, size, flags)
