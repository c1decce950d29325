"""The teachers that come with dqdata, one a file; `provider = "..."` names them by entry point."""
