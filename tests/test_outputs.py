"""The folder either holds exactly the outputs afterwards, or exactly what it held before."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tollbook.gen.errors import InputError
from tollbook.gen.outputs import differences, replace

OLD = {"rules.yaml": "old: 1\n", "board.json": "{}\n"}
NEW = {"rules.yaml": "new: 2\n", "board.json": "{}\n"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    replace(folder, OLD)
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Everything in the folder, hidden files too."""
    return {path.name: path.read_bytes().decode() for path in sorted(folder.iterdir())}


# ---- replace -------------------------------------------------------------------------------------------------


def test_what_is_missing_is_made_folders_included(tmp_path: Path) -> None:
    assert replace(tmp_path / "deploy" / "out", NEW) == ["rules.yaml", "board.json"]
    assert contents(tmp_path / "deploy" / "out") == dict(sorted(NEW.items()))


def test_only_what_differs_is_touched(out: Path) -> None:
    for name in OLD:
        os.utime(out / name, ns=(7, 7))
    assert replace(out, NEW) == ["rules.yaml"]
    assert (out / "board.json").stat().st_mtime_ns == 7
    assert contents(out) == NEW


def test_a_second_time_changes_nothing(out: Path) -> None:
    assert replace(out, OLD) == []


def test_other_files_are_left_alone(out: Path) -> None:
    (out / "kustomization.yaml").write_text("mine\n")
    (out / ".rules.yaml.swp").write_text("an editor's\n")
    replace(out, NEW)
    assert set(contents(out)) == {"rules.yaml", "board.json", "kustomization.yaml", ".rules.yaml.swp"}


def test_bytes_are_written_as_they_are(out: Path) -> None:
    replace(out, {"rules.yaml": "café\r\n\ttab\n"})
    assert (out / "rules.yaml").read_bytes() == b"caf\xc3\xa9\r\n\ttab\n"


def test_line_endings_count_as_a_difference(out: Path) -> None:
    (out / "rules.yaml").write_bytes(b"old: 1\r\n")
    assert replace(out, OLD) == ["rules.yaml"]


def test_a_new_file_has_the_usual_mode_and_an_old_one_keeps_its_own(out: Path) -> None:
    (out / "rules.yaml").chmod(0o640)
    umask = os.umask(0o022)
    try:
        replace(out, {**NEW, "more.yaml": "x\n"})
    finally:
        os.umask(umask)
    assert stat.S_IMODE((out / "rules.yaml").stat().st_mode) == 0o640
    assert stat.S_IMODE((out / "more.yaml").stat().st_mode) == 0o644


def test_a_link_stays_a_link_and_the_file_behind_it_changes(out: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (out / "rules.yaml").rename(elsewhere / "shared.yaml")
    (out / "rules.yaml").symlink_to("../elsewhere/shared.yaml")
    assert replace(out, NEW) == ["rules.yaml"]
    assert (out / "rules.yaml").is_symlink()
    assert contents(elsewhere) == {"shared.yaml": "new: 2\n"}


def test_the_folder_may_be_a_link(out: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(out)
    replace(tmp_path / "link", NEW)
    assert contents(out) == dict(sorted(NEW.items()))


def test_what_a_killed_run_left_does_not_stand_in_the_way(out: Path) -> None:
    (out / f".rules.yaml.{os.getpid()}.new").write_text("half of")
    replace(out, NEW)
    assert contents(out) == dict(sorted(NEW.items()))


# ---- replace, when it cannot --------------------------------------------------------------------------------------


def refused(folder: Path, outputs: dict[str, str]) -> str:
    with pytest.raises(InputError) as caught:
        replace(folder, outputs)
    return str(caught.value)


def test_a_folder_in_a_files_place_is_refused_before_anything_is_written(out: Path) -> None:
    (out / "later.yaml").mkdir()
    assert refused(out, {**NEW, "later.yaml": "x\n"}) == f"{out}/later.yaml:1:1: error: not a regular file"
    assert (out / "rules.yaml").read_text() == OLD["rules.yaml"]
    assert (out / "later.yaml").is_dir()


def test_a_pipe_in_a_files_place_is_refused_and_not_waited_for(out: Path) -> None:
    os.mkfifo(out / "pipe.yaml")
    assert refused(out, {"pipe.yaml": "x\n"}) == f"{out}/pipe.yaml:1:1: error: not a regular file"


def test_a_link_to_itself_is_refused(out: Path) -> None:
    (out / "loop.yaml").symlink_to("loop.yaml")
    assert refused(out, {"loop.yaml": "x\n"}) == f"{out}/loop.yaml:1:1: error: too many levels of symbolic links"


def test_a_link_into_nowhere_is_refused(out: Path, tmp_path: Path) -> None:
    (out / "rules.yaml").unlink()
    (out / "rules.yaml").symlink_to(tmp_path / "nowhere" / "rules.yaml")
    assert refused(out, NEW) == (f"error: {tmp_path}/nowhere/rules.yaml cannot be written: no such file or directory")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine\n")
    assert refused(tmp_path / "out", NEW) == f"{tmp_path}/out/rules.yaml:1:1: error: not a directory"
    assert (tmp_path / "out").read_text() == "mine\n"


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder with the old files that may not be written, not even where the tests are run by root."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "out"
        replace(folder, OLD)
        Path(parent).chmod(0o555)
        folder.chmod(0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            folder.chmod(0o755)
            Path(parent).chmod(0o755)


def test_a_folder_that_may_not_be_written_is_left_as_it_was(read_only: Path) -> None:
    assert refused(read_only, NEW) == f"error: {read_only}/rules.yaml cannot be written: permission denied"
    assert contents(read_only) == dict(sorted(OLD.items()))


def test_a_folder_that_may_not_be_made_is_said(read_only: Path) -> None:
    assert refused(read_only / "a" / "b", NEW) == f"error: {read_only}/a/b cannot be written: permission denied"


def replaced_where_files_stay_small(folder: Path, outputs: dict[str, str]) -> str:
    """What a process says that may write 1000 bytes a file: as when a disk fills up, some fit and then one does not.

    The limit holds for the whole process, so it must not be the one whose output may go to a file.
    """
    code = f"""if True:
        import resource
        from pathlib import Path
        from tollbook.gen.errors import InputError
        from tollbook.gen.outputs import replace
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            replace(Path({str(folder)!r}), {outputs!r})
        except InputError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.rstrip()


def test_no_file_is_replaced_where_a_later_one_does_not_fit(out: Path) -> None:
    said = replaced_where_files_stay_small(out, {**NEW, "board.json": "x" * 1001})
    assert said == f"error: {out}/board.json cannot be written: file too large"
    assert contents(out) == dict(sorted(OLD.items()))


def test_folders_made_for_nothing_are_removed(tmp_path: Path) -> None:
    said = replaced_where_files_stay_small(tmp_path / "deploy" / "out", {"rules.yaml": "x" * 1001})
    assert said == f"error: {tmp_path}/deploy/out/rules.yaml cannot be written: file too large"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_by_an_interruption(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace(out, NEW)
    assert contents(out) == dict(sorted(OLD.items()))


# ---- differences ---------------------------------------------------------------------------------------------


def test_no_difference_is_no_text(out: Path) -> None:
    assert differences(out, OLD) == ""


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert differences(out, OLD) == f"{out}/rules.yaml: missing\n{out}/board.json: missing\n"
    assert list(tmp_path.iterdir()) == []


def test_the_difference_leads_from_the_file_to_the_output(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    assert differences(Path("out"), NEW).splitlines() == [
        "--- out/rules.yaml",
        "+++ out/rules.yaml\tas generated",
        "@@ -1 +1 @@",
        "-old: 1",
        "+new: 2",
    ]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge of patches, and is not here")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\nb\n", "a\nb"),
        ("a\nb", "a\nb\n"),
        ("", "a\n"),
        ("a\n", ""),
        ("form\x0cfeed\u2028line\n", "form\x0cfeed\u2028lines\n"),
        ("".join(f"{n}\n" for n in range(100)), "".join(f"{n}\n" for n in range(0, 100, 3))),
    ],
)
def test_git_can_apply_the_difference(out: Path, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "rules.yaml").write_text(old)
    monkeypatch.chdir(out.parent)
    patch = differences(Path("out"), {"rules.yaml": new})
    subprocess.run(["git", "apply", "-p0", "--allow-empty", "--whitespace=nowarn"], input=patch.encode(), check=True)
    assert (out / "rules.yaml").read_bytes().decode() == new


def test_crlf_is_named_and_not_shown_line_by_line(out: Path) -> None:
    (out / "rules.yaml").write_bytes(b"old: 1\r\n")
    assert differences(out, OLD) == f"{out}/rules.yaml: lines end in CRLF instead of LF\n"


def test_what_is_not_utf8_is_shown_escaped(out: Path) -> None:
    (out / "rules.yaml").write_bytes(b"caf\xe9\n")
    assert "-caf\\xe9\n+old: 1\n" in differences(out, OLD)


def test_a_folder_in_a_files_place_has_no_difference_to_show(out: Path) -> None:
    (out / "rules.yaml").unlink()
    (out / "rules.yaml").mkdir()
    with pytest.raises(InputError, match="error: not a regular file"):
        differences(out, OLD)
