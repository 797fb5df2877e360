"""All targets. Importing this imports every parser."""

from __future__ import annotations

from tests.prove.fuzzers import answers, certificates, commands, doors, engine, log, models, replies
from tests.prove.fuzzers.target import Target

TARGETS: tuple[Target, ...] = (
    *doors.TARGETS,
    *log.TARGETS,
    *answers.TARGETS,
    *replies.TARGETS,
    *certificates.TARGETS,
    *engine.TARGETS,
    *models.TARGETS,
    *commands.TARGETS,
)
BY_NAME = {target.name: target for target in TARGETS}
