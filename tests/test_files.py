"""Writing: whole or not at all, under a name nobody knows, and never through a link."""

import os
import stat

import pytest

from jaxconv.files import open_to_append, replacing, require_inside, write_whole


@pytest.fixture
def precious(tmp_path):
    path = tmp_path / "precious"
    path.write_text("precious")
    return path


def test_a_file_and_its_folder_are_made_with_the_permissions_of_any_other(tmp_path):
    path = tmp_path / "new" / "file"
    write_whole(path, "caf\xe9")
    assert path.read_bytes() == b"caf\xc3\xa9"
    beside = tmp_path / "beside"
    beside.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode)
    assert os.listdir(path.parent) == ["file"]


def test_what_is_written_takes_the_place_of_a_link(tmp_path, precious):
    link = tmp_path / "folder" / "link"
    link.parent.mkdir()
    link.symlink_to(precious)
    write_whole(link, b"new")
    assert not link.is_symlink()
    assert (link.read_text(), precious.read_text()) == ("new", "precious")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_version_before(tmp_path, precious, error):
    def write():
        with replacing(precious) as file:
            file.write(b"half")
            assert len(os.listdir(tmp_path)) == 2
            raise error

    with pytest.raises(error):
        write()
    assert precious.read_text() == "precious"
    assert os.listdir(tmp_path) == ["precious"]


def test_the_temporary_name_is_another_each_time_and_never_taken_over(tmp_path, monkeypatch):
    names = []
    for _ in range(2):
        with replacing(tmp_path / "file") as file:
            names.append(file.name)
            assert os.path.dirname(file.name) == str(tmp_path)
    assert names[0] != names[1]
    monkeypatch.setattr("secrets.token_hex", lambda count: "known")
    trap = tmp_path / ".known.tmp"
    trap.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "file", b"new")
    assert trap.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_the_longest_name_can_be_written(tmp_path):
    write_whole(tmp_path / ("n" * 255), b"whole")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"whole"


def test_appending_adds_and_reads(tmp_path):
    for _ in range(2):
        with open_to_append(tmp_path / "log") as file:
            file.write(b"line\n")
    with open_to_append(tmp_path / "log") as file:
        file.seek(0)
        assert file.read() == b"line\nline\n"


def test_nothing_is_appended_through_a_link_or_to_a_pipe(tmp_path, precious):
    link = tmp_path / "link"
    link.symlink_to(precious)
    with pytest.raises(OSError, match=r"a link, and it is not followed: '.*/link'"):
        open_to_append(link)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nothing")
    with pytest.raises(OSError, match="not followed"):
        open_to_append(dangling)
    assert not (tmp_path / "nothing").exists()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a plain file"):
        open_to_append(tmp_path / "pipe")
    assert precious.read_text() == "precious"


def test_a_folder_that_is_a_link_may_not_lead_out(tmp_path):
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    for folder in (run / "real", elsewhere):
        folder.mkdir(parents=True)
    (run / "inner").symlink_to(run / "real")
    (run / "outer").symlink_to(elsewhere)
    (run / "round").symlink_to(run / "round")
    for name in ("real/file", "inner/file", "new/file"):
        require_inside(run / name, run)
    with pytest.raises(OSError, match="a link that leads out of"):
        require_inside(run / "outer" / "file", run)
