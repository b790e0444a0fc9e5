"""A patient of ACDC, as its folder's ``Info.cfg`` tells."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

from segbench.data.file_names import nfc
from segbench.errors import DataError
from segbench.words import first_line

PHASES = ("ED", "ES")
GROUPS = ("DCM", "HCM", "MINF", "NOR", "RV")


@dataclass(frozen=True)
class Patient:
    """A patient, from ``Info.cfg``.

    Attributes:
        folder: The patient's folder.
        part: ``training`` or ``testing``.
        group: Diagnosis, one of :data:`GROUPS`.
        frames: Frame number of each phase.
    """

    folder: Path
    part: str
    group: str
    frames: dict[str, int]

    @property
    def name(self) -> str:
        """The folder's name, in Unicode's composed form."""
        return nfc(self.folder.name)


def read_patient(folder: Path, part: str) -> Patient:
    """Read a patient's ``Info.cfg``.

    Args:
        folder: The patient's folder.
        part: ``training`` or ``testing``.

    Raises:
        DataError: If it is missing, unreadable, or lacks a key.
    """
    path = folder / "Info.cfg"
    if not path.is_file():
        raise DataError(f"{path}: missing; it says which frames are ED and ES")
    parser = configparser.ConfigParser()
    try:
        parser.read_string("[info]\n" + path.read_text(encoding="utf-8"))
        info = parser["info"]
        frames = {phase: int(info[phase]) for phase in PHASES}
        group = info["Group"].strip()
    except (KeyError, ValueError, configparser.Error) as error:
        line = first_line(error)
        raise DataError(f"{path}: expected the lines ED, ES (frame numbers) and Group ({line})") from None
    if group not in GROUPS:
        raise DataError(f"{path}: Group is {group}; expected one of {', '.join(GROUPS)}")
    return Patient(folder, part, group, frames)
