"""Operators that decide whether an answer is correct: by rules, by running code, by agreement."""
