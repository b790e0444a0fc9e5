"""Archives by strangers: whatever a member is called, and however large it says it is."""

import stat
import zipfile
from types import SimpleNamespace

import pytest

from segbench.data import unpack as unpacking
from segbench.data.unpack import unpack
from segbench.errors import DataError


def flat(member):
    """As data sets do: nothing of a member's path is kept but a name that they know."""
    return member.name if member.suffix in (".txt", "") else None


@pytest.fixture
def archive(tmp_path):
    def made(members, **options):
        path = tmp_path / "in" / "set.zip"
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as packed:
            for member, content in members.items():
                packed.writestr(member, content)
        return path

    return made


@pytest.mark.parametrize(
    "name", ["../a.txt", "/a.txt", "x/../../a.txt", "..\\a.txt", "C:\\a.txt", "./a.txt", "x//a.txt"]
)
def test_a_member_stays_in_the_folder_whatever_it_is_called(archive, tmp_path, name):
    unpack(archive({name: "x", "last.txt": "y"}), tmp_path / "out", flat, "last.txt")
    assert (tmp_path / "out" / "last.txt").read_text() == "y"
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert written == {"in", "out"}


def test_a_link_is_unpacked_as_the_text_that_it_is(archive, tmp_path):
    link = zipfile.ZipInfo("a.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    unpack(archive({link: "/etc/passwd", "last.txt": ""}), tmp_path / "out", flat, "last.txt")
    assert not (tmp_path / "out" / "a.txt").is_symlink()
    assert (tmp_path / "out" / "a.txt").read_text() == "/etc/passwd"


@pytest.mark.slow
def test_what_unpacks_to_far_more_than_a_data_set_does_is_not_unpacked(archive, tmp_path):
    path = archive({f"{number}.txt": bytes(30_000_000) for number in range(4)} | {"last.txt": ""})
    with pytest.raises(DataError, match=r"set.zip: [\d,]+ bytes that unpack to 120,000,000 in 5 files, which no data"):
        unpack(path, tmp_path / "out", flat, "last.txt")
    assert not list((tmp_path / "out").glob("*.txt"))


def test_a_member_is_no_longer_than_it_says(archive, tmp_path):
    """The sizes of the directory are what is checked, so they must also be what is unpacked."""
    path = archive({"last.txt": bytes(1_000_000)})
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\1\2") + 24
    content[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged ZIP archive"):
        unpack(path, tmp_path / "out", flat, "last.txt")


def test_what_the_disk_has_no_room_for_is_not_begun(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match=r"unpacks to 2,000 bytes, but .*out has room for 1,000; free space"):
        unpack(archive({"last.txt": "x" * 2000}), tmp_path / "out", flat, "last.txt")


def test_a_name_twice_is_refused(archive, tmp_path):
    with pytest.raises(DataError, match=r"contains a.txt twice"):
        unpack(archive({"x/a.txt": "1", "y/a.txt": "2", "last.txt": ""}), tmp_path / "out", flat, "last.txt")
