"""Finding the plugins that are installed, and making a handler of one.

A name is only ever looked up among the entry points of installed distributions. So what a
configuration file or an environment variable says can choose between them, and cannot import
anything else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import importlib_metadata
import pluggy
from importlib_metadata import EntryPoint, PackageNotFoundError

from handler_core.binding import bind_wrappers
from handler_core.exceptions import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
)
from handler_core.handler import Handler
from handler_core.logs import logger
from handler_core.spelling import close_matches
from handler_core.validation import check_constructor, check_handler_class, check_wrapper

__all__ = [
    "WRAPPERS_VARIABLE",
    "HandlerInfo",
    "candidates",
    "choice",
    "get_handler",
    "get_wrapper",
    "list_handlers",
    "list_wrappers",
    "models_on_offer",
    "wrappers_of_the_environment",
]

_HANDLERS = "handler_core.handlers"
_WRAPPERS = "handler_core.wrappers"
_HANDLER_VARIABLE = "HANDLER_CORE_HANDLER"
#: Names the wrappers that an operator puts around every handler.
WRAPPERS_VARIABLE = "HANDLER_CORE_WRAPPERS"
_DEFAULT = "threading"
_DISTRIBUTION = "handler-core"
# A longer name is nobody's, and comparing it with others would take its time.
_LONGEST_NAME = 100


class HandlerInfo(NamedTuple):
    """An installed concurrency model, or a wrapper.

    Attributes:
        name: what to pass to :func:`get_handler`.
        distribution: the distribution that ships it.
        version: that distribution's version.
        value: where its class is, as ``module:class``.
    """

    name: str
    distribution: str
    version: str
    value: str


def get_handler(name: str | None = None, *, wrappers: Sequence[object] = ()) -> Handler:
    """Return a new handler, not yet started, of the named concurrency model.

    Only the plugin of that name is imported.

    Args:
        name: the model: ``"threading"``, ``"gevent"``, whatever is installed. None takes the
            environment variable ``HANDLER_CORE_HANDLER``, or else the installed model that runs
            the caller (:meth:`Handler.is_active`, asked only of plugins whose library is
            imported already), or else ``"threading"``.
        wrappers: plugins to put around the hooks: objects, or names from the entry-point group
            ``handler_core.wrappers``. The first is outermost. Those that the environment
            variable ``HANDLER_CORE_WRAPPERS`` names, separated by commas, come around them.
            What is named twice is there once.

    Raises:
        HandlerNotFoundError: nothing of that name is installed.
        HandlerLoadError: importing the plugin failed, or making a wrapper.
        HandlerValidationError: the plugin does not implement the hooks, a wrapper is none, or
            two distributions claim the name.
        TypeError: ``name`` is no string, or ``wrappers`` is one.
    """
    if isinstance(wrappers, (str, bytes)) or not isinstance(wrappers, Iterable):
        raise TypeError(f"wrappers is a list: write wrappers=[{wrappers!r}]")
    if name is None:
        entry, _ = _chosen()
    elif isinstance(name, str):
        entry = _find(_HANDLERS, name)
    else:
        raise TypeError(f"the name of a handler is a string, not {name!r}")
    handler = _new_handler(entry)
    named = wrappers_of_the_environment()
    if named or wrappers:
        _wrap(handler, [*(_find(_WRAPPERS, each, WRAPPERS_VARIABLE) for each in named), *wrappers])
    return handler


def list_handlers() -> list[HandlerInfo]:
    """Return the installed concurrency models, sorted by name, without importing any."""
    return _list(_HANDLERS)


# For the command line.


def list_wrappers() -> list[HandlerInfo]:
    """Return the installed wrappers, sorted by name, without importing any."""
    return _list(_WRAPPERS)


def get_wrapper(name: str) -> object:
    """Return a new wrapper of that name.

    Raises:
        HandlerNotFoundError: nothing of that name is installed.
        HandlerLoadError: importing the plugin failed.
        HandlerValidationError: it is no wrapper, or two distributions claim the name.
    """
    (wrapper,) = _resolve([name])
    return wrapper


def wrappers_of_the_environment() -> list[str]:
    """Return the names of the wrappers that the operator wants to be around each handler."""
    named = os.environ.get(WRAPPERS_VARIABLE, "")
    return [part.strip() for part in named.split(",") if part.strip()]


# Which model?


def candidates() -> list[str]:
    """Return the models that may run the caller: their libraries are imported.

    Threads run every caller, and are what is left.
    """
    return [name for name in sorted(_scan(_HANDLERS)) if name in sys.modules and name != _DEFAULT]


def choice(passing_over: Collection[str] = ()) -> tuple[str, str]:
    """Return the name of the model that ``get_handler()`` takes here, and why, in words.

    Args:
        passing_over: models that are not to be asked, for they are known to be broken.

    Raises:
        HandlerNotFoundError: it would find none.
        HandlerValidationError: two distributions claim the name.
    """
    entry, reason = _chosen(passing_over)
    return entry.name, reason


def _chosen(passing_over: Collection[str] = ()) -> tuple[EntryPoint, str]:
    """Return the plugin to use where the caller named none, and why."""
    name = os.environ.get(_HANDLER_VARIABLE)
    if name:
        entry = _find(_HANDLERS, name, _HANDLER_VARIABLE)
        return entry, f"the variable {_HANDLER_VARIABLE} says so"
    for candidate in candidates():
        if candidate in passing_over:
            continue
        # Nobody asked for it by name, and it must not be what breaks this program.
        try:
            entry = _find(_HANDLERS, candidate)
            cls = _load_class(entry)
        except (HandlerLoadError, HandlerValidationError) as error:
            logger().warning("passing over a broken plugin: %s", error)
            continue
        try:
            active = cls.is_active()
        except (Exception, SystemExit):
            logger().warning("passing over %s: is_active() failed", _Origin(entry), exc_info=True)
            continue
        if active:
            return entry, "it runs the caller"
    return _find(_HANDLERS, _DEFAULT), "no installed model runs the caller, and it is the default"


# Entry points. A scan reads the metadata of everything installed, and its result is kept for as
# long as `sys.path` is the same; a name that it does not have is looked for once more.

_scans: dict[str, tuple[tuple[str, ...], dict[str, list[EntryPoint]]]] = {}
_classes: dict[tuple[str, str], type[Handler]] = {}


def _scan(group: str, afresh: bool = False) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name: more than one where a name is contested."""
    path = tuple(sys.path)
    kept = _scans.get(group)
    if kept is not None and kept[0] == path and not afresh:
        return kept[1]
    found: dict[str, list[EntryPoint]] = {}
    for entry in _entry_points(group):
        found.setdefault(entry.name, []).append(entry)
    _scans[group] = path, found
    return found


def _entry_points(group: str) -> Iterable[EntryPoint]:
    try:
        return importlib_metadata.entry_points(group=group)
    except (ValueError, TypeError, LookupError, OSError):
        # Somebody's metadata is damaged. That is no reason not to find ours.
        return list(_readable_entry_points(group))


def _readable_entry_points(group: str) -> Iterator[EntryPoint]:
    """Read one distribution after the other. As on ``sys.path``, the first of a name counts."""
    seen = set()
    for distribution in importlib_metadata.distributions():
        try:
            name = distribution.name.lower().replace("_", "-").replace(".", "-")
            entries = list(distribution.entry_points.select(group=group))
        except (ValueError, TypeError, LookupError, OSError) as error:
            logger().warning("passing over a distribution that cannot be read: %r", error)
            continue
        if name not in seen:
            seen.add(name)
            yield from entries


def _list(group: str) -> list[HandlerInfo]:
    return sorted(
        HandlerInfo(entry.name, *_distribution(entry), entry.value)
        for entries in _scan(group, afresh=True).values()
        for entry in entries
    )


def _find(group: str, name: str, variable: str | None = None) -> EntryPoint:
    """Return the one entry point of that name, which the environment variable may have given."""
    entries = _scan(group).get(name) or _scan(group, afresh=True).get(name)
    if entries is None:
        hint = f" (the name is from the variable {variable})" if variable else ""
        raise HandlerNotFoundError(_not_found(group, name) + hint)
    if len(entries) > 1:
        claims = " and ".join(str(_Origin(entry)) for entry in entries)
        raise HandlerValidationError(
            f"{name!r} is claimed by {claims}: pip uninstall the one that you do not mean"
        )
    return entries[0]


def _not_found(group: str, name: str) -> str:
    """Say what there is instead, and what to install."""
    kind = "handler" if group == _HANDLERS else "wrapper"
    shown = repr(name) if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]!r}..."
    installed = sorted(_scan(group))
    on_offer = [] if group != _HANDLERS else sorted(set(models_on_offer()) - set(installed))
    install = {model: f'pip install "{_DISTRIBUTION}[{model}]"' for model in on_offer}
    lines = [f"no {kind} named {shown} is installed"]
    close = []
    if len(name) <= _LONGEST_NAME:
        close = close_matches(name, sorted({*installed, *on_offer}))
    if name in install:
        lines.append(f"to install it: {install[name]}")
    elif close:
        lines.append(f"did you mean {' or '.join(close)}?")
        lines += [f"to install {model}: {install[model]}" for model in close if model in install]
    elif not installed and _DEFAULT in install:
        lines.append(f"to install one: {install[_DEFAULT]}")
    lines.append(f"installed: {', '.join(installed) or 'none'}")
    return "; ".join(lines)


def models_on_offer() -> Iterable[str]:
    """Return the models that are extras of ours: the core's own metadata is the list of them."""
    try:
        metadata = importlib_metadata.distribution(_DISTRIBUTION)
    except PackageNotFoundError:  # run from its source, without being installed
        return ()
    required = [requirement.lower() for requirement in metadata.requires or ()]
    return [
        extra
        for extra in metadata.metadata.get_all("Provides-Extra") or ()
        if any(requirement.startswith(f"{_DISTRIBUTION}-{extra}") for requirement in required)
    ]


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    distribution = entry.dist
    if distribution is None:
        return "an unknown distribution", ""
    try:
        return distribution.name, distribution.version
    except (OSError, LookupError, ValueError):  # half uninstalled, or damaged
        return "a distribution without metadata", ""


class _Origin:
    """A plugin, with its distribution, as it is called in messages.

    It becomes text where there is a message: to ask for the name of a distribution is to parse its
    metadata, by the package ``email``, and that takes longer than all else that ``get_handler``
    does.
    """

    __slots__ = ("_entry",)

    def __init__(self, entry: EntryPoint) -> None:
        self._entry = entry

    def __str__(self) -> str:
        entry = self._entry
        name, version = _distribution(entry)
        return f"plugin {entry.name!r} ({entry.value}) of {name} {version}".rstrip()


def _load(entry: EntryPoint) -> Any:
    """Import what the entry point names."""
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise HandlerLoadError(
            f"{_Origin(entry)} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _load_class(entry: EntryPoint) -> type[Handler]:
    key = (entry.name, entry.value)
    cls = _classes.get(key)
    if cls is None:
        cls = _classes[key] = check_handler_class(_load(entry), _Origin(entry))
        if not hasattr(cls, "name"):
            cls.name = entry.name
    return cls


def _new_handler(entry: EntryPoint) -> Handler:
    cls = _load_class(entry)
    try:
        handler = cls()
    except Exception as error:
        error.add_note(f"(from {_Origin(entry)})")
        raise
    if not hasattr(handler, "_lock"):
        raise HandlerValidationError(
            f"{_Origin(entry)}: {cls.__qualname__}.__init__ must call super().__init__()"
        )
    return handler


# Wrappers.


def _wrap(handler: Handler, wrappers: Sequence[object]) -> None:
    """Put the wrappers around the hooks of a new handler."""
    plugins = list(_resolve(wrappers))
    try:
        bind_wrappers(handler, plugins)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise HandlerValidationError(f"cannot wrap {handler!r}: {error}") from error


def _resolve(wrappers: Sequence[object]) -> Iterator[object]:
    """Turn names into what they name, and check each wrapper.

    An operator may name what the program has named too, or has made in its own way. Both mean it
    to be there once: the one that the program has made, or else the first.
    """
    there = [wrapper for wrapper in wrappers if not isinstance(wrapper, (str, EntryPoint))]
    for wrapper in wrappers:
        plugin: object = wrapper
        origin: object = "a wrapper"
        if isinstance(wrapper, str):
            wrapper = _find(_WRAPPERS, wrapper)
        if isinstance(wrapper, EntryPoint):
            plugin, origin = _load(wrapper), _Origin(wrapper)
            if any(each is plugin or _is_of(each, plugin) for each in there):
                continue
            there.append(plugin)
        if isinstance(plugin, type):
            plugin = _make(plugin, origin)
        check_wrapper(plugin, origin)
        yield plugin


def _is_of(wrapper: object, plugin: object) -> bool:
    """Return True if ``plugin`` is a class, and the wrapper an object or a subclass of it."""
    if not isinstance(plugin, type):
        return False
    return issubclass(wrapper if isinstance(wrapper, type) else type(wrapper), plugin)


def _make(cls: type, origin: object) -> object:
    check_constructor(cls, origin)
    try:
        return cls()
    except (Exception, SystemExit) as error:
        raise HandlerLoadError(
            f"{origin}: the wrapper {cls.__qualname__} cannot be made: "
            f"{type(error).__name__}: {error}"
        ) from error
