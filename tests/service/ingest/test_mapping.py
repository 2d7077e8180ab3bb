import pytest

from analytics_service.errors import UsageError
from analytics_service.ingest.mapping import columns, of_header

SET = ["organisation=demo"]


def filled(header: list[str], **how: list[str]) -> dict[str, str]:
    made = columns(how.get("maps", []), how.get("sets", SET), how.get("ignored", []))
    return {header[position]: field.column for position, field in of_header(header, made, "f.csv")}


def test_columns_go_by_their_names_aliases_and_maps() -> None:
    header = ["Timestamp", "model", "ContextTokens"]
    assert filled(header, maps=["ContextTokens=input_tokens"]) == {
        "Timestamp": "ts",
        "model": "model",
        "ContextTokens": "prompt_tokens",
    }


def test_set_values_are_read_like_those_of_a_file() -> None:
    assert columns([], ["org=o", "is_request=no"], []).base["is_request"] is False


def test_unknown_columns_are_left_out_on_request() -> None:
    assert filled(["ts", "x", "y"], ignored=["x", "y"]) == {"ts": "ts"}
    assert filled(["ts", "x", "y"], ignored=["*"]) == {"ts": "ts"}


@pytest.mark.parametrize(
    ("header", "how", "message"),
    [
        pytest.param(["ts", "x"], {}, "f.csv: column 'x' is unknown: give --map x=FIELD, or --ignore x", id="unknown"),
        pytest.param(["ts"], {"maps": ["a=ts"]}, "no column 'a', which --map names", id="not there"),
        pytest.param(["ts", "time"], {}, "two columns fill ts: ts and time", id="twice"),
        pytest.param(["ts"], {"sets": ["model=m"]}, "--set organisation=NAME", id="no organisation"),
        pytest.param(["model"], {}, "--map COLUMN=ts", id="no time"),
        pytest.param(
            ["ts"], {"maps": ["a=nonsense"]}, "no field 'nonsense'; fields are org_id, project_id", id="field"
        ),
        pytest.param(["ts"], {"sets": ["organisation"]}, "'organisation' is not field=value", id="no equals sign"),
        pytest.param(["ts"], {"sets": ["prompt_tokens=x"]}, "prompt_tokens: 'x' is not a number", id="bad value"),
        pytest.param(["ts"], {"sets": ["org=a", "organisation=b"]}, "org_id is set twice", id="set twice"),
        pytest.param(["ts"], {"maps": ["a=ts", "a=model"]}, "'a' is given twice", id="mapped twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(header: list[str], how: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        filled(header, **how)
    assert message in str(caught.value)
