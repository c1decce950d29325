"""`dqdata deploy trained:NAME`: files that serve a model, and `--check URL` of what is served."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dqdata.cli.common import json_option, open_project, print_json, progress_out, project_option
from dqdata.cli.lines import say, say_command


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="New folder; by default the model's name.")
@click.option("--check", "url", metavar="URL", help="Write nothing; send this endpoint the held-out questions.")
@click.option("--name", default="", help="Of the model in requests; by default made from MODEL.")
@click.option("--key-env", metavar="VARIABLE", help="Environment variable with the endpoint's key, for --check.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many questions, for --check.")
@click.option("--gpus", type=click.IntRange(min=1), default=1, show_default=True, help="The model is split over.")
@click.option("--context", type=click.IntRange(min=1), help="Longest prompt and answer in tokens; the model's own.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--image", help="Container image with vLLM.")
@click.option("--bucket", default="", metavar="OSS_URL", help="PAI-EAS: where the folder `model` is copied to.")
@click.option("--instance", default="", help="PAI-EAS: type of the machine, such as ecs.gn7i-c8g1.2xlarge.")
@click.option("--workspace", default="", help="PAI-EAS: id of the workspace.")
@project_option
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@json_option
def command(
    model: str,
    output: Path | None,
    url: str | None,
    name: str,
    key_env: str | None,
    limit: int | None,
    gpus: int,
    context: int | None,
    port: int,
    image: str | None,
    bucket: str,
    instance: str,
    workspace: str,
    project: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a folder that serves a model: vLLM command, compose file, PAI-EAS service.

    With --check, compare the accuracy of an endpoint on the training's held-out questions with the recorded one; exit
    code 1 where they differ beyond chance."""
    from dqdata.training.deploy import IMAGE, Serving

    loaded = open_project(project)
    if url is not None:
        if key_env is not None and key_env not in os.environ:
            raise click.BadParameter(f"the environment variable {key_env!r} is not set", param_hint="--key-env")
        key = os.environ[key_env] if key_env is not None else ""
        found = loaded.check_deployment(model, url, served=name, key=key, limit=limit, out=progress_out(quiet))
        if as_json:
            print_json(found.as_json())
        else:
            say(f"{url}  {found.score}")
            verdict = "the same within chance" if found.agrees else "not the same model, template or settings"
            say(f"{found.model} had {found.recorded:.1%} after its training: {verdict}")
        if not found.agrees:
            raise click.exceptions.Exit(1)
        return
    serving = Serving(name, gpus, context, port, image or IMAGE, bucket, instance, workspace)
    made = loaded.deploy(model, output, serving)
    if as_json:
        print_json(made.as_json())
        return
    say(f"{made.path}: {', '.join(made.files)}")
    say_command("  serve    ", made.command)
    for blank in made.blanks:
        say(f"  fill in  {blank} of service.json, for PAI-EAS")
