"""Croissant metadata of a published data set: croissant.json, JSON-LD by version 1.1 of the specification with its
responsible-AI extension (https://docs.mlcommons.org/croissant/).

A record set per split. Columns of numbers, texts, truth values and times are fields, lists of them arrays; a list of
structs, such as a chat, is an array with the plain keys of its structs as subfields. What Croissant has no type for is
named in the description of the record set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.columns import VOCABULARY
from dqdata.licenses import license_of

if TYPE_CHECKING:
    import pyarrow as pa

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
_CR = (
    "annotation arrayShape citeAs column conformsTo containedIn dataBiases dataCollection equivalentProperty extract "
    "field fileObject fileProperty fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path "
    "personalSensitiveInformation readLines recordSet references regex repeated replace sdVersion samplingRate "
    "separator source subField transform unArchive value"
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{name: f"cr:{name}" for name in _CR.split()},
    "citeAs": "cr:citeAs",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}
TYPES = {
    "bool": "sc:Boolean",
    "int8": "cr:Int8",
    "int16": "cr:Int16",
    "int32": "cr:Int32",
    "int64": "cr:Int64",
    "uint8": "cr:UInt8",
    "uint16": "cr:UInt16",
    "uint32": "cr:UInt32",
    "uint64": "cr:UInt64",
    "halffloat": "cr:Float16",
    "float": "cr:Float32",
    "double": "cr:Float64",
    "string": "sc:Text",
    "large_string": "sc:Text",
    "date32[day]": "sc:Date",
}


def croissant(
    folder: Path,
    files: Mapping[str, Sequence[Path]],
    schema: pa.Schema,
    *,
    name: str,
    about: str,
    made: datetime,
    version: str,
    licenses: Sequence[str],
    url: str,
    keys: Sequence[str],
    responsible: Mapping[str, Any],
) -> str:
    """The text of croissant.json. files: by split, below `folder`. schema: of the rows. url: of the data set, or its
    name where it is not on the Hub. keys: columns that name a row. responsible: values of `rai:` by name."""
    distribution: list[dict[str, Any]] = []
    for split, paths in files.items():
        distribution += [_file(path, folder) for path in paths]
        distribution.append(
            {
                "@type": "cr:FileSet",
                "@id": f"{split}-files",
                "name": f"{split}-files",
                "description": f"Files of the split {split}.",
                "encodingFormat": "application/x-parquet",
                "includes": [str(path.relative_to(folder)) for path in paths],
            }
        )
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": re.sub(r"[^A-Za-z0-9_-]+", "-", name),
        "description": about,
        "conformsTo": [CONFORMS_TO, RAI],
        "license": [license_of(one).url or one for one in licenses] or ["unknown"],
        "url": url,
        "version": version,
        "datePublished": made.strftime("%Y-%m-%d"),
        "dateCreated": made.strftime("%Y-%m-%d"),
        "citeAs": f"{name}, version {version}, {made:%Y}. {url}",
        "creator": {"@type": "sc:Organization", "name": url.rstrip("/").split("/")[-2] if "/" in url else name},
        **{f"rai:{key}": value for key, value in responsible.items() if value},
        "distribution": distribution,
        "recordSet": [_records(split, schema, keys) for split in files],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _file(path: Path, folder: Path) -> dict[str, Any]:
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    name = str(path.relative_to(folder))
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _records(split: str, schema: pa.Schema, keys: Sequence[str]) -> dict[str, Any]:
    fields, left = [], []
    for column in schema:
        found = _field(split, column)
        if found is None:
            left.append(f"{column.name} ({column.type})")
        else:
            fields.append(found)
    about = f"Rows of the split {split}."
    if left:
        about += f" Columns beside the fields: {', '.join(left)}."
    key = next((name for name in keys if name in schema.names), None)
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": about,
        **({"key": {"@id": f"{split}/{key}"}} if key else {}),
        "field": fields,
    }


def _field(split: str, column: pa.Field) -> dict[str, Any] | None:
    import pyarrow as pa

    made: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{split}/{column.name}",
        "name": column.name,
        "description": VOCABULARY[column.name].meaning if column.name in VOCABULARY else f"The column {column.name}.",
    }
    kind, array = column.type, False
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind, array = kind.value_type, True
        made |= {"isArray": True, "arrayShape": "-1"}
    source: dict[str, Any] = {"fileSet": {"@id": f"{split}-files"}, "extract": {"column": column.name}}
    made["source"] = source
    if pa.types.is_struct(kind):
        inner = list(_subfields(made["@id"], kind, source))
        if not inner:
            return None
        names = [str(kind.field(at).name) for at in range(kind.num_fields)]
        left = [name for name in names if name not in {one["name"] for one in inner}]
        if left:
            made["description"] += f" Beside its subfields it has {', '.join(left)}."
        return {**made, "subField": inner}
    named = _type(kind)
    if named is None or (array and pa.types.is_nested(kind)):
        return None
    return {**made, "dataType": named}


def _subfields(parent: str, kind: pa.StructType, source: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for at in range(kind.num_fields):
        inner = kind.field(at)
        if (named := _type(inner.type)) is not None and re.fullmatch(r"[A-Za-z_]\w*", inner.name):
            yield {
                "@type": "cr:Field",
                "@id": f"{parent}/{inner.name}",
                "name": inner.name,
                "dataType": named,
                "source": {**source, "transform": {"jsonPath": inner.name}},
            }


def _type(kind: pa.DataType) -> str | None:
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return "sc:DateTime"
    return TYPES.get(str(kind))
