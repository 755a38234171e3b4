"""Checks the keys of requests in the ASGI lane, once their route is known and before their bodies are read."""

from collections.abc import Collection, Mapping

from fastapi import Request

from softmaxd.access import ANYONE, Access, Key, Scope, check_model
from softmaxd.errors import Forbidden
from softmaxd.models.model import Model

METRICS = "/metrics"
# Routes for anybody: probes, and pages without a word about the models.
OPEN = frozenset({"/", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/docs"})


class Guard:
    """A dependency of FastAPI's routes: each needs a key, unless it is listed as open.

    `scopes` has the scopes of routes by their paths; any other route needs `read`.
    """

    def __init__(self, access: Access, scopes: Mapping[str, Scope], open_paths: Collection[str] = OPEN) -> None:
        self._access = access
        self._scopes = scopes
        self._open = open_paths

    async def __call__(self, request: Request) -> None:
        """Note the rights of the request, which `rights_of` returns. Raises `Unauthorized`, `Forbidden`."""
        path = request.scope["route"].path
        if path in self._open:
            return
        model = request.path_params.get("name")
        key = self._access.check(request.headers.raw, self._scopes.get(path, "read"), model)
        if path == METRICS and key.models is not None:
            raise Forbidden("This key is not for all models, and the metrics are of all of them")
        request.state.rights = key


def rights_of(request: Request) -> Key:
    """Return the rights of a request that `Guard` has let through."""
    rights: Key = getattr(request.state, "rights", ANYONE)
    return rights


def check_found(request: Request, model: Model) -> None:
    """Raise `Forbidden` if the model that was found is none that the request may use: its path may not name it."""
    rights = rights_of(request)
    if rights.models is not None:
        check_model(rights, model.manifest.name)
