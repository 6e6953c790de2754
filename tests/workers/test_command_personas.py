"""Personas that are programs: arguments, environment, permission, verdicts, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from coordinator.core.definition import ErrorClass, Files
from coordinator.core.events import ReplyStatus
from coordinator.definitions.persona import PersonaKind
from coordinator.workers.providers import Asked, answer
from coordinator.workers.providers.command import (
    CheckoutError,
    CommandProvider,
    CommandSettings,
)
from coordinator.workers.workspaces import Rooms

from .conftest import NoFiles, script

Ask = Callable[..., Asked]

SHOW = (
    "import json, sys; print(json.dumps({'argv': sys.argv[2:], 'payload': json.load(sys.stdin)}))"
)


async def test_each_element_stays_one_argument_whatever_the_task_says(
    provider: CommandProvider, asked: Ask, tmp_path: Path
) -> None:
    canary = tmp_path / "pwned"
    title = f"a b; touch {canary} $(touch {canary}) `touch {canary}` | & \" ' \n *"
    command = script(SHOW, "{{ task.title }}", "--title={{ task.title }}", "{{ params.n }}")
    given = await provider.answer(
        asked(command, {"task": {"title": title}, "params": {"n": [1, "two words"]}})
    )
    assert isinstance(given.result, dict)
    assert given.result["argv"] == [title, f"--title={title}", '[1, "two words"]']
    assert not canary.exists()


async def test_the_payload_is_on_stdin(provider: CommandProvider, asked: Ask) -> None:
    given = await provider.answer(asked(script(SHOW), {"feedback": [{"node": "qa"}]}))
    assert isinstance(given.result, dict)
    assert given.result["payload"]["feedback"] == [{"node": "qa"}]


async def test_a_value_cannot_become_an_option(provider: CommandProvider, asked: Ask) -> None:
    given = await provider.answer(
        asked(("echo", "{{ task.title }}"), {"task": {"title": "--output=x"}})
    )
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.REFUSED
    assert '"--"' in given.failure.message


@pytest.mark.parametrize("element", ["{{ task.missing }}", "{{ broken", "x\0y", "{{ task.nul }}"])
async def test_a_command_that_cannot_be_rendered_is_refused(
    provider: CommandProvider, asked: Ask, element: str
) -> None:
    given = await provider.answer(asked(("echo", element), {"task": {"nul": "a\0b"}}))
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.REFUSED
    assert "element 1" in given.failure.message


async def test_a_step_s_own_command_is_taken_as_it_is(
    provider: CommandProvider, asked: Ask
) -> None:
    given = await provider.answer(asked((), {"params": {"run": ["echo", "{{ 7*7 }}", "-n; rm"]}}))
    assert given.result == {"output": "{{ 7*7 }} -n; rm\n"}


@pytest.mark.parametrize("run", [None, [], "ls -l", [1], [""], ["a\0b"]])
async def test_a_step_s_own_command_has_to_be_an_argv(
    provider: CommandProvider, asked: Ask, run: object
) -> None:
    given = await provider.answer(asked((), {"params": {"run": run}}))
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.REFUSED


async def test_no_secret_of_the_worker_is_in_the_environment(
    provider: CommandProvider, asked: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COORDINATOR_REDIS_URL", "redis://:s3cret@host")
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    given = await provider.answer(asked(script(code)))
    assert isinstance(given.result, dict)
    assert set(given.result) - {"LC_CTYPE"} == {
        "PATH",
        "LANG",
        "HOME",
        "TMPDIR",
        "COORDINATOR_RUN",
        "COORDINATOR_NODE",
        "COORDINATOR_ATTEMPT",
    }
    assert "s3cret" not in json.dumps(given.result)
    assert given.result["COORDINATOR_NODE"] == "step1"


async def test_home_and_temporary_files_are_gone_afterwards(
    provider: CommandProvider, asked: Ask
) -> None:
    code = (
        "import json, os, pathlib\n"
        "home = pathlib.Path.home(); (home / 'x').write_text('1')\n"
        "pathlib.Path('locked').mkdir(); pathlib.Path('locked/y').touch(); os.chmod('locked', 0)\n"
        "os.symlink('/etc', 'link')\n"
        "print(json.dumps({'home': str(home), 'here': os.getcwd()}))"
    )
    given = await provider.answer(asked(script(code)))
    assert isinstance(given.result, dict)
    assert not Path(given.result["home"]).exists()
    assert not Path(given.result["here"]).exists()
    assert Path("/etc/passwd").exists()


async def test_a_program_that_is_not_allowed_is_refused_with_the_setting_to_change(
    rooms: Rooms, asked: Ask
) -> None:
    narrow = CommandProvider(CommandSettings(allow=frozenset({"pytest"})), rooms, NoFiles())
    given = await narrow.answer(asked(("rm", "-rf", "/")))
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.REFUSED
    assert given.failure.retryable is False
    for part in ("'rm'", "pytest", "COORDINATOR_ALLOW_COMMANDS"):
        assert part in given.failure.message


@pytest.mark.parametrize("name", ["/usr/bin/env", "./env", "env ", "ENV", "en"])
async def test_permission_is_for_the_exact_name(rooms: Rooms, asked: Ask, name: str) -> None:
    narrow = CommandProvider(CommandSettings(allow=frozenset({"env"})), rooms, NoFiles())
    given = await narrow.answer(asked((name,)))
    assert given.failure is not None
    assert "not allowed" in given.failure.message


async def test_the_task_cannot_choose_a_program_that_is_not_allowed(
    rooms: Rooms, asked: Ask
) -> None:
    narrow = CommandProvider(CommandSettings(allow=frozenset({"env"})), rooms, NoFiles())
    given = await narrow.answer(asked(("{{ task.program }}",), {"task": {"program": "sh"}}))
    assert given.failure is not None
    assert "'sh' is not allowed" in given.failure.message


async def test_a_program_that_is_not_installed_is_named(
    provider: CommandProvider, asked: Ask
) -> None:
    given = await provider.answer(asked(("no-such-program",)))
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.REFUSED
    assert "'no-such-program' is not installed" in given.failure.message


async def test_a_kind_that_this_worker_does_not_serve_is_refused(
    provider: CommandProvider, asked: Ask
) -> None:
    given = await answer({PersonaKind.COMMAND: provider}, asked((), kind=PersonaKind.LLM))
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.REFUSED
    assert "'llm'" in given.failure.message


EXITS: list[tuple[str, dict[int, str], str | None]] = [
    ("", {0: "pass", 1: "fail"}, "pass"),
    ("raise SystemExit(1)", {0: "pass", 1: "fail"}, "fail"),
    ("raise SystemExit(5)", {0: "pass", 5: "fail"}, "fail"),
    ("raise SystemExit(5)", {0: "pass"}, None),
    ("import os; os.abort()", {0: "pass"}, None),
    ('print(\'{"status": "fail"}\')', {0: "pass"}, "fail"),
    ('print(\'{"status": "done"}\')', {0: "pass"}, "pass"),
    ('print(\'{"status": "pass"}\'); raise SystemExit(1)', {0: "pass", 1: "fail"}, "fail"),
    ("print('Status: fail')", {0: "pass"}, "pass"),
]


@pytest.mark.parametrize(("code", "exit_codes", "verdict"), EXITS)
async def test_exit_codes_and_results_make_the_verdict(
    provider: CommandProvider,
    asked: Ask,
    code: str,
    exit_codes: dict[int, str],
    verdict: str | None,
) -> None:
    given = await provider.answer(asked(script(code), exit_codes=exit_codes))
    assert given.verdict == verdict
    if verdict is None:
        assert given.failure is not None
        assert given.failure.error_class == ErrorClass.PERSONA_ERROR


async def test_an_unlisted_exit_tells_the_last_lines_without_terminal_controls(
    provider: CommandProvider, asked: Ask
) -> None:
    code = (
        "import sys\n"
        "for n in range(50): print('line', n, file=sys.stderr)\n"
        "sys.stderr.write('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07bell\\x07 ')\n"
        "sys.stderr.write('\\u202egnihton\\r\\n')\n"
        "sys.exit(9)"
    )
    given = await provider.answer(asked(script(code)))
    assert given.failure is not None
    message = given.failure.message
    assert "exit code 9" in message
    assert message.endswith("line 49\nred bell gnihton")
    assert "line 1\n" not in message


async def test_a_pass_without_tests_is_a_fail_where_tests_are_required(
    provider: CommandProvider, asked: Ask
) -> None:
    given = await provider.answer(asked(script("print('no tests ran')"), tests_required=True))
    assert given.verdict == "fail"


async def test_a_hanging_program_is_a_timeout_with_its_last_words(
    provider: CommandProvider, asked: Ask
) -> None:
    code = "import time; print('began', flush=True); time.sleep(600)"
    given = await provider.answer(asked(script(code), {"timeout_ms": 800}))
    assert given.status is ReplyStatus.ERROR
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.TIMEOUT
    assert "0.8 s" in given.failure.message
    assert "began" in given.failure.message


class Folder:
    """A checkout of one file, which tells its new text as the change."""

    def __init__(self, error: CheckoutError | None = None) -> None:
        self.error = error

    def __call__(self, files: Mapping[str, object], directory: Path) -> Any:
        if self.error is not None:
            raise self.error
        (directory / "file.txt").write_text("before\n")

        class Place:
            def changes(self) -> str:
                after = (directory / "file.txt").read_text()
                return "" if after == "before\n" else f"changed to {after}"

            def remove(self) -> None:
                (directory / "file.txt").unlink()

        return Place()


FILES = {"repo": "r", "ref": "refs/coordinator/runs/run", "base": "a" * 40}
WRITE = "open('file.txt', 'a').write('after\\n')"


@pytest.mark.parametrize(
    ("mode", "code", "patch"),
    [
        ("patch", WRITE, {"base": "a" * 40, "diff": "changed to before\nafter\n"}),
        ("patch", "", None),
        ("read", WRITE, None),
        ("patch", WRITE + "; raise SystemExit(9)", None),
    ],
)
async def test_changes_travel_as_a_patch_where_they_may(
    rooms: Rooms, asked: Ask, mode: str, code: str, patch: object
) -> None:
    provider = CommandProvider(CommandSettings(allow=frozenset({"*"})), rooms, Folder())
    given = await provider.answer(asked(script(code), {"files": {**FILES, "mode": mode}}))
    assert given.patch == patch


async def test_a_patch_too_large_for_a_reply_is_a_clear_failure(rooms: Rooms, asked: Ask) -> None:
    provider = CommandProvider(CommandSettings(allow=frozenset({"*"})), rooms, Folder())
    code = "open('file.txt', 'w').write('x' * (2 << 20))"
    given = await provider.answer(asked(script(code), {"files": {**FILES, "mode": "patch"}}))
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.INVALID_REPLY


async def test_files_that_cannot_be_brought_fail_the_attempt(rooms: Rooms, asked: Ask) -> None:
    error = CheckoutError("no such revision", error_class=ErrorClass.TRANSPORT)
    provider = CommandProvider(CommandSettings(allow=frozenset({"*"})), rooms, Folder(error))
    given = await provider.answer(asked(script(""), {"files": {**FILES, "mode": "read"}}))
    assert given.failure is not None
    assert (given.failure.error_class, given.failure.message) == ("transport", "no such revision")


def test_what_a_dead_worker_left_is_swept_and_what_a_live_one_uses_is_not(tmp_path: Path) -> None:
    with Rooms(tmp_path) as alive:
        used = alive.open()
        (tmp_path / "worker-dead").mkdir()
        (tmp_path / "worker-dead" / ".lock").touch()
        with Rooms(tmp_path):
            assert not (tmp_path / "worker-dead").exists()
            assert used.root.exists()


async def test_changes_that_no_repository_can_keep_are_refused_and_not_lost_in_silence(
    provider: CommandProvider, asked: Ask
) -> None:
    command = script("open('made.txt', 'w').write('x'); print('{}')")
    given = await provider.answer(asked(command, files=Files.PATCH))
    assert given.failure is not None
    assert given.failure.error_class == ErrorClass.REFUSED
    assert "--repo" in given.failure.message

    harmless = await provider.answer(asked(script("print('{}')"), files=Files.PATCH))
    assert harmless.failure is None
