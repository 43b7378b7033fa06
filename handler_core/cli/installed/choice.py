"""Which model ``get_handler()`` takes here, in words."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from handler_core import HandlerLoadError, HandlerNotFoundError, HandlerValidationError
from handler_core.lookup._default_model import choose_model
from handler_core.lookup._find_wrappers import (
    WRAPPERS_VARIABLE,
    list_wrappers,
    wrappers_of_the_environment,
)

__all__ = ["Choice", "choice"]


class Choice(NamedTuple):
    """What ``get_handler()`` does here.

    Attributes:
        model: the name of the model that it takes; None if it fails.
        sentence: says so, with the reason.
    """

    model: str | None
    sentence: str


def choice(broken: Collection[str]) -> Choice:
    """Return which model ``get_handler()`` takes here.

    Broken models are not asked whether they are active, because they may do anything.

    Args:
        broken: the names of the models that are broken.
    """
    wrappers = wrappers_of_the_environment()
    missing = sorted(set(wrappers) - {each.name for each in list_wrappers()})
    if missing:
        return _failure(
            f"the variable {WRAPPERS_VARIABLE} names {', '.join(missing)}, and there is no such "
            "wrapper"
        )
    try:
        name, reason = choose_model(broken)
    except (HandlerNotFoundError, HandlerLoadError, HandlerValidationError) as error:
        return _failure(str(error))
    if name in broken:
        return _failure(f"it takes {name} ({reason}), which is broken")
    around = f", with {', '.join(wrappers)} around it" if wrappers else ""
    return Choice(name, f"get_handler() takes {name} here{around}: {reason}")


def _failure(reason: str) -> Choice:
    return Choice(None, f"get_handler() fails here: {reason}")
