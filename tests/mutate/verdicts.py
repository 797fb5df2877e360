"""What became of the mutants, as mutmut's own files in the copy have it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

AT_LEAST = 90.0  # percent, of each group

KILLED, TIMEOUT, SURVIVED, UNTESTED, ODD = "killed", "timeout", "survived", "no tests", "odd"

_BY_EXIT_CODE = {
    1: KILLED,  # a test failed
    3: KILLED,  # pytest itself did, over what the mutant raised
    0: SURVIVED,
    5: UNTESTED,
    33: UNTESTED,  # no test comes by
    -24: TIMEOUT,  # SIGXCPU, which mutmut sends
    24: TIMEOUT,
    152: TIMEOUT,
    36: TIMEOUT,
}
"""Every other end is odd, and counts as not noticed: no test said no."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How a module's mutants, or a group's, ended. Percentages are of all of them."""

    ends: Counter[str]

    @property
    def mutants(self) -> int:
        """How many there were."""
        return self.ends.total()

    @property
    def score(self) -> float:
        """The percentage that the tests noticed: killed, or kept from ever ending."""
        return 100 * (self.ends[KILLED] + self.ends[TIMEOUT]) / self.mutants if self.mutants else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One mutant's end."""

    mutant: str
    end: str


def verdicts(folder: Path, module: str) -> Iterator[Verdict]:
    """Each mutant of a module that has been tried so far."""
    for mutant, exit_code in _exit_codes(folder, module).items():
        if exit_code is not None:
            yield Verdict(mutant, _BY_EXIT_CODE.get(exit_code, ODD))


def forget_unnoticed(folder: Path, module: str) -> None:
    """Have mutmut try again what no test noticed, and whatever code has changed, with today's tests."""
    meta = folder / "mutants" / f"{module}.meta"
    if not meta.exists():  # there is nothing in it to mutate
        return
    table = json.loads(meta.read_text())
    noticed = {KILLED, TIMEOUT}
    for mutant, exit_code in table["exit_code_by_key"].items():
        if _BY_EXIT_CODE.get(exit_code, ODD) not in noticed:
            table["exit_code_by_key"][mutant] = None
    meta.write_text(json.dumps(table))
    (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)  # which test comes by where: anew


def planned(folder: Path, module: str) -> int:
    """How many mutants of a module there are."""
    return len(_exit_codes(folder, module))


def _exit_codes(folder: Path, module: str) -> dict[str, int | None]:
    file = folder / "mutants" / f"{module}.meta"
    while file.exists():
        try:
            table: dict[str, int | None] = json.loads(file.read_text())["exit_code_by_key"]
        except ValueError:  # it is being written
            continue
        return table
    return {}


def tally(found: Iterator[Verdict] | list[Verdict]) -> Tally:
    """Count them."""
    return Tally(Counter(each.end for each in found))
