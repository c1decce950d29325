"""Reports over catalogs: calibration of judges, audits, efficiency."""
