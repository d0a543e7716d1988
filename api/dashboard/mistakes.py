"""Errors of pages, as pages. The table of errors is `problems.py`; never here: what raises them."""

from flask import Blueprint
from werkzeug.wrappers import Response as AnyResponse

from api.dashboard.rendering import page
from common.domain.errors import DomainError


def install(blueprint: Blueprint) -> None:
    """Show the errors of a blueprint's views to people."""
    blueprint.register_error_handler(DomainError, _shown)


def _shown(error: DomainError) -> AnyResponse:
    response = page("mistake", error.status, title=error.title, detail=error.detail, code=error.code)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
