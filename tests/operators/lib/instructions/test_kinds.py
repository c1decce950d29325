# ruff: noqa: E501
"""Each kind of constraint: responses that follow it, and others that don't; arguments that none can have."""

from __future__ import annotations

from typing import Any

import pytest
from dqdata_operators.lib.instructions.kinds import KINDS, ArgumentError, loosened
from dqdata_operators.lib.instructions.language import speaks
from dqdata_operators.lib.instructions.layout import LayoutError, read
from dqdata_operators.lib.instructions.texts import sentences

Cases = list[tuple[dict[str, Any], list[str], list[str]]]
CASES: dict[str, Cases] = {
    "keywords:existence": [
        (
            {"keywords": ["river", "C++"]},
            ["A River in c++.", "rivers, C++", "c++ RIVER"],
            ["A river in C.", "c++ only", "C+ river"],
        ),
    ],
    "keywords:frequency": [
        ({"keyword": "tea", "frequency": 2, "relation": "at least"}, ["Tea and tea.", "teatea", "tea\nTEA tea"], ["One tea.", "te a, tea"]),
        ({"keyword": "a.b", "frequency": 1, "relation": "less than"}, ["acb", "a b", "none"], ["see a.b", "A.B"]),
    ],
    "keywords:forbidden_words": [
        (
            {"forbidden_words": ["cat", "O.K."]},
            ["A category of dogs.", "ok", "concatenate"],
            ["The Cat sat.", "cat-like", "It is o.k. now", "“cat”"],
        ),
    ],
    "keywords:letter_frequency": [
        ({"letter": "Z", "let_frequency": 2, "let_relation": "at least"}, ["pizza", "Zz", "z. z."], ["zoo", "none"]),
        ({"letter": "!", "let_frequency": 1, "let_relation": "less than"}, ["Fine.", "?"], ["Wow!", "!!"]),
    ],
    "language:response_language": [
        ({"language": "de"}, ["Das ist nicht so einfach, aber wir haben Zeit.", "Wie viele Katzen hat die Frau?"], ["This is not so simple, but we have the time.", "Ce n'est pas le cas dans la ville.", "これは簡単です"]),
        ({"language": "hi"}, ["यह बहुत आसान है और मैं खुश हूँ।", "उत्तर चार है"], ["हे खूप सोपे आहे आणि मी आनंदी आहे.", "It is the answer to that."]),
        ({"language": "kn"}, ["ಇದು ಸುಲಭವಾಗಿದೆ"], ["ఇది సులభం", "ಇದು is mostly in the English of the town"]),
    ],
    "length_constraints:number_sentences": [
        ({"num_sentences": 3, "relation": "at least"}, ["One. Two! Three?", "A b. C d. E f. G h.", "i see. it is fine. yes."], ["Dr. Smith paid 3.5 dollars to Mr. Li.", "1. Milk\n2. Eggs\n3. Bread", "Hm... Well."]),
        ({"num_sentences": 2, "relation": "less than"}, ["Only one, e.g. this one.", "No mark at all", "At 5 p.m. we met J. R. Ewing."], ["One. Two.", "Really?! Yes."]),
    ],
    "length_constraints:number_paragraphs": [
        ({"num_paragraphs": 2}, ["One\n***\nTwo", "***\nOne *** Two", "One\n\nstill one\n***\nTwo\n***\n"], ["One\n\nTwo", "One\n***\n***\nTwo", "One***Two***Three"]),
    ],
    "length_constraints:number_words": [
        ({"num_words": 4, "relation": "at least"}, ["One two three four", "a, b; c: d!", "it's two words"], ["One two three", "...", "a-b c"]),
        ({"num_words": "3", "relation": "less than"}, ["One two.", "Yes."], ["One two three."]),
    ],
    "length_constraints:nth_paragraph_first_word": [
        (
            {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "However"},
            ["One.\n\nHowever, two.", "One\nline\n\n\"however\" it is", "One.\r\n\r\nHOWEVER: so."],
            ["However.\n\nTwo.", "One.\n\nHowevermore.", "However", "a\n\nhowever\n\nc", "One.\n\nhowever-so"],
        ),
    ],
    "detectable_content:number_placeholders": [
        ({"num_placeholders": 2}, ["[name] lives in [city].", "[a] [b] [c]"], ["[name] lives.", "[] [ ]", "(name) (city)", "[na\nme] [city]"]),
    ],
    "detectable_content:postscript": [
        ({"postscript_marker": "P.S."}, ["Bye.\n\nP.S. Write!", "Bye. p. s. soon", "*P.S.* more"], ["Bye. PS write", "The chip.s. fell", "P.P.S. more"]),
        ({"postscript_marker": "P.P.S"}, ["P.P.S Hello", "end\np. p. s. more"], ["P.S. Hello", "PPS"]),
        ({"postscript_marker": "Note:"}, ["Text.\nnote: later"], ["Text. Footnote: later", "Text. Note"]),
    ],
    "detectable_format:number_bullet_lists": [
        ({"num_bullets": 2}, ["* a\n* b", "- a\n  - b", "Intro\n\n* **bold** a\n- b\n---\nend"], ["* a", "* a\n* b\n- c", "**a**\n**b**", "*so* it is\n* b", "1. a\n2. b"]),
    ],
    "detectable_format:constrained_response": [
        ({}, ["My answer is yes.", " My answer is maybe.\n", "So: My answer is no."], ["Yes.", "My answer is yes", "my answer is no.", "My answer is perhaps."]),
    ],
    "detectable_format:number_highlighted_sections": [
        ({"num_highlights": 2}, ["*a* and *b c*", "**a** and *b*", "* item **a**\n* item **b**"], ["*a*", "* a\n* b", "** **, **a**", "*a\nb* *c*"]),
    ],
    "detectable_format:multiple_sections": [
        ({"section_spliter": "SECTION", "num_sections": 2}, ["SECTION 1\na\nSECTION 2\nb", "SECTION1 a SECTION 2 b SECTION 3"], ["Section 1\na\nSection 2\nb", "SECTION one SECTION two", "SUBSECTION 1 SECTION 2"]),
        ({"section_spliter": "Day (X)", "num_sections": "1"}, ["Day (X) 1: go"], ["Day X 1: go"]),
    ],
    "detectable_format:json_format": [
        ({}, ['{"a": [1, 2]}', '```json\n{"a": 1}\n```', "```\n[1]\n```", " true "], ['Here: {"a": 1}', "{'a': 1}", '{"a": 1', "```json\nhello\n```", "[" * 100_000]),
    ],
    "detectable_format:title": [
        ({}, ["<<Joy>>\nText", "Text <<a b>> text", "<<<x>>>"], ["<Joy>", "<<>> text", "<< >>", "<<a\nb>>"]),
    ],
    "combination:two_responses": [
        ({}, ["One.\n******\nTwo.", "******\nOne.******Two.\n"], ["One.\n***\nTwo.", "Same.\n******\n Same.", "a******b******c", "a******", "a************b"]),
    ],
    "combination:repeat_prompt": [
        (
            {"prompt_to_repeat": "Write a poem. About (two) cats?"},
            ["Write a poem. About (two) cats?\n\nTwo cats.", " write a poem. about (two) cats? Yes"],
            ["Two cats.", "Sure! Write a poem. About (two) cats? Yes", "Write a poem about (two) cats?", "Write a poem."],
        ),
    ],
    "startend:end_checker": [
        ({"end_phrase": "Is that all?"}, ["Well. Is that all?", 'He said "is that all?"', "IS THAT ALL? \n"], ["Is that all? Yes.", "Is that all", "Is this all?"]),
    ],
    "startend:quotation": [
        ({}, ['"Hello there."', ' "a"\n', "“Good.”"], ['"Hello" there.', "'Hello.'", '"', "Hello.", '"Hello']),
    ],
    "change_case:capital_word_frequency": [
        ({"capital_frequency": 2, "capital_relation": "at least"}, ["NASA and ESA", "I SAY so", "WELL-KNOWN U.S. facts"], ["NASA only", "Nasa And Esa", "3 4 5"]),
        ({"capital_frequency": 2, "capital_relation": "less than"}, ["DON'T do it", "none"], ["A B", "STOP NOW"]),
    ],
    "change_case:english_capital": [
        ({}, ["IT IS THE END OF THE DAY.", "YES.", "THE ANSWER IS 42!"], ["It IS THE END.", "DAS IST NICHT DIE STADT, ABER SIE IST FÜR UNS.", "42", "это"]),
    ],
    "change_case:english_lowercase": [
        ({}, ["it is the end of the day.", "yes, 42"], ["It is the end.", "nasa is not NASA", "c'est la vie et nous sommes dans la ville", "42"]),
    ],
    "punctuation:no_comma": [
        ({}, ["No stop here; none.", "a.b", "1 000"], ["One, two.", ",", "1,000"]),
    ],
}  # fmt: skip


def test_all_published_kinds_are_there() -> None:
    assert len(KINDS) == 25 and set(CASES) == set(KINDS)
    for name, cases in CASES.items():
        assert sum(len(right) + len(wrong) for _, right, wrong in cases) >= 5, name


@pytest.mark.parametrize("name", CASES)
def test_right_and_wrong_responses(name: str) -> None:
    kind = KINDS[name]
    for arguments, right, wrong in CASES[name]:
        values = kind.read({**arguments, "of_another_kind": None})
        assert [text for text in right if kind.holds(text, values) is not True] == []
        assert [text for text in wrong if kind.holds(text, values) is not False] == []
        assert [text for text in ("", " \n\t") if kind.holds(text, values) is not False] == []
        assert kind.words(values) and "{" not in kind.words(values)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("length_constraints:number_words", {"num_words": 3}, "relation is missing"),
        ("length_constraints:number_words", {"num_words": None, "relation": "at least"}, "num_words is missing"),
        ("length_constraints:number_words", {"num_words": -1, "relation": "at least"}, "not a whole number"),
        ("length_constraints:number_words", {"num_words": 2.5, "relation": "at least"}, "not a whole number"),
        ("length_constraints:number_words", {"num_words": "many", "relation": "at least"}, "not a number"),
        ("length_constraints:number_words", {"num_words": True, "relation": "at least"}, "not a whole number"),
        ("length_constraints:number_words", {"num_words": float("nan"), "relation": "at least"}, "not a whole number"),
        ("length_constraints:number_words", {"num_words": 3, "relation": "at most"}, "not one of less than, at least"),
        ("keywords:existence", {"keywords": []}, "keywords is empty"),
        ("keywords:existence", {"keywords": "river"}, "not a list"),
        ("keywords:existence", {"keywords": ["river", None]}, "no text"),
        ("keywords:letter_frequency", {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}, "single letter"),
        ("startend:end_checker", {"end_phrase": " "}, "not a text"),
        ("combination:repeat_prompt", {}, "prompt_to_repeat is missing"),
    ],
)  # fmt: skip
def test_arguments_that_no_kind_can_have(name: str, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        KINDS[name].read(arguments)
    [found] = read([name], [arguments])
    assert says in found.fault and found.followed("Any text.", loose=True) is None


def test_loose_takes_away_lines_and_asterisks() -> None:
    assert loosened("a\n*b*\nc") == ("a\n*b*\nc", "*b*\nc", "a\n*b*", "*b*", "a\nb\nc", "b\nc", "a\nb", "b")
    [quoted] = read('["startend:quotation"]', "[{}]")
    for text in ('Sure:\n"Hi."', '"Hi."\nBye', 'Sure:\n"Hi."\nBye', '*"Hi."*', 'Sure:\n**"Hi."**\nBye'):
        assert (quoted.followed(text, loose=False), quoted.followed(text, loose=True)) == (False, True)
    assert quoted.followed("Hi.\nYou", loose=True) is False


@pytest.mark.parametrize(
    ("names", "kwargs", "says"),
    [
        ([], [], "is empty"),
        (None, [], "is empty"),
        (["punctuation:no_comma"], [], "1 instructions and 0 kwargs"),
        ("[punctuation", [{}], "no JSON"),
        ('{"a": 1}', [{}], "no list"),
        (["punctuation:no_comma"], "[" * 50_000, "no JSON"),
    ],
)
def test_layouts_that_cannot_be_read(names: Any, kwargs: Any, says: str) -> None:
    with pytest.raises(LayoutError, match=says):
        read(names, kwargs)


def test_layouts_that_can() -> None:
    for kwargs in (None, [{}], [None], "[{}]", ["{}"], [{"num_words": None}]):
        [one] = read(["punctuation:no_comma"], kwargs)
        assert one.followed("a b", loose=False) is True
    [unknown] = read(["punctuation:no_commas"], [{}])
    assert unknown.fault == "no kind 'punctuation:no_commas'; did you mean 'punctuation:no_comma'?"
    assert unknown.followed("a", loose=False) is None


def test_sentences() -> None:
    assert sentences("Mrs. Dalloway left at 3 p.m. She bought flowers, e.g. roses... Then? \"Home!\" he said.") == [
        "Mrs. Dalloway left at 3 p.m.", "She bought flowers, e.g. roses...", "Then?", '"Home!"', "he said.",
    ]  # fmt: skip
    assert len(sentences("这是第一句。这是第二句！对吗？")) == 3


LANGUAGES = {
    "ru": "Это не так просто, и мы должны думать.", "uk": "Це не так просто, і ми повинні думати.",
    "bg": "Това не е толкова просто и трябва да мислим.", "ar": "هذا ليس بسيطا ويجب أن نفكر في المستقبل",
    "fa": "این ساده نیست و باید به آینده فکر کنیم", "ur": "یہ آسان نہیں ہے اور ہمیں سوچنا چاہیے",
    "mr": "हे सोपे नाही आणि आपण विचार केला पाहिजे.", "ne": "यो सजिलो छैन र हामीले भविष्यको बारेमा सोच्नुपर्छ।",
    "bn": "এটি সহজ নয়", "ta": "இது எளிதானது அல்ல", "zh": "这并不简单，我们必须考虑。", "ja": "それは簡単ではありません", "ko": "간단하지 않습니다",
    "en": "It is not simple and we have to think.", "fr": "Ce n'est pas simple et nous devons penser à tout.",
    "es": "No es tan sencillo y tenemos que pensar.", "it": "Non è così semplice e dobbiamo pensare al futuro.",
    "pt": "Não é tão simples e temos que pensar.", "vi": "Nó không đơn giản và chúng ta phải nghĩ.",
    "sw": "Si rahisi na ni lazima kufikiria siku za watu.", "fi": "Se ei ole niin yksinkertaista, ja se on totta.",
}  # fmt: skip


def test_languages() -> None:
    for language, text in LANGUAGES.items():
        taken = [other for other in LANGUAGES if speaks(text, other) is True]
        assert taken == [language]
    assert speaks("42 + 7", "en") is None and speaks("Hm", "de") is None
    assert speaks("Das ist die Stadt und sie ist nicht groß", "tlh") is False, "none of the languages that are known"
