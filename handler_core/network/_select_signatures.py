"""The two forms in which a handler's ``select`` can be called.

The full form, ``select(rlist, wlist, xlist, timeout=None)``, is that of ``select.select``. The
short form, ``select(sockets, timeout)``, waits until a socket is readable or in error. Its second
list has the sockets that are writable at that moment.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from handler_core.network._select_arguments import SelectLists

__all__ = ["accept_both_forms"]

_NOT_GIVEN: Any = object()


def accept_both_forms(select: Callable[..., SelectLists]) -> Callable[..., SelectLists]:
    """Return a method that takes both forms, and calls ``select`` with the full one.

    Args:
        select: a method with the parameters ``(self, rlist, wlist, xlist, timeout)``.
    """

    @functools.wraps(select)
    def both_forms(
        self: Any,
        rlist: Any = _NOT_GIVEN,
        wlist: Any = _NOT_GIVEN,
        xlist: Any = _NOT_GIVEN,
        timeout: Any = _NOT_GIVEN,
        *,
        sockets: Any = _NOT_GIVEN,
    ) -> SelectLists:
        if xlist is not _NOT_GIVEN and wlist is not _NOT_GIVEN and rlist is not _NOT_GIVEN:
            if sockets is _NOT_GIVEN:
                return select(self, rlist, wlist, xlist, None if timeout is _NOT_GIVEN else timeout)
        elif xlist is _NOT_GIVEN and (rlist is _NOT_GIVEN) is not (sockets is _NOT_GIVEN):
            # A positional timeout of the short form arrives as `wlist`.
            given = [value for value in (wlist, timeout) if value is not _NOT_GIVEN]
            if len(given) == 1 and (given[0] is None or isinstance(given[0], (int, float))):
                watched = sockets if rlist is _NOT_GIVEN else rlist
                # A string stays what it is, and `select` refuses it.
                if not isinstance(watched, (str, bytes, bytearray)):
                    watched = list(watched)
                readable, _, exceptional = select(self, watched, (), watched, given[0])
                _, writable, _ = select(self, (), watched, (), 0)
                return readable, writable, exceptional
        raise TypeError(
            "select() takes (rlist, wlist, xlist, timeout=None) or (sockets, timeout), "
            "with the timeout in seconds"
        )

    return both_forms
