"""A schema keeps what it is told through TOML and dicts, and refuses in one sentence what it cannot mean."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data.formats import avazu, criteo
from alpt_ref.data.schema import Schema, schema_of, shipped_schemas
from alpt_ref.data.schema_fields import FieldSpec, TextLayout
from alpt_ref.data.schema_layout import Layout, text_layout
from alpt_ref.errors import InputError

PLAIN: dict[str, Any] = {"label": "click", "categorical": ["site"]}

names = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8)
counts = st.one_of(st.none(), st.integers(1, 2**40))
fields = st.one_of(
    st.builds(FieldSpec, name=names, type=st.sampled_from(["text", "number"]), min_count=counts),
    st.builds(
        FieldSpec, name=names, kind=st.just("numeric"), binning=st.just("quantile"), bins=st.integers(2, 65_536)
    ),
    st.builds(FieldSpec, name=names, kind=st.just("numeric"), binning=st.sampled_from(["log", "identity"])),
    st.builds(
        FieldSpec, name=names, kind=st.just("multi"), separator=st.sampled_from([";", "\\", '"', "\t", "::"]),
        pooling=st.sampled_from(["mean", "sum"]), max_values=st.integers(1, 65_535),
    ),
    st.builds(FieldSpec, name=names, kind=st.just("calendar"), part=st.sampled_from(["hour", "weekday", "weekend"])),
)  # fmt: skip
layouts = st.builds(
    TextLayout, delimiter=st.sampled_from([None, "\t", ";"]), columns=st.lists(names, unique=True).map(tuple),
    quote=st.sampled_from(["", '"', "'"]), missing=st.lists(names).map(tuple),
)  # fmt: skip


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    listed = draw(st.lists(fields, min_size=1, max_size=6, unique_by=lambda field: field.name))
    used = {field.name for field in listed}
    label = draw(names.filter(lambda name: name not in used))
    weight = draw(st.one_of(st.none(), names.filter(lambda name: name not in used | {label})))
    ids = draw(st.lists(names.filter(lambda name: name != label), unique=True, max_size=2))
    return Schema(
        label=label, weight=weight, id=tuple(ids), fields=tuple(listed), min_count=draw(st.integers(1, 2**40)),
        text=draw(layouts),
    )  # fmt: skip


@given(schemas())
def test_toml_and_dict_give_the_same_schema(schema: Schema) -> None:
    plain = schema.to_dict()
    assert Schema.from_dict(json.loads(json.dumps(plain))) == schema
    assert Schema.from_dict(tomllib.loads(schema.to_toml())) == schema


def test_a_file_is_read_and_named_in_complaints(tmp_path: Path) -> None:
    path = tmp_path / "log.toml"
    schema = Schema.from_dict({**PLAIN, "numeric": {"price": {"binning": "quantile", "bins": 10}}})
    path.write_text(schema.to_toml())
    assert Schema.read(path) == schema_of(path) == schema_of(str(path)) == schema
    path.write_text("label = ")
    with pytest.raises(InputError, match=r"log\.toml is not valid TOML"):
        Schema.read(path)
    path.write_text('label = "click"\ncategorical = ["click"]\n')
    with pytest.raises(InputError, match=r"column 'click' is the label and a field too.*schema .*log\.toml"):
        Schema.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"log\.toml"):
        Schema.read(path)
    with pytest.raises(InputError, match=r"absent\.toml cannot be read: No such file"):
        schema_of(tmp_path / "absent.toml")
    with pytest.raises(InputError, match="got 'critoe', which does not exist; did you mean 'criteo'"):
        schema_of("critoe")


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"categorical": ["site"]}, "must name the column of the label"),
        ({"label": "click"}, "must have at least one field"),
        ({"label": 1, "categorical": ["site"]}, "label must be a name, got 1"),
        ({**PLAIN, "numerics": ["x"]}, "unknown setting 'numerics' in the schema; did you mean 'numeric'?"),
        ({**PLAIN, "categorical": "site"}, "categorical must be a list of columns or a table of fields, got 'site'"),
        ({**PLAIN, "categorical": ["site", 3]}, "categorical must list names of columns, got 3"),
        ({**PLAIN, "categorical": ["site", "site"]}, "field 'site' stands twice under categorical"),
        ({**PLAIN, "numeric": ["site"]}, "field 'site' stands under categorical and under numeric"),
        ({**PLAIN, "numeric": {"x": {"column": "site"}}}, "column 'site' is used by two fields, site and x"),
        ({**PLAIN, "numeric": {"x": {"bins": 1}}}, "numeric.x.bins must be a whole number from 2 to 65536, got 1"),
        ({**PLAIN, "numeric": {"x": {"bins": 64}}}, 'numeric.x.bins is read with binning = "quantile" only, got 64'),
        ({**PLAIN, "numeric": {"x": {"binning": "logs"}}}, "x.binning must be log, quantile or identity, got 'logs'"),
        ({**PLAIN, "numeric": {"x": {"separator": ";"}}}, "numeric.x.separator is a setting of multi fields"),
        ({**PLAIN, "numeric": {"x": {"bin": 4}}}, "unknown setting numeric.x.bin; did you mean 'bins'?"),
        ({**PLAIN, "numeric": {"x": 4}}, "numeric.x must be a table of settings, got 4"),
        ({**PLAIN, "multi": {"x": {"separator": ""}}}, "multi.x.separator must be at least one character"),
        ({**PLAIN, "multi": {"x": {"pooling": "max"}}}, "multi.x.pooling must be mean or sum, got 'max'"),
        ({**PLAIN, "multi": {"x": {"max_values": 0}}}, "multi.x.max_values must be a whole number from 1 to 65535"),
        ({**PLAIN, "calendar": {"x": {"part": "month"}}}, "x.part must be hour, weekday or weekend, got 'month'"),
        ({**PLAIN, "min_count": 0}, "min_count must be a whole number of at least 1, got 0"),
        ({**PLAIN, "weight": "site"}, "column 'site' is the weight and a field too"),
        ({**PLAIN, "weight": "click"}, "column 'click' is the label and weight too"),
        ({**PLAIN, "time": "click"}, "column 'click' is the label and time too"),
        ({**PLAIN, "id": ["click"]}, "column 'click' is the label and id too"),
        ({**PLAIN, "id": ["a", "a"]}, "id must name each column once"),
        ({**PLAIN, "id": "a"}, "id must be a list of column names, got 'a'"),
        ({**PLAIN, "weight": ""}, "weight, time and id must name columns, got an empty text"),
        ({**PLAIN, "time_format": "YYYY"}, "time_format must be a pattern of strptime"),
        (
            {**PLAIN, "time_format": "%Y-%Y"},
            "time_format must be a pattern of strptime such as %Y-%m-%d %H:%M:%S, or none, got '%Y-%Y'",
        ),
        (
            {**PLAIN, "time_format": "%s"},
            "time_format must be a pattern of strptime such as %Y-%m-%d %H:%M:%S, or none, got '%s'",
        ),
        (
            {**PLAIN, "time_format": "%Y-%"},
            "time_format must be a pattern of strptime such as %Y-%m-%d %H:%M:%S, or none, got '%Y-%'",
        ),
        ({**PLAIN, "positive": []}, "positive must be a list of at least one text"),
        ({**PLAIN, "positive": ["Yes"], "negative": ["yes"]}, "label 'yes' stands under positive and under negative"),
        ({**PLAIN, "order": ["site", "x"]}, "order must name every field once, but 'x' is not in both"),
        ({**PLAIN, "order": "site"}, "order must be a list of the fields' names, got 'site'"),
        ({**PLAIN, "text": {"delimiter": ",,"}}, "text.delimiter must be one character that is no line end, or none"),
        ({**PLAIN, "text": {"delimeter": ","}}, "unknown setting text.delimeter; did you mean 'delimiter'?"),
        ({**PLAIN, "text": {"delimiter": '"'}}, "text.quote must differ from text.delimiter"),
        ({**PLAIN, "text": {"header": False}}, "text.columns must name the columns where text.header is false"),
        ({**PLAIN, "text": {"columns": ["a", "a"]}}, "text.columns must name each column once, got 'a' twice"),
        ({**PLAIN, "text": ","}, "text must be a table of settings, got ','"),
        ({"label": "click", "fields": "site"}, "fields must be a list of fields, got 'site'"),
        ({"label": "click", "fields": [{"kind": "numeric"}]}, "a field must have a name"),
        ([], "the schema must be a mapping of settings"),
    ],
)
def test_refusals(plain: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Schema.from_dict(plain)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shipped_schemas_are_the_built_in_formats() -> None:
    """Fields, their order and columns, and the labels are those of the readers for these files."""
    assert shipped_schemas() == ("avazu", "criteo")
    for name, layout in (("criteo", criteo.CRITEO), ("avazu", avazu.avazu_format([",".join(avazu.HEADER)]))):
        schema = schema_of(name)
        assert [(one.name, one.column) for one in schema.fields] == [(one.name, one.column) for one in layout.fields]
        assert schema.text.columns == layout.columns
        assert schema.label == layout.label
        assert {text: schema.label_of(text) for text in layout.label_values} == layout.label_values
        assert schema.label_of("-1") == -1
    assert all((one.kind == "numeric") == (one.name[0] == "I") for one in schema_of("criteo").fields)


COLUMNS = ("day", "click", "site")
LAID = Schema.from_dict({**PLAIN, "time": "day", "text": {"columns": list(COLUMNS)}})


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (["day,click,site", "1,0,a"], Layout(",", COLUMNS, True)),
        (["\ufeffsite;x;click;day", "a;9;1;1"], Layout(";", ("site", "x", "click", "day"), True)),
        (["1\t0\ta,b", "1\t0\tc,d"], Layout("\t", COLUMNS, False)),
        (["damaged", '1,0,"a,b"', "1,0,c"], Layout(",", COLUMNS, False)),
        (['"day"|"click"|"site"'], Layout("|", COLUMNS, True)),
    ],
)
def test_layout_is_taken_from_the_first_lines(head: list[str], expected: Layout) -> None:
    assert text_layout(LAID, head) == expected


def test_layout_without_labels() -> None:
    assert text_layout(LAID, ["day,site", "1,a"], labelled=False) == Layout(",", ("day", "site"), True)
    assert text_layout(LAID, ["1,a", "2,b"], labelled=False) == Layout(",", ("day", "site"), False)
    assert text_layout(LAID, ["1,0,a", "2,1,b"], labelled=False) == Layout(",", COLUMNS, False)


@pytest.mark.parametrize(
    ("text", "head", "message"),
    [
        ({}, ["a,b", "1,2"], r"line 1: the header lacks columns 'click' and 'site', it has a, b; mend the schema"),
        ({"header": True, "columns": ["click", "site"]}, ["1,a"], "lacks columns 'click' and 'site', it has 1, a"),
        ({"columns": ["click", "site"]}, ["1,a,b", "0,a,b"], r"most lines have 3 columns \(delimiter: comma\) where"),
        ({"columns": ["click", "page"]}, ["1,a"], "text.columns must name every column that the schema reads.*'site'"),
        ({}, ["click,site,site"], "line 1: the header names column 'site' twice"),
    ],
)
def test_layout_refusals(text: dict[str, Any], head: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        text_layout(Schema.from_dict({**PLAIN, "text": text}), head)
