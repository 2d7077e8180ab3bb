"""The page for people says what the document says, and needs nothing but itself."""

import re
from html.parser import HTMLParser

from typing_extensions import override

from analytics_service.contract.wire import names
from analytics_service.endpoints import ENDPOINTS
from analytics_service.http.docs import page
from analytics_service.http.openapi import document
from tests.support.service import a_service


def test_every_route_and_parameter_is_on_the_page() -> None:
    text = page(document(ENDPOINTS))
    for endpoint in ENDPOINTS:
        section = text.partition(f'<h2 id="{endpoint.name}">')[2].partition("<h2")[0]
        assert f"{endpoint.method} {endpoint.path}" in section
        assert str(endpoint.permission or "Any credential") in section
        assert re.findall(r"<tr><td><code>(\w+)</code>", section) == names(endpoint.params)


def test_words_of_the_document_are_no_html() -> None:
    found = document(ENDPOINTS)
    found["info"]["description"] = "<script>alert(1)</script>"
    found["paths"]["/api/v1/traces"]["get"]["parameters"][0]["description"] = "a `<b>` & more"
    text = page(found)
    assert "<script" not in text
    assert "a <code>&lt;b&gt;</code> &amp; more" in text


class References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str | None] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"src", "href"}]


async def test_it_is_served_to_anybody_and_asks_nothing_of_anybody(database_url: str) -> None:
    async with a_service(database_url) as client:
        answer = await client.request("GET", "/docs")
        linked = await client.request("GET", "/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    references = References()
    references.feed(answer.body.decode())
    assert references.found == ["openapi.json"]
    assert linked.status == 200
