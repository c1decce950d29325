"""Operators that let a teacher write texts: traces, problems, and variants of both."""
