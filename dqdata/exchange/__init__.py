"""Data sets in the formats of other tools: a writer per format, each in its file."""
