"""The bench's one error."""


class BenchFailed(Exception):
    """Something was not as a measurement needs it. ``str()`` says what, in a sentence."""
