"""One frozen `Settings`, read once: flag, then environment, then file, then default.

`SETTINGS` is the table: `config show`, the help texts and the README come from it. Importing this
package is cheap; the YAML reader is loaded only when there is a file.
"""

from coordinator.config.load import (
    FILE_NAME,
    file_faults,
    find_file,
    load_settings,
    settings_table,
    unknown_variables,
)
from coordinator.config.masking import mask_url, masked
from coordinator.config.schema_json import settings_schema
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
from coordinator.config.table import SETTINGS, Setting

__all__ = [
    "FILE_NAME",
    "SETTINGS",
    "ConfigError",
    "FolderSettings",
    "LogSettings",
    "MetricsSettings",
    "RedisSettings",
    "Setting",
    "Settings",
    "SourceSettings",
    "WorkerSettings",
    "file_faults",
    "find_file",
    "load_settings",
    "mask_url",
    "masked",
    "settings_schema",
    "settings_table",
    "unknown_variables",
]
