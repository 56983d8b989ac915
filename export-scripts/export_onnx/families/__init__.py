"""Recognises checkpoint folders. A family turns one into a pack; adding a family is a module and a row here."""

from pathlib import Path

from ..pack import Pack
from . import ace_step_v1, nano

FAMILIES = (nano, ace_step_v1)


def open_pack(folder: Path) -> Pack:
    """The pack of a checkpoint folder, from its configuration files alone."""
    for family in FAMILIES:
        if family.recognises(folder):
            return family.pack(folder)
    raise FileNotFoundError(
        f"{folder} is no checkpoint folder: neither {ace_step_v1.LAYOUT} (ACE-Step v1) nor {nano.LAYOUT} (nano) is there"
    )
