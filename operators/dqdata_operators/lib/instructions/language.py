"""Whether a response is in a language, by its script and its most frequent words, or by the model lid.176.

>>> speaks("उत्तर चार है और यह सही है।", "hi")
True
"""

from __future__ import annotations

import re

import polars as pl

from dqdata.languages import FORMULAS, FREQUENT, Identifier, language

RANGES = {
    "latin": r"A-Za-zÀ-ɏḀ-ỿ", "cyrillic": r"Ѐ-ԯ", "arabic": r"؀-ۿݐ-ݿﭐ-﷿ﹰ-ﻼ", "devanagari": r"ऀ-ॿ", "bengali": r"ঀ-৿",
    "gurmukhi": r"਀-੿", "gujarati": r"઀-૿", "tamil": r"஀-௿", "telugu": r"ఀ-౿", "kannada": r"ಀ-೿", "malayalam": r"ഀ-ൿ",
    "thai": r"฀-๿", "hebrew": r"֐-׿", "greek": r"Ͱ-Ͽ", "kana": r"ぁ-ヿ", "hangul": r"가-힯ᄀ-ᇿ", "han": r"一-鿿㐀-䶿",
}  # fmt: skip
SCRIPT = {
    "ru": "cyrillic", "uk": "cyrillic", "bg": "cyrillic", "ar": "arabic", "fa": "arabic", "ur": "arabic",
    "hi": "devanagari", "mr": "devanagari", "ne": "devanagari", "bn": "bengali", "pa": "gurmukhi", "gu": "gujarati",
    "ta": "tamil", "te": "telugu", "kn": "kannada", "ml": "malayalam", "th": "thai", "he": "hebrew", "el": "greek",
    "ja": "kana", "ko": "hangul", "zh": "han",
}  # fmt: skip
"""Script of each language that isn't written in Latin letters."""
MARKS = {
    "ru": r"[ыэё]|\b(?:это|что|как|для|или|не|и|в|с|по)\b", "uk": r"[іїєґ]|\b(?:це|що|та|для|або|як|не|і|у|з)\b",
    "bg": r"ъ|\b(?:това|че|се|да|са|или|от|за|на|е|и)\b|\w{3,}(?:та|то|ът|ят)\b",
    "ar": r"[ةىأإ]|\bال\w+", "fa": r"[پچژگ]|\b(?:است|این|که|را|می|از|با|برای)\b",
    "ur": r"[ٹڈڑںےھہ]|\b(?:ہے|اور|میں|کے|کی|کا)\b",
    "hi": r"(?<!\S)(?:है|हैं|और|में|का|की|के|को|यह|नहीं|से|था|हो)(?!\w)",
    "mr": r"ळ|(?<!\S)(?:आहे|आहेत|आणि|हे|ही|हा|नाही|मी|तो|ती|होते|साठी)(?!\w)|\S+(?:च्या|मध्ये|ांना|ाचा|ाची)(?!\S)",
    "ne": r"(?<!\S)(?:छ|छन्|हो|र|यो|मा|गर्न|थियो|पनि|हुन्छ|भने|लागि)(?=[\s।,]|$)|\S+(?:को|मा|लाई|हरू|बाट)(?=[\s।,]|$)",
}  # fmt: skip
"""What tells languages of one script apart: the one with the most matches."""
MORE_FREQUENT = {
    "sw": "na ya wa kwa ni katika za la kama hii yake hiyo au cha vya kuwa watu sana mtu pia lakini yangu siku",
    "fi": "on ja ei se että ovat oli hän myös mutta kun tai kuin joka tämä sen niin jos voi minä ole kaikki",
    "sv": "och det att är som en ett för inte med av på har jag den till om var kan från vi",
    "ro": "și este în care nu că din pentru cu mai sunt pe fi o la se au cel să",
    "cs": "je se na že to jsou které pro ale jako byl když podle nebo také jeho být si",
    "da": "og det at er som en et for ikke med af på har jeg den til om var kan fra vi",
}
MORE_WORDS = {
    "en": "a i you he she they not be as can will would or but on was were had been an there",
    "de": "ich du es auch sich als aber oder bei aus nach wird war haben werden kann",
    "fr": "je tu vous ils ce se ne au aux cette mais ou où comme plus être sont avons a",
    "es": "y no que es lo le su más pero o como este esta muy yo nosotros está son ser",
    "it": "e è come al ma o ho hai ha più anche questo questa io tu noi loro essere da in i",
    "pt": "e é o a mas ou como mais isso este esta eu você nós eles ser foi muito ao",
    "nl": "ik je maar als ook wordt worden was deze dit aan naar bij zo kan te",
    "vi": "tôi bạn này những như đã sẽ người khi từ đến rất nhiều phải",
    "id": "tidak ada saya anda kami akan telah sudah bisa pada atau juga seperti",
    "tr": "çok ama gibi daha en ben sen biz mi değil var yok her şey",
    "pl": "i w z nie jak ale czy są był była być oraz ten ta przez dla",
}
LATIN = {
    code: frozenset(f"{FREQUENT.get(code, '')} {MORE_WORDS.get(code, '')} {MORE_FREQUENT.get(code, '')}".split())
    for code in (*FREQUENT, *MORE_FREQUENT)
}
CODES = (*SCRIPT, *LATIN)
"""Languages that are identified without a model."""
LEAST_SHARE = 0.8
"""Of a response's letters that must be in the script of its language."""


def speaks(text: str, code: str, by: Identifier = "words") -> bool | None:
    """Whether a text is in the language of that ISO 639-1 code, or None where nothing decides. Raises InputError where
    `by` is "fasttext" and the model isn't installed."""
    code = code.split("-")[0].lower()
    if by == "fasttext":
        [found] = language(pl.Series([text]), "fasttext")
        return None if found is None else found == code
    bare = re.sub(FORMULAS, " ", text).lower()
    counts = {name: len(re.findall(f"[{signs}]", bare)) for name, signs in RANGES.items()}
    letters = sum(counts.values())
    if not letters:
        return None
    if code in ("ja", "zh"):
        japanese = counts["kana"] > 0.1 * counts["han"] and counts["kana"] > 0
        share = (counts["han"] + counts["kana"]) / letters
        return share >= LEAST_SHARE / 2 and japanese == (code == "ja")
    script = SCRIPT.get(code, "latin")
    if code not in CODES and counts["latin"] < LEAST_SHARE * letters:
        return None
    if counts[script] < LEAST_SHARE * letters:
        return False
    if script == "latin":
        return _by_words(bare, code)
    rivals = [other for other, one in SCRIPT.items() if one == script]
    return True if rivals == [code] else _by_marks(bare, code, rivals)


def _by_words(text: str, code: str) -> bool | None:
    """By the frequent words of languages in Latin letters. Words of several languages count for each."""
    tokens = re.findall(r"[^\W\d_]+", text)
    scores = {name: sum(token in frequent for token in tokens) for name, frequent in LATIN.items()}
    best = max(scores.values())
    if code not in LATIN:
        return False if best >= max(3, len(tokens) / 5) else None
    others = max(score for name, score in scores.items() if name != code)
    if scores[code] > others:
        return True
    return False if others >= scores[code] + 2 else None


def _by_marks(text: str, code: str, rivals: list[str]) -> bool | None:
    scores = {name: len(re.findall(MARKS[name], text)) for name in rivals}
    others = max(score for name, score in scores.items() if name != code)
    if scores[code] == others:
        return None
    return scores[code] > others
