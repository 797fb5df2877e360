"""The memory and the life of a gateway's process, from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MOST_GROWTH_MB = 160
"""While one attack lasts: a thousand connections (75), or the answers that one lender may leave unread (16 of
3 MiB), and what the allocator keeps for later."""

MOST_LASTING_GROWTH_MB = 48
"""From the end of the first round of all attacks to the end of the last: no round may leave as much again."""


@dataclass
class Watched:
    """One process, and what was wrong with it."""

    pid: int
    calm_mb: int = 0
    peak_mb: int = 0
    most_descriptors: int = 0
    left_mb: list[int] = field(default_factory=list)  # after each round
    faults: list[str] = field(default_factory=list)

    def rss_mb(self) -> int:
        """Its memory now; 0 once it is dead."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) // 1_024 for line in lines if line.startswith("VmRSS")), 0)

    def look(self, attack: str, before_mb: int) -> None:
        """Note what it takes while an attack lasts, against what it took before."""
        now = self.rss_mb()
        if not now:
            self.faults.append(f"it died of {attack}")
            return
        self.peak_mb = max(self.peak_mb, now)
        self.most_descriptors = max(self.most_descriptors, len(list(Path(f"/proc/{self.pid}/fd").iterdir())))
        if now - before_mb > MOST_GROWTH_MB:
            self.faults.append(f"{attack}: from {before_mb} to {now} MB while it lasted")

    def end_round(self) -> None:
        """Note what is left once every connection is closed."""
        self.left_mb.append(self.rss_mb())
        first, last = self.left_mb[0], self.left_mb[-1]
        if last - first > MOST_LASTING_GROWTH_MB:
            self.faults.append(f"{first} MB after the first round, {last} MB after the last")

    def figures(self) -> dict[str, float]:
        """Megabytes, and open descriptors at most."""
        left = {f"rss_after_round_{number}_mb": each for number, each in enumerate(self.left_mb, start=1)}
        return {
            "rss_calm_mb": self.calm_mb,
            "rss_peak_mb": self.peak_mb,
            **left,
            "most_descriptors": self.most_descriptors,
        }
