"""A text that is one path is compiled without Jinja: nothing may tell it from one that was not."""

from __future__ import annotations

import pytest

from coordinator.core.templates import Template, TemplateError, compile_template

SCOPE = {
    "a": {"b": {"length": 3, "c_d": [1]}, "get": 4, "items": None, "not": "x"},
    "loop": {"index": 7},
    "if": 1,
    "null": 2,
    "task": {"title": "t"},
}
PATHS = (
    "a", "a.b", "a.b.length", "a.b.c_d", "a.get", "a.items", "a.not", "a.missing", "b.c",
    "task.title",
    "loop.index", "if", "if.x", "not.a", "null", "true", "none", "none.x", "undefined.a", "self.a",
    "range", "dict.x", "in", "and.b", "a.b.c.d.e", "A.b",
)  # fmt: skip


def outcome(text: str) -> object:
    """What a template reads and gives, at columns as in a text without brackets; or the error."""
    shift = text.count("(")
    try:
        template: Template = compile_template(text)
        reads = [(each.path, each.guarded, each.column - shift) for each in template.references]
        value = template.render(SCOPE)
    except TemplateError as error:
        return error.message
    return reads, template.is_expression, template.is_literal, value


@pytest.mark.parametrize("form", ["{{ %s }}", "{{%s}}", "  {{ %s }}\n", "{{\n%s\n}}"])
@pytest.mark.parametrize("path", PATHS)
def test_a_path_means_what_the_same_path_in_brackets_means(path: str, form: str) -> None:
    short, long = outcome(form % path), outcome(form % f"({path})")

    is_word = path.split(".")[0] in ("if", "not", "in", "and")
    if is_word and isinstance(long, str):
        assert isinstance(short, str)
    else:
        assert short == long


@pytest.mark.parametrize("text", ["{{ _a }}", "{{ a._b }}", "{{ a. }}", "{{ 1a }}", "{{ a b }}"])
def test_what_is_no_path_is_refused_as_ever(text: str) -> None:
    with pytest.raises(TemplateError):
        compile_template(text)


def test_in_a_prompt_file_a_path_alone_is_text() -> None:
    assert compile_template("{{ a.get }}", statements=True).render(SCOPE) == "4"
    assert compile_template("{{ a.get }}").render(SCOPE) == 4
