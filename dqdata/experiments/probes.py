"""Probes of a judge: does its verdict change where the same answer is padded, or where both answers change places?

    pipeline = probes("traces", 3, judge="qwq", rows=50)

The rows of a version are asked three times: as they are, with words around the answer that say nothing, and with the
reference and the answer swapped (whether two answers mean the same does not depend on their order). The probes are a
pipeline, so their calls are planned, priced, within a budget and in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dqdata.errors import InputError, QueryError
from dqdata.history.rows import dicts
from dqdata.project.pipeline_table import Pipeline, SourceSpec, StepSpec
from dqdata.project.tables import Project
from dqdata.reports.audit import Finding
from dqdata.sql import quoted
from dqdata.statistics import paired, wilson

if TYPE_CHECKING:
    from dqdata.catalog import Store

PADDING = (
    "Let us go through this with care and state plainly what was asked before the answer is given. Every step was "
    "considered in turn, and the result below is what remains after that. "
)
REPEATED = 6
"""Times that the padding stands before the answer."""
BIAS = 0.05
"""Share of changed verdicts from which the audit points at it."""
KINDS = ("plain", "padded", "swapped")


def with_probes(
    project: Project, store: Store, catalog: str, version: int, judge: str, rows: int
) -> tuple[Project, str]:
    """The project with the pipeline of the probes, and its name. Raises InputError for a teacher that is not there, and
    QueryError for a version without answers and references."""
    project.teacher(judge)
    columns = store.schema(catalog, version)
    if lacking := [name for name in ("question", "answer", "extracted") if name not in columns]:
        raise QueryError(
            f"{catalog}@{version} has no column {lacking[0]!r}: probes ask about `answer` and `extracted`, which a "
            "verify step makes",
            code="missing-column",
        )
    key = quoted(columns.key)
    table = quoted(f"{catalog}@{version}")
    padding = (PADDING * REPEATED).replace("'", "''")
    chosen = (
        f"select {key} as row_id, problem_id, question, answer, extracted from {table} where "
        f"length(trim(answer)) > 0 and length(trim(extracted)) > 0 order by md5({key}), {key} limit {rows}"
    )
    said = {
        "plain": "answer, 'The answer is ' || extracted as said",
        "padded": f"answer, '{padding}' || 'The answer is ' || extracted as said",
        "swapped": "extracted as answer, 'The answer is ' || answer as said",
    }
    query = " union all ".join(
        f"select row_id || ':{kind}' as trace_id, problem_id, row_id, '{kind}' as probe, question, {said[kind]} "
        "from rows_"
        for kind in KINDS
    )
    name = f"{catalog}_probes"
    if name in project.pipelines or any(one.into == name for one in project.pipelines.values()):
        raise InputError(f"{name!r}, where the probes would be kept, is a pipeline of the project: rename that")
    step = StepSpec(
        op="judge_answer",
        id="judge_answer",
        params={"judge": judge, "rows": "all", "response": "said"},
        where=f"probes of {catalog}@{version}",
    )
    pipeline = Pipeline(
        name=name,
        into=name,
        source=SourceSpec(kind="sql", params={"query": f"with rows_ as ({chosen}) {query}"}),
        steps=(step,),
        where=step.where,
    )
    return project.model_copy(update={"pipelines": {**project.pipelines, name: pipeline}}), name


def biases(store: Store, catalog: str, version: int) -> Iterator[Finding]:
    """How often verdicts changed, from the version that a run of the probes made."""
    table = quoted(f"{catalog}@{version}")
    rows = dicts(
        store,
        f"select p.judge_verdict as plain, o.judge_verdict as other, o.probe from {table} p join {table} o "
        "using (row_id) where p.probe = 'plain' and o.probe <> 'plain' and "
        "p.judge_verdict is not null and o.judge_verdict is not null order by o.trace_id",
    )
    for kind, name in (("padded", "length_bias"), ("swapped", "position_bias")):
        own = [row for row in rows if row["probe"] == kind]
        if not own:
            continue
        changed = sum(row["plain"] != row["other"] for row in own)
        low, high = wilson(changed, len(own))
        before, after = ([int(row[part] == "correct") for row in own] for part in ("plain", "other"))
        yield Finding(
            name,
            changed / len(own),
            changed / len(own) <= BIAS,
            len(own),
            f"{changed} of {len(own)} verdicts changed [{low:.1%}, {high:.1%}]; accepted {sum(before)} plain, "
            f"{sum(after)} {kind}, p = {paired(after, before):.3g}",
        )
