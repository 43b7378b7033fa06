"""A warning where the standard library's TLS takes a green socket.

``ssl.create_default_context().wrap_socket(sock)`` takes the descriptor of ``sock``, and makes a
socket that blocks the thread. No other task of the model runs while it waits. A library may do that
by default, and nothing else would say so.
"""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Any

__all__ = ["warn_if_taken"]


def warn_if_taken(sock: Any, plain_class: Any) -> None:
    """Warn if the caller of ``sock.detach()`` makes a TLS socket that blocks the thread.

    ``SSLContext.wrap_socket`` calls ``SSLSocket._create``, and that detaches the socket. The frame
    of that call shows what was given (``sock``) and the class of what is made (``cls``). They wait
    alike if the latter is derived from the class of the former. The new one has the timeout of the
    former, and does not wait at all if that is 0. A socket of eventlet wraps the one that is
    detached. eventlet's own TLS calls ``_create`` itself.

    Args:
        sock: a socket with a mixin, which has been detached.
        plain_class: its class without the mixin.
    """
    frame: FrameType | None = sys._getframe(2)
    level = 3
    while frame is not None and frame.f_code.co_name == "detach":  # of a mixin
        frame, level = frame.f_back, level + 1
    if frame is None or not _is_of_ssl(frame) or frame.f_code.co_name != "_create":
        return
    caller = frame.f_back
    if caller is None or not _is_of_ssl(caller):
        return
    given, made = frame.f_locals.get("sock"), frame.f_locals.get("cls")
    if given is sock and isinstance(made, type) and issubclass(made, plain_class):
        return
    if given is not None and given.gettimeout() == 0:
        return
    while frame is not None and _is_of_ssl(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(
        "a context of the module ssl makes a socket that stops all other tasks of this thread "
        "while it waits: take handler.ssl_context(...) as the context, or give the context to "
        "handler.create_connection(..., ssl_context=context)",
        RuntimeWarning,
        stacklevel=level,
    )


def _is_of_ssl(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "ssl"
