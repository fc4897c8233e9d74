"""A full disk is named, and no file is left half written."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.disks import mount_of, refusal, write_whole
from bench.errors import StackError
from bench.stack.artifacts import save_config
from bench.stack.supervised import write_errors_explained


@pytest.mark.parametrize(("number", "says"), [(errno.ENOSPC, "is full"), (errno.EDQUOT, "quota")])
def test_a_full_disk_is_named_by_where_it_is_mounted_and_what_is_free(tmp_path, number, says):
    there = tmp_path / "not" / "there" / "file"

    text = refusal(OSError(number, os.strerror(number), str(there)), tmp_path)

    assert text.startswith(f"the disk mounted at {mount_of(tmp_path)} ")
    assert says in text
    assert "MiB free" in text


def test_another_refusal_keeps_its_own_words(tmp_path):
    assert refusal(PermissionError(errno.EACCES, "Permission denied"), tmp_path) == "Permission denied"


def test_the_mount_of_a_path_that_is_not_there_is_that_of_what_is():
    assert mount_of(Path("/proc/no/such/file")) == Path("/proc")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_stack_that_finds_no_room_names_the_disk(tmp_path):
    with (
        pytest.raises(StackError, match=r"the disk mounted at /dev.* is full.*TMPDIR"),
        write_errors_explained(Path("/dev/full")),
        Path("/dev/full").open("w") as file,
    ):
        file.write("x")


def test_copies_that_find_no_room_name_the_disk_of_the_target_in_one_sentence(tmp_path, monkeypatch):
    """The first of many files ends it."""
    config = tmp_path / "config"
    config.mkdir()
    for number in range(3):
        (config / f"{number}.yaml").write_text("x")
    part = SimpleNamespace(name="egress", config=config)
    stack = SimpleNamespace(components=lambda: [part], own_files=tuple)
    asked = []

    def full(source, target):
        asked.append(target)
        raise OSError(errno.ENOSPC, "No space left on device", str(source), None, str(target))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(StackError) as raised:
        save_config(stack, tmp_path / "kept")

    assert len(asked) == 1
    assert raised.value.what.startswith(
        f"what egress wrote cannot be kept: the disk mounted at {mount_of(tmp_path)} is full"
    )
    assert raised.value.what.count("egress wrote") == 1


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "outcome.json"
    write_whole(path, "before")
    write_text = Path.write_text

    def half(self, text, **options):
        write_text(self, text[: len(text) // 2], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "what comes after")

    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
