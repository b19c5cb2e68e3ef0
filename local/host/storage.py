"""Whether storage can be reached, said once each time that changes."""

import logging

from azure.core.exceptions import AzureError, HttpResponseError

logger = logging.getLogger("host.storage")


class Reachability:
    """Shared by all listeners of one connection, so that ten of them print one line."""

    def __init__(self, setting: str) -> None:
        self._setting = setting
        self._said: str | None = None

    def failed(self, error: AzureError) -> None:
        reason = "there is no connection"
        if isinstance(error, HttpResponseError):
            reason = f"it answered {error.status_code}"
        if reason == self._said:
            return
        self._said = reason
        detail = str(error).strip().partition("\n")[0]
        logger.warning(
            "Storage cannot be used: %s (%s). Trying again until it can: start Azurite, or correct the setting %s.",
            reason, detail, self._setting,
        )  # fmt: skip

    def reached(self) -> None:
        if self._said:
            logger.info("Storage can be used again.")
        self._said = None
