"""Arguments of a statement while its text is put together: a value is never text of the statement. Pure."""


class Arguments:
    """Starts with those that every statement has: `$1` the organisation, `$2` its projects."""

    def __init__(self, organisation: str, projects: list[str] | None, *more: object) -> None:
        self._values: list[object] = [organisation, projects, *more]

    def add(self, value: object) -> str:
        """The placeholder that stands for `value`."""
        self._values.append(value)
        return f"${len(self._values)}"

    @property
    def values(self) -> tuple[object, ...]:
        return tuple(self._values)
