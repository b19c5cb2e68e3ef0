"""The app's settings on this machine: local.settings.json (else the sample), overridden by the environment."""

import json
from collections.abc import Mapping
from pathlib import Path

from local.problem import Problem

DEVELOPMENT_STORAGE = "UseDevelopmentStorage=true"
STORAGE = "AzureWebJobsStorage"


def read_values(root: Path, *, sample: bool = False) -> dict[str, str]:
    """`Values` of local.settings.json under `root`, of the sample where there is none or with `sample`."""
    path = root / "local.settings.json"
    if sample or not path.exists():
        path = root / "local.settings.sample.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(f"{path.name} is no JSON from {where} on: correct it there, or copy the sample anew.") from None
    except UnicodeDecodeError:
        raise Problem(f"{path.name} is not UTF-8: save it in that encoding.") from None
    values = document.get("Values") if isinstance(document, dict) else None
    if not isinstance(values, dict) or document.get("IsEncrypted"):
        raise Problem(f'{path.name} must hold {{"IsEncrypted": false, "Values": {{…}}}}, as in the sample.')
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def merge(values: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """`values` overridden by `environment`; a storage account named there replaces the file's, however it is named."""
    if names_storage(environment):
        values = {name: value for name, value in values.items() if not is_storage(name)}
    return {**values, **environment}


def names_storage(settings: Mapping[str, str]) -> bool:
    """Whether `settings` name a storage account, by connection string or for a managed identity."""
    return any(is_storage(name) and value for name, value in settings.items())


def needs_azurite(values: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Whether an Azurite must be started: no storage account is given in the environment nor in the file."""
    return not names_storage(environment) and values.get(STORAGE, DEVELOPMENT_STORAGE) == DEVELOPMENT_STORAGE


def is_storage(name: str) -> bool:
    """Whether the setting `name` says which storage account the app uses."""
    return name == STORAGE or name.startswith(STORAGE + "__")
