"""Parameters as `dqdata ops NAME` and the generated page show them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytest
from pydantic import Field, SecretStr

from dqdata.cli.ops import GROUPS
from dqdata.params import Params, PromptFile, TeacherName
from dqdata.plugins import found, load
from dqdata.project.parameters import Parameter, described


class Base(Params):
    draw: str = ""
    """Another word draws
    fresh texts."""


class Given(Base):
    n: int = Field(4, ge=1)
    mode: Literal["a", "b"] | None = None
    points: tuple[tuple[float, float], ...] = ((0, 1),)
    more: Mapping[str, Any] = {}
    prompt: PromptFile | None = None
    """Instead of the built-in one."""
    teachers: tuple[TeacherName, ...]


def test_required_first_then_own_then_inherited_each_in_terms_of_toml() -> None:
    assert list(described(Given)) == [
        Parameter("teachers", "[teacher]", "", ""),
        Parameter("n", "integer", "4", ""),
        Parameter("mode", '"a" or "b"', "unset", ""),
        Parameter("points", "[[number]]", "[[0, 1]]", ""),
        Parameter("more", "table", "{}", ""),
        Parameter("prompt", "file", "unset", "Instead of the built-in one."),
        Parameter("draw", "string", '""', "Another word draws fresh texts."),
    ]


def test_a_model_without_source_has_no_meanings_and_still_its_fields() -> None:
    made: type[Params] = type("Made", (Params,), {"__annotations__": {"x": int}, "x": 3, "__module__": __name__})
    assert list(described(made)) == [Parameter("x", "integer", "3", "")]


def test_a_model_inside_and_a_secret_are_shown_as_toml_has_them() -> None:
    class Told(Params):
        inside: Base = Base(draw="x")
        key: SecretStr | None = None

    shown = [(one.name, one.type, one.default) for one in described(Told)]
    assert shown == [("inside", "table", '{"draw": "x"}'), ("key", "secret", "unset")]


def test_ops_shows_what_a_parameter_means(command_line: Callable[..., Any]) -> None:
    code, shown, _ = command_line("ops", "mix")
    assert code == 0
    assert "  beta: number = 0.5\n      Sharpness of the choice toward the target.\n" in shown


@pytest.mark.parametrize("group", GROUPS)
def test_every_parameter_of_ours_says_what_it_means(group: str) -> None:
    ours = {
        name: load(group, name).Params
        for name, point in found(group).items()
        if point.value.startswith(("dqdata.", "dqdata_operators.", "dqdata_trainers."))
    }
    assert [f"{name}.{one.name}" for name, params in ours.items() for one in described(params) if not one.meaning] == []


def test_false_is_the_null_that_toml_lacks() -> None:
    class Bounded(Params):
        most: int | None = 8
        strict: bool | None = None
        name: str = "x"

    given = Bounded.model_validate({"most": False, "strict": False})
    assert (given.most, given.strict) == (None, False)
    with pytest.raises(ValueError, match="name"):
        Bounded.model_validate({"name": False})


def test_ops_as_json_contains_the_meanings_too(command_line: Callable[..., Any]) -> None:
    told = json.loads(command_line("ops", "mix", "--json").out)
    assert told["params"]["properties"]["beta"]["description"] == "Sharpness of the choice toward the target."
