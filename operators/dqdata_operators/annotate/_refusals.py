"""Whether a response refuses its task: in the first person, with a verb of answering or helping, about the request.

"I cannot answer this question."  yes      "I can't help but notice that 3 divides 12."  no
"""

from __future__ import annotations

import polars as pl

REQUEST = (
    r"(?:this|that|these|those|it|you|your|"
    r"the (?:question|request|task|problem)|such|any|with (?:this|that|your|"
    r"the|such|any|these)|in (?:this|that)|on (?:this|that)|(?:a|an|any) (?:response|answer|solution|reply)|"
    r"answers?\b|assistance|information|"
    r"instructions|content|guidance|advice|help\b)"
)
UNABLE = (
    r"\bi(?:['’]m| am)?,? (?:really |also |simply |just |afraid (?:that )?i |sorry,? (?:but )?i )?(?:can(?:no|"
    r"['’])t|can ?not|"
    r"won['’]?t|will not|(?:un|not )able to|do not feel comfortable|don['’]t feel comfortable|not comfortable|"
    r"(?:must|have to|need to|will have to|respectfully)(?: respectfully| politely)? (?:decline|refuse)|decline|refuse)"
)
REFUSALS = (
    rf"{UNABLE}(?: to)? (?:(?:help|assist|answer|do)(?:ing)?|(?:solv|provid|creat|writ|discuss)(?:e|ing)?|respond to|"
    rf"fulfil+|complete|comply with|offer|give|share|generate|produce|engage (?:with|in)|support|continue with|address|"
    rf"participate in|accommodate)(?: you)?(?: with)?\s*{REQUEST}",
    rf"{UNABLE}(?: to)? (?:help|assist|answer|comply|respond|do so|continue)\s*(?:you)?\s*(?:[.!,;]|$|\n)",
    rf"{UNABLE} to (?:answer|help|assist|comply|provide|respond|fulfil+|do)\b",
    r"\bi (?:must|have to|need to|will have to)(?: respectfully| politely)? (?:decline|refuse)\b",
    r"\bas an ai\b[^.!?\n]{0,80}\bi (?:can(?:no|['’])t|can ?not|am (?:not able|unable)|do not|don['’]t|won['’]?t)",
    r"\b(?:sorry|apologi[sz]e)\b[^.!?\n]{0,20}\bi (?:can(?:no|['’])t|can ?not|am (?:not able|unable)|won['’]?t|"
    r"will not)",
    r"(?:对不起|抱歉|很遗憾)[，,]?\s*(?:但|但是)?我(?:不能|无法|没办法)|我(?:不能|无法)(?:回答|帮助|提供|协助|完成|满足)",
    r"\b(?:ich kann|kann ich)\b[^.!?\n]{0,60}\bnicht (?:beantworten|helfen|beantwortet|bereitstellen|erfüllen)",
    r"\bje ne (?:peux|suis)\b[^.!?\n]{0,30}(?:répondre|aider|fournir)",
    r"\bno puedo (?:responder|ayudar|ayudarte|proporcionar|contestar|cumplir)",
    r"я не (?:могу|смогу) (?:ответить|помочь|предоставить|выполнить)",
)
REFUSAL = "(?i)" + "|".join(f"(?:{pattern})" for pattern in REFUSALS)
FIGURES_OF_SPEECH = r"(?i)\bcan(?:no|['’])t help (?:but\b|\w+ing\b)|\bcan not help (?:but\b|\w+ing\b)"
QUOTED = r"(?i)([\p{L}:,]\s+)(?:[\"“„][^\"”“\n]*[\"”“]|['‘][^\n]*?['’](?:[\s.,;!?)]|$))"
"""What others say, in quotation marks after other words."""
HEDGED = (
    r"(?i)\b(?:directly|exactly|yet|until|unless|without|immediately|by hand|both|all of them|at once|in one step)\b"
)
"""After such a word the sentence says how, and not that, something can't be answered."""


def refuses(said: pl.Series, chars: int) -> pl.Series:
    """Whether a refusal occurs in the first `chars` characters."""
    start = said.str.slice(0, chars).str.replace_all(QUOTED, "${1}").str.replace_all(FIGURES_OF_SPEECH, " ")
    refusing = start.str.extract_all(r"[^.!?\n。！？]+[.!?\n。！？]?").list.eval(
        pl.element().str.contains(REFUSAL) & ~pl.element().str.contains(HEDGED)
    )
    return refusing.list.any().fill_null(False)
