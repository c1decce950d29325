"""Published evaluation sets, and the search for their problems among other texts."""
