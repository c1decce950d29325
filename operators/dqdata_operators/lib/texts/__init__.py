"""Texts as shingles and sets of tokens."""
