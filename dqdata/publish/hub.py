"""Uploads a data set to the Hub of Hugging Face: one commit, which appears whole or not at all.

The address comes from HF_ENDPOINT, the token from HF_TOKEN or the login of `hf auth login`.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dqdata.errors import InputError, PluginError, RunError
from dqdata.masking import masker
from dqdata.publish.folder import METADATA, Published, build

if TYPE_CHECKING:
    from dqdata.catalog import Store

HUB = "https://huggingface.co"
PREFIX = "hf:"
DATA = "data/"
REFUSED_BY_XET = re.compile(r"HTTP status client error \((401|403) ")
"""What the client of Xet says of a token that may not write; its errors have no status."""


def publish(
    store: Store, catalog: str, version: int, repository: str, *, private: bool = False, **how: Any
) -> Published:
    """Builds the data set in a folder that is removed, and uploads it as `repository`, OWNER/NAME. private: where the
    repository is new. how: parameters of `build`. Raises what `build` raises, InputError for a name or a token that the
    Hub refuses and for a repository with other files, RunError where it doesn't answer."""
    check_name(repository)
    api = connected()
    refuse_files_of_others(api, repository)
    url = f"{api.endpoint}/datasets/{repository}"
    with tempfile.TemporaryDirectory(prefix="dqdata-publish-") as place:
        folder = Path(place) / repository.rpartition("/")[2]
        made = build(store, catalog, version, folder, repository=repository, url=url, **how)
        commit = upload(api, repository, folder, f"{made.name} by dqdata", private=private)
    return replace(made, folder="", url=url, commit=commit)


def check_name(repository: str) -> None:
    """Raises InputError for what is no name of a data set on the Hub."""
    if not re.fullmatch(r"[\w][\w.-]{0,95}/[\w][\w.-]{0,95}", repository) or ".." in repository or "--" in repository:
        raise InputError(f"{PREFIX}{repository} names no data set of the Hub: write {PREFIX}OWNER/NAME")


def refuse_files_of_others(api: Any, repository: str) -> None:
    """Raises InputError where the repository has files and was not published by dqdata."""
    existing = _files(api, repository)
    if existing and METADATA not in existing:
        raise InputError(
            f"{repository} has files and none is {METADATA}, so dqdata did not publish it: choose another name, or "
            "remove its files first"
        )


def connected() -> Any:
    """The client of the Hub with its token. Raises InputError where there is none, PluginError without the package."""
    try:
        import huggingface_hub
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise PluginError(
            f"hf: needs a package: pip install 'dqdata[publish]' ({error})", code="missing-extra"
        ) from error
    disable_progress_bars()
    api = huggingface_hub.HfApi(
        endpoint=os.environ.get("HF_ENDPOINT") or HUB, token=os.environ.get("HF_TOKEN") or huggingface_hub.get_token()
    )
    if not api.token:
        raise InputError(
            "the Hub asks for a token: set HF_TOKEN to one that may write, or run `hf auth login`",
            code="missing-environment",
        )
    masker.add(str(api.token))
    return api


def _files(api: Any, repository: str) -> list[str]:
    """Files of the repository; none where it is not there."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        found = api.list_repo_files(repository, repo_type="dataset")
    except RepositoryNotFoundError:
        return []
    except Exception as error:
        raise _explained(error, api, repository) from error
    return [name for name in found if name != ".gitattributes"]


def upload(api: Any, repository: str, folder: Path, message: str, *, private: bool = False) -> str:
    """Makes the repository where it is not there, and replaces its data by the folder in one commit. Returns the
    commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    try:
        api.create_repo(repository, repo_type="dataset", private=private or None, exist_ok=True)
        # `upload_folder` makes several commits of one that takes minutes; `create_commit` makes one.
        new = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
        old = {name for name in api.list_repo_files(repository, repo_type="dataset") if name.startswith(DATA)}
        info = api.create_commit(
            repository,
            repo_type="dataset",
            operations=[
                *(CommitOperationDelete(name) for name in sorted(old - new.keys())),
                *(CommitOperationAdd(name, file) for name, file in new.items()),
            ],
            commit_message=message,
        )
    except Exception as error:
        raise _explained(error, api, repository) from error
    return str(info.oid)


def _explained(error: Exception, api: Any, repository: str) -> InputError | RunError:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    reason = masker.hide(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
    if isinstance(error, OfflineModeIsEnabled):
        return InputError("the Hub is switched off (HF_HUB_OFFLINE); unset it to publish")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if (isinstance(error, HfHubHTTPError) and status in (401, 403)) or REFUSED_BY_XET.search(reason):
        return InputError(
            f"{api.endpoint} refuses to write {repository}: {reason}; check that HF_TOKEN may write there"
        )
    if isinstance(error, HfHubHTTPError) and status is not None and 400 <= status < 500:
        return InputError(f"{api.endpoint} refuses {repository}: {reason}")
    return RunError(
        f"{api.endpoint} did not take {repository} ({type(error).__name__}: {reason}); nothing of it is visible there, "
        "and the same command tries again"
    )
