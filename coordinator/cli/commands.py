"""What all commands share: options, help with sections, and commands that load when used."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from coordinator.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])
FORMS: Final = ("text", "json", "yaml", "name")


def _remember(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(context.ensure_object(Session), attribute, value)

    return callback


def _refuse_input(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        context.ensure_object(Session).may_ask = False


def _flag(key: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            context.ensure_object(Session).flags[key] = value

    return callback


def common_options() -> list[click.Parameter]:
    """Options that every command has."""
    file = click.Path(path_type=Path, dir_okay=False)
    return [
        click.Option(
            ["--config"],
            type=file,
            expose_value=False,
            callback=_remember("config"),
            help="Settings file instead of ./coordinator.yaml.",
        ),
        click.Option(
            ["--no-input"],
            is_flag=True,
            expose_value=False,
            callback=_refuse_input,
            help="Never ask; what would be asked is refused.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_remember("debug"),
            help="Show the traceback of an error.",
        ),
    ]


class Leaf(click.Command):
    """A command that does something; it has the common options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options()


class Noun(click.Group):
    """A noun with its verbs."""

    command_class = Leaf

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("no_args_is_help", True)
        super().__init__(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were written."""
        return list(self.commands)


def setting(key: str, *names: str, **attributes: Any) -> Callable[[F], F]:
    """An option that overrides a setting."""
    return click.option(*names, expose_value=False, callback=_flag(key), **attributes)


def redis_option(command: F) -> F:
    """`--redis URL`."""
    return setting("redis.url", "--redis", metavar="URL", help="The Redis or Valkey server.")(
        command
    )


def env_option(command: F) -> F:
    """`--env NAME`."""
    return setting(
        "env",
        "--env",
        metavar="NAME",
        help="The environment whose overlay, envs/NAME.yaml, counts.",
    )(command)


def output_option(*forms: str) -> Callable[[F], F]:
    """`-o`, one of `forms` (all of them without any); the first is the default."""
    allowed = forms or FORMS
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(allowed),
        default=allowed[0],
        show_default=True,
        help="How to print it.",
    )


def somebody() -> str:
    """Who sits here, as signals record it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def advance_option(command: F) -> F:
    """`--advance auto|manual`."""
    return click.option(
        "--advance",
        type=click.Choice(["auto", "manual"]),
        default="auto",
        show_default=True,
        help="With manual each node is held until coordinator runs continue.",
    )(command)


def by_option(command: F) -> F:
    """`--by NAME`."""
    return click.option("--by", default=somebody, show_default="you", help="Who does it.")(command)


def yes_option(command: F) -> F:
    """`--yes`."""
    return click.option(
        "--yes",
        "-y",
        is_flag=True,
        expose_value=False,
        callback=_remember("says_yes"),
        help="Do it without asking.",
    )(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command that is known by its name before its module is loaded."""

    name: str
    place: str
    """`module:attribute`."""
    help: str


class LazyGroup(click.Group):
    """The root: its commands in sections, each loaded only when it is used."""

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[Entry]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self.entries = {one.name: one for section in sections.values() for one in section}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, section by section."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, loaded now."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{entry.place} is no command")
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; an unknown command is answered with the nearest one."""
        if args and args[0] not in self.entries and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], list(self.entries), n=1)
            hint = f'did you mean "{near[0]}"?' if near else "see coordinator --help"
            ctx.fail(f'there is no command "{args[0]}"; {hint}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands under the headings of their sections."""
        width = max(map(len, self.entries))
        for title, entries in self.sections.items():
            with formatter.section(title.capitalize()):
                formatter.write_dl([(one.name.ljust(width), one.help) for one in entries])
