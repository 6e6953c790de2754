"""Flag, then environment, then file, then default: the first that says something counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coordinator.config.settings import (
    ConfigError,
    FolderSettings,
    LogSettings,
    MetricsSettings,
    RedisSettings,
    Settings,
    SourceSettings,
    WorkerSettings,
)
from coordinator.config.table import PREFIX, SETTINGS, Setting
from coordinator.config.values import NotUsableError

if TYPE_CHECKING:
    from coordinator.definitions.faults import Fault

FILE_NAME: Final = "coordinator.yaml"
_BY_KEY: Final = {setting.key: setting for setting in SETTINGS}
_GROUPS: Final = frozenset(key.partition(".")[0] for key in _BY_KEY if "." in key)
_OTHER_VARIABLES: Final = frozenset({"COORDINATOR_FAULT", "COORDINATOR_CONFIG"})


def find_file(folder: Path) -> Path | None:
    """The `coordinator.yaml` of this folder, if it has one."""
    candidate = folder / FILE_NAME
    return candidate if candidate.is_file() else None


def load_settings(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The merged settings and where each came from.

    Flags go by the settings' keys; one that is None was not given. Relative paths start from the
    file's folder in the file, and from the working directory elsewhere.

    Raises:
        ConfigError: something unknown or not usable was given anywhere; all of it is named.
    """
    problems: list[str] = []
    in_file = _read(file, problems) if file else {}
    here = Path.cwd()
    folder = file.absolute().parent if file else here
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        origin, given = _first(setting, flags or {}, environ or {}, in_file)
        place = in_file[setting.key][0] if origin == "file" else _source(setting, origin)
        try:
            values[setting.key] = setting.parse(given, folder if origin == "file" else here)
        except NotUsableError as error:
            problems.append(f"{place}: {setting.key} {error}")
        origins[setting.key] = origin
    problems += _unknown_flags(flags or {})
    if problems:
        raise ConfigError(problems)
    return _settings(values, origins)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like ours and set nothing, each with what was probably meant."""
    known = {setting.environment for setting in SETTINGS}
    return [
        f"{name} is no setting.{_meant(name, known)}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known | _OTHER_VARIABLES
    ]


def settings_table() -> str:
    """The settings as a Markdown table, for the documentation."""
    rows = (
        f"| `{one.key}` | `{one.environment}` | {f'`{one.default}`' if one.default else '–'} "
        f"| {one.help} |"
        for one in SETTINGS
    )
    head = "| setting | environment | default | what it does |\n|---|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def _first(
    setting: Setting,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    in_file: Mapping[str, tuple[str, object]],
) -> tuple[str, object]:
    if flags.get(setting.key) is not None:
        return "flag", flags[setting.key]
    if setting.environment in environ:
        return "environment", environ[setting.environment]
    if setting.key in in_file:
        return "file", in_file[setting.key][1]
    return "default", setting.default


def _source(setting: Setting, origin: str) -> str:
    return setting.environment if origin == "environment" else f"option for {setting.key}"


def _settings(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    def group(name: str) -> dict[str, Any]:
        start = f"{name}."
        return {key[len(start) :]: value for key, value in values.items() if key.startswith(start)}

    return Settings(
        redis=RedisSettings(**group("redis")),
        source=SourceSettings(**group("source")),
        metrics=MetricsSettings(**group("metrics")),
        worker=WorkerSettings(**group("worker")),
        folders=FolderSettings(**group("folders")),
        log=LogSettings(**group("log")),
        origins=origins,
        **{key: value for key, value in values.items() if "." not in key},
    )


def _read(file: Path, problems: list[str]) -> dict[str, tuple[str, object]]:
    """Setting -> (place in the file, value)."""
    # The guarded reader loads the YAML library, which most commands can do without.
    from coordinator.definitions.faults import Faults
    from coordinator.definitions.read import read

    try:
        text = file.read_bytes()
    except OSError as error:
        problems.append(f"{file}: {error.strerror}; name an existing file")
        return {}
    faults = Faults(str(file))
    document = read(str(file), text, faults)
    if document is None:
        problems += [str(fault) for fault in faults.found]
        return {}
    if not isinstance(document.value, dict):
        problems.append(f"{file}:1:1: the file has to be a mapping of settings")
        return {}
    found = {}
    for path, value in _flat(document.value):
        line, column = document.positions.key(path)
        key, place = ".".join(path), f"{file}:{line}:{column}"
        wrong = _wrong_key(key)
        if wrong is None:
            found[key] = (place, value)
        else:
            problems.append(f"{place}: {wrong.message}. {wrong.cure}".rstrip())
    return found


def file_faults(path: str, text: bytes) -> list[Fault]:
    """Everything that is wrong with a settings file alone, each at its place."""
    from coordinator.definitions.faults import Faults
    from coordinator.definitions.read import read
    from coordinator.definitions.report import Reporter, kind_of

    faults = Faults(path)
    document = read(path, text, faults)
    if document is None:
        return faults.found
    report = Reporter(document.positions, faults)
    if not isinstance(document.value, dict):
        message = f"a settings file has to be a mapping, not {kind_of(document.value)}"
        report.value("WF022", (), message, "Write for example log: {level: info}.")
        return faults.found
    for at, value in _flat(document.value):
        wrong, key = _wrong_key(".".join(at)), ".".join(at)
        if wrong is not None:
            report.key("WF022" if key in _GROUPS else "WF020", at, wrong.message, wrong.cure)
            continue
        try:
            _BY_KEY[key].parse(value, Path())
        except NotUsableError as error:
            report.value("WF022", at, f"{key} {error}", f"It is {_BY_KEY[key].help}."[:300])
    return faults.found


class _WrongKey(NamedTuple):
    message: str
    cure: str


def _wrong_key(key: str) -> _WrongKey | None:
    """Why a key of a file sets nothing; None where it sets something."""
    if key in _BY_KEY:
        return None
    if key in _GROUPS:
        return _WrongKey(f"{key} has to be a mapping, such as {_example(key)}", "")
    return _WrongKey(f"{key} is no setting", _meant(key, _BY_KEY).strip())


def _flat(values: Mapping[Any, object]) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, value in values.items():
        if str(name) in _GROUPS and isinstance(value, dict):
            yield from (((str(name), str(inner)), one) for inner, one in value.items())
        else:
            yield (str(name),), value


def _example(group: str) -> str:
    return next(f"`{key.replace('.', ': {')}: …}}`" for key in _BY_KEY if key.startswith(group))


def _unknown_flags(flags: Mapping[str, object]) -> list[str]:
    return [f"{key} is no setting.{_meant(key, _BY_KEY)}" for key in flags if key not in _BY_KEY]


def _meant(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only for a message that ends the program

    close = get_close_matches(word[:100], list(known), n=1)
    return f' Did you mean "{close[0]}"?' if close else ""
