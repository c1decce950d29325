"""History of catalogs: differences of two versions and their causes, lineage of versions, origin of a row."""
