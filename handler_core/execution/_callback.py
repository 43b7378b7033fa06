"""``Callback``: what a worker runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

__all__ = ["Callback", "CallbackLike"]


class CallbackLike(Protocol):
    """An object with a ``func`` and its ``args``, such as kazoo's own ``Callback``."""

    @property
    def func(self) -> Callable[..., object]:
        """The function to call."""

    @property
    def args(self) -> tuple[Any, ...]:
        """Its positional arguments."""


class Callback(NamedTuple):
    """A function to call, with its arguments.

    Attributes:
        type: its kind, for people and wrappers: ``"watch"``, ``"session"``. A callback that is
            linked to a result is a ``"completion"``.
        func: the function.
        args: its positional arguments.
    """

    type: str
    func: Callable[..., object]
    args: tuple[Any, ...]


# A pickle looks for the class there.
Callback.__module__ = "handler_core"
