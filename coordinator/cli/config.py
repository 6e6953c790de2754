"""`coordinator config`: the merged settings and where each came from."""

from __future__ import annotations

import os

import click

from coordinator.cli.commands import Noun, output_option, redis_option
from coordinator.cli.session import Session, out, say, show
from coordinator.cli.text import table


@click.group(cls=Noun)
def config() -> None:
    """The merged settings: option, then environment, then coordinator.yaml, then default.

    \b
    Example:
      coordinator config show
    """


@config.command("show")
@output_option("text", "json", "yaml")
@redis_option
@click.pass_obj
def show_(session: Session, form: str) -> None:
    """Show every setting with its value and origin; passwords are masked.

    \b
    Example:
      COORDINATOR_REDIS_URL=redis://localhost coordinator config show
    """
    from coordinator.config import SETTINGS, masked, unknown_variables

    for warning in unknown_variables(os.environ):
        say(f"warning: {warning}")
    variables = {one.key: one.environment for one in SETTINGS}
    rows = [
        {"key": key, "value": value, "origin": origin, "environment": variables[key]}
        for key, (value, origin) in masked(session.settings()).items()
    ]
    if form == "text":
        shown = [[row["key"], row["value"] or None, row["origin"]] for row in rows]
        out(table(["setting", "value", "from"], shown))
    else:
        show(form, {row["key"]: {k: v for k, v in row.items() if k != "key"} for row in rows})
