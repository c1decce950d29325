"""Groups of rows that are equal or nearly equal."""
