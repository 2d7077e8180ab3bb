"""What is due, late or over is said by the clock of the database alone: those of machines differ."""

import ast
from pathlib import Path

import pytest

import analytics_service

TOP = Path(analytics_service.__file__).parent
MODULES = sorted(
    [
        *TOP.glob("rollups/**/*.py"),
        *TOP.glob("policies/*.py"),
        *(TOP / "worker" / f"{name}.py" for name in ("jobs", "refresh", "legacy", "retention", "sessions")),
        *(TOP / "commands" / f"{name}.py" for name in ("refresh", "import_run")),
    ]
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(TOP)))
def test_no_clock_of_the_machine_is_read(module: Path) -> None:
    read = {
        node.attr
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today", "time_ns"}
        # a moment of ours, as `backlog.now`, is no call of a clock
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date", "time"}
    }
    assert read == set()
