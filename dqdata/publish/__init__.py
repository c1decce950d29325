"""A version as a data set that others can use: files, card, metadata, licence, and its upload to the Hub."""
