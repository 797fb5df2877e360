"""What an installation was told: one TOML file, then ``SCOREGATE_*`` variables, judged whole at start.

``schema`` lists every setting, ``load`` reads and validates them, ``check`` looks at the files they point to,
``template`` writes the commented file of `scoregate init`, ``secret`` keeps the two secrets. A mistake stops
the start. Every mistake in the values is named at once; when there is none, every one in the files.
"""

from gateway.settings.check import check_engine_files, check_files
from gateway.settings.fields import Address
from gateway.settings.load import Problem, SettingsInvalid, load
from gateway.settings.schema import Settings
from gateway.settings.secret import create_secret, read_secret, secret_versions
from gateway.settings.template import template

__all__ = [
    "Address",
    "Problem",
    "Settings",
    "SettingsInvalid",
    "check_engine_files",
    "check_files",
    "create_secret",
    "load",
    "read_secret",
    "secret_versions",
    "template",
]
