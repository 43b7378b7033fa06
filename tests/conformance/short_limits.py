"""A pytest plugin with shorter time limits, because many of the broken handlers hang."""

from handler_core.testing import _time_limits

_time_limits.LIMIT = 3.0
_time_limits.LONG = 2 * _time_limits.LIMIT
# A thousand handlers are made and stopped within it, on a busy machine too.
_time_limits.TEST_LIMIT = 5 * _time_limits.LIMIT
