"""Results of several parts: a check, a build, a comparison of models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dqdata.notebook import Shown

if TYPE_CHECKING:
    from dqdata.errors import ProjectErrors
    from dqdata.project.check import Problem
    from dqdata.training.build import Node
    from dqdata.training.compare import Compared
    from dqdata.training.leaks import Leaks


@dataclass(frozen=True)
class Check(Shown):
    """checked: pipelines and trainers in the order in which they feed each other, then evaluations. problems: what is
    wrong, by place. warnings: paths that lead out of the project's folder. leaks: where they were looked for."""

    checked: Sequence[str]
    problems: Sequence[Problem]
    warnings: Sequence[str]
    leaks: Leaks | None = None

    @classmethod
    def of(cls, error: ProjectErrors) -> Check:
        """Of a file whose own keys are wrong, so that nothing more could be checked."""
        from dqdata.project.check import Problem

        return cls((), [Problem(str(one), one.code) for one in error.errors], ())

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        found = {"ok": self.ok, "checked": self.checked, "problems": self.problems, "warnings": self.warnings}
        if self.leaks is not None:
            found |= {
                "leaks": [asdict(leak) for leak in self.leaks.leaks],
                "leaks_checked": self.leaks.checked,
                "leaks_unchecked": self.leaks.unchecked,
            }
        return found | {"codes": [problem.code for problem in self.problems]}


@dataclass(frozen=True)
class Build(Shown):
    """Pipelines and trainers in the order in which they are made. seconds: of the whole build, 0 for a planned one."""

    nodes: Sequence[Node]
    seconds: float = 0.0

    @property
    def built(self) -> int:
        """How many of them this build made."""
        return sum(node.built for node in self.nodes)

    @property
    def unknown(self) -> Sequence[str]:
        """Pipelines of a planned build that are to be run over a number of rows that nobody knows yet."""
        return [one.name for one in self.nodes if one.kind == "pipeline" and not one.made and one.calls is None]

    @property
    def calls(self) -> float:
        """Calls to teachers that a planned build is expected to make, of pipelines whose rows are known."""
        return sum(one.calls or 0.0 for one in self.nodes)

    @property
    def cost_usd(self) -> float | None:
        """Of all calls of a planned build, as expected; None where a part of it is unknown."""
        return self._sum(one.cost_usd for one in self.nodes if one.calls)

    @property
    def most_usd(self) -> float | None:
        """At worst."""
        return self._sum(one.most_usd for one in self.nodes if one.calls)

    def _sum(self, costs: Iterable[float | None]) -> float | None:
        known = [cost for cost in costs if cost is not None]
        listed = sum(one.calls is not None and one.calls > 0 for one in self.nodes)
        return None if self.unknown or len(known) < listed else sum(known)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def as_json(self) -> dict[str, Any]:
        return {"nodes": [node.as_json() for node in self.nodes], "built": self.built, "seconds": self.seconds}

    def plan_as_json(self) -> dict[str, Any]:
        """Of a planned build: what it is to make, and its cost."""
        return {
            "nodes": [node.as_json() for node in self.nodes],
            "calls": self.calls,
            "cost_usd": self.cost_usd,
            "most_usd": self.most_usd,
            "unknown": self.unknown,
        }


@dataclass(frozen=True)
class Comparison(Shown):
    """Models with their scores on the same questions; the p-values are of the difference from the first. answers: the
    version of the catalog with every answer and its verdict, such as `eval_math500@1`."""

    models: Sequence[Compared]
    answers: str

    def __iter__(self) -> Iterator[Compared]:
        return iter(self.models)

    def as_json(self) -> dict[str, Any]:
        return {"models": [one.as_json() for one in self.models], "answers": self.answers}
