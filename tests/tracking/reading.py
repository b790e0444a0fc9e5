"""The files of offline runs of W&B, read by its own tool, ``wandb leet inspect``."""

import json
import subprocess
import sys
from pathlib import Path


def files(directory):
    return sorted((directory / "wandb").glob("offline-run-*/*.wandb"))


def records(path):
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout.splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def of(kind, *files):
    """Return the records of a kind in these files, in their order."""
    return [record[kind] for path in files for record in records(path) if record["type"] == kind]


def history(*files):
    return [record["item"] for record in of("history", *files)]


def merged(kind, path):
    """Return what the updates of a run's configuration or summary add up to, of nested keys the dotted ones."""
    found = {}
    for record in of(kind, path):
        found |= record.get("update", {})
    return found
