"""ACDC's folders: a patient's phases and diagnosis, and the files of a frame."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

from segbench.data.file_names import distinct, find_named, nfc
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


def find_frame(folder: Path, stem: str, phase: str) -> Path:
    """Return the NIfTI file of a frame or of its label.

    Args:
        folder: The patient's folder.
        stem: Name of the file without its suffix.
        phase: ``ED`` or ``ES``, for the message.

    Raises:
        DataError: If it is missing, or there are two.
    """
    found = find_named(folder, stem, (".nii.gz", ".nii"))
    if len(found) > 1:
        raise DataError(f"{folder}: {distinct(path.name for path in found)} are both {stem}; keep one")
    if found:
        return found[0]
    kind = "label" if stem.endswith("_gt") else "image"
    raise DataError(f"{folder / stem}.nii.gz: missing; the {kind} of the {phase} frame that Info.cfg names")
