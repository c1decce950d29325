"""A stand-in for vLLM: a package `vllm` whose server speaks as vLLM's does.

    install(folder)        # PYTHONPATH=folder: `python -m vllm.entrypoints.openai.api_server` starts this file

The server adds up "17 + 5"; "die" ends it; any other question is answered with the model, `--dtype` and $GREETING.
With $PIDS it starts a child and appends both process ids to that file. With $NOTED it appends a line of JSON for each
call: `pid`, `devices` (CUDA_VISIBLE_DEVICES) and `options`, the words of its command line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from aiohttp import web


def install(folder: Path, version: str = "") -> None:
    """Makes the package in the folder; with a version also its metadata, which makes it an installed distribution."""
    package = folder / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    for one in (package, package.parent, package.parent.parent):
        (one / "__init__.py").touch()
    shutil.copyfile(__file__, package / "api_server.py")
    if version:
        about = folder / f"vllm-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else ""


def note(file: str, text: str) -> None:
    if file in os.environ:
        with Path(os.environ[file]).open("a") as log:
            log.write(text)


async def health(request: web.Request) -> web.Response:
    return web.Response()


async def chat(request: web.Request) -> web.Response:
    if request.headers.get("Authorization") != "Bearer " + os.environ["VLLM_API_KEY"]:
        return web.json_response({"error": "Unauthorized"}, status=401)
    body = await request.json()
    if body["model"] != option("--model"):
        return web.json_response({"object": "error", "message": "no such model", "code": 404}, status=404)
    question = body["messages"][-1]["content"]
    if question == "die":
        os._exit(3)
    noted = {"pid": os.getpid(), "devices": os.environ.get("CUDA_VISIBLE_DEVICES"), "options": sys.argv[1:]}
    note("NOTED", json.dumps(noted) + "\n")
    if added := re.search(r"(\d+) \+ (\d+)", question):
        text = f"It is {int(added[1]) + int(added[2])}."
    else:
        text = " ".join([body["model"], option("--dtype"), os.environ.get("GREETING", "")])
    message = {"role": "assistant", "content": text, "reasoning_content": None, "tool_calls": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    usage = {"prompt_tokens": 20, "total_tokens": 26, "completion_tokens": 6, "prompt_tokens_details": None}
    kind = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"]}
    return web.json_response({**kind, "choices": [choice], "usage": usage, "prompt_logprobs": None})


def serve() -> None:
    if "PIDS" in os.environ:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        note("PIDS", f"{os.getpid()} {child.pid} ")
    print("key", os.environ["VLLM_API_KEY"], flush=True)
    if "--fail" in sys.argv:
        sys.exit("no such model: " + option("--model"))
    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_post("/v1/chat/completions", chat)
    web.run_app(app, host=option("--host"), port=int(option("--port")), print=None)


if __name__ == "__main__":
    serve()
