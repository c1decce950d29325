"""Operators that decide whether an answer is right: by rules, by running code, by agreement."""
