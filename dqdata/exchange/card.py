"""The YAML head of a data set's card on the Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def hub_yaml(configs: Mapping[str, Mapping[str, str]], head: Mapping[str, Any] | None = None) -> str:
    """The lines between the dashes of README.md: `head`, then a config per entry with its files by split."""
    lines = [f"{name}: {_value(value)}" for name, value in (head or {}).items() if value not in (None, [], "")]
    lines.append("configs:")
    for config, files in configs.items():
        lines += [f"- config_name: {_value(config)}", "  data_files:"]
        for split, path in files.items():
            lines += [f"  - split: {_value(split)}", f"    path: {_value(path)}"]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """A YAML value; JSON is YAML."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)
