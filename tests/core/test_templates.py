"""Templates: what they give, what they read, and what an author is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from coordinator.core.templates import (
    Reference,
    TemplateError,
    compile_template,
    compile_value,
)


class View(Mapping[str, object]):
    """A read-only mapping that finds dashes as underscores, as the engine's views do."""

    def __init__(self, data: Mapping[str, object]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> object:
        return self._data[key.replace("-", "_")]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


SCOPE: dict[str, Any] = {
    "task": {
        "slug": "fix-it", "title": "{{ 7*7 }}", "labels": ["ui", "Urgent", "ui"], "none": None,
        "items": [3, 1, 2], "flag": True, "empty": [], "ratio": 2.567, "length": 99,
        "html": "<b> & ü", "_id": 7,
    },
    "variables": {"timeout": 1800, "prefix": "feat/"},
    "steps": View(
        {"qa": {"result": {"n": 3}}, "code_review": {"verdict": "pass"}, "skipped": None}
    ),
    "people": [{"name": "bo", "age": 3}, {"name": "Al", "age": 1}, {"age": 2}],
}  # fmt: skip


def rendered(text: str, *, statements: bool = False) -> object:
    return compile_template(text, statements=statements).render(SCOPE)


RULES: list[tuple[str, str, object]] = [
    ("text without a template", "feat/x", "feat/x"),
    ("closing braces alone are text", "a }} b", "a }} b"),
    ("text around a value", "{{ variables.prefix }}{{ task.slug }}!", "feat/fix-it!"),
    ("a whole number keeps its type", "{{ variables.timeout }}", 1800),
    ("a list keeps its type", "{{ task.items }}", [3, 1, 2]),
    ("a mapping keeps its type", "{{ steps.qa }}", {"result": {"n": 3}}),
    ("a truth value keeps its type", "{{ task.flag }}", True),
    ("null keeps its type", "{{ task.none }}", None),
    ("a computed value keeps its type", "{{ variables.timeout * 2 }}", 3600),
    ("space around a whole value does not matter", "  {{ variables.timeout }}\n", 1800),
    ("one value in text is text", "{{ variables.timeout }}s", "1800s"),
    ("null in text is empty", "a{{ task.none }}b", "ab"),
    ("a truth value in text is JSON", "is {{ task.flag }}", "is true"),
    ("a list in text is JSON", "all {{ task.items }}", "all [3, 1, 2]"),
    ("a mapping in text is JSON", "all {{ steps.qa }}", 'all {"result": {"n": 3}}'),
    ("what was rendered is not rendered again", "t: {{ task.title }}", "t: {{ 7*7 }}"),
    ("a dot reads the key before a method", "{{ task.items[0] }}", 3),
    ("a dot reads the key before the length", "{{ task.length }}", 99),
    ("length of a list", "{{ task.labels.length }}", 3),
    ("length of a text", "{{ task.slug.length }}", 6),
    ("a key by subscript", "{{ task['slug'] }}", "fix-it"),
    ("a dash in a step id", "{{ steps['code-review'].verdict }}", "pass"),
    ("a key that begins with _ by subscript", "{{ task['_id'] }}", 7),
    ("an index", "{{ task.items[-1] }}", 2),
    ("a slice", "{{ task.items[1:] }}", [1, 2]),
    ("literals", "{{ [null, None, none, true, True, false, 1.5, 'x'] }}",
     [None, None, None, True, True, False, 1.5, "x"]),
    ("a mapping literal", "{{ {'a': task.items} }}", {"a": [3, 1, 2]}),
    ("get", "{{ steps.qa.result.get('n') }}", 3),
    ("get of a missing key", "{{ steps.qa.result.get('m') }}", None),
    ("get with a default", "{{ steps.qa.result.get('m', 5) }}", 5),
    ("get with a default of what is missing", "{{ steps.no.result.get('m', 5) }}", 5),
    ("default of a missing key", "{{ task.nope | default('x') }}", "x"),
    ("default at any depth", "{{ steps.nope.result.deep.er | default(none) }}", None),
    ("default under a null", "{{ steps.skipped.result.n | default(0) }}", 0),
    ("default of a null", "{{ task.none | default('x') }}", "x"),
    ("default of a missing root", "{{ nowhere.x | default('x') }}", "x"),
    ("default leaves what is there", "{{ task.empty | default('x') }}", []),
    ("default of what is empty", "{{ task.empty | default('x', true) }}", "x"),
    ("default after other filters", "{{ task.nope | trim | upper | default('x') }}", "x"),
    ("default of the first of nothing", "{{ task.empty | first | default('x') }}", "x"),
    ("inline if", "{{ 'y' if steps.qa.result.n == 3 else 'n' }}", "y"),
    ("inline if on what is missing", "{{ 'y' if steps.nope.x else 'n' }}", "n"),
    ("inline if comparing what is missing", "{{ 'y' if steps.nope.x > 3 else 'n' }}", "n"),
    ("inline if without else", "a{{ 'y' if task.none }}b", "ab"),
    ("and guards", "a{{ steps.nope and steps.nope.x }}b", "ab"),
    ("or stands in", "{{ task.nope or 'x' }}", "x"),
    ("is defined", "{{ task.nope is defined }}", False),
    ("is not defined", "{{ task.nope is not defined }}", True),
    ("is none of what is missing", "{{ task.nope.x is none }}", True),
    ("other tests", "{{ [3 is odd, 4 is even, 'a' is string, 6 is divisibleby 3, 1 is number] }}",
     [True] * 5),
    ("equality is strict as in conditions", "{{ 1 == true }}", False),
    ("ordering with null is false", "{{ task.none < 1 }}", False),
    ("a row of comparisons", "{{ 1 < 2 <= 2 }}", True),
    ("in", "{{ 'ui' in task.labels }}", True),
    ("not in", "{{ 'x' not in task.labels }}", True),
    ("in what is missing is false", "{{ 'x' in task.nope }}", False),
    ("arithmetic", "{{ 7 // 2 + 7 % 4 - -1 }}", 7),
    ("division", "{{ 7 / 2 }}", 3.5),
    ("texts are added", "{{ variables.prefix + task.slug }}", "feat/fix-it"),
    ("lists are added", "{{ task.items + [9] }}", [3, 1, 2, 9]),
    ("~ joins anything", "{{ 'n=' ~ steps.qa.result.n ~ task.none }}", "n=3"),
    ("length filter", "{{ task.labels | length }}", 3),
    ("length of null", "{{ task.none | length }}", 0),
    ("upper", "{{ task.slug | upper }}", "FIX-IT"),
    ("lower", "{{ 'ÄB' | lower }}", "äb"),
    ("trim", "{{ ' a ' | trim }}", "a"),
    ("join", "{{ task.labels | join(', ') }}", "ui, Urgent, ui"),
    ("join of keys", "{{ people | join('+', attribute='name') }}", "bo+Al+"),
    ("replace", "{{ task.slug | replace('-', '_') }}", "fix_it"),
    ("replace some", "{{ 'aaa' | replace('a', 'b', 2) }}", "bba"),
    ("first", "{{ task.items | first }}", 3),
    ("last", "{{ task.items | last }}", 2),
    ("tojson", "{{ {'b': 1, 'a': task.html} | tojson }}", '{"a": "<b> & ü", "b": 1}'),
    ("tojson with indent", "{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
    ("int", "{{ '42' | int + '3.9' | int }}", 45),
    ("int of no number", "{{ 'x' | int(7) }}", 7),
    ("int with a base", "{{ 'ff' | int(base=16) }}", 255),
    ("float", "{{ '1.5' | float }}", 1.5),
    ("float of what is not finite", "{{ 'inf' | float }}", 0.0),
    ("round", "{{ task.ratio | round(1) }}", 2.6),
    ("round up", "{{ task.ratio | round(method='ceil') }}", 3.0),
    ("sort", "{{ task.items | sort }}", [1, 2, 3]),
    ("sort ignores case", "{{ ['b', 'A', 'c'] | sort(reverse=true) }}", ["c", "b", "A"]),
    ("sort by a key", "{{ (people | sort(attribute='age') | first).name }}", "Al"),
    ("unique", "{{ task.labels | unique }}", ["ui", "Urgent"]),
    ("unique is by value", "{{ [1, 1.5, [1], [1], '1'] | unique }}", [1, 1.5, [1], "1"]),
    ("braces inside a text literal", "{{ '}}' ~ '{%' }}", "}}{%"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in RULES],
                         ids=[row[0] for row in RULES])  # fmt: skip
def test_rule(text: str, expected: object) -> None:
    found = rendered(text)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("{{ task.nope }}", 4, "task.nope is missing"),
        ("a {{ steps.skipped.result.n }}", 6, "steps.skipped.result.n is missing"),
        ("{{ nowhere }}", 4, "nowhere is missing"),
        ("{{ task.slug }}{{ task.nope }}", 19, "task.nope is missing"),
        ("{{ [task.nope] }}", 5, "task.nope is missing"),
        ("{{ task.nope + 1 }}", 4, "task.nope is missing"),
        ("{{ task.nope ~ 'x' }}", 4, "task.nope is missing"),
        ("{{ task.nope | upper }}", 4, "task.nope is missing"),
        ("{{ 1 if task.flag and not task.flag else steps.qa.y }}", 42, "steps.qa.y is missing"),
        ("{{ task.empty | first }}", 4, "empty list"),
        ("{{ task.slug * 3 }}", 4, "str * int"),
        ("{{ 1 / 0 }}", 1, "int / int"),
        ("{{ task.none + 1 }}", 4, "null + int"),
        ("{{ -task.slug }}", 5, "not str"),
        ("{{ ['a', 1] | sort }}", 1, "one kind"),
        ("{{ task.flag | length }}", 4, "no length"),
        ("{{ 'a' | round }}", 1, "a number"),
        ("{{ [1] | sort(attribute=1) }}", 1, "name of a key"),
        ("{{ ['a'] | join(1) }}", 1, "int"),
        ("{{ 'a' | replace(1, 2) }}", 1, "str"),
        ("{{ task['slug'][::0] }}", 4, "zero"),
        ("{{ variables[1:] }}", 4, ""),
    ],
)
def test_what_cannot_be_rendered_is_named(text: str, column: int, words: str) -> None:
    template = compile_template(text)

    with pytest.raises(TemplateError) as caught:
        template.render(SCOPE)
    assert words in caught.value.message
    assert caught.value.column == column
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("{{ a b }}", 6, "}}"),
        ("{{ a", 4, "}}"),
        ("{{ }}", 4, "expression"),
        ("{{ 'a }}", 4, ""),
        ("{{ (a }}", 7, "')'"),
        ("a {% if x %}", 3, "prompt files"),
        ("a {# x #}", 3, "prompt files"),
        ("{% raw %}x{% endraw %}", 1, "prompt files"),
        ("{{ a | nope }}", 8, "there is no filter 'nope'"),
        ("{{ a | attr('b') }}", 8, "there is no filter 'attr'"),
        ("{{ a is nope }}", 6, "there is no test 'nope'"),
        ("{{ a | replace('x') }}", 8, "missing a required argument"),
        ("{{ a | join(sep='x') }}", 8, "unexpected keyword"),
        ("{{ a | join(*b) }}", 8, "*"),
        ("{{ a._x }}", 5, "['_x']"),
        ("{{ _x }}", 4, "starts with _"),
        ("{{ self }}", 4, "self"),
        ("{{ a.items() }}", 5, "items(...)"),
        ("{{ a.get() }}", 5, ".get"),
        ("{{ range(3) }}", 4, "range(...)"),
        ("{{ 2 ** 3 }}", 4, "numbers"),
        ("{{ 99999999999999999999 }}", 4, "too large"),
    ],
)
def test_what_is_refused_is_shown_with_column_and_cure(text: str, column: int, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(text)

    assert words in str(caught.value)
    assert caught.value.column == column
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% for x in task.items %}{{ loop.index }}={{ x }};{% endfor %}", "1=3;2=1;3=2;"),
        ("{% for x in task.items if x > 1 %}{{ x }}{{ ',' if not loop.last }}{% endfor %}", "3,2"),
        ("{% for x in task.none %}x{% else %}nothing{% endfor %}", "nothing"),
        ("{% for p in people %}{{ p.name | default('?') }} {% endfor %}", "bo Al ? "),
        ("{% for k in variables %}{{ k }}={{ variables[k] }} {% endfor %}",
         "timeout=1800 prefix=feat/ "),
        ("{% if steps.nope.x %}a{% elif task.flag %}b{% else %}c{% endif %}", "b"),
        ("{% set n = task.items | length %}{{ n + 1 }}", "4"),
        ("{# not shown #}x", "x"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{{ variables.timeout }}", "1800"),
        ("# Title\n{% if task.flag %}\n- yes\n{% endif %}\nend\n", "# Title\n- yes\nend\n"),
    ],
)  # fmt: skip
def test_prompt_files_have_statements(text: str, expected: str) -> None:
    assert rendered(text, statements=True) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}",
        "{% extends 'x' %}", "{% block a %}{% endblock %}", "{% macro m() %}{% endmacro %}",
        "{% do x %}",
        "{% filter upper %}x{% endfilter %}", "{% set x %}y{% endset %}",
        "{% with a=1 %}{% endwith %}", "{% call x() %}{% endcall %}",
        "{% for x in y recursive %}{{ loop(x) }}{% endfor %}",
        "{% autoescape true %}{% endautoescape %}", "{% set a.b = 1 %}", "{% set _x = 1 %}",
        "{% for x in y %}{% break %}{% endfor %}", "{% debug %}", "{% trans %}x{% endtrans %}",
        "{{ loop.cycle('a') }}", "{% if x %}", "{% endif %}", "{% for loop in x %}{% endfor %}",
        "{% for x in y %}" * 25 + "{% endfor %}" * 25,
    ],
)  # fmt: skip
def test_prompt_files_have_no_other_statements(text: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(text, statements=True)


def references_of(text: str, *, statements: bool = False) -> dict[str, bool]:
    found = compile_template(text, statements=statements).references
    return {each.text: each.guarded for each in found}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ steps.a.result.n }}", {"steps.a.result.n": False}),
        ("{{ steps['code-review'].x }}", {"steps.code-review.x": False}),
        ("{{ a.b[c.d].e }}", {"a.b": False, "c.d": False}),
        ("{{ a.b[0].c }}", {"a.b": False}),
        ("{{ a.get('k').x }}", {"a.k.x": False}),
        ("{{ a.get('k', b) }}", {"a.k": True, "b": False}),
        ("{{ a.x | default(b.y) }}", {"a.x": True, "b.y": False}),
        ("{{ a.x | trim | default('') }}", {"a.x": True}),
        ("{{ (a.x ~ b) | default('') }}", {"a.x": False, "b": False}),
        ("{{ a.x if a else 1 }}", {"a": True, "a.x": True}),
        ("{{ steps.qa.result if state.qa_status == 'pass' else '' }}",
         {"steps.qa.result": True, "state.qa_status": True}),
        ("{{ steps.qa.result if steps.other.verdict else '' }}",
         {"steps.qa.result": False, "steps.other.verdict": True}),
        ("{{ qa.output if steps.qa.outcome == 'succeeded' }}",
         {"qa.output": True, "steps.qa.outcome": True}),
        ("{{ a.x and a.x.y }}", {"a.x": True, "a.x.y": True}),
        ("{{ a.x or b.y }}", {"a.x": True, "b.y": False}),
        ("{{ a.x is defined and a.x.y }}", {"a.x": True, "a.x.y": True}),
        ("{{ not a.x }}", {"a.x": True}),
        ("{{ a.x == b.y }}", {"a.x": True, "b.y": True}),
        ("{{ [a.x, {'k': b}] }}", {"a.x": False, "b": False}),
        ("{{ a.x + 1 }}", {"a.x": False}),
        ("{{ null }}{{ 'steps.a' }}", {}),
    ],
)  # fmt: skip
def test_references_say_what_may_be_missing(text: str, expected: dict[str, bool]) -> None:
    assert references_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% if a.x %}{{ a.x.y }}{% endif %}{{ a.z }}",
         {"a.x": True, "a.x.y": True, "a.z": False}),
        ("{% if a %}x{% elif b %}{{ b.y }}{% else %}{{ c }}{% endif %}",
         {"a": True, "b": True, "b.y": True, "c": False}),
        ("{% for x in a.items %}{{ x.y }}{{ loop.index }}{{ b }}{% endfor %}{{ x }}",
         {"a.items": False, "b": False, "x": False}),
        ("{% set t = a.x %}{{ t.y }}", {"a.x": False}),
        ("{{ t }}{% set t = 1 %}{{ t }}", {"t": False}),
    ],
)  # fmt: skip
def test_references_of_prompt_files(text: str, expected: dict[str, bool]) -> None:
    assert references_of(text, statements=True) == expected


def test_references_know_their_columns() -> None:
    text = "x\n{{ a.b }} {{- '' -}} {{ c | default(a.d) }}"

    assert compile_template(text).references == (
        Reference(("a", "b"), False, text.index("a.b") + 1),
        Reference(("c",), True, text.index("c |") + 1),
        Reference(("a", "d"), False, text.index("a.d") + 1),
    )


def test_a_template_knows_its_kind() -> None:
    kinds = {
        text: (compile_template(text).is_literal, compile_template(text).is_expression)
        for text in ("plain", "{{ a }}", "x {{ a }}", "{{ a }}{{ b }}", "{{ a | upper }}\n")
    }

    assert kinds == {
        "plain": (True, False),
        "{{ a }}": (False, True),
        "x {{ a }}": (False, False),
        "{{ a }}{{ b }}": (False, False),
        "{{ a | upper }}\n": (False, True),
    }


def test_the_same_text_is_compiled_once() -> None:
    assert compile_template("{{ a }} b") is compile_template("{{ a }} b")


def test_a_value_renders_every_text_in_it() -> None:
    value = compile_value({"branch": "{{ task.slug }}", "n": [1, "t={{ variables.timeout }}"]})

    assert value.render(SCOPE) == {"branch": "fix-it", "n": [1, "t=1800"]}
    assert [each.text for each in value.references] == ["task.slug", "variables.timeout"]
    assert [pointer for pointer, _ in value.templates] == [("branch",), ("n", 1)]
    assert not value.is_literal


@pytest.mark.parametrize("source", [{"a": [1, "x", None]}, "x", 3, None, [], {"a": {}}])
def test_a_value_without_templates_is_its_own_rendering(source: object) -> None:
    value = compile_value(source)

    assert value.is_literal
    assert value.render({}) is source


def test_a_faulty_text_inside_a_value_is_pointed_at() -> None:
    with pytest.raises(TemplateError) as compiling:
        compile_value({"a": ["x", "{{ b"]})
    with pytest.raises(TemplateError) as rendering:
        compile_value({"a": ["x", "{{ b }}"]}).render({})

    assert compiling.value.pointer == ("a", 1)
    assert rendering.value.pointer == ("a", 1)
    assert rendering.value.message == "b is missing"


def test_a_key_is_never_a_template() -> None:
    with pytest.raises(TemplateError, match="cannot be a template") as caught:
        compile_value({"a": {"{{ b }}": 1}})

    assert caught.value.pointer == ("a",)


def test_a_rendering_shares_nothing_with_the_scope() -> None:
    scope = {"a": {"b": [1, {"c": 2}]}}
    before = json.dumps(scope)

    for text in ("{{ a.b }}", "{{ a }}", "{{ [a.b] | first }}", "{{ a.b | unique }}"):
        found = compile_template(text).render(scope)
        found.clear()  # type: ignore[attr-defined]  # each of these renders a list or a mapping
    assert json.dumps(scope) == before
