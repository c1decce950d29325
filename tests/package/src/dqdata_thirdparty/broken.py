"""A module that can't be imported, and not for want of a package."""

Nothing = undefined  # type: ignore  # noqa: F821
