"""Constraints on a response that a program can check: the 25 kinds of IFEval (arXiv 2311.07911), in its layout.

kinds.py      each kind: its arguments, its check, and how a prompt asks for it
texts.py      what is counted in a response: sentences, words, bullets, highlighted parts
language.py   whether a response is in a language
layout.py     `instruction_id_list` and `kwargs` of a row; strict and loose
"""
