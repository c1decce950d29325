"""What is hidden before the store writes anything down, and what is left as it is."""

from __future__ import annotations

import os
from typing import Any

import pytest

from dqdata.catalog.secrets import without_secrets
from dqdata.masking import masker


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret of another test, nor of whoever runs this one."""
    monkeypatch.setattr(masker, "_secrets", ())
    for name in list(os.environ):
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"api_key": "abc"}, {"api_key": "***"}),
        ({"apiKey": "abc", "Authorization": "abc"}, {"apiKey": "***", "Authorization": "***"}),
        ({"a": [{"hf_token": "abc", "password": "p"}]}, {"a": [{"hf_token": "***", "password": "***"}]}),
        ({"api_key": {"env": "R1_API_KEY"}}, {"api_key": {"env": "R1_API_KEY"}}),
        ({"api_key": "", "secret": None}, {"api_key": "", "secret": None}),
        ("https://me:pw@host/v1 and http://host/@x", "https://***@host/v1 and http://host/@x"),
        ("Authorization: Bearer abcd1234.efgh", "Authorization: Bearer ***"),
        ("key sk-proj-abcdefghijklmnop123 is wrong", "key *** is wrong"),
        ("it is of-my-own-secret-value.", "it is ***."),
    ],
)
def test_hidden(monkeypatch: pytest.MonkeyPatch, given: Any, kept: Any) -> None:
    monkeypatch.setenv("MY_PROVIDER_KEY", "of-my-own-secret-value")
    assert without_secrets(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        {"row_key": "a", "ledger_key": "b", "key": "problem_id", "label_key": "x", "eos_token": "<|im_end|>"},
        {"max_tokens": 4, "token_ids": [1], "tokenizer": "x", "keep": True, "monkey": "ape"},
        "task-1234567890123456789, risk-free, user@host, 3 @ 4",
        {"beta": 0.1, "nothing": None, "nested": {"list": [1, "two"]}},
        "none of it",
    ],
)
def test_left_alone(monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
    monkeypatch.setenv("SHORT_TOKEN", "none")
    assert without_secrets(given) == given
