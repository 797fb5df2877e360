"""Prints what each mutant named on standard input changed. Runs in the copy, where mutmut is set up."""

import sys

from mutmut.mutation.diff_apply import get_diff_for_mutant


def main() -> None:
    """One line in: the end, the mutant and its module."""
    for line in sys.stdin:
        end, mutant, module = line.split()
        print(f"# {end}: {mutant}")
        print(get_diff_for_mutant(mutant, path=module), end="\n\n")


if __name__ == "__main__":
    main()
