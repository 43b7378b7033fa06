"""A pytest plugin with shorter time limits, because many of the broken handlers hang."""

from handler_core.testing import _time_limits

_time_limits.LIMIT = 3.0
_time_limits.LONG = 2 * _time_limits.LIMIT
_time_limits.TEST_LIMIT = 2.5 * _time_limits.LIMIT
