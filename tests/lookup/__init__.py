"""Tests of the look-up wing, and of the hooks of a handler."""
