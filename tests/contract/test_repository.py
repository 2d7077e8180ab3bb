"""What the layout promises."""

from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize("distribution", ["operator", "service"])
def test_a_distribution_folder_is_no_package(distribution: str) -> None:
    """`operator/__init__.py` would shadow the standard library's module of that name."""
    assert (TOP / distribution / "pyproject.toml").is_file()
    assert not (TOP / distribution / "__init__.py").exists()


def test_the_standard_library_keeps_its_operator() -> None:
    import operator  # what this name resolves to here is the test

    assert operator.itemgetter(0)("ab") == "a"
    assert not str(operator.__file__).startswith(str(TOP))


def test_the_readme_says_the_two_commands_of_a_fresh_machine_first() -> None:
    first = (TOP / "README.md").read_text().split("```console\n")[1].split("```")[0]
    assert [line.partition("#")[0].strip() for line in first.splitlines()] == ["$ make try", "$ make test"]


def test_the_readme_shows_the_first_resource_as_it_is() -> None:
    assert (TOP / "docs" / "examples" / "analyticsapi.yaml").read_text() in (TOP / "README.md").read_text()
