"""What can go wrong in the scoring room, drawn once. Pure.

ScoringError
├── DataInvalid         training records that cannot be read
├── ArtefactInvalid     a scorecard file that is absent, altered or malformed
├── PopulationInvalid   a population file that is absent, altered or malformed
├── StoreUnwritable     the engine's folder cannot be written
├── ModelSunset         the model is past its last day
├── EpochMissing        no epoch is as old as the day asked about
└── ListenRefused       the engine's own door is configured unsafely
"""


class ScoringError(Exception):
    """One failure of this room: what is wrong, and what to do about it. Holds no personal data."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}.")
        self.problem = problem
        self.remedy = remedy


class DataInvalid(ScoringError):
    """The training records cannot be read; the problem names the line and the column."""

    def __init__(
        self, problem: str, remedy: str = "Restore the file from scoring/data, or correct it"
    ) -> None:
        super().__init__(problem, remedy)


class ArtefactInvalid(ScoringError):
    """The scorecard file is absent, altered or malformed; it must not score anybody."""

    def __init__(self, problem: str, remedy: str = "Train it again with `scoregate engine train`") -> None:
        super().__init__(problem, remedy)


class PopulationInvalid(ScoringError):
    """The population file is absent, altered, malformed or belongs to another scorecard."""

    def __init__(self, problem: str, remedy: str = "Train it again with `scoregate engine train`") -> None:
        super().__init__(problem, remedy)


class StoreUnwritable(ScoringError):
    """A new scorecard or population cannot be kept; what was there before stays."""


class ModelSunset(ScoringError):
    """The model may no longer be used: the day asked about is after its sunset date."""


class EpochMissing(ScoringError):
    """The day asked about is before the first epoch, so nothing was known yet."""


class ListenRefused(ScoringError):
    """The engine process was asked to listen in a way that would let strangers in."""
