"""Checks before a training that no problem of the training rows is among the evaluation problems, and none of an RL
training among those that its reward models learned from.

    refuse_leaks(plan, store, say)     # ProjectError: 3 problems that the student would be measured on are ...

Measured on: the trainer's `eval` split and its `evaluate` table. Learnt from: its own rows, and those of the models
made here that it starts from, back to the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dqdata.errors import ProjectError
from dqdata.training.leaks import REWARD, RL, Leak, Leaks, Side, shared_problems

if TYPE_CHECKING:
    from dqdata.catalog import Store
    from dqdata.training.plan import TrainPlan

NAMED = 5
"""How many problems a message names."""


def refuse_leaks(plan: TrainPlan, store: Store, say: Callable[[str], None]) -> None:
    """Raises ProjectError naming the shared problems, unless the table allows them. say: called with what couldn't be
    compared, and what was allowed."""
    measured = [
        Side(plan.name, plan.table.kind, split, part.query) for split, part in plan.splits.items() if split != "train"
    ]
    if plan.questions is not None:
        measured.append(Side(plan.name, plan.table.kind, "evaluate", plan.questions.query))
    own, *earlier = _trained_on(plan, store)
    if measured:
        _refuse(
            plan,
            shared_problems([own, *earlier], measured, store, same_numbers=True),
            say,
            "that the student would be measured on are among those it learns from",
            "Leave them out of data.train (`... where problem_id not in (select problem_id from HELDOUT)`; the "
            "operators `split` and `decontaminate` do it for a catalog)",
        )
    rewarding = [side for side in earlier if side.is_one_of(REWARD)]
    if rewarding and own.is_one_of(RL):
        _refuse(
            plan,
            shared_problems(rewarding, [own], store, same_numbers=False),
            say,
            "of this RL training are among those that its reward model learned from, which is sure of what it has seen",
            'Divide the problems before anything is made of them ({ op = "split", shares = { sft = 0.6, reward = 0.2, '
            'rl = 0.2 }, column = "pool" }) and give each trainer its share',
        )


def _refuse(plan: TrainPlan, found: Leaks, say: Callable[[str], None], which: str, advice: str) -> None:
    for side in found.unchecked:
        say(f"not checked for leaks: {side}")
    if not found.leaks:
        return
    count = len({(leak.right, leak.right_problem) for leak in found.leaks})
    if plan.allow_leaks:
        say(f"{count} problems {which}: allowed by allow_leaks")
        return
    raise ProjectError(
        plan.table.where,
        f"{count} problems {which}:\n{_named(found.leaks)}\n{advice}, or set allow_leaks = true to train all the same",
    )


def _trained_on(plan: TrainPlan, store: Store) -> Iterator[Side]:
    """The plan's own rows, then those of its models' trainings, which are found by the folder they left."""
    made = {str(store.path / str(model["path"])): model for model in store.models()}
    yield Side(plan.name, plan.table.kind, "train", plan.splits["train"].query)

    waiting, seen = [ref.path for ref in plan.models.values()], set[str]()
    while waiting:
        path = waiting.pop()
        model: Mapping[str, Any] | None = made.get(path)
        if model is None or path in seen:
            continue
        seen.add(path)
        recipe = json.loads(model["recipe"])
        yield Side(f"{model['name']}@{model['version']}", str(model["trainer"]), "train", recipe["data"]["train"])
        waiting += [str(start["path"]) for start in recipe["models"].values()]


def _named(leaks: list[Leak]) -> str:
    more = [f"  and {len(leaks) - NAMED} more"] if len(leaks) > NAMED else []
    return "\n".join([*(f"  {leak}" for leak in leaks[:NAMED]), *more])
