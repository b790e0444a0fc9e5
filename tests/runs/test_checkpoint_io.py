import errno
import json
import os
import random
import re
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from segbench.errors import CheckpointError, StorageError
from segbench.runs.checkpoint_io import VerifiedCheckpointIO, load_checkpoint, network_weights, newest_good
from segbench.runs.failures import as_refusal


def save(folder: Path, step: int, name: str = "last.ckpt", run: str = "a") -> Path:
    checkpoint = {"state_dict": {"weight": torch.full((1000,), float(step))}, "global_step": step}
    # As Lightning does: the best weights come alone.
    checkpoint |= {"segbench": {"run": run}} | ({} if name == "best.ckpt" else {"optimizer_states": []})
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


MANIFESTS = (
    None, b"", b"{", b"[]", b'"x"', b"5", b"null", b"\xff", b'{"best.ckpt": 3}', b'{"last.ckpt": [{}]}',
    b'{"last.ckpt": [[]]}', b'{"last.ckpt": {}}', b"[" * 100_000, b'{"last.ckpt":' * 100_000,
)  # fmt: skip


@pytest.mark.parametrize("content", MANIFESTS, ids=range(len(MANIFESTS)))
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


def test_a_digest_counts_for_its_own_name_only(tmp_path):
    """Best weights in the place of the last state, and the two exchanged."""
    for step in (1, 2):
        save(tmp_path, step)
    best = save(tmp_path, 0, "best.ckpt").read_bytes()
    last = (tmp_path / "last.ckpt").read_bytes()
    (tmp_path / "last.ckpt").write_bytes(best)
    assert newest_good(tmp_path) == (tmp_path / "previous.ckpt", [f"{tmp_path / 'last.ckpt'}: damaged, not used"])
    (tmp_path / "best.ckpt").write_bytes(last)
    with pytest.raises(CheckpointError, match="best.ckpt: damaged .its SHA-256 is not that of its name"):
        load_checkpoint(tmp_path / "best.ckpt")


def test_best_weights_are_no_state_to_go_on_from_even_if_the_manifest_says_so(tmp_path):
    for step in (1, 2):
        save(tmp_path, step)
    save(tmp_path, 0, "best.ckpt")
    listed = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "last.ckpt").write_bytes((tmp_path / "best.ckpt").read_bytes())
    (tmp_path / "manifest.json").write_text(
        json.dumps(listed | {"last.ckpt": listed["last.ckpt"] + listed["best.ckpt"]})
    )
    path, refused = newest_good(tmp_path)
    assert (path.name, refused) == ("previous.ckpt", [f"{tmp_path / 'last.ckpt'}: holds weights alone, not used"])


def test_another_run_s_checkpoints_are_refused_by_its_name(tmp_path):
    for step in (1, 2):
        save(tmp_path, step, run="b")
    save(tmp_path, 0, "best.ckpt", run="b")
    path, refused = newest_good(tmp_path, "a")
    assert path is None
    said = "belongs to another run ('b')"
    assert refused == [f"{tmp_path / name}: {said}, not used" for name in ("last.ckpt", "previous.ckpt")]
    assert newest_good(tmp_path, "b")[0] == tmp_path / "last.ckpt"
    with pytest.raises(CheckpointError, match=re.escape(f"best.ckpt: {said}; train this run again with rerun=true")):
        load_checkpoint(tmp_path / "best.ckpt", run="a")
    save(tmp_path, 3, run="a")
    assert newest_good(tmp_path, "a")[0] == tmp_path / "last.ckpt"
    assert newest_good(tmp_path, "b")[0] == tmp_path / "previous.ckpt"


def test_a_folder_or_a_broken_link_in_a_checkpoint_s_place_is_damage(tmp_path):
    for step in (1, 2):
        save(tmp_path, step)
    (tmp_path / "last.ckpt").unlink()
    (tmp_path / "last.ckpt").mkdir()
    assert newest_good(tmp_path)[0] == tmp_path / "previous.ckpt"
    (tmp_path / "last.ckpt").rmdir()
    (tmp_path / "last.ckpt").symlink_to("nowhere")
    path, refused = newest_good(tmp_path)
    assert (path.name, len(refused)) == ("previous.ckpt", 1)


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path):
    torch.save({"state_dict": {"network.a": torch.zeros(1_000_000)}}, tmp_path / "plain.ckpt")
    packed = zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "plain.ckpt") as plain, packed as bomb:
        for member in plain.infolist():
            bomb.writestr(member.filename, plain.read(member))
    assert (tmp_path / "bomb.ckpt").stat().st_size < 100_000
    with pytest.raises(CheckpointError, match="bomb.ckpt: not a loadable checkpoint .it is compressed"):
        load_checkpoint(tmp_path / "bomb.ckpt")


def test_what_is_no_disk_error_is_not_told_as_one(tmp_path, monkeypatch):
    """A loader's worker that dies is noticed wherever the program is, for example while a checkpoint is written."""
    save(tmp_path, 1)

    def dying(self, data):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr("segbench.runs.checkpoint_io._HashingWriter.write", dying)
    with pytest.raises(RuntimeError) as told:
        save(tmp_path, 2)
    monkeypatch.undo()
    refusal = as_refusal(told.value, tmp_path)
    assert not isinstance(refusal, StorageError)
    assert load_checkpoint(tmp_path / "last.ckpt")["global_step"] == 1


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_a_disk_that_is_full_while_torch_writes_is_named(tmp_path, monkeypatch, reason):
    save(tmp_path, 1)

    class Full:
        def write(self, data):
            raise OSError(reason, os.strerror(reason))

        def flush(self):
            pass

    @contextmanager
    def opened(path):
        yield Full()

    monkeypatch.setattr("segbench.runs.checkpoint_io.atomic_open", opened)
    with pytest.raises(OSError, match=re.escape(os.strerror(reason))) as told:
        save(tmp_path, 2)
    monkeypatch.undo()
    refusal = as_refusal(told.value, tmp_path)
    assert isinstance(refusal, StorageError)
    assert str(refusal).startswith(f"paths.outputs: cannot write {tmp_path / 'last.ckpt'}: {os.strerror(reason)}; ")


WEIGHTS = {
    "none": ({}, "holds no weights of a network"),
    "of another name": ({"net.a": torch.zeros(1)}, "holds no weights of a network"),
    "a number": ({"network.a": 3.0}, "weight a is no dense array of numbers"),
    "a list": ({"network.a": [1.0]}, "weight a is no dense array of numbers"),
    "sparse": ({"network.a": torch.zeros(3, 3).to_sparse()}, "weight a is no dense array of numbers"),
    "without storage": ({"network.a": torch.zeros(10**12, device="meta")}, "weight a is no dense array of numbers"),
    "repeated": ({"network.a": torch.zeros(1).expand(10**12)}, "weight a is larger than what is stored of it"),
    "NaN": ({"network.a": torch.tensor([0.0, float("nan")])}, "weight a is not finite"),
    "infinite": ({"network.a": torch.tensor(float("inf"))}, "weight a is not finite"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_none_are_refused(name):
    stored, said = WEIGHTS[name]
    with pytest.raises(CheckpointError, match=f"^best.ckpt: {said}"):
        network_weights({"state_dict": stored}, "best.ckpt")
