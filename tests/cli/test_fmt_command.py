"""`coordinator fmt` on files of a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coordinator.cli.fmt import replace_text
from tests.cli.conftest import Shell

PLAIN = """\
name: w
version: "1.0.0"
steps:
  - {id: a, persona: p}
  - {id: b, persona: p, dependencies: [a]}   # after a
"""
OTHER = PLAIN.replace("dependencies", "needs")
BROKEN = "name: [\n"
PERSONA = "name: p\nkind: command\ncommand: [echo, hi]\n"


def test_files_of_the_folder_are_rewritten_and_named(shell: Shell) -> None:
    shell.write("workflows/good.yml", PLAIN)
    shell.write("workflows/other.yml", OTHER)
    shell.write("personas/p.yaml", PERSONA.replace("\n", "  \r\n"))
    shell.write("notes.yml", OTHER)

    done = shell("fmt")

    assert done.code == 0
    assert sorted(done.out.split()) == ["personas/p.yaml", "workflows/other.yml"]
    assert "changed: 2 of 3 files" in done.err
    assert (shell.folder / "workflows/other.yml").read_text() == PLAIN
    assert (shell.folder / "personas/p.yaml").read_bytes() == PERSONA.encode()
    assert (shell.folder / "notes.yml").read_text() == OTHER
    again = shell("fmt")
    assert (again.code, again.out) == (0, "")


def test_a_persona_keeps_words_that_mean_something_only_in_workflows(shell: Shell) -> None:
    text = "name: p\nkind: command\ncommand: [x]\ninput_schema: {parameters: 1}\n"
    name = shell.write("personas/p.yaml", text)
    assert shell("fmt", name).code == 0
    assert (shell.folder / name).read_text() == text


def test_check_lists_what_would_change_and_changes_nothing(shell: Shell) -> None:
    shell.write("good.yml", PLAIN)
    shell.write("other.yml", OTHER)

    done = shell("fmt", "--check", "good.yml", "other.yml")

    assert (done.code, done.out) == (1, "other.yml\n")
    assert "would change: 1 of 2 files" in done.err
    assert (shell.folder / "other.yml").read_text() == OTHER
    assert shell("fmt", "--check", "good.yml").code == 0


def test_diff_shows_the_changed_lines_and_changes_nothing(shell: Shell) -> None:
    shell.write("other.yml", OTHER.removesuffix("\n"))

    done = shell("fmt", "--check", "--diff", "other.yml")

    assert done.code == 1
    assert done.out.splitlines() == [
        "--- a/other.yml",
        "+++ b/other.yml",
        "@@ -2,4 +2,4 @@",
        ' version: "1.0.0"',
        " steps:",
        "   - {id: a, persona: p}",
        "-  - {id: b, persona: p, needs: [a]}   # after a",
        "\\ No newline at end of file",
        "+  - {id: b, persona: p, dependencies: [a]}   # after a",
    ]
    assert (shell.folder / "other.yml").read_text() == OTHER.removesuffix("\n")
    assert shell("fmt", "--diff", "other.yml").out == done.out


def test_a_diff_makes_carriage_returns_visible(shell: Shell) -> None:
    shell.write("other.yml", "name: w\r\n")
    assert "-name: w^M\n+name: w\n" in shell("fmt", "--diff", "other.yml").out


def test_a_file_that_does_not_read_is_named_and_the_others_are_formatted(shell: Shell) -> None:
    shell.write("workflows/broken.yml", BROKEN)
    shell.write("workflows/other.yml", OTHER)

    done = shell("fmt", "workflows")

    assert (done.code, done.out) == (1, "workflows/other.yml\n")
    assert "workflows/broken.yml:2:1: error WF002" in done.err
    assert "1 left alone" in done.err
    assert (shell.folder / "workflows/broken.yml").read_text() == BROKEN
    assert (shell.folder / "workflows/other.yml").read_text() == PLAIN


def test_the_json_names_the_files_and_their_faults(shell: Shell) -> None:
    shell.write("workflows/broken.yml", BROKEN)
    shell.write("workflows/other.yml", OTHER)
    done = shell("fmt", "-o", "json", "--check")
    assert done.code == 1
    assert (done.json["files"], done.json["changed"]) == (2, ["workflows/other.yml"])
    assert [fault["rule"] for fault in done.json["faults"]] == ["WF002"]


def test_the_mode_of_a_file_stays_and_nothing_else_is_left_behind(shell: Shell) -> None:
    path = shell.folder / shell.write("other.yml", OTHER)
    path.chmod(0o640)

    assert shell("fmt", "other.yml").code == 0

    assert path.stat().st_mode & 0o7777 == 0o640
    assert [each.name for each in shell.folder.iterdir()] == ["other.yml"]


def test_a_link_out_of_the_folder_is_refused(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "other.yml"
    outside.write_text(OTHER)
    for name in ("workflows/link.yml", "link.yml"):
        path = shell.folder / name
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(outside)

        done = shell("fmt", "workflows" if "/" in name else name)

        assert (done.code, done.out) == (1, "")
        assert "leads out of the folder" in done.err
        assert path.is_symlink()
    assert outside.read_text() == OTHER


def test_a_folder_that_is_a_link_out_of_the_project_is_refused(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "other.yml").write_text(OTHER)
    (shell.folder / "workflows").symlink_to(outside, target_is_directory=True)

    assert shell("fmt").code == 1
    assert (outside / "other.yml").read_text() == OTHER


def test_a_link_within_the_folder_stays_and_its_file_is_formatted_once(shell: Shell) -> None:
    shell.write("workflows/real.yml", OTHER)
    link = shell.folder / "workflows/alias.yml"
    link.symlink_to("real.yml")

    done = shell("fmt")

    assert (done.code, len(done.out.splitlines())) == (0, 1)
    assert link.is_symlink()
    assert (shell.folder / "workflows/real.yml").read_text() == PLAIN


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("old\n")

    with pytest.raises(UnicodeEncodeError):
        replace_text(path, "\ud800")

    assert path.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["a.yml"]


def test_nothing_to_format_and_a_missing_file_have_their_exit_codes(shell: Shell) -> None:
    assert shell("fmt").code == 2
    assert shell("fmt", "missing.yml").code == 5


def test_what_was_formatted_validates_as_before(shell: Shell) -> None:
    shell.write("personas/p.yaml", PERSONA)
    name = shell.write("workflows/other.yml", OTHER)
    before = shell("validate", name, "--format", "json")
    assert shell("fmt").code == 0
    after = shell("validate", name, "--format", "json")
    assert (before.code, after.code) == (0, 0)
    assert before.json == after.json
