"""Call the functions of sites and API keys as commands do: with a connection to events.db for each call."""

from functools import wraps
from types import FunctionType, ModuleType
from typing import Any

from alice import database
from alice.tracking import api_key as _api_key
from alice.tracking import site as _site


class Connected:
    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if not isinstance(found, FunctionType):
            return found

        @wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            with database.connected(database.events_db):
                return found(*args, **kwargs)

        return call


api_key, site = Connected(_api_key), Connected(_site)
