"""How much of a wrong program the tests notice: `make mutate`, by mutmut.

``copying`` makes the copy in which one group of modules is mutated; ``verdicts`` reads what became of the
mutants; ``table`` shows it. The groups, their modules and their tests stand in pyproject.toml, under
``tool.mutmut``.

What mutmut does not touch, and the score therefore says nothing about: what stands outside functions (tables,
patterns, SQL texts), and the PostgreSQL halves, since a mutant meets SQLite alone.
"""
