"""Reads the TOML of a project; whatever keeps it from being read is a ProjectError that names the file and the fix.

>>> read_tables(Path("pipelines.toml"))["store"]
{'path': 'catalogs'}
"""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path
from typing import Any

from dqdata.errors import ProjectError

FILE = "pipelines.toml"


def find_project(start: Path) -> Path:
    """The nearest pipelines.toml in this folder or above. Raises ProjectError."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / FILE).is_file():
            return folder / FILE
        if (folder / FILE).is_dir():
            raise ProjectError(str(folder / FILE), "is a folder, not a file; move it away", code="no-project")
        if (folder / FILE).is_symlink():
            raise ProjectError(str(folder / FILE), "is a link to no file; correct or remove it", code="no-project")
    raise ProjectError(str(start), f"no {FILE} here or in a folder above; `dqdata init` writes one", code="no-project")


def project_file(path: Path) -> Path:
    """The file that a path names: itself, or pipelines.toml in a folder. Raises ProjectError."""
    if not path.is_dir():
        return path
    if (path / FILE).is_file():
        return path / FILE
    raise ProjectError(
        str(path), f"is a folder without {FILE}; name the file, or `dqdata init {path}` writes one", code="no-project"
    )


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of the file. A byte order mark of UTF-8 is passed over. Raises ProjectError."""
    try:
        content = path.read_bytes()
        return tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except (FileNotFoundError, NotADirectoryError):
        raise ProjectError(str(path), "no such file; `dqdata init` writes one", code="no-project") from None
    except OSError as error:
        raise ProjectError(str(path), f"can't be read: {error.strerror or error}", code="unreadable-file") from None
    except UnicodeDecodeError as error:
        raise ProjectError(str(path), _encoding(content, error), code="not-utf8") from None
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(str(path), f"not valid TOML: {error}", code="invalid-toml") from None
    except RecursionError:
        raise ProjectError(str(path), "not valid TOML: nested too deep", code="invalid-toml") from None
    except ValueError as error:  # numbers of more digits than Python reads
        raise ProjectError(str(path), f"not valid TOML: {error}", code="invalid-toml") from None


def _encoding(content: bytes, error: UnicodeDecodeError) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "is UTF-16, and TOML is UTF-8: save it as UTF-8"
    line = content.count(b"\n", 0, error.start) + 1
    return f"not UTF-8 at byte {error.start}, line {line}: save it as UTF-8"
