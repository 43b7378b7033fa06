"""Handlers that break C17."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import stat
import threading
from typing import Any

from handler_core_gevent import SequentialGeventHandler

import handler_core
from broken.base import Threads, found_by
from handler_core import hookimpl

# C17


@found_by("test_c17_out_of_band_data_is_exceptional")
class C17ForgetsExceptionalConditions(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        readable, writable, _ = super().select(rlist, wlist, xlist, timeout)
        return readable, writable, []


@found_by("test_c17_the_callers_own_objects_come_back")
class C17ReturnsDescriptors(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = super().select(rlist, wlist, xlist, timeout)
        return tuple([handler_core.fileobj_to_fd(each) for each in part] for part in lists)


@found_by("test_c17_what_is_no_socket_is_refused")
class C17HasALimit(Threads):
    """Calls ``select.select``, which supports only descriptors below 1,024."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        return select.select(rlist, wlist, xlist, timeout)


@found_by("test_c17_readable_and_writable_is_in_both_lists")
class C17ReadableIsNotWritable(Threads):
    """Drops what is readable from the writable ones, as kazoo's handlers do."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        readable, writable, exceptional = super().select(rlist, wlist, xlist, timeout)
        return readable, [each for each in writable if each not in readable], exceptional


@found_by("test_c17_wrong_descriptors_and_timeouts_are_refused")
class C17TakesNegativeTimeouts(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        return super().select(rlist, wlist, xlist, None if timeout is None else max(0, timeout))


@found_by("test_c17_out_of_band_data_ends_a_select")
class C17BlocksTheHub(SequentialGeventHandler):
    """Lets no other greenlet run while it waits."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        return handler_core.poll_select(rlist, wlist, xlist, timeout)


@found_by("test_c17_out_of_band_data_ends_a_select")
class C17LooksForOutOfBandDataOnce(Threads):
    """Looks for out-of-band data when it begins, and does not wait for it afterwards."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        ready = super().select(rlist, wlist, xlist, 0)
        return ready if any(ready) else super().select(rlist, wlist, [], timeout)


@found_by("test_c17_out_of_band_data_is_exceptional_beside_other_data")
class C17OneListAtATime(Threads):
    """Does not report out-of-band data on a socket that is readable."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        readable, writable, exceptional = super().select(rlist, wlist, xlist, timeout)
        return readable, writable, [each for each in exceptional if each not in readable]


@found_by("test_c17_nothing_is_ready")
class C17CountsWholeMilliseconds(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        if isinstance(timeout, float):
            timeout = timeout // 0.001 / 1000
        return super().select(rlist, wlist, xlist, timeout)


@found_by("test_c17_the_callers_own_objects_come_back")
class C17ReturnsEachOnce(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = super().select(rlist, wlist, xlist, timeout)
        return tuple(list({id(each): each for each in part}.values()) for part in lists)


@found_by("test_c17_a_reset_is_ready")
class C17ResetIsNotWritable(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        readable, writable, exceptional = super().select(rlist, wlist, xlist, timeout)
        poll = select.poll()
        for each in writable:
            if each in readable and isinstance(each, socket.socket):
                poll.register(each, select.POLLOUT)
        reset = [number for number, event in poll.poll(0) if event & select.POLLERR]
        return (
            readable,
            [each for each in writable if handler_core.fileobj_to_fd(each) not in reset],
            exceptional,
        )


@found_by("test_c17_wrong_descriptors_and_timeouts_are_refused")
class C17ChecksTheFirstListOnly(Threads):
    """Raises for a closed descriptor in the first list, and ignores the other two lists."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        try:
            return super().select(rlist, wlist, xlist, timeout)
        except OSError:
            return super().select(rlist, [], [], timeout)


@found_by("test_c17_wrong_descriptors_and_timeouts_are_refused")
class C17NotANumberIsZero(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        timeout = 0 if timeout != timeout else timeout
        return super().select(rlist, wlist, xlist, timeout)


@found_by("test_c17_a_regular_file_is_ready")
class C17WatchesNoFiles(Threads):
    """Refuses regular files, as ``epoll`` does."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = super().select(rlist, wlist, xlist, timeout)
        for each in (*rlist, *wlist, *xlist):
            if stat.S_ISREG(os.fstat(handler_core.fileobj_to_fd(each)).st_mode):
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return lists


@found_by("test_c17_a_signal_does_not_end_it")
class C17EndsAtASignal(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = super().select(rlist, wlist, xlist, 0)
        if any(lists) or timeout == 0:
            return lists
        if threading.current_thread() is not threading.main_thread():
            return super().select(rlist, wlist, xlist, timeout)
        bell, button = socket.socketpair()
        with bell, button:
            button.setblocking(False)
            before = signal.set_wakeup_fd(button.fileno(), warn_on_full_buffer=False)
            try:
                lists = super().select([*rlist, bell], wlist, xlist, timeout)
            finally:
                signal.set_wakeup_fd(before)
        return [each for each in lists[0] if each is not bell], *lists[1:]


@found_by("test_c17_a_thread_of_the_operating_system_may_select")
class C17RefusesStrangers(SequentialGeventHandler):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        if self.current_hub() is None:
            raise RuntimeError("this thread has no hub")
        return self.select_in_hub(rlist, wlist, xlist, timeout)


@found_by("test_c17_other_tasks_go_on_while_it_waits")
class C17BlocksTheHubForAMoment(SequentialGeventHandler):
    """Blocks the hub during short waits."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        if timeout and timeout < 0.5:
            return handler_core.poll_select(rlist, wlist, xlist, timeout)
        return self.select_in_hub(rlist, wlist, xlist, timeout)


@found_by("test_c17_a_loop_around_a_ready_socket_lets_other_tasks_run")
class C17LooksWithoutATurn(SequentialGeventHandler):
    """Gives no turn to other greenlets if the timeout is 0."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        if timeout == 0:
            return handler_core.poll_select(rlist, wlist, xlist, timeout)
        return self.select_in_hub(rlist, wlist, xlist, timeout)
