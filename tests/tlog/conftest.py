"""The small logs of tests/sample_log.py."""

from tests.sample_log import log, make_leaf, make_log, origin, vectors

__all__ = ["log", "make_leaf", "make_log", "origin", "vectors"]
