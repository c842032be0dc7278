"""Typed settings from environment variables: `load_settings()` gives one frozen `Settings`, or says all that is wrong.

`spelling` reads the text of one value, `model` is the table, `load` finds the values and reports.
"""

from tidegate.settings.load import (
    Given,
    Problem,
    Reading,
    SettingsError,
    load_settings,
    make_settings,
    read_environment,
)
from tidegate.settings.load import read_process_environment as read_process_environment
from tidegate.settings.model import Settings, Variable, variables

__all__ = [
    "Given",
    "Problem",
    "Reading",
    "Settings",
    "SettingsError",
    "Variable",
    "load_settings",
    "make_settings",
    "read_environment",
    "read_process_environment",
    "variables",
]
