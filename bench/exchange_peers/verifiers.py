"""verifiers reads an export: FOLDER TOKENIZER OUT. It renders nothing by itself, so its messages are given back. Run by
bench/exchange.py in the environment of verifiers."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

sys.path.pop(0)  # this folder has a file of the library's name

from verifiers.v1.configs.agent import WireAgentConfig
from verifiers.v1.state import State
from verifiers.v1.task import WireTaskData
from verifiers.v1.trace import Trace
from verifiers.v1.utils.trace_store import read_episodes

folder, _, out = sys.argv[1:]
chats = []
for episode in read_episodes(Path(folder), Trace[WireTaskData, State, WireAgentConfig]):
    for trace in episode.traces:
        for branch in trace.branches:
            messages = [node.message.model_dump(mode="json", exclude_none=True) for node in branch.nodes]
            for message in messages:
                message.pop("provider_state", None)
                if calls := message.get("tool_calls"):
                    message["tool_calls"] = [
                        {"id": c["id"], "type": "function", "function": {k: c[k] for k in ("name", "arguments")}}
                        for c in calls
                    ]
            tools = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
                }
                for tool in trace.tools
            ]
            chats.append((messages, json.dumps(tools)))
Path(out).write_text(json.dumps({"version": version("verifiers"), "chats": chats}))
