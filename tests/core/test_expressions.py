"""Conditions: one row per rule of the grammar, and what an author is told when a rule is broken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.expressions import Expression, ExpressionError, Reference, compile_expression


class View(Mapping[str, object]):
    """A read-only mapping that is built when it is read, as the engine makes them."""

    def __init__(self, data: Mapping[str, object]) -> None:
        self._data = data
        self.items_read: list[str] = []

    def __getitem__(self, key: str) -> object:
        value = self._data[key.replace("-", "_")]
        self.items_read.append(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


SCOPE: dict[str, Any] = {
    "task": {
        "type": "bug", "title": "a && b", "labels": ["ui", "urgent"], "priority": 3, "none": None,
        "items": ["own key"], "length": 99, "class": "keyword", "empty": [], "flag": True,
        "标题": "中文", "ratio": 0.5, "_hidden": 1,
    },
    "state": {"qa_status": "pass", "n": 1, "text": "1", "big": 2**60},
    "context": View({"state": View({"qa_status": "pass"})}),
    "steps": View({"code_review": {"verdict": "fail", "result": {"findings": [{"file": "a.py"}]}}}),
    "check_weather": {"result": "light rain"},
}  # fmt: skip


def value_of(source: str) -> object:
    return compile_expression(source).evaluate(SCOPE)


RULES: list[tuple[str, str, object]] = [
    ("a whole number", "3", 3),
    ("a decimal number", "1.5e1", 15.0),
    ("text in single quotes", "'x'", "x"),
    ("text in double quotes", '"x"', "x"),
    ("escapes in text", r"'a\n\'\\\x41\u00e4\u{1F600}\ud83d\ude00'", "a\n'\\A\u00e4\U0001f600"
     + "\U0001f600"),
    ("a list", "[1, 'a', [null], ]", [1, "a", [None]]),
    ("an empty list", "[]", []),
    ("true as in JavaScript", "true", True),
    ("true as in Python", "True", True),
    ("false as in JavaScript", "false", False),
    ("false as in Python", "False", False),
    ("null", "null", None),
    ("None", "None", None),
    ("undefined", "undefined", None),
    ("one surrounding {{ }}", "{{ task.type == 'bug' }}", True),
    ("several lines", "task.type == 'bug'\n  and\n  task.priority > 2\n", True),
    ("a name", "state.n", 1),
    ("a key by subscript", "task['type']", "bug"),
    ("a key with a character of any language", "task.标题", "中文"),
    ("a key by computed subscript", "task[['type'][0]]", "bug"),
    ("an item by index", "task.labels[0]", "ui"),
    ("an item from the end", "task.labels[-1]", "urgent"),
    ("an item beyond the end is null", "task.labels[9]", None),
    ("a key that begins with _ by subscript", "task['_hidden']", 1),
    ("optional chaining", "task?.nothing?.more?.['x']", None),
    ("a dot reads the key before a method of the same name", "task.items", ["own key"]),
    ("a dot reads the key before the length", "task.length", 99),
    ("a dot reads a key that is a keyword elsewhere", "task.class == 'keyword'", True),
    ("a dot never reads an attribute", "task.keys", None),
    ("a dot on text reads nothing", "task.type.upper", None),
    ("a dash in a step id is left to the view", "steps['code-review'].verdict", "fail"),
    ("deep keys through lists", "steps.code_review.result.findings[0].file", "a.py"),
    ("equality", "task.type == 'bug'", True),
    ("equality in JavaScript", "task.type === 'bug'", True),
    ("inequality", "task.type != 'bug'", False),
    ("inequality in JavaScript", "task.type !== 'bug'", False),
    ("equality does not coerce a truth value", "1 == true", False),
    ("equality does not coerce a false value", "0 == false", False),
    ("equality does not coerce text", "state.n == state.text", False),
    ("equality of whole and decimal numbers", "1 == 1.0", True),
    ("equality of lists", "task.labels == ['ui', 'urgent']", True),
    ("equality inside lists is strict", "[1] == [true]", False),
    ("equality with null", "task.none == null", True),
    ("missing equals null", "task.nothing == undefined", True),
    ("less", "1 < 2", True),
    ("less or equal", "2 <= 2", True),
    ("greater", "task.priority > 2", True),
    ("greater or equal", "task.priority >= 3.5", False),
    ("ordering of text", "'a' < 'b'", True),
    ("ordering with null is false", "null < 1", False),
    ("ordering with null is false the other way", "null >= 1", False),
    ("ordering of mixed types is false", "'1' < 2", False),
    ("ordering of a truth value is false", "true > 0", False),
    ("ordering of lists is false", "[1] < [2]", False),
    ("orderings in a row", "1 < task.priority <= 3", True),
    ("and in JavaScript", "true && 0", 0),
    ("and in Python", "1 and 'x'", "x"),
    ("or in JavaScript", "null || 'x'", "x"),
    ("or in Python", "0 or []", []),
    ("and binds before or", "true || false && false", True),
    ("! binds before ==, as in JavaScript", "!state.n == 5", False),
    ("not binds after ==, as in Python", "not state.n == 5", True),
    ("! before a path", "!task.nothing", True),
    ("!!", "!!task.labels", True),
    ("not not", "not not 1", True),
    ("in a list", "'ui' in task.labels", True),
    ("in a text", "'rain' in check_weather.result", True),
    ("in a mapping asks for a key", "'type' in task", True),
    ("in is strict", "true in [1]", False),
    ("in null is false", "'a' in task.none", False),
    ("null in a list is false", "null in [null]", False),
    ("a number in a text is false", "1 in '1'", False),
    ("not in", "'x' not in task.labels", True),
    ("not in null", "'x' not in null", True),
    ("contains", "check_weather.result contains 'rain'", True),
    ("contains on a list", "task.labels contains 'ui'", True),
    ("contains on null is false", "task.none contains 'a'", False),
    ("contains of mixed types is false", "'1' contains 1", False),
    ("addition", "state.n + 2 * 3", 7),
    ("subtraction is left to right", "5 - 2 - 1", 2),
    ("a sign", "-state.n + +1", 0),
    ("text is not added", "'a' + 'b'", None),
    ("text is not repeated", "'a' * 3", None),
    ("a truth value is no number", "true + 1", None),
    ("null is no number", "null - 1", None),
    ("a result beyond 64 bits is null", "state.big * 64", None),
    ("a result that is not finite is null", "1e300 * 1e300", None),
    ("len", "len(task.labels)", 2),
    ("len of null is null", "len(task.none)", None),
    ("length of a list", "task.labels.length", 2),
    ("length of a text", "task.type.length", 3),
    ("length of a mapping without that key", "state.length", 4),
    ("length of null is null", "task.none.length", None),
    ("get", "context.state.get('qa_status') === 'pass'", True),
    ("get of a missing key", "context.state.get('no')", None),
    ("get with a default", "context.state.get('no', 5)", 5),
    ("get of a key that is null gives null", "task.get('none', 5)", None),
    ("get on null gives the default", "steps.nothing.result.get('n', 0)", 0),
    ("includes", "task.labels.includes('ui')", True),
    ("includes on text", "task.type.includes('u')", True),
    ("includes on null", "task.none.includes('u')", False),
    ("startsWith", "task.type.startsWith('b')", True),
    ("startsWith on a number", "state.n.startsWith('1')", False),
    ("endsWith", "task.type.endsWith('ug')", True),
    ("endsWith null", "task.type.endsWith(null)", False),
    ("parentheses", "(1 + 2) * 3", 9),
    ("an operator inside text is text", "task.title == 'a && b'", True),
    ("a quote inside text", "\"it's || !x\" == 'it\\'s || !x'", True),
    ("a missing root is null", "nowhere.at.all", None),
    ("missing at any depth is null", "task.a.b['c'][0].d", None),
    ("a word that is an operator elsewhere is a key after a dot", "task.contains", None),
    ("truth as in Python: an empty list is false", "!task.empty", True),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), [row[1:] for row in RULES],
                         ids=[row[0] for row in RULES])  # fmt: skip
def test_rule(source: str, expected: object) -> None:
    found = value_of(source)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("source", "column", "cure"),
    [
        ("", 1, "write"),
        ("   ", 1, "write"),
        ("{{ }}", 1, "write"),
        ("task.type = 'bug'", 11, "use == to compare"),
        ("x := 1", 3, "use == to compare"),
        ("x += 1", 3, "use == to compare"),
        ("x => x", 3, "functions"),
        ("lambda x: 1", 9, ""),
        ("lambda: 1", 7, ""),
        ("[x for x in y]", 4, "foreach"),
        ("f'{x}'", 1, "'...'"),
        ("r'x'", 1, "'...'"),
        ("`x`", 1, "'...'"),
        ("'open", 1, "close"),
        ("2 ** 3", 3, "+ - *"),
        ("5 % 2", 3, "+ - *"),
        ("5 / 2", 3, "+ - *"),
        ("5 // 2", 3, "+ - *"),
        ("a..b", 2, "one dot"),
        ("a ? b : c", 3, "&& and ||"),
        ("a ?? b", 3, "default"),
        ("a | upper", 3, "filters"),
        ("a & b", 3, "&&"),
        ("~a", 1, "!"),
        ("a if b else c", 3, "inline if"),
        ("a is None", 3, "=="),
        ("a == not b", 6, "parentheses"),
        ("a == b == c", 8, "parentheses"),
        ("a in b in c", 8, "parentheses"),
        ("__class__", 1, "['__class__']"),
        ("a._private", 3, "['_private']"),
        ("a.b.upper()", 5, ".get"),
        ("a.startswith('x')", 3, "startsWith"),
        ("print('x')", 1, "len(x)"),
        ("len()", 1, "len(x)"),
        ("len(a, b)", 1, "len(x)"),
        ("a.get()", 3, ".get"),
        ("a.get('x', default=1)", 19, "=="),
        ("a.get(*b)", 7, ""),
        ("(a)(b)", 3, ""),
        ("{'a': 1}", 1, "mappings"),
        ("{{ a }} && {{ b }}", 6, "{{ }}"),
        ("a b", 3, "operator"),
        ("a ==", 5, "operator"),
        ("(a", 3, "')'"),
        ("a[1:2]", 4, ""),
        ("a.", 3, "name"),
        ("1abc", 1, "space"),
        ("1e999", 1, "finite"),
        (r"'\q'", 1, "backslash"),
        (r"'\ud800'", 1, ""),
        (r"'\u{110000}'", 1, ""),
        ("a; b", 2, ""),
        ("a # b", 3, "YAML"),
        ("a\x00b", 2, ""),
    ],
)
def test_what_is_refused_is_shown_with_column_and_cure(source: str, column: int, cure: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)

    assert caught.value.column == column
    assert cure in caught.value.hint
    assert f"column {column}" in str(caught.value)


def test_a_condition_has_at_most_2000_characters() -> None:
    compile_expression("'" + "x" * 1998 + "'")
    with pytest.raises(ExpressionError, match="2000"):
        compile_expression("'" + "x" * 1999 + "'")


def test_a_condition_has_at_most_200_parts() -> None:
    compile_expression(" or ".join(["a"] * 199))
    with pytest.raises(ExpressionError, match="200"):
        compile_expression(" or ".join(["a"] * 200))


@pytest.mark.parametrize(
    "around", ["({})", "[{}]", "!{}", "-{}", "{}.x", "{}[0]", "{} + 1", "len({})", "not {}"]
)
def test_a_condition_is_nested_at_most_20_deep(around: str) -> None:
    def nested(depth: int) -> str:
        source = "a"
        for _ in range(depth):
            source = around.format(source)
        return source

    compile_expression(nested(19))
    with pytest.raises(ExpressionError, match="deeper than 20"):
        compile_expression(nested(21))


def test_references_hold_the_paths_that_are_written_out() -> None:
    source = "{{ steps['code-review'].result.n > 1 and task.labels[i.j].x || f(a) }}"
    expression = compile_expression(source.replace("f(a)", "len(context.state.get('k', d))"))

    assert expression.references == (
        Reference(("steps", "code-review", "result", "n"), True, 4),
        Reference(("task", "labels"), True, source.index("task") + 1),
        Reference(("i", "j"), True, source.index("i.j") + 1),
        Reference(("context", "state", "k"), True, source.index("f(a)") + 5),
        Reference(("d",), True, source.index("f(a)") + len("len(context.state.get('k', ") + 1),
    )
    assert expression.roots == {"steps", "task", "i", "context", "d"}


def test_operands_tell_why_a_step_was_skipped() -> None:
    expression = compile_expression("context.state.get('qa_status') == 'fail' && task.nope.x > 1")

    assert not expression.truth(SCOPE)
    assert expression.operands(SCOPE) == {"context.state.qa_status": "pass", "task.nope.x": None}


def test_the_same_text_is_compiled_once() -> None:
    assert compile_expression("a == 1") is compile_expression("a == 1")


def test_expressions_are_equal_when_their_texts_are() -> None:
    again: Expression = compile_expression.__wrapped__("a == 1")

    assert again == compile_expression("a == 1")
    assert again != compile_expression("a == 2")


def test_a_result_is_plain_data_that_shares_nothing_with_the_scope() -> None:
    scope = {"steps": View({"a": {"result": [{"x": 1}]}})}

    found = compile_expression("steps").evaluate(scope)

    assert found == {"a": {"result": [{"x": 1}]}}
    assert type(found) is dict
    found["a"]["result"][0]["x"] = 2
    assert compile_expression("steps.a.result[0].x").evaluate(scope) == 1


def test_a_view_builds_only_what_is_read() -> None:
    steps = View({"a": {"n": 1}, "b": {"n": 2}})

    assert compile_expression("steps.a.n == 1").truth({"steps": steps})
    assert steps.items_read == ["a"]


SPELLINGS = st.sampled_from(
    [("===", "=="), ("!==", "!="), ("&&", "and"), ("||", "or"), ("true", "True"), ("null", "None")]
)


@given(st.lists(SPELLINGS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_both_spellings_mean_the_same(words: list[tuple[str, str]], random: Any) -> None:
    values = [random.choice(["1", "'a'", "task.type", "state.n"]) for _ in range(8)]
    sides = []
    for side in (0, 1):
        source = "state.n == 1"
        for value, word in zip(values, words, strict=False):
            if word[1] in ("==", "!="):
                source = f"({source}) {word[side]} {value}"
            elif word[1] in ("and", "or"):
                source = f"({source}) {word[side]} ({value} == 1)"
            else:
                source = f"({source}) == {word[side]}"
        sides.append(value_of(source))

    assert sides[0] == sides[1]
