"""`Recipe`: everything a run depends on, typed and validated, from YAML or from Python.

    recipe = Recipe.load("recipe.yaml")
    recipe = Recipe(corpus="clipart", methods=["noisy", "distill"], seeds=5)

Each part's settings are owned by the class they configure: methods, network, training.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from labelhedge.errors import LabelhedgeError
from labelhedge.methods import METHODS, Method
from labelhedge.models import FrozenSettings, NetworkSettings
from labelhedge.training import TrainingSettings


class RecipeError(LabelhedgeError):
    """A recipe that cannot be run; the message names the setting, what was found, and what to do."""


class Recipe(BaseModel):
    """What to run, on what, and how.

    Parameters
    ----------
    corpus : folder, or the name of an embedded corpus
    methods : list of names, or mapping of name to settings; None takes the usual ones that the corpus allows
        ``"all"`` takes every method that the corpus allows and whose packages are installed.
        A mapping may also name a variant: ``{"half": {"method": "distill", "weight": 0.5}}``.
    seeds : a count (3 means 0, 1, 2), or a list
    network, training : settings
    out : folder for the results; None is ``runs/<corpus>``

    Raises
    ------
    RecipeError
        For an unknown setting, a wrong type or an impossible value.

    Examples
    --------
    >>> recipe = Recipe(corpus="clipart", methods={"distill": {"weight": 0.5}}, seeds=2)
    >>> recipe.seeds, recipe.methods["distill"].temperature
    ([0, 1], 1.0)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: Annotated[str, Field(min_length=1)]
    methods: dict[str, SerializeAsAny[Method]] | Literal["all"] | None = None
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0, 1, 2]
    network: NetworkSettings = FrozenSettings()
    training: TrainingSettings = TrainingSettings()
    out: str | None = None

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            raise RecipeError("\n".join(_explain(problem) for problem in error.errors())) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str], **changes: Any) -> Recipe:
        """Read a recipe from a YAML file; `changes` win over the file, nested settings one by one.

        Raises
        ------
        RecipeError
            When the file is missing, not YAML, or not a recipe.
        """
        file = Path(path)
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RecipeError(f"there is no recipe {file}") from error
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise RecipeError(f"{file} is not readable as YAML: {error}") from error
        if not isinstance(content, dict):
            raise RecipeError(f"{file}: a mapping of settings is needed, found {type(content).__name__}")
        try:
            return cls(**_merge(content, changes))
        except RecipeError as error:
            raise RecipeError("\n".join(f"{file}: {line}" for line in str(error).splitlines())) from error

    def dump(self) -> str:
        """The whole recipe as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    @field_validator("network", mode="before")
    @classmethod
    def _frozen_by_default(cls, value: Any) -> Any:
        return {"kind": "frozen", **value} if isinstance(value, Mapping) else value

    @field_validator("corpus", "out", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_or_list(cls, value: Any) -> Any:
        return list(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("every seed must be listed once")
        return value

    @field_validator("methods", mode="before")
    @classmethod
    def _build_methods(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "all":
            value = [name.strip() for name in value.split(",")]
        if isinstance(value, list | tuple):
            value = dict.fromkeys(value)
        if not isinstance(value, Mapping):
            return value
        if not value:
            raise ValueError("name at least one method")
        return {name: _build_method(name, settings) for name, settings in value.items()}

    @model_validator(mode="after")
    def _complete(self) -> Recipe:
        if isinstance(self.methods, dict):
            object.__setattr__(self, "methods", order_methods(self.methods))
        fitting = {
            name: value
            for name, value in self.network.training_defaults.items()
            if name not in self.training.model_fields_set
        }
        object.__setattr__(self, "training", self.training.model_copy(update=fitting))
        return self

    @field_serializer("methods")
    def _dump_methods(self, methods: dict[str, Method] | Literal["all"] | None) -> Any:
        if not isinstance(methods, dict):
            return methods
        return {name: {"method": method.name, **method.model_dump(mode="json")} for name, method in methods.items()}


_COMPARED = [name for name, method in METHODS.items() if not method.auxiliary]


def order_methods(methods: Mapping[str, Method]) -> dict[str, Method]:
    """Put methods in an order in which each comes after those it needs, and add what is missing with its defaults."""
    ordered: dict[str, Method] = {}

    def place(name: str, method: Method) -> None:
        for need in method.needs:
            if need not in ordered:
                place(need, methods.get(need) or METHODS[need]())
        ordered.setdefault(name, method)

    for name, method in methods.items():
        place(name, method)
    return ordered


def _build_method(name: Any, settings: Any) -> Method:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"methods.{name}: a name is made of letters, digits, dots, dashes and underscores")
    if isinstance(settings, Method):
        return settings
    settings = dict(settings or {}) if isinstance(settings, Mapping | None) else settings
    if not isinstance(settings, dict):
        raise ValueError(f"methods.{name}: a mapping of settings is needed, found {settings!r}")
    kind = settings.pop("method", name)
    if kind not in METHODS:
        raise ValueError(f"there is no method {kind!r}{_suggest(str(kind), METHODS)}; there is: {', '.join(_COMPARED)}")
    if name in METHODS and kind != name:
        raise ValueError(f"methods.{name} is the name of a method and cannot stand for {kind!r}: choose another")
    try:
        return METHODS[kind].model_validate(settings)
    except ValidationError as error:
        raise ValueError("; ".join(_explain(p, f"methods.{name}.", METHODS[kind]) for p in error.errors())) from error


def _explain(problem: Any, prefix: str = "", owner: type[BaseModel] = Recipe) -> str:
    place = [str(part) for part in problem["loc"] if part not in ("frozen", "alexnet-bn")]
    name = prefix + ".".join(place)
    if problem["type"] == "extra_forbidden":
        known: Any = owner.model_fields
        if len(place) > 1 and place[0] == "training":
            known = TrainingSettings.model_fields
        elif len(place) > 1 and place[0] == "network":
            known = [field for option in NetworkSettings.__args__[0].__args__ for field in option.model_fields]
        return f"{name}: there is no such setting{_suggest(place[-1], known)}"
    if problem["type"] == "missing":
        return f"{name}: this setting is needed"
    if problem["type"] == "union_tag_invalid":
        return (
            f"{name}.kind: there is no network {problem['ctx']['tag']!r}; there is: {problem['ctx']['expected_tags']}"
        )
    if problem["type"] == "too_short":
        return f"{name}: at least one is needed"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and place == ["methods"]:
        return str(message)
    return f"{name}: {message}, found {problem['input']!r}"


def _suggest(name: str, known: Any) -> str:
    close = [match for match in difflib.get_close_matches(name, list(known), n=2) if match != name]
    return f" (did you mean {close[0]!r}?)" if close else ""


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merge(merged[name], value) if both else value
    return merged
