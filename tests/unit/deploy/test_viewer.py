"""The dashboards without a Grafana: what its server gives and refuses, and that its page can draw what they use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest
from deploy.viewer.server import DASHBOARDS, PAGE, viewer


class Prometheus(BaseHTTPRequestHandler):
    """Answers with the path that it was asked for; an expression of "bad" is refused."""

    def do_GET(self) -> None:
        bad = "query=bad" in self.path
        answer = {"status": "error", "error": "parse error"} if bad else {"status": "success", "data": self.path}
        body = json.dumps(answer).encode()
        self.send_response(400 if bad else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def page() -> Iterator[httpx.Client]:
    prometheus = ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)
    thread = Thread(target=prometheus.serve_forever)
    thread.start()
    with viewer(0, f"http://127.0.0.1:{prometheus.server_port}") as url, httpx.Client(base_url=url) as client:
        yield client
    prometheus.shutdown()
    prometheus.server_close()
    thread.join()


def test_it_serves_the_page_and_the_committed_dashboards(page: httpx.Client) -> None:
    answer = page.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "'unsafe" not in answer.headers["content-security-policy"]
    for name in re.findall(r'(?:src|href)="([\w.]+)"', answer.text):
        assert page.get(f"/{name}").status_code == 200, name
    names = page.get("/dashboards").json()
    assert set(names) == {file.stem for file in DASHBOARDS.glob("*.json")} >= {"overview"}
    assert page.get("/dashboards/overview").json() == json.loads((DASHBOARDS / "overview.json").read_text())


def test_questions_go_to_prometheus_and_its_errors_come_back(page: httpx.Client) -> None:
    answer = page.get("/prometheus/query_range", params={"query": 'up{job="a"}', "step": "5"})
    assert answer.json()["data"] == "/api/v1/query_range?query=up%7Bjob%3D%22a%22%7D&step=5"
    refused = page.get("/prometheus/query", params={"query": "bad"})
    assert (refused.status_code, refused.json()["error"]) == (400, "parse error")


def test_a_prometheus_that_is_away_is_named() -> None:
    with viewer(0, "http://127.0.0.1:9") as url:
        answer = httpx.get(f"{url}/prometheus/query")
    assert answer.status_code == 502
    assert "http://127.0.0.1:9 does not answer" in answer.json()["error"]


@pytest.mark.parametrize(
    "path", ["/../server.py", "/%2e%2e/server.py", "/dashboards/../compose", "/prometheus/admin/tsdb"]
)
def test_nothing_else_is_to_be_had(page: httpx.Client, path: str) -> None:
    assert page.get(path).status_code == 404


def test_pages_of_other_origins_get_nothing(page: httpx.Client) -> None:
    assert page.get("/dashboards", headers={"host": "rebound.example"}).status_code == 403


def panels() -> list[dict[str, Any]]:
    return [panel for file in DASHBOARDS.glob("*.json") for panel in json.loads(file.read_text())["panels"]]


def test_the_page_draws_every_kind_of_panel_that_there_is() -> None:
    [drawn] = re.findall(r"const DRAWN = \{(.*?)\}", (PAGE / "viewer.js").read_text())
    kinds = {part.partition(":")[2].strip() or part.strip() for part in drawn.split(",")}
    kinds = {"timeseries" if kind == "chart" else kind for kind in kinds}
    assert {panel["type"] for panel in panels()} - {"row"} <= kinds


def test_the_page_knows_every_colour_legend_and_matcher_that_there_is() -> None:
    text = (PAGE / "colors.js").read_text()
    plain = set(re.findall(r'"(\w+)"', re.findall(r"NAMED = new Set\(\[(.*?)\]\)", text)[0])) | {"text"}
    colors = plain | {f"light-{color}" for color in plain}
    matchers = set(re.findall(r"^  (\w+): \(wanted", text, re.MULTILINE))
    calculated = set(re.findall(r"^  (\w+): \[", (PAGE / "legend.js").read_text(), re.MULTILINE))
    for panel in panels():
        for each in panel.get("fieldConfig", {}).get("overrides", []):
            assert each["matcher"]["id"] in matchers
            assert {it["value"]["fixedColor"] for it in each["properties"] if it["id"] == "color"} <= colors
        assert set(panel.get("options", {}).get("legend", {}).get("calcs", [])) <= calculated


def test_the_page_asks_for_no_more_time_than_there_is() -> None:
    """The range that it begins with is one to choose."""
    text = (PAGE / "viewer.js").read_text()
    short, usual = re.findall(r"SHORT = \[([\d, ]+)\], USUAL = (\d+)", text)[0]
    offered = re.findall(r'<option value="(\d+)"', (PAGE / "index.html").read_text())
    assert {*short.split(", "), usual} <= set(offered)


def test_the_page_knows_every_unit_that_there_is() -> None:
    known = set(re.findall(r'unit === "(\w+)"', (PAGE / "units.js").read_text())) | {"short"}
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in panels() if panel["type"] != "row"} <= known
