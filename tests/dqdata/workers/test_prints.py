"""What plug-ins print and log in a CPU worker, as lines without secrets."""

from __future__ import annotations

import pytest

from dqdata.masking import masker
from dqdata.workers.pool import Pool

GATEWAY, KEY = "gate-7Qm2Zr81XwLk93", "sk-4f9Zq81LmXw27TcBaa"
PRINTS = (
    "print('one', k)",
    "print('two', k[:9], end='', flush=True); print(k[9:])",
    "import sys; sys.stderr.write(f'three {k}\\n')",
    "import base64; print('four', base64.b64encode(k.encode()).decode())",
    "import logging; logging.getLogger('other').warning('five %s', k)",
    "import warnings; warnings.warn(f'six {k}')",
    "import traceback\ntry: {}[k]\nexcept KeyError: traceback.print_exc()",
    "print('eight', k, end='')",
    "print(*['nine', k], sep='\\n' + 70_000 * '.', end='')",
    "import sys; sys.stdout.writelines(['ten ', k, '\\n', 'whole\\n'])",
)


async def test_secrets_are_hidden(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OUR_GATEWAY", GATEWAY)
    monkeypatch.setenv("OUR_API_KEY", KEY)
    masker.add_variable("OUR_GATEWAY")  # as `{ env = "OUR_GATEWAY" }` in pipelines.toml does
    async with Pool(1) as pool:
        for name in ("OUR_GATEWAY", "OUR_API_KEY"):
            for code in PRINTS:
                await pool.call(exec, f"import os\nk = os.environ[{name!r}]\n{code}")
    out, err = capfd.readouterr()
    assert out == ""
    for secret in (GATEWAY, KEY):
        assert secret not in err and secret[:9] not in err and secret[-9:] not in err
    assert err.count("***") >= 2 * len(PRINTS) and err.count("whole") == 2
    for word in ("one", "two", "three", "four", "five", "six", "KeyError", "eight", "nine", "ten"):
        assert err.count(word) >= 2, word
