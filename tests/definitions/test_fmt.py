"""Formatting changes how a file is written, never what it means."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coordinator.definitions import Compiled, Personas, compile_file
from coordinator.definitions.errors import ON_ERROR_SPELLINGS
from coordinator.definitions.faults import Faults
from coordinator.definitions.fmt import format_layout, format_workflow
from coordinator.definitions.parameters import TYPE_SPELLINGS
from coordinator.definitions.read import read
from coordinator.definitions.report import ON_CONFLICT_SPELLINGS, STEP_SPELLINGS, WORKFLOW_SPELLINGS
from coordinator.definitions.spelling import respellings
from tests.definitions.corpus import TYPES, personas

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
GOOD = sorted((HERE / "good").iterdir())
SHIPPED = sorted((ROOT / "workflows").glob("*.yml"))


def formatted(text: str | bytes) -> str:
    found, faults = format_workflow("f.yml", text, step_types=TYPES)
    assert found is not None, faults
    return found


def laid_out(text: str | bytes) -> str:
    found, faults = format_layout("f.yml", text)
    assert found is not None, faults
    return found


def compiled(text: str | bytes) -> Compiled | None:
    known = personas()
    known.has_folder = False
    return compile_file("f.yml", text, step_types=TYPES, personas=known)[0]


def step(line: str) -> str:
    return f"name: w\nversion: '1.0.0'\nsteps:\n{line}\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("- {id: a, depends_on: [b]}", "- {id: a, dependencies: [b]}"),
        ("- {id: a, needs: [b]}", "- {id: a, dependencies: [b]}"),
        ("- {id: a, if: 'true'}", "- {id: a, condition: 'true'}"),
        ("- {id: a, when: x}", "- {id: a, condition: x}"),
        ("- {id: a, with: {if: 1}}", "- {id: a, params: {if: 1}}"),
        ("- {id: a, parameters: {}}", "- {id: a, params: {}}"),
        ("- {id: a, agent_id: b}", "- {id: a, persona: b}"),
        ("- {id: a, on_error: log_and_continue}", "- {id: a, on_error: continue}"),
        ("- {id: a, on_error: 'log_and_continue'}", "- {id: a, on_error: 'continue'}"),
        ('- {"id": "a", "needs":["b"]}', '- {"id": "a", "dependencies":["b"]}'),
        ("- {id: a, 'needs' : [b]}", "- {id: a, 'dependencies' : [b]}"),
        ("  ? needs\n  : id: a", "  ? needs\n  : id: a"),
        ("  a: {needs: [b]}", "  a: {dependencies: [b]}"),
        ("  if: {if: x}", "  if: {condition: x}"),
        ("- id: a\n  ? needs\n  : [b]", "- id: a\n  ? dependencies\n  : [b]"),
        ('- {id: a, "n\\u0065eds": [b]}', '- {id: a, "dependencies": [b]}'),
        ("- {id: é😀, if: x} # if: é  ", "- {id: é😀, condition: x} # if: é"),
        (
            "- {id: a, type: repeat, max_iterations: 2, subtasks: [{id: b, needs: [c]}]}",
            "- {id: a, type: repeat, max_iterations: 2, steps: [{id: b, dependencies: [c]}]}",
        ),
        (
            "- {id: a, type: conditional, if: x, then_steps: [{id: b, if: x}]}",
            "- {id: a, type: conditional, condition: x, then_steps: [{id: b, condition: x}]}",
        ),
        ("- {id: a, undo: [{id: b, with: {}}]}", "- {id: a, undo: [{id: b, params: {}}]}"),
        (
            "- {id: a, on_error: {fallback: [{id: b, with: {}}]}}",
            "- {id: a, on_error: {fallback: [{id: b, params: {}}]}}",
        ),
    ],
)
def test_a_step_gets_the_canonical_words_and_keeps_all_others(given: str, expected: str) -> None:
    assert formatted(step(given)) == step(expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("parameters: {a: {type: int}}", "params: {a: {type: integer}}"),
        ("params: {type: {type: bool}, with: {}}", "params: {type: {type: boolean}, with: {}}"),
        ("subtasks: [{id: a}]", "steps: [{id: a}]"),
        ("finally: [{id: a, needs: []}]", "finally: [{id: a, dependencies: []}]"),
        ("on_failure: {a: {with: {}}}", "on_failure: {a: {params: {}}}"),
        ("variables: {needs: if, x: {with: 1}}", "variables: {needs: if, x: {with: 1}}"),
        ("concurrency: {on_conflict: 'reject'}", "concurrency: {on_conflict: 'skip'}"),
        ("concurrency: {key: reject, reject: 1}", "concurrency: {key: reject, reject: 1}"),
        ("concurrency: reject", "concurrency: reject"),
    ],
)
def test_the_top_level_gets_the_canonical_words(given: str, expected: str) -> None:
    assert formatted(f"{given}\n") == f"{expected}\n"


def test_every_accepted_spelling_of_the_language_is_rewritten() -> None:
    for other, key in STEP_SPELLINGS.items():
        assert formatted(step(f"- {{id: a, {other}: x}}")) == step(f"- {{id: a, {key}: x}}")
    for other, key in WORKFLOW_SPELLINGS.items():
        assert formatted(f"{other}: x\n") == f"{key}: x\n"
    for other, word in ON_ERROR_SPELLINGS.items():
        assert formatted(step(f"- {{on_error: {other}}}")) == step(f"- {{on_error: {word}}}")
    for other, word in ON_CONFLICT_SPELLINGS.items():
        text = "concurrency: {on_conflict: %s}\n"
        assert formatted(text % other) == text % word
    for other, word in TYPE_SPELLINGS.items():
        text = "params: {a: {type: %s}}\n"
        assert formatted(text % other) == text % word


@pytest.mark.parametrize(
    "text",
    [
        step("- {id: a, needs: [b], depends_on: [c]}"),
        step("- {id: a, needs: [b], dependencies: [c]}"),
        "parameters: {}\nparams: {}\n",
        step("- {id: a, type: plan, steps: [{id: b, needs: [c]}]}"),
        "needs: []\nwith: 1\n",
        "[needs]\n",
        "- {needs: 1}\n",
        "text\n",
        step("- {id: a, type: [], on_error: [x], needs2: 1}"),
        step("- &n {id: a, params: &p {if: x}}\n- {id: b, params: *p}"),
    ],
)
def test_what_is_no_step_or_a_fault_in_two_spellings_stays(text: str) -> None:
    assert formatted(text) == text


def test_what_an_alias_repeats_as_data_stays() -> None:
    text = step("- &a {id: a, if: x}\n- {id: b, if: y, params: {like: *a}}")

    assert formatted(text) == text.replace("if: y", "condition: y")


def test_comments_blank_lines_quotes_order_and_indentation_stay() -> None:
    text = """\
# head
steps:      # the steps

    -   needs: [a,   'b',
                 "c"]      # aligned


        # about the condition: if when with
        if:    >-
            a
              && b
        id:   "x"

version:    '1.0.0'
name: w   # tail
# end
"""
    expected = text.replace("needs:", "dependencies:").replace("  if:  ", "  condition:  ")

    assert formatted(text) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a: 1", "a: 1\n"),
        ("a: 1\n\n \n\n", "a: 1\n"),
        ("a: 1  \t\nb:\t2 # c \n", "a: 1\nb:\t2 # c\n"),
        ("a: 1\r\nb: 2\rc: 3\r\n", "a: 1\nb: 2\nc: 3\n"),
        ("a: |   \n  x  \n  y \nb: 1 \n", "a: |\n  x  \n  y \nb: 1\n"),
        ("a: |\r\n  x  \r\n\r\n\r\n", "a: |\n  x  \n"),
        ("a: |\n  x", "a: |\n  x"),
        ("a: |-\n  x", "a: |-\n  x\n"),
        ("a: |+\n  x\n\n\n", "a: |+\n  x\n\n\n"),
        ("a: |\n  x\n    \n\n", "a: |\n  x\n    \n"),
        ("a: >\n  x \n  y\n\n\n", "a: >\n  x \n  y\n"),
        ('a: "x \\ \n  y"\n', 'a: "x \\ \n  y"\n'),
        ("a: 'x  \n  y'  \n", "a: 'x  \n  y'\n"),
        ("a: x  \n  y  \n", "a: x\n  y\n"),
        ("\ufeffa: 1\n", "a: 1\n"),
        ("a: [1, \n  2 ] \n", "a: [1,\n  2 ]\n"),
        ("---  \na: 1\n...  \n", "---\na: 1\n...\n"),
        ("a: 1 # x\u2028b: 2  \n", "a: 1 # x\u2028b: 2\n"),
    ],
)
def test_lines_end_with_one_newline_and_without_blanks_outside_of_texts(
    given: str, expected: str
) -> None:
    assert laid_out(given) == expected
    assert laid_out(expected) == expected
    assert laid_out(given.encode()) == expected


@pytest.mark.parametrize("text", ["", "a: [", "a: 1\na: 2\n", b"\xff", "a: {{ x }}\n", "a: !t 1\n"])
def test_a_file_that_does_not_read_gives_its_faults_and_no_text(text: str | bytes) -> None:
    for found, faults in (
        format_workflow("f.yml", text, step_types=TYPES),
        format_layout("f.yml", text),
    ):
        assert found is None
        assert faults


def test_a_file_that_would_grow_beyond_the_limit_is_refused() -> None:
    head = step("- {id: a, if: x}")
    text = f"{head}# {'x' * (1024 * 1024 - len(head) - 3)}\n"
    assert len(text) == 1024 * 1024

    found, faults = format_workflow("f.yml", text, step_types=TYPES)

    assert found is None
    assert [fault.rule for fault in faults] == ["WF003"]


@pytest.mark.parametrize("path", [*GOOD, *SHIPPED], ids=lambda path: path.name)
def test_a_good_file_compiles_to_the_same_under_the_same_digest(path: Path) -> None:
    text = path.read_text()
    before, after = compiled(text), compiled(formatted(text))

    assert before is not None
    assert before == after


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_workflows_are_formatted(path: Path) -> None:
    text = path.read_text()

    assert formatted(text) == text


@pytest.mark.parametrize(
    "path",
    [*sorted((HERE / "bad").iterdir()), *sorted((HERE / "rules").glob("WF*/bad/*.yml"))],
    ids=lambda path: "/".join(path.parts[-3:]),
)
def test_a_faulty_file_that_reads_keeps_its_faults(path: Path) -> None:
    text = path.read_bytes()
    again, unreadable = format_workflow("f.yml", text, step_types=TYPES)
    known = Personas(has_folder=False)
    before = compile_file("f.yml", text, step_types=TYPES, personas=known)[1]

    if again is None:
        assert unreadable
        return
    after = compile_file("f.yml", again, step_types=TYPES, personas=known)[1]
    assert [(each.rule, each.line) for each in after] == [(each.rule, each.line) for each in before]


# Whatever is written


def _spelled(key: str, chance: random.Random) -> str:
    others = [other for other, canonical in STEP_SPELLINGS.items() if canonical == key]
    word = chance.choice([key, *others])
    return chance.choice([word, word, f'"{word}"', f"'{word}'"])


def _noise(chance: random.Random) -> str:
    return chance.choice(["", "", "  ", "\t", "   # if: needs 😀 ", " # \u00e9"])


def _blank(chance: random.Random) -> str:
    return chance.choice(["", "", "", "\n", "   \n\n", "# with: x  \n"])


def _step_lines(number: int, before: str, chance: random.Random) -> list[str]:
    """One step in some spelling, after its predecessor."""
    own: list[str] = []
    name = f"{before}{number}"
    if number:
        own.append(f"{_spelled('dependencies', chance)}: [{before}{number - 1}]")
    if chance.random() < 0.5:
        own.append(f"{_spelled('condition', chance)}: \"task.type == 'if'\"")
    if chance.random() < 0.3:
        own.append(f"on_error: {chance.choice(['log_and_continue', 'continue', 'abort'])}")
    if len(name) < 4 and chance.random() < 0.3:
        own += ["type: repeat", "max_iterations: 2"]
        inner = [line for at in range(2) for line in _step_lines(at, f"{name}_", chance)]
        own.append("\n".join([f"{_spelled('steps', chance)}:", *("  " + line for line in inner)]))
    else:
        own.append(f"{_spelled('persona', chance)}: worker")
        params = chance.choice(["{with: 1, if: [needs]}", "\n  text: |\n    if: a  \n    b"])
        own.append(f"{_spelled('params', chance)}: {params}")
    chance.shuffle(own)
    lines = "\n".join([f"id: {name}", *own]).split("\n")
    return [f"- {lines[0]}", *(f"  {line}" for line in lines[1:])]


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), newline=st.sampled_from(["\n", "\r\n", "\r"]))
def test_whatever_is_written_its_digest_and_all_that_compiles_from_it_stay(
    seed: int, newline: str
) -> None:
    chance = random.Random(seed)
    text = "name: w\nversion: '1.0.0'\nsteps:\n"
    in_text = False
    for line in [line for at in range(3) for line in _step_lines(at, "s", chance)]:
        in_text = in_text or line.endswith("|")
        noise = "" if in_text else _noise(chance)
        in_text = in_text and not line.endswith(" b")
        text += f"  {line}{noise}\n{'' if in_text else _blank(chance)}"
    written = text.replace("\n", newline).encode()
    before = compiled(written)
    assert before is not None

    again = formatted(written)

    assert compiled(again) == before
    assert formatted(again) == again
    assert "\r" not in again
    document = read("f.yml", again, Faults("f.yml"))
    assert document is not None
    assert respellings(document.value, TYPES) == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([*" \t\n\r'\"|>-+:,{}[]#&*?abif\\", "needs", "\u00e9", "\x85"])).map(
        "".join
    )
)
@example("-'\r \n'")
def test_any_text_is_refused_or_formatted_once_and_for_all(text: str) -> None:
    found, faults = format_workflow("f.yml", text, step_types=TYPES)

    assert (found is None) == bool(faults)
    if found is not None:
        assert formatted(found) == found
