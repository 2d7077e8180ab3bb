"""docs/configuration.md lists the settings that there are, with their usual values."""

import re
from pathlib import Path

from analytics_service.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
REQUIRED = {"DATABASE_URL", "JWT_SECRET"}


def test_the_page_lists_every_setting_with_its_usual_value() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (\S*) *\|", PAGE, flags=re.MULTILINE))
    expected = {}
    for name, field in Settings.model_fields.items():
        usual = field.default
        shown = ",".join(usual) if isinstance(usual, tuple) else usual
        expected[name.upper()] = "required" if name.upper() in REQUIRED else "" if usual is None else str(shown)
    assert listed == expected
