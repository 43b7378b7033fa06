"""Which versions of handler-core a plugin works with."""

from __future__ import annotations

from packaging.version import Version

__all__ = ["compatible_range"]


def compatible_range(version: str) -> str:
    """Return the range of versions that a plugin works with if it was written for ``version``.

    The range follows semantic versioning. It begins with the minor version, or with ``version``
    itself if that is a pre-release, because a pre-release comes before its minor version. It ends
    before the next major version, or, below 1.0, before the next minor version.
    """
    parsed = Version(version)
    begin = version if parsed.is_prerelease else f"{parsed.major}.{parsed.minor}"
    end = f"0.{parsed.minor + 1}" if parsed.major == 0 else str(parsed.major + 1)
    return f">={begin},<{end}"
