"""The format on disk: `corpus.json` and the columns of `samples/part-*.parquet`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from labelhedge.corpus.errors import CorpusError

FORMAT_VERSION = 1
SPLITS = ("train", "dev", "test")


class Label(BaseModel):
    """One label: `id` is unique in the corpus, `name` is shown, `uri` links it to the graph."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    uri: str | None = None


class CorpusInfo(BaseModel):
    """What `corpus.json` holds.

    ``exclusive``: the labels exclude each other, so that every checked sample has exactly one, and a sample without
    an observed label is unlabelled rather than background. Networks then end in a softmax.
    ``text``: columns of words about the image, such as a title or tags, strings or lists of strings. Methods may learn
    from them in training, so a column that tells the true label must not be among them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1)]
    licence: str
    description: str = ""
    exclusive: bool = False
    text: tuple[str, ...] = ()
    labels: Annotated[tuple[Label, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> CorpusInfo:
        for attribute in ("id", "name", "uri"):
            values = [value for label in self.labels if (value := getattr(label, attribute)) is not None]
            repeated = {value for value in values if values.count(value) > 1} if len(set(values)) < len(values) else ()
            if repeated:
                raise ValueError(f"two labels have the {attribute} {sorted(repeated)[0]!r}")
        return self


def read_info(folder: Path) -> CorpusInfo:
    """Read and check `corpus.json` of a corpus folder."""
    path = folder / "corpus.json"
    if not folder.is_dir():
        raise CorpusError(folder, "there is no such folder", "name an existing corpus folder, or 'clipart'")
    if not path.exists():
        raise CorpusError(path, "the file is missing, so this folder is no (complete) corpus", "write the corpus again")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(path, f"not JSON ({error})", "correct the file") from error
    if not isinstance(content, dict):
        raise CorpusError(path, f"a JSON object is needed, found {type(content).__name__}", "correct the file")
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise CorpusError(
            path,
            f"format_version is {version!r}, and this labelhedge reads version {FORMAT_VERSION}",
            "write the corpus again, or use the labelhedge that wrote it",
        )
    try:
        return CorpusInfo.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the label list"
        raise CorpusError(path, f"{where}: {first['msg']}", "correct the file") from error


def check_columns(schema: pa.Schema, file: Path) -> None:
    """Raise a CorpusError where a required column is missing or of a wrong type."""
    wanted: dict[str, tuple[str, Any]] = {
        "id": ("string", _is_string),
        "split": ("string", _is_string),
        "image": ("struct<bytes: binary, path: string>", _is_image),
        "observed": ("list<int32>", _is_label_list),
        "verified": ("list<int32>", _is_label_list),
        "trusted": ("bool", pa.types.is_boolean),
    }
    for name, (description, fits) in wanted.items():
        if schema.names.count(name) > 1:
            raise CorpusError(file, f"the column {name!r} stands twice", "keep one of them")
        if name not in schema.names:
            raise CorpusError(file, f"the column {name!r} is missing", f"add it, of type {description}")
        if not fits(schema.field(name).type):
            raise CorpusError(
                file,
                f"the column {name!r} has type {schema.field(name).type}",
                f"store it as {description}",
            )


def check_text_columns(schema: pa.Schema, names: Sequence[str], folder: Path) -> None:
    """Raise a CorpusError where a column of words, named in corpus.json, is missing or holds something else."""
    for name in names:
        if name not in schema.names or name in ("id", "split", "image", "observed", "verified", "trusted"):
            raise CorpusError(
                folder / "corpus.json",
                f"'text' names the column {name!r}, which the samples do not have",
                f"name some of {', '.join(schema.names)}, or add the column",
            )
        kind = schema.field(name).type
        inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
        if not (_is_string(inner) or pa.types.is_null(inner)):
            raise CorpusError(
                folder / "corpus.json",
                f"'text' names the column {name!r}, which has type {kind}",
                "name columns of strings, or of lists of strings",
            )


def _is_string(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or (pa.types.is_dictionary(kind) and _is_string(kind.value_type))
    )


def _is_label_list(kind: pa.DataType) -> bool:
    return bool((pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_integer(kind.value_type))


def _is_image(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind):
        return False
    fields: Sequence[pa.Field] = [kind.field(i) for i in range(kind.num_fields)]
    types = {field.name: field.type for field in fields}
    if set(types) != {"bytes", "path"}:
        return False
    data, path = types["bytes"], types["path"]
    return bool(
        (pa.types.is_binary(data) or pa.types.is_large_binary(data) or pa.types.is_null(data))
        and (_is_string(path) or pa.types.is_null(path))
    )
