"""Operators that ask a model for its judgement: answers, processes, grades, classes."""
