"""Every parser that meets bytes from outside, as a target for the coverage-guided fuzzer atheris.

Each target is one small function over bytes. The law is the same for all: bytes are taken, or refused by
an exception that the parser documents; nothing else comes out, nothing hangs, memory stays bounded, and
where a form is canonical, what was taken is spelled again as it came.

``targets`` gathers them, ``nursery`` is the process that runs them (fuzzing ends a process), and
``tests.prove.hostile_bytes`` is the campaign around it. Beneath each target stands its control arm: the
same parser with one guard off, in which the fuzzer must find the hole.
"""
