"""Pages that people sign in to, with nothing else in them. Real server, real database, httpx as a browser."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway import migrations
from gateway.audit.private import Vault
from gateway.pages.consumer import forms
from gateway.pages.consumer.attempts import Attempts
from gateway.pages.consumer.signin.login import Login
from gateway.pages.consumer.signin.provider import development_provider
from gateway.pages.consumer.signin.registration import registered
from gateway.pages.consumer.signin.sessions import Session
from gateway.pages.public import HEADERS, STYLE
from gateway.quota.burst import Limit
from gateway.settings import Settings
from gateway.store import Store, open_store
from tests.world import Clock, settings_for

CHEN = ("uci-00001", "陳小明", "11010519491231002X", "+86 138 0013 8000")
WANG = ("uci-00002", "Wang <b>Fang</b>", "", "")
PEOPLE = (CHEN, WANG)
FORM = "the form's token"
PLENTY = Limit(calls_per_second=1_000, burst_calls=1_000)


@contextmanager
def serving(app: Starlette, listening: socket.socket) -> Iterator[None]:
    """Serve an application on a socket, from a thread, until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def new_socket() -> tuple[socket.socket, str]:
    """A socket that listens, and its address for a browser."""
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


@dataclass
class House:
    """The pages of one installation."""

    at: str  # where they listen
    settings: Settings
    store: Store
    clock: Clock
    login: Login
    browsers: list[httpx.Client] = field(default_factory=list)

    def browser(self) -> Browser:
        """Somebody who has never been here."""
        client = httpx.Client(base_url=self.at, follow_redirects=False, trust_env=False, timeout=10)
        self.browsers.append(client)
        return Browser(self, client)

    def sessions(self) -> int:
        with self.store.reading() as connection:
            count: int = connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one()
            return count


@dataclass
class Browser:
    """One person's browser. It keeps its cookies, and follows nothing by itself."""

    house: House
    client: httpx.Client

    def begin(self, next_path: str = "/me") -> dict[str, str]:
        """Begin a login; what the provider is asked."""
        response = self.client.get("/login", params={"next": next_path})
        assert response.status_code == 303, response.text
        self.asked = response.headers["location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(self.asked).query).items()}

    def choose(self, subject: str) -> str:
        """Sign in with development's provider as somebody; where that sends the browser."""
        page = self.client.get(self.asked)
        assert page.status_code == 200, page.text
        hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
        (action,) = re.findall(r'action="([^"]*)"', page.text)
        form = {unescape(name): unescape(value) for name, value in hidden} | {"subject": subject}
        response = self.client.post(urljoin(self.asked, unescape(action)), data=form)
        assert response.status_code == 303, response.text
        return str(response.headers["location"])

    def come_back(self, **parameters: str) -> httpx.Response:
        return self.client.get("/login/callback", params=parameters)

    def sign_in(self, subject: str = CHEN[0], next_path: str = "/me") -> httpx.Response:
        """The whole way, with development's provider; the callback's answer."""
        self.begin(next_path)
        return self.client.get(self.choose(subject))

    def me(self) -> Any:
        """Who the pages take this browser for; None for nobody."""
        return self.client.get("/me").json()

    @property
    def token(self) -> str | None:
        return self.client.cookies.get(self.house.login.cookie)


@contextmanager
def open_house(
    home: Path,
    database_url: str = "",
    *,
    clock: Clock | None = None,
    attempts: Attempts | None = None,
    socket_at: tuple[socket.socket, str] | None = None,
    **overrides: str,
) -> Iterator[House]:
    """Pages over a fresh database; with development's provider unless ``overrides`` name another."""
    listening, at = socket_at or new_socket()
    given = {"SCOREGATE_PAGES__URL": at} | overrides
    settings = settings_for(home, database_url or f"sqlite:///{home}/ledger.db", home / "engine", **given)
    clock = clock or Clock()
    with closing(listening), closing(open_store(settings.database.url)) as store:
        migrations.upgrade(store)
        provider = development_provider(settings, PEOPLE, clock=clock)
        login = Login(
            settings,
            provider.registration if provider else registered(settings),
            store,
            Vault(bytes(range(32))),
            clock=clock,
            require_form=require_form,
            problem=plain_problem,
            attempts=attempts or Attempts(PLENTY),
        )

        async def me(request: Request) -> Response:
            session = await run_in_threadpool(login.session_of, request)
            if session is None:
                return JSONResponse(None)
            assert login.session_of(request) is session
            return JSONResponse([session.person.subject, dict(session.person.traits)])

        routes: list[BaseRoute] = [*login.routes(), Route("/me", me)]
        if provider:
            routes.append(provider.mount())
        with serving(Starlette(routes=routes), listening):
            house = House(at, settings, store, clock, login)
            try:
                yield house
            finally:
                for client in house.browsers:
                    client.close()


async def require_form(request: Request, _: Session) -> None:
    if (await forms.read(request)).get("token") != FORM:
        raise HTTPException(403)


def plain_problem(request: Request, status: int, title: str, text: str) -> Response:
    """A page without the templates."""
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1><p>{escape(text)}</p>"
        f'<p><a href="{escape(request.state.try_again)}">Try again</a></p>',
        status,
        HEADERS,
    )
