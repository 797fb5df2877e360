"""A browser without a screen: keeps cookies, follows redirects, fills in forms as a page gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType

import httpx


@dataclass
class Form:
    """A form of a page, as it would be sent."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    unticked: set[str] = field(default_factory=set)
    locked: set[str] = field(default_factory=set)  # boxes that can't be changed
    name: str = ""


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = Form(given.get("action", ""), name=given.get("id", ""))
            self.forms.append(self._inside)
        if tag == "input" and self._inside and given.get("name"):
            box = given.get("type") in ("checkbox", "radio")
            if "disabled" in given:
                self._inside.locked.add(given["name"])
            elif not box or "checked" in given:
                self._inside.fields.append((given["name"], given.get("value", "on")))
            else:
                self._inside.unticked.add(given["name"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None


class Browser:
    """One person's browser, at one address."""

    def __init__(self, url: str, *, language: str = "en", **headers: str) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=url,
            headers={"accept-language": language} | headers,
            follow_redirects=True,
            timeout=30,
            trust_env=False,
        )

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    @property
    def cookies(self) -> httpx.Cookies:
        return self._client.cookies

    def get(self, path: str, **given: object) -> httpx.Response:
        return self._client.get(path, **given)  # type: ignore[arg-type]

    def head(self, path: str) -> httpx.Response:
        return self._client.head(path)

    def post(
        self, path: str, fields: list[tuple[str, str]] | dict[str, str], **headers: str
    ) -> httpx.Response:
        """What a form sends, from a page of this place unless ``headers`` say otherwise."""
        own = {"origin": self.url, "sec-fetch-site": "same-origin"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        body = str(httpx.QueryParams(fields))
        return self._client.post(
            path, content=body, headers=own | {"content-type": "application/x-www-form-urlencoded"}
        )

    def sign_in(self, subject: str, *, then: str = "/consents") -> httpx.Response:
        """Through development's own provider."""
        asked = self.get(f"/login?next={then}")
        (form,) = forms(asked)
        return self.post(form.action, [*form.fields, ("subject", subject)])

    def press(
        self, page: httpx.Response, action: str, *, also: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send the page's one form whose address ends so, with these fields besides or instead."""
        (form,) = [each for each in forms(page) if each.action.endswith(action)]
        also = also or {}
        kept = [(name, value) for name, value in form.fields if name not in also]
        return self.post(form.action, [*kept, *((n, v) for n, v in also.items() if v)])


def forms(page: httpx.Response) -> list[Form]:
    """The page's forms."""
    parser = _Forms()
    parser.feed(page.text)
    return parser.forms


def text_of(page: httpx.Response) -> str:
    """What a person reads: no tags, single spaces."""
    body = re.sub(r"(?s)<head>.*?</head>", " ", page.text)
    return " ".join(re.sub(r"<[^>]*>", " ", body).replace("&#39;", "'").replace("&amp;", "&").split())
