"""Requests to teachers and judges: prompts, parameters, answers as JSON, verdict columns."""
