"""What OPTIONS says of a path: every method that is served there."""

from collections.abc import Callable, Sequence
from typing import Any

from litestar import Litestar, Response
from litestar.routes import HTTPRoute


def name_all_methods(app: Litestar) -> None:
    """Litestar's own answer names the methods that the path had when the first of its handlers was registered."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            handler, _ = route.route_handler_map["OPTIONS"]
            handler(_naming(sorted(route.methods)))


def _naming(methods: Sequence[str]) -> Callable[..., Any]:
    def allowed(scope: Any) -> Response[None]:  # noqa: ARG001 - Litestar calls it by name
        return Response(None, status_code=204, headers={"Allow": ", ".join(methods)})

    return allowed
