"""What people see of themselves: invitations, their score, their consents, who asked, and how to stop it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from gateway.pages.consumer import words
from gateway.pages.consumer.asked import AskedPages
from gateway.pages.consumer.consents import ConsentPages
from gateway.pages.consumer.desk import Desk, FormRefused, Missing, Visit
from gateway.pages.consumer.frame import LANGUAGE_COOKIE, Frame, Guarded, static_files
from gateway.pages.consumer.freeze import FreezePages
from gateway.pages.consumer.invitation import InvitationPages
from gateway.pages.consumer.score import ScorePages
from gateway.pages.consumer.signin.failing import FAILURES
from gateway.pages.consumer.signin.login import Login, own_path
from gateway.pages.consumer.signin.provider import Resident, development_provider
from gateway.pages.consumer.signin.registration import registered
from gateway.pages.consumer.wrong import WrongPages

YEAR_SECONDS = 31_536_000
FOR_EVER = f"public, max-age={YEAR_SECONDS}, immutable"


def application(desk: Desk, residents: Iterable[Resident] = ()) -> ASGIApp:
    """The consumers' pages as an ASGI application. ``residents`` sign in at development's own provider."""
    settings = desk.settings
    https = settings.pages.url.startswith("https:")
    own = development_provider(settings, residents, clock=desk.clock)
    frame = Frame(desk)
    login = frame.sessions = Login(
        settings,
        own.registration if own else registered(settings),
        desk.store,
        desk.vault,
        clock=desk.clock,
        require_form=frame.require_form,
        problem=frame.problem,
    )
    rooms = (ScorePages, InvitationPages, ConsentPages, AskedPages, WrongPages, FreezePages)
    routes: list[Route | Mount] = [
        Route("/language", partial(_language, secure=https)),
        Route("/healthz", lambda _: PlainTextResponse("serving\n")),
        Route("/static/{name}", _static),
        Route("/failed/{name}", frame.page(partial(_failed, frame))),
        *login.routes(),
        *([own.mount()] if own else []),
        *(route for room in rooms for route in room(frame).routes()),
        Route("/{rest:path}", frame.page(_nowhere)),
    ]
    pages = Starlette(routes=routes, exception_handlers={FormRefused: frame.refused})
    return Guarded(pages, https=https)


def _nowhere(_: Visit) -> Response:
    raise Missing


def _failed(frame: Frame, visit: Visit) -> Response:
    """Why somebody could not sign in, once more, as in another language."""
    failure = FAILURES.get(visit.request.path_params["name"])
    if failure is None:
        raise Missing
    to = own_path(visit.request.query_params.get("next", ""))
    return frame.failed(visit, failure, again=f"/login?{urlencode({'next': to})}")


def _static(request: Request) -> Response:
    found = static_files().get(request.path_params["name"])
    if found is None:
        return PlainTextResponse("there is no such file\n", 404)
    return Response(found[0], media_type=found[1], headers={"cache-control": FOR_EVER})


def _language(request: Request, *, secure: bool) -> Response:
    """Remember a language, and go back to where it was chosen."""
    chosen = request.query_params.get("to", "")
    response = RedirectResponse(own_path(request.query_params.get("back", "/")), 303)
    if chosen in words.languages():
        response.set_cookie(
            LANGUAGE_COOKIE, chosen, max_age=YEAR_SECONDS, secure=secure, httponly=True, samesite="lax"
        )
    return response


__all__ = ["Desk", "application"]
