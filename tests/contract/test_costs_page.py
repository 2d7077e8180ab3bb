"""docs/costs.md says what the code does: its tables are made of the code's, and its example is a book that is read."""

import re
from pathlib import Path

import yaml

from analytics_service.ingest.conventions import CONVENTIONS
from analytics_service.ingest.pricing import Reason
from analytics_service.pricing.book import read
from analytics_service.pricing.columns import PriceStatus

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text()


def test_every_emitter_has_its_line() -> None:
    for name, each in CONVENTIONS.items():
        assert f"| `{name}` | {each.cache} | {each.reasoning} | {each.audio} | {each.source} |\n" in PAGE
    assert len(re.findall(r"^\| `[a-z][a-z0-9.-]+` \|.*\|.*\|.*\|.*\|$", PAGE, re.MULTILINE)) == len(CONVENTIONS)


def test_every_status_and_reason_has_its_line() -> None:
    for value in (*PriceStatus, *Reason):
        assert re.search(rf"^\| `{re.escape(value)}` \| \S.* \|$", PAGE, re.MULTILINE), value


def test_every_key_of_the_example_of_a_cluster_is_a_book() -> None:
    example = (Path(__file__).parents[2] / "docs" / "examples" / "price-books.yaml").read_text()
    config_map, resource = yaml.safe_load_all(example)
    assert resource["spec"]["prices"]["configMapRef"]["name"] == config_map["metadata"]["name"]
    assert [read(text).name for text in config_map["data"].values()] == ["acme"]


def test_the_example_is_a_book() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert f"`{read(example).version}`" in PAGE
