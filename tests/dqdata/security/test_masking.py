"""Secrets are found in every encoding, and ordinary text is left alone."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from dqdata.masking import BODY_BYTES, Masker
from tests.dqdata.security.encodings import ENCODINGS, leaks

KEYS = {
    "like OpenAI's": "sk-Zt9_4f+Qq81/LmXw27TcB0aHdE5rJu=Yp6N",
    "letters alone": "abqzkdjrnvbtkslwoqpfhgmc",
    "with quotes": "p\"q'9\\8<w&7%41z>Jk3\\n2;x=20",
    "short": "aB3-xY9q",
    "UUID": "3f2b8c1e-94d7-4e6a-b05f-7d1c2a9e8f63",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", KEYS)
def test_hidden_in_every_encoding(kind: str, encoding: str) -> None:
    key = KEYS[kind]
    sent = ENCODINGS[encoding](key)
    masker = Masker()
    masker.add(key)
    for around in ("{}", "the key {} is wrong", '{{"error": {{"message": "no: {}"}}}}', "a\n{}\tb", "x" * 400 + " {}"):
        text = around.format(sent)
        hidden = masker.hide(text)
        assert not leaks(hidden, key), (text, hidden)
        assert "***" in hidden
        body = masker.hide_body(text.encode("utf-8", "replace"))
        assert not leaks(body, key)


@pytest.mark.parametrize("encoding", ["as it is", "JSON", "URL", "unicode escapes", "base64 after one byte", "HTML"])
def test_a_key_that_is_not_ascii(encoding: str) -> None:
    key = "schlüssel-Ω-4711-żółw-9"
    masker = Masker()
    masker.add(key)
    assert not leaks(masker.hide(f"no: {ENCODINGS[encoding](key)}"), key)


def test_a_json_body_stays_json() -> None:
    masker = Masker()
    masker.add(key := KEYS["like OpenAI's"])
    for name, encode in ENCODINGS.items():
        body = json.dumps({"error": {"message": f"bad key {encode(key)} given", "code": 7}})
        read = json.loads(masker.hide(body))
        assert read["error"]["code"] == 7, name
        assert not leaks(read["error"]["message"], key), name


@given(st.text(string.ascii_letters + string.digits + "-_.+/=", min_size=12, max_size=60), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_any_key_at_any_place(key: str, place: int) -> None:
    masker = Masker()
    masker.add(key)
    for encode in ENCODINGS.values():
        text = "ab cd "[:place] + encode(key)
        assert not leaks(masker.hide(text), key)


def test_the_end_of_the_key_is_as_secret_as_its_beginning() -> None:
    masker = Masker()
    masker.add(key := KEYS["like OpenAI's"])
    for length in range(8, len(key) + 1):
        assert masker.hide(f"[{key[:length]}]") == "[***]"
        assert masker.hide(f"[{key[-length:]}]") == "[***]"
    assert masker.hide(f"[{key[3:30]}]") == "[***]"  # and a long part of the middle


def test_a_cut_before_hiding_could_not_help() -> None:
    """A body longer than what is read is hidden before it is cut to what is shown."""
    masker = Masker()
    masker.add(key := KEYS["like OpenAI's"])
    for cut in range(BODY_BYTES - len(key) - 2, BODY_BYTES + 2):
        shown = masker.hide_body(b"x" * cut + key.encode() + b"y" * 100)
        assert not leaks(shown[-60:], key)


def test_headers_passwords_and_bearers() -> None:
    masker = Masker()
    masker.add(SecretStr("Bearer tk-0a9s8d7f6g5h4j3k"), "Basic dXNlcjpodW50ZXIyLTQ3MTE=", None, "")
    for text in ("tk-0a9s8d7f6g5h4j3k", "hunter2-4711", "user:hunter2-4711", "dXNlcjpodW50ZXIyLTQ3MTE="):
        assert text not in masker.hide(f"said {text}.")


def test_ordinary_text_stays(tmp_path: Path) -> None:
    for name in ("keys", "my keys", "Schlüssel für alle", "tab\tkeys", "two\nlines", " outer blanks "):
        masker, folder = Masker(), tmp_path / name
        folder.mkdir()
        (folder / "key of mine.json").touch()
        masker.add("EMPTY", "none", "key", "a", str(folder / "key of mine.json"), "https://example.com/some/where")
        text = f"EMPTY none key a {folder}/other mine.json https://example.com/other 12%34 \\sqrt x &amp; =12"
        assert masker.hide(text) == text
        assert "key of mine" not in masker.hide(f"said {folder / 'key of mine.json'}.")


def test_answers_are_data() -> None:
    """The key goes, in every encoding; words that were given as a key stay."""
    masker = Masker()
    masker.add(key := KEYS["like OpenAI's"], "password", "deepseek-research-group")
    plain = "The password of deepseek is \\underline{secret}, 50% of x=12, so \\xrightarrow{f}; research-group 3."
    assert masker.hide_answer(plain) == plain
    middle = {"lines in JSON", "octal escapes"}  # JSON inside a text that was JSON: no server makes it of an answer
    for name, encode in ENCODINGS.items():
        if name not in middle:
            answer = f"{plain}\n{encode(key)}\n{plain}"
            hidden = masker.hide_answer(answer)
            assert not leaks(hidden, key), name
            assert hidden.startswith(plain) and hidden.endswith(plain), name


def test_a_recipe_keeps_its_words() -> None:
    """It names models; a team's name sent as a header begins like one of them."""
    masker = Masker()
    masker.add("deepseek-research-group", key := KEYS["like OpenAI's"])
    assert masker.hide("deepseek-reasoner", record=True) == "deepseek-reasoner"
    assert masker.hide("by deepseek-research-group", record=True) == "by ***"
    for name, encode in ENCODINGS.items():
        assert not leaks(masker.hide(f"a {encode(key)} b", record=True), key), name


def test_many_long_texts() -> None:
    """Nothing is lost in long texts, whatever stands in them."""
    masker = Masker()
    masker.add(key := KEYS["UUID"])
    drawn = random.Random(5)
    for _ in range(20):
        words = ["".join(drawn.choices(string.printable, k=drawn.randint(1, 12))) for _ in range(400)]
        text = " ".join(words)
        assert masker.hide_answer(text) == text
        words.insert(drawn.randrange(400), key)
        assert key not in masker.hide_answer(" ".join(words))
