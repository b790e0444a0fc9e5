import errno
import random
from pathlib import Path

import pytest
import torch

from segbench.errors import CheckpointError
from segbench.runs.checkpoint_io import VerifiedCheckpointIO, load_checkpoint, newest_good


def save(folder: Path, step: int, name: str = "last.ckpt") -> Path:
    checkpoint = {"state_dict": {"weight": torch.full((1000,), float(step))}, "global_step": step}
    VerifiedCheckpointIO().save_checkpoint(checkpoint, folder / name)
    return folder / name


def test_round_trip(tmp_path):
    loaded = load_checkpoint(save(tmp_path, 7))
    assert loaded["global_step"] == 7
    assert torch.equal(loaded["state_dict"]["weight"], torch.full((1000,), 7.0))


def test_two_are_kept_and_the_newest_is_taken(tmp_path):
    for step in (1, 2, 3):
        save(tmp_path, step)
    path, refused = newest_good(tmp_path)
    assert (path.name, refused) == ("last.ckpt", [])
    assert load_checkpoint(path)["global_step"] == 3
    assert load_checkpoint(tmp_path / "previous.ckpt")["global_step"] == 2


def test_every_single_flipped_bit_is_noticed_and_the_previous_one_taken(tmp_path):
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    good = path.read_bytes()
    chance = random.Random(0)
    for _ in range(200):
        damaged = bytearray(good)
        damaged[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        found, refused = newest_good(tmp_path)
        assert found == tmp_path / "previous.ckpt"
        assert len(refused) == 1
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_truncated_and_foreign_files_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "weights.ckpt"
    if content is None:
        torch.save({"state_dict": {}}, path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as refusal:
        load_checkpoint(path)
    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_checkpoint_with_code_in_it_is_not_executed(tmp_path):
    canary = tmp_path / "executed"
    torch.save({"state_dict": {}, "evil": Canary(canary)}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "evil.ckpt")
    assert not canary.exists()


def test_a_full_disk_keeps_the_older_checkpoint(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 2)
    monkeypatch.undo()
    path, _ = newest_good(tmp_path)
    assert load_checkpoint(path)["global_step"] == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["last.ckpt", "manifest.json"]


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"best.ckpt": 3}', b"\xff"])
def test_a_run_without_a_whole_manifest_cannot_be_verified_and_says_so(tmp_path, content):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (tmp_path / "run.json").write_text("{}")
    save(folder, 0, "best.ckpt")
    save(folder, 1)
    manifest = folder / "manifest.json"
    manifest.unlink() if content is None else manifest.write_bytes(content)
    with pytest.raises(CheckpointError, match="manifest.json: missing or damaged, .* rerun=true") as refusal:
        load_checkpoint(folder / "best.ckpt")
    assert "\n" not in str(refusal.value)
    assert newest_good(folder) == (None, [f"{manifest}: missing or damaged, so no checkpoint can be verified"])


def test_a_checkpoint_from_elsewhere_needs_no_manifest_but_its_lack_is_said(tmp_path, caplog):
    torch.save({"state_dict": {}}, tmp_path / "weights.ckpt")
    assert load_checkpoint(tmp_path / "weights.ckpt") == {"state_dict": {}}
    assert "weights.ckpt: not verified" in caplog.text


def test_a_damaged_checkpoint_is_not_to_be_deleted(tmp_path):
    path = save(tmp_path, 0, "best.ckpt")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged .*train its run again with rerun=true") as refusal:
        load_checkpoint(path)
    assert "delete" not in str(refusal.value)


def test_a_checkpoint_that_cannot_be_read_falls_back_to_the_previous_one(tmp_path, monkeypatch):
    for step in (1, 2):
        save(tmp_path, step)
    opened = Path.open

    def refused(self, *arguments, **options):
        if self.name == "last.ckpt":
            raise OSError(errno.EIO, "Input/output error", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    path, lines = newest_good(tmp_path)
    assert path.name == "previous.ckpt"
    assert "last.ckpt: cannot be read (Input/output error), not used" in lines[0]


def test_best_stays_good_however_many_last_ones_follow(tmp_path):
    save(tmp_path, 0, "best.ckpt")
    for step in range(12):
        save(tmp_path, step)
    assert load_checkpoint(tmp_path / "best.ckpt")["global_step"] == 0
