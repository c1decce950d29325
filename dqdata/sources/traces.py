"""Chats in the traces of `verifiers`: a trace is a graph of messages, and a branch from a root to a leaf is a chat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dqdata.chats import Chat, read_chat
from dqdata.errors import DataError


def chats_of(trace: Mapping[str, Any]) -> Iterator[tuple[Chat, Any]]:
    """(chat, definitions of its tools) of each branch. A turn of the assistant that no model sampled has train = false.
    Raises DataError for a graph with a parent that doesn't come before."""
    nodes = trace.get("nodes") or []
    parents = {node.get("parent") for node in nodes}
    for leaf in (place for place in range(len(nodes)) if place not in parents):
        path = [leaf]
        while (parent := nodes[path[-1]].get("parent")) is not None:
            if not isinstance(parent, int) or not 0 <= parent < path[-1]:
                raise DataError(f"node {path[-1]} has the parent {parent!r}, which doesn't come before it")
            path.append(parent)
        branch = [nodes[place] for place in reversed(path)]
        chat = read_chat([node["message"] for node in branch])
        sampled = [node for node in branch if node["message"].get("role") == "assistant"]
        turns = [message for message in chat.messages if message["role"] == "assistant"]
        if any(node.get("sampled") for node in sampled):
            for node, message in zip(sampled, turns, strict=True):
                if not node.get("sampled"):
                    message["train"] = False
        yield chat, branch[0].get("tools") or trace.get("tools")
