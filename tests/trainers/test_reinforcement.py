"""grpo, rloo and their rewards: the reward rises, gates hold, wrong tables are refused before the first step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dqdata_trainers._rewards import Rewards, RewardTable, as_row, shaped, styled
from dqdata_trainers.grpo import Grpo, GrpoParams
from dqdata_trainers.reward import Reward, RewardParams
from dqdata_trainers.rloo import Rloo, RlooParams
from pydantic import ValidationError

from dqdata.columns import Columns
from dqdata.engine.runtime import Runtime
from dqdata.engine.tasks import Labels
from dqdata.errors import ColumnError, InputError
from dqdata.ledger import Ledger
from dqdata.models import RewardModel
from dqdata.operator import Bound
from dqdata.project.tables import read_project

from .conftest import LETTERS, LettersRun, PlainRun, additions

FAST = {
    "learning_rate": 1e-2,
    "max_steps": 20,
    "per_device_train_batch_size": 8,
    "num_generations": 4,
    "max_completion_length": 10,
    "logging_steps": 1,
}


class OperatorRun(PlainRun):
    """A TrainRun over the engine's own runtime."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self.runtime = runtime

    def operator(self, name: str, params: Any) -> Bound:
        return self.runtime.operator(name, params)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[OperatorRun]:
    (tmp_path / "pipelines.toml").write_text("")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        runtime = Runtime(read_project(tmp_path / "pipelines.toml"), ledger, Labels("t", "t"), workers=1)
        yield OperatorRun(runtime)
        asyncio.run(runtime.__aexit__())


def questions(count: int = 8) -> list[dict[str, Any]]:
    return [{key: row[key] for key in ("question", "answer")} for row in additions(count)]


def answered(text: str, tokens: int = 10, **columns: Any) -> dict[str, Any]:
    return as_row({"question": "2 + 2?", "answer": "4", **columns}, [], text, tokens, finished=True)


def test_grpo_raises_the_reward(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    grpo = Grpo(GrpoParams(model=str(tiny), rewards=[LETTERS], args=FAST))
    result = grpo.train(data_of(train=questions()), tmp_path / "out", LettersRun())
    rewards = [entry["reward"] for entry in result.history if "reward" in entry]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.2
    dropped = [
        (entry["groups_dropped"], entry["frac_reward_zero_std"]) for entry in result.history if "reward" in entry
    ]
    assert all(ours == pytest.approx(theirs) for ours, theirs in dropped)


def test_rloo_raises_the_reward(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    rloo = Rloo(RlooParams(model=str(tiny), rewards=[LETTERS], args={**FAST, "beta": 0.0}))
    result = rloo.train(data_of(train=questions()), tmp_path / "out", LettersRun())
    rewards = [entry["reward"] for entry in result.history if "reward" in entry]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.2


def test_equal_groups_leave_the_loss(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    """Tokens of a group whose rewards are all equal are masked, those of another aren't."""
    from dqdata_trainers._groups import DroppingGrpo
    from trl import GRPOConfig

    def only_twos(prompts: Any, completion_ids: Any, **_: Any) -> list[float]:
        return [float(n) if "2 +" in prompt[0]["content"] else 1.0 for n, prompt in enumerate(prompts)]

    rows = [{"prompt": [{"role": "user", "content": text}]} for text in ("1 + 1?", "2 + 2?")]
    keys = {key: FAST[key] for key in ("num_generations", "max_completion_length", "per_device_train_batch_size")}
    config = GRPOConfig(output_dir=str(tmp_path), bf16=False, report_to="none", remove_unused_columns=False, **keys)
    dataset = data_of(train=rows).dataset("train")
    trainer = DroppingGrpo(model=str(tiny), reward_funcs=[only_twos], args=config, train_dataset=dataset)
    trainer.model.train()
    batch = trainer._generate_and_score_completions([rows[0]] * 4 + [rows[1]] * 4)
    kept = batch["completion_mask"].sum(dim=1) > 0
    assert kept.tolist() == [False] * 4 + [True] * 4
    assert batch["num_items_in_batch"] == batch["completion_mask"].sum()


def test_equal_groups_are_sampled_anew_with_other_prompts(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path
) -> None:
    """Prompts with "2 +" teach; each group of another is replaced by one, and what taught already stays as it was."""
    from dqdata_trainers._groups import DroppingGrpo
    from trl import GRPOConfig

    def only_twos(prompts: Any, completion_ids: Any, **_: Any) -> list[float]:
        sampled.append([prompt[0]["content"] for prompt in prompts])
        return [float(n) if "2 +" in prompt[0]["content"] else 1.0 for n, prompt in enumerate(prompts)]

    sampled: list[list[str]] = []
    texts = ("1 + 1?", "What is 3 + 3, and no more than that?", "2 + 2?", "Please: 2 + 5?", "2 + 3?")
    rows = [{"prompt": [{"role": "user", "content": text}]} for text in texts]
    keys = {key: FAST[key] for key in ("num_generations", "max_completion_length", "per_device_train_batch_size")}
    config = GRPOConfig(output_dir=str(tmp_path), bf16=False, report_to="none", remove_unused_columns=False, **keys)
    dataset = data_of(train=rows).dataset("train")
    trainer = DroppingGrpo(model=str(tiny), reward_funcs=[only_twos], args=config, train_dataset=dataset)
    trainer.model.train()

    def prompts(batch: dict[str, Any]) -> list[str]:
        return [trainer.processing_class.decode(ids) for ids in batch["prompt_ids"]]

    trainer.resample = 8
    batch = trainer._generate_and_score_completions([rows[0]] * 4 + [rows[2]] * 4)
    assert all("2 +" in text for text in prompts(batch)) and all("2 + 2" in text for text in prompts(batch)[4:])
    assert sampled[0] == [texts[0]] * 4 + [texts[2]] * 4 and all(len(more) == 4 for more in sampled[1:])
    assert texts[0] not in sampled[-1] and texts[2] not in sampled[-1]
    for name in ("completion_ids", "completion_mask"):
        assert batch[name].shape[0] == 8 and batch[name].shape[1] <= 10
    assert (batch["completion_mask"].sum(dim=1) > 0).all() and (batch["prompt_mask"].sum(dim=1) > 0).all()
    assert batch["num_items_in_batch"] == batch["completion_mask"].sum()
    assert (batch["advantages"].view(2, 4).std(dim=1) > 0).all()
    assert trainer._metrics["train"]["groups_resampled"] == [0.5]
    assert trainer._metrics["train"]["groups_dropped"] == [0.0]

    sampled.clear()
    trainer.train_dataset = data_of(train=rows[:2]).dataset("train")  # none that teaches is left
    batch = trainer._generate_and_score_completions([rows[0]] * 4 + [rows[2]] * 4)
    assert len(sampled) == 9 and (batch["completion_mask"].sum(dim=1) > 0).tolist() == [False] * 4 + [True] * 4
    assert trainer._metrics["train"]["groups_resampled"][-1] == 0.0


def test_resample_is_a_key_of_its_own() -> None:
    """A table without it has the recipe that it had before there was such a key."""
    table = {"model": "m", "rewards": [LETTERS]}
    assert "resample" not in GrpoParams(**table).model_dump(mode="json")
    assert GrpoParams(**table, resample=3).model_dump(mode="json")["resample"] == 3
    with pytest.raises(ValueError, match="drop_equal_groups"):
        GrpoParams(**table, resample=1, drop_equal_groups=False)


def test_verify_math_is_a_reward_and_gates_style(run: OperatorRun) -> None:
    tables = [
        RewardTable(op="verify_math"),
        RewardTable(shape="length", hard=20, gated=True, weight=0.2),
        RewardTable(shape="format", weight=0.1),
    ]
    source = [{"answer": "4"}, {"answer": "4"}]
    rewards = Rewards(tables, None, run, source.__getitem__, eos=2)
    assert rewards.labels == ["verify_math", "length", "format"] and rewards.weights == [1.0, 0.2, 0.1]
    rows = [answered("<think>two twos</think> The answer is 4."), answered("The answer is 5."), answered("<think>4")]
    correct, short, formed = rewards.score(rows)
    assert correct[:2] == [1.0, 0.0] and not correct[2], "an unfinished thought is no answer"
    assert short == [0.5, 0.0, 0.0], "style pays only for a right answer"
    assert formed == [1.0, 0.0, 0.0]

    functions = rewards.functions()
    called = {"prompts": [[], []], "completions": ["4", "5"], "completion_ids": [[7, 2], [7, 8]], "dqdata_row": [0, 1]}
    assert functions[0](**called) == [1.0, 0.0]


def test_a_wrong_reward_is_found_before_the_first_step(
    tiny: Path, data_of: Callable[..., Any], tmp_path: Path, run: OperatorRun
) -> None:
    def train(rows: list[dict[str, Any]], **table: Any) -> None:
        out = tmp_path / f"{len(rows)}"
        Grpo(GrpoParams(model=str(tiny), rewards=[table], args=FAST)).train(data_of(train=rows), out, run)

    with pytest.raises(InputError, match="operator 'verify_math' makes no column 'corect'"):
        train(questions(), op="verify_math", column="corect")
    with pytest.raises(InputError, match="gated rewards need a gate"):
        train(questions(), shape="format", gated=True)
    with pytest.raises(ValidationError, match="exactly one of"):
        RewardTable(op="verify_math", shape="format")
    with pytest.raises(ValidationError, match="needs `soft` and a larger `hard`"):
        RewardTable(shape="overlong", soft=5, hard=5)
    with pytest.raises(InputError, match="row 1: the question is empty"):
        train([{"question": "a", "answer": "1"}, {"question": " ", "answer": "1"}], shape="format")


def test_wrong_columns_are_refused_by_name() -> None:
    grpo = Grpo(GrpoParams(model="x", rewards=[{"op": "verify_math"}, {"model": "trained:style@1", "style": "cd"}]))
    with pytest.raises(ColumnError, match="needs column 'prompt' or 'question'"):
        grpo.needs("train", Columns({"questions": "VARCHAR"}))
    with pytest.raises(ColumnError, match="'prompt' as a chat"):
        grpo.needs("train", Columns({"prompt": "VARCHAR"}))
    assert grpo.models() == ("x", "trained:style@1")


def test_difficulty_leaves_out_what_teaches_nothing(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    rates = [0.0, 0.05, 0.5, 0.9, 1.0, None, 0.25, 0.1]
    rows = [{**row, "pass_rate": rate} for row, rate in zip(questions(), rates, strict=True)]
    seen: set[float] = set()

    class Watching(LettersRun):
        def operator(self, name: str, params: Any) -> Bound:
            bound = super().operator(name, params)

            async def watched(rows: Any) -> Any:
                seen.update(row["pass_rate"] for row in rows)
                return await bound(rows)

            return watched

    def grpo(**difficulty: Any) -> Grpo:
        return Grpo(
            GrpoParams(model=str(tiny), rewards=[LETTERS], difficulty=difficulty, args={**FAST, "max_steps": 3})
        )

    data = data_of(train=rows)
    result = grpo(min=0.1, max=0.9).train(data, tmp_path / "out", Watching())
    assert "train: difficulty leaves out 4 of 8 rows: 2 with pass_rate below 0.1, 1 above 0.9, 1 without one" in (
        result.notes
    )
    assert seen == {0.1, 0.25, 0.5, 0.9}
    with pytest.raises(InputError, match=r"leaves out 8 of 8 rows.*no row is left. Widen `min` and `max`"):
        grpo(min=0.95, max=0.96).train(data, tmp_path / "none", LettersRun())


def test_a_wrong_difficulty_is_refused_by_name() -> None:
    grpo = Grpo(GrpoParams(model="x", rewards=[{"shape": "format"}], difficulty={"column": "levl", "max": 3}))
    with pytest.raises(ColumnError, match=r"difficulty: needs column 'levl'; did you mean 'level'.*pass_rate"):
        grpo.needs("train", Columns({"question": "VARCHAR", "level": "BIGINT"}))
    with pytest.raises(ColumnError, match="difficulty: needs column 'levl' as a number"):
        grpo.needs("train", Columns({"question": "VARCHAR", "levl": "VARCHAR"}))
    grpo.needs("eval", Columns({"question": "VARCHAR"}))
    with pytest.raises(ValidationError, match="needs `min` or `max`"):
        GrpoParams(model="x", rewards=[{"shape": "format"}], difficulty={})


def test_shapes() -> None:
    overlong = RewardTable(shape="overlong", soft=10, hard=20)
    assert [shaped(overlong, answered("a", n)) for n in (10, 15, 20, 99)] == [0.0, -0.5, -1.0, -1.0]
    form = RewardTable(shape="format")
    good = ["<think>a</think>b", "a\n</think>\n\nb"]
    bad = ["b", "<think>a</think>", "<think>a</think>b<think>c</think>d", "<think></think>b"]
    assert [shaped(form, answered(text)) for text in good + bad] == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]


def test_style_follows_the_predicted_figures(tiny: Path, data_of: Callable[..., Any], tmp_path: Path) -> None:
    rows = [{**row, "rv": 6.0, "cd": 2.0} for row in additions(8)]
    args = {"learning_rate": 1e-2, "max_steps": 40, "per_device_train_batch_size": 8}
    trained = Reward(RewardParams(model=str(tiny), targets=("rv", "cd"), args=args)).train(
        data_of(train=rows), tmp_path / "style", PlainRun()
    )
    model = RewardModel(str(trained.model), "style")
    row = {"prompt": rows[0]["messages"][:1], "text": rows[0]["messages"][1]["content"]}
    [scores] = model.scores([row])
    assert scores["rv"] == pytest.approx(6.0, abs=1.0) and scores["cd"] == pytest.approx(2.0, abs=1.0)

    [wordy] = styled(RewardTable(model="m", style="rv", rv_target=((0, 0), (9, 9))), model, [row])
    [fitting] = styled(RewardTable(model="m", style="rv", rv_target=((0, 6),)), model, [row])
    [easy] = styled(RewardTable(model="m", style="cd", student_cd=5), model, [row])
    assert wordy == pytest.approx(1 - abs(scores["rv"] - scores["cd"]) / 9)
    assert fitting == pytest.approx(1 - abs(scores["rv"] - 6) / 9) and easy == 1.0
    with pytest.raises(InputError, match="say which by `style`"):
        model.preferences([row])


@pytest.mark.parametrize(
    ("predicted", "style", "keys", "reward"),
    [
        ({"rv": 12.0, "cd": 3.0}, "rv", {"rv_target": ((0, 9),)}, 1.0),
        ({"rv": -4.0, "cd": 3.0}, "rv", {"rv_target": ((0, 0),)}, 1.0),
        ({"rv": 15.0, "cd": 2.0}, "rv", {"rv_target": ((0, 0),)}, 0.0),
        ({"rv": 9.0, "cd": 14.0}, "rv", {"rv_target": ((0, 0), (9, 9))}, 1.0),
        ({"rv": 4.0, "cd": -5.0}, "rv", {"rv_target": ((0, 4), (5, 9))}, 1.0),
        ({"rv": 4.0, "cd": 20.0}, "cd", {"student_cd": 0}, 0.0),
        ({"rv": 4.0, "cd": -3.0}, "cd", {"student_cd": 0}, 1.0),
    ],
    ids=str,
)
def test_figures_outside_the_scale_are_kept_within_it(
    predicted: dict[str, float], style: Any, keys: dict[str, Any], reward: float
) -> None:
    class Predicts:
        def scores(self, rows: Any) -> list[dict[str, float]]:
            return [predicted for _ in rows]

    assert styled(RewardTable(model="m", style=style, **keys), Predicts(), [{}]) == [pytest.approx(reward)]
