"""Which versions of handler-core go together."""

from __future__ import annotations

from packaging.version import Version

__all__ = ["compatible_range"]


def compatible_range(version: str) -> str:
    """Return the range of versions that a plugin written for ``version`` can be used with.

    As semantic versioning has it: up to the next major version, or, before 1.0, minor version.
    It begins with the minor version, or with the pre-release, which comes before that.
    """
    parsed = Version(version)
    begin = version if parsed.is_prerelease else f"{parsed.major}.{parsed.minor}"
    end = f"0.{parsed.minor + 1}" if parsed.major == 0 else str(parsed.major + 1)
    return f">={begin},<{end}"
