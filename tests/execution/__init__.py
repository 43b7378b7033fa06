"""Tests of the execution wing, module by module."""
