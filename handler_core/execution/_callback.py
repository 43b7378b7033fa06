"""What a worker runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

__all__ = ["Callback", "CallbackLike"]


class CallbackLike(Protocol):
    """Anything with a ``func`` and its ``args``, such as kazoo's own ``Callback``."""

    @property
    def func(self) -> Callable[..., object]:
        """What is called."""

    @property
    def args(self) -> tuple[Any, ...]:
        """What it is called with."""


class Callback(NamedTuple):
    """A function to call, with its arguments.

    Attributes:
        type: what it is about, for people and wrappers: ``"watch"``, ``"session"``; a callback
            linked to a result is a ``"completion"``.
        func: the function.
        args: its positional arguments.
    """

    type: str
    func: Callable[..., object]
    args: tuple[Any, ...]
