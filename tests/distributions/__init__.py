"""Tests of what is released: distributions, packed programs, and the README."""
