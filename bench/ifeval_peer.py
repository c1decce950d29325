"""Verdicts of `verify_instructions` beside those of Google's IFEval program, as lm-evaluation-harness distributes it.

    python -m venv peer && peer/bin/pip install langdetect nltk immutabledict packaging
    pip download --no-deps -d wheels lm-eval && unzip wheels/lm_eval-*.whl 'lm_eval/tasks/ifeval/*' -d harness
    python bench/ifeval_peer.py --peer peer/bin/python --harness harness

Responses are put together from pieces that follow a kind of constraint or break it: 80 for each of the 25 kinds, strict
and loose. The harness downloads a model of English sentences (punkt_tab); where it is not there, nltk's tokenizer
without a model counts sentences and splits words, and the last line of the output says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from dqdata_operators.lib.instructions.drawing import draw
from dqdata_operators.lib.instructions.kinds import KINDS
from dqdata_operators.lib.instructions.layout import read

PEER = """
import json, sys, types
sys.path.insert(0, sys.argv[1])
import nltk, langdetect
langdetect.DetectorFactory.seed = 0
try:
    nltk.data.find("tokenizers/punkt_tab"); model = True
except LookupError:
    model = False
    find = nltk.data.find
    nltk.data.find = lambda name, *a: None if "punkt" in name else find(name, *a)
    nltk.word_tokenize = nltk.tokenize.NLTKWordTokenizer().tokenize
package = types.ModuleType("lm_eval"); package.__path__ = [sys.argv[1] + "/lm_eval"]; sys.modules["lm_eval"] = package
tasks = types.ModuleType("lm_eval.tasks"); tasks.__path__ = [sys.argv[1] + "/lm_eval/tasks"]
sys.modules["lm_eval.tasks"] = tasks
from lm_eval.tasks.ifeval import instructions_util, utils
if not model:
    instructions_util._get_sentence_tokenizer = lambda: nltk.tokenize.PunktSentenceTokenizer()
for line in sys.stdin:
    one = json.loads(line)
    asked = utils.InputExample(0, [one["name"]], one["prompt"], [one["kwargs"]])
    found = []
    for check in (utils.test_instruction_following_strict, utils.test_instruction_following_loose):
        try:
            found.append(check(asked, one["response"]).follow_instruction_list[0])
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    print(json.dumps(found))
print(json.dumps(model))
"""
SENTENCES = [
    "The train leaves at noon.", "Why is that so?", "It cost 3.50 euros, no more.", "Dr. Lee agreed!",
    "We add the two.",
    "NASA and the EU met in PARIS.", "However, the river rose again.", "All of this was known before.",
    "She said \"wait\" twice.", "Then nothing happened",
]  # fmt: skip
PIECES = [
    *SENTENCES, *SENTENCES, "* one point\n* another point", "- first\n- second\n- third", "<<A title>>", "# Heading",
    "*marked* and **bold** text", "[address] and [name]", "P.S. I will write.", "P.P.S see below", "***", "******",
    "SECTION 1\nSome text.", "Section 2\nMore.", "My answer is yes.", "My answer is no.", "THIS IS ALL CAPITALS.",
    "all small letters here", "{\"a\": [1, 2]}", "Is there anything else I can help with?", "Any other questions?",
    "Das ist ein deutscher Satz, und er ist nicht kurz.", "Bonjour, je suis content de vous voir ici.", "\n\n", "\n\n",
]  # fmt: skip
EACH = 80


def response(rng: random.Random, name: str, kwargs: dict[str, Any], prompt: str) -> str:
    """Pieces, and now and then what the constraint asks for: its own arguments, or a form of the whole text."""
    parts = rng.choices(PIECES, k=rng.randint(1, 9))
    said = [str(one) for value in kwargs.values() for one in (value if isinstance(value, list) else [value])]
    if said and rng.random() < 0.6:
        parts.insert(rng.randint(0, len(parts)), " ".join(said))
    if name == "combination:repeat_prompt" and rng.random() < 0.6:
        parts.insert(0, prompt)
    text = rng.choice([" ", "\n", "\n\n"]).join(parts)
    forms = {
        "change_case:english_capital": str.upper,
        "change_case:english_lowercase": str.lower,
        "punctuation:no_comma": lambda given: given.replace(",", ""),
        "startend:quotation": lambda given: f'"{given}"',
        "detectable_format:json_format": lambda given: json.dumps({"text": given}),
    }
    if name in forms and rng.random() < 0.5:
        text = forms[name](text)
    if name == "startend:end_checker" and rng.random() < 0.5:
        text = f"{text} {kwargs['end_phrase']}"
    return text


def cases(seed: int) -> list[dict[str, Any]]:
    rng, made = random.Random(seed), []
    for name in KINDS:
        for number in range(EACH):
            prompt = f"Write about the river and the old harbour of a small town, part {number}."
            [(_, kwargs)] = draw(rng, prompt, 1, [name])
            made.append({"name": name, "kwargs": kwargs, "prompt": prompt})
            made[-1]["response"] = response(rng, name, kwargs, prompt)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="interpreter with langdetect, nltk and immutabledict")
    parser.add_argument("--harness", help="folder that holds lm_eval/tasks/ifeval; where lm-eval is installed, its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="cases to print where the two differ")
    args = parser.parse_args()
    harness = args.harness
    if harness is None:
        spec = importlib.util.find_spec("lm_eval")
        if spec is None or spec.origin is None:
            parser.error("lm-eval is not installed; --harness names a folder with lm_eval/tasks/ifeval")
        harness = str(Path(spec.origin).parents[1])
    given = cases(args.seed)
    lines = "".join(json.dumps(one) + "\n" for one in given)
    command = [args.peer, "-c", PEER, harness]
    *theirs, model = map(json.loads, subprocess.run(command, input=lines, text=True, check=True, capture_output=True)
                         .stdout.splitlines())  # fmt: skip
    table: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one, verdicts in zip(given, theirs, strict=True):
        [asked] = read([one["name"]], [one["kwargs"]])
        for loose, verdict in enumerate(verdicts):
            ours = asked.followed(one["response"], loose=bool(loose))
            row = table[one["name"]]
            row[0] += 1
            row[1] += verdict is True
            row[2] += ours is verdict
            row[3] += ours is None
            if ours is not verdict and args.show > 0:
                args.show -= 1
                print(json.dumps({**one, "ours": ours, "theirs": verdict, "loose": bool(loose)}, ensure_ascii=False))
    print(f"{'kind':45} verdicts  true  agree  undecided here")
    for name, (count, true, agree, open_ones) in sorted(table.items(), key=lambda item: item[1][2]):
        print(f"{name:45} {count:8} {true:5} {agree / count:6.3f} {open_ones:10}")
    agreed, whole = sum(row[2] for row in table.values()), sum(row[0] for row in table.values())
    print(f"{agreed} of {whole} verdicts agree ({agreed / whole:.3f}); model of sentences there: {model}")


if __name__ == "__main__":
    main()
