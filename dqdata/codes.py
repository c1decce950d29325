"""The stable codes of errors, warnings and reject reasons: `dqdata explain CODE`, and the page docs/codes.md.

>>> CODES["unknown-key"].action
'Correct the key to one of those that the message lists.'

A code with hyphens belongs to an error or a warning and is part of the message: `error[unknown-key]: ...`. A code with
underscores is the `reason` of a row in NAME__rejects. Texts of messages change between releases; codes keep their
meaning. The author of an operator lists its own reasons in `Operator.reasons`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["input", "run", "warning", "dropped", "failed"]
KINDS: dict[Kind, str] = {
    "input": "error: the input is wrong and nothing ran (exit code 2)",
    "run": "error: work that began could not go on (exit code 1)",
    "warning": "warning: the command goes on",
    "dropped": "reject: an operator decided against the row",
    "failed": "reject: an error in this row; the run continued",
}


class Code(NamedTuple):
    kind: Kind
    meaning: str
    action: str


_ERRORS: dict[str, Code] = {
    "usage": Code(
        "input", "The command line can't be read: an unknown verb, option or value.", "See the verb's --help."
    ),
    "invalid-input": Code(
        "input", "Something that was given can't be used.", "Follow the message; it names the place."
    ),
    "no-project": Code(
        "input", "There is no pipelines.toml here or above.", "Write one with `dqdata init`, or name it with -p."
    ),
    "invalid-project": Code(
        "input",
        "A table of pipelines.toml is wrong.",
        "Correct the table that the message names; `dqdata check` lists all problems.",
    ),
    "invalid-toml": Code(
        "input",
        "The file is not valid TOML.",
        "Correct the line that the message names. Inline tables stay on one line, and there is no null.",
    ),
    "not-utf8": Code(
        "input", "The file is in another encoding than UTF-8.", "Save it as UTF-8; for data name `encoding`."
    ),
    "unreadable-file": Code("input", "The file exists and can't be read.", "Check its permissions."),
    "unwritable-file": Code(
        "input",
        "The file to write can't be made there.",
        "Make the folder, choose another one, or give yourself permission.",
    ),
    "file-exists": Code("input", "A file that would be written exists.", "Choose another folder, or remove the file."),
    "unstated-license": Code(
        "input",
        "Nobody stated the licence of rows that would be published.",
        "`dqdata tag NAME@VERSION --license NAME` for each version that the message lists.",
    ),
    "license-conflict": Code(
        "input",
        "The licences of the sources can't be published together, or under the one that was chosen.",
        "Leave out the rows of one source, or choose another licence.",
    ),
    "key-in-rows": Code(
        "input",
        "Rows that would be published hold what looks like a key of a service.",
        "Drop the rows with the operator `pii` and a filter; withdraw the key if it is one.",
    ),
    "unknown-key": Code(
        "input", "A table has a key that nothing reads.", "Correct the key to one of those that the message lists."
    ),
    "missing-key": Code("input", "A required key is missing.", "Add it; `dqdata ops NAME` shows what each key means."),
    "invalid-value": Code(
        "input", "A key has a value of the wrong type or range.", "Give a value as the message describes."
    ),
    "unknown-name": Code(
        "input",
        "A pipeline, trainer, teacher or profile of that name does not exist.",
        "Use one of the names that the message lists, or add its table.",
    ),
    "unknown-plugin": Code(
        "input",
        "No operator, source, teacher or trainer has that name.",
        "Look at `dqdata ops`; install the package that offers it.",
    ),
    "import-failed": Code(
        "input",
        "A plug-in is installed and its code can't be imported.",
        "Install what it needs, or report it to its author; -v shows the line.",
    ),
    "missing-extra": Code(
        "input", "A package that this needs is not installed.", "Run the `pip install` that the message names."
    ),
    "invalid-plugin": Code("input", "A plug-in can't be found or used.", "See `dqdata ops`."),
    "missing-environment": Code(
        "input", "An environment variable that a teacher names is not set.", "Set it: export NAME=..."
    ),
    "not-downloaded": Code(
        "input",
        "A model's file is not on this machine; `check` and `plan` download nothing.",
        "Run the pipeline, or the command that the message names.",
    ),
    "missing-column": Code(
        "input",
        "A step needs a column that the rows don't have there.",
        'Add the step that makes it, or map it where rows are read: columns = { question = "problem" }.',
    ),
    "invalid-column": Code(
        "input",
        "A step needs a column that is missing or has another type.",
        'Add the step that makes it, or map it: columns = { question = "problem" }.',
    ),
    "invalid-data": Code(
        "input", "A file of rows can't be read as it is.", "Correct the file or line that the message names."
    ),
    "missing-file": Code(
        "input", "A file or folder does not exist.", "Correct the path; relative paths begin at pipelines.toml."
    ),
    "invalid-query": Code(
        "input",
        "DuckDB refuses the SQL, or a catalog or version in it does not exist.",
        "Correct the query; `dqdata log` lists catalogs and versions.",
    ),
    "unknown-catalog": Code(
        "input", "No catalog of that name was made.", "Run the pipeline that makes it; `dqdata log` lists what exists."
    ),
    "dropped-version": Code(
        "input",
        "The version was dropped with `dqdata drop`.",
        "`dqdata restore NAME@VERSION` brings it back, as long as `dqdata gc` did not remove its files.",
    ),
    "unknown-version": Code("input", "The catalog has no such version.", "`dqdata log NAME` lists its versions."),
    "unknown-row": Code(
        "input", "No row of the catalog has that id.", "Ids are in the columns problem_id, trace_id and pair_id."
    ),
    "query-too-slow": Code(
        "input",
        "A query of the viewer took longer than its pages may.",
        "Let it read fewer rows or columns, or run it with `dqdata sql`, which has no deadline.",
    ),
    "port-taken": Code(
        "input",
        "Another program listens on the port of `dqdata view`.",
        "Choose another port: `dqdata view --port 0` takes a free one.",
    ),
    "unknown-code": Code(
        "input",
        "There is no such code.",
        "`dqdata explain` lists all. A reason that a pipeline sets itself (`reason = ...`) is its own.",
    ),
    "leak": Code(
        "input",
        "A trainer learns problems that it is measured on.",
        "Remove them, split again, or set allow_leaks = true.",
    ),
    "error": Code("run", "Work could not go on.", "Follow the message."),
    "run-failed": Code(
        "run",
        "Work that began could not go on.",
        "Follow the message and run the same command again: it goes on from there.",
    ),
    "plugin-fault": Code(
        "run",
        "The code of a plug-in raised what it should not.",
        "The message names file and line, -v shows all of it: correct the plug-in or report it to its author.",
    ),
    "operator-contract": Code(
        "run",
        "An operator returned something else than it promised.",
        "Correct the operator; the message shows what it returned.",
    ),
    "row-accounting": Code(
        "run",
        "An operator lost or invented rows.",
        "Correct the operator: every row that comes in is kept, dropped, failed or a parent.",
    ),
    "too-many-failures": Code(
        "run",
        "More rows failed than max_failed_rate allows.",
        "Correct the cause that the message quotes, or raise max_failed_rate; answers are kept.",
    ),
    "checks-failed": Code(
        "run",
        "A check of severity error failed: the version was committed and is not @latest.",
        "Look at NAME@N and dq_checks; correct the pipeline or the check and run again, which evaluates it anew.",
    ),
    "incomplete": Code(
        "run",
        "Rows are left that another run may save.",
        "Run the same command again, or commit without them: --allow-partial.",
    ),
    "stopped": Code("run", "The run ended early and can be resumed.", "Run the same command again."),
    "interrupted": Code(
        "run", "Ctrl-C ended the command (exit code 130).", "Run the same command again: it goes on from there."
    ),
    "terminated": Code(
        "run", "SIGTERM ended the command (exit code 143).", "Run the same command again: it goes on from there."
    ),
    "budget-exceeded": Code(
        "run",
        "The next call could exceed the budget.",
        "Raise the budget and run again, or commit what there is: --allow-partial.",
    ),
    "no-store": Code(
        "run",
        "The folder holds no store.",
        "Make one with `dqdata run` or `dqdata import`, or name another folder with --store.",
    ),
    "store-failed": Code(
        "run", "The store is missing, locked, damaged, newer or can't be written.", "Follow the message."
    ),
    "database-failed": Code(
        "run",
        "A database file of the store or ledger failed.",
        "Run `dqdata ledger verify`; close other programs that hold the file.",
    ),
    "disk-full": Code(
        "run",
        "The disk or a limit on file sizes is exhausted.",
        "Free space and run the same command again; nothing that was stored is lost.",
    ),
    "no-permission": Code(
        "run",
        "A file or folder can't be read or written by this user.",
        "Give yourself permission, or use another folder.",
    ),
    "too-many-files": Code("run", "The process may not open more files.", "Raise the limit: ulimit -n 65536."),
    "out-of-memory": Code("run", "Memory is too small.", "Lower `memory`, `chunk_rows` or --workers."),
    "system-error": Code(
        "run", "The operating system refused something.", "The message names the file and the system's reason."
    ),
    "sandbox-failed": Code(
        "run", "No sandbox works here, or it died.", "`dqdata doctor` shows which sandbox works and why not."
    ),
    "deadline-exceeded": Code(
        "run", "A computation was ended at its deadline.", "Raise the deadline, or look at the row."
    ),
    "internal-error": Code("run", "dqdata itself failed.", "Run the command with -v and report what it shows."),
    "unsupported-platform": Code(
        "input", "dqdata does not run on this system or Python.", "Use what the message names."
    ),
    "outside-path": Code(
        "warning",
        "A path of the project leads out of its folder.",
        "Keep it if it is meant; DQDATA_ALLOWED_PATHS names folders that are.",
    ),
    "no-rows": Code(
        "warning",
        "A run committed a version without a row: its source has none, or every row was dropped or failed.",
        "Read the reasons in the message; `dqdata show NAME --rejects` shows a row of each.",
    ),
    "unchecked-leaks": Code(
        "warning",
        "A side could not be looked at for leaks.",
        "Make the catalog that the message names, then check again.",
    ),
    "store-locked": Code(
        "warning",
        "Another process writes to the store; the command waits for it.",
        "Nothing, or end the process that the message names.",
    ),
    "ledger-waits": Code(
        "warning",
        "The ledger can't be reached, or another program writes to it; the command waits for it.",
        "Nothing, or start the server, or end the other program.",
    ),
    "migrated": Code(
        "warning",
        "A store or ledger was brought to the format of this version.",
        "Nothing; the message names the copy from before.",
    ),
    "teacher-waits": Code(
        "warning",
        "A teacher does not answer or refuses for now; its calls wait, or answer again.",
        "Nothing; where it goes on, look at the endpoint, or lower concurrency.",
    ),
    "teacher-not-closed": Code(
        "warning", "A teacher failed while it was closed; what it answered is kept.", "See the message."
    ),
    "sandbox-restarted": Code(
        "warning",
        "A process of the sandbox ended or could not be closed, and is replaced.",
        "Nothing; where it repeats, `dqdata doctor` tests the sandbox.",
    ),
    "machine-lost": Code(
        "warning",
        "A machine or process of a run ended or takes no tasks; its chunks begin again elsewhere.",
        "Nothing, or start the machine again.",
    ),
    "fields-left-out": Code(
        "warning",
        "A file of chats has fields behind its first rows that were not understood.",
        "Correct the file, or read it with another layout.",
    ),
    "marks-wait": Code(
        "warning",
        "Marks of rows could not be written to the store; they are in row_marks.jsonl.",
        "Start `dqdata view` again, which stores them.",
    ),
}

_REASONS: dict[str, Code] = {
    "null_question": Code(
        "failed",
        "The row has no question, or a blank one.",
        'Map the column that holds it: columns = { question = "problem" }.',
    ),
    "target_reached": Code(
        "dropped", "The pipeline's target_rows were accepted before this row.", "Nothing, or raise target_rows."
    ),
    "duplicate_id": Code("dropped", "An earlier row is the same problem.", "Nothing, or correct ids that repeat."),
    "operator_error": Code(
        "failed",
        "The operator raised an error for this row; detail has type, file and line.",
        "Correct the operator, then --retry-failed.",
    ),
    "invalid_row": Code("failed", "The operator can't work on this row.", "See detail."),
    "timeout": Code("failed", "No result before the deadline.", "Raise the deadline or `timeout`, or drop such rows."),
    "reader_died": Code(
        "failed", "A text of the row killed the process that read it.", "See detail; the row alone is lost."
    ),
    "worker_died": Code(
        "failed", "The row killed the process that worked on it.", "See detail; the row alone is lost."
    ),
    "out_of_memory": Code(
        "failed", "The row needed more memory than a worker has.", "See detail; the row alone is lost."
    ),
    "sandbox_lost": Code(
        "failed", "The sandbox ended while the program ran.", "Run again; `dqdata doctor` tests the sandbox."
    ),
    "budget_exceeded": Code("failed", "The budget ended before the row's calls.", "Raise the budget and run again."),
    "no_pytest": Code(
        "failed", "The tests are a pytest file and pytest is not installed.", "pip install 'dqdata[code]'."
    ),
    "sql_error": Code("failed", "The expression fails for this row.", "Correct the expression, such as try_cast."),
    "null_in_prompt": Code(
        "failed",
        "A column that the prompt shows is null, or all of them are blank.",
        "Write {{column?}}, or drop such rows.",
    ),
    "bad_request": Code(
        "failed", "The endpoint refuses the request.", "See detail: a parameter or text that the model does not take."
    ),
    "context_too_long": Code(
        "failed", "Prompt and answer are longer than the model reads.", "Shorten the prompt or lower max_tokens."
    ),
    "answer_too_long": Code(
        "failed",
        "The endpoint sent an answer of more than 64 MiB, or of more than 5 million characters of text.",
        "Set max_tokens in the step's sampling; report it to the provider.",
    ),
    "tool_calls": Code(
        "dropped",
        "The teacher still called a tool when its calls of this trace were used up.",
        "Set tool_calls or trace_seconds of the step higher.",
    ),
    "content_filter": Code("failed", "The endpoint withheld the content.", "Nothing, or another teacher."),
    "no_access": Code("failed", "The key may not use the model.", "Ask the provider, or use another model."),
    "no_money": Code("failed", "The account has no credit.", "Top up and run again."),
    "not_found": Code("failed", "The endpoint does not know the address or model.", "Correct base_url and model."),
    "unauthorized": Code("failed", "The key is wrong.", "Correct api_key."),
    "overloaded": Code("failed", "The endpoint is overloaded.", "Run again later, or lower concurrency."),
    "rate_limit": Code(
        "failed", "The endpoint limits the rate.", "Lower concurrency or set requests_per_minute; run again."
    ),
    "nowhere": Code("failed", "base_url leads to something that is no such endpoint.", "Correct base_url."),
    "address": Code("failed", "The host of base_url can't be found.", "Correct base_url."),
    "certificate": Code(
        "failed",
        "The endpoint's certificate is not trusted.",
        "Install the authority's certificate, or correct base_url.",
    ),
    "unreachable": Code("failed", "Nothing answers at base_url.", "Start the server and run again."),
    "open_files": Code(
        "failed", "The process may not open more connections.", "ulimit -n 65536, or lower concurrency."
    ),
    "cut": Code("failed", "The connection broke before the answer was whole.", "Run again."),
    "malformed": Code(
        "failed", "The endpoint's answer can't be read.", "See detail; run again or report it to the provider."
    ),
    "interrupted": Code("failed", "The endpoint broke the answer off.", "Run again."),
    "server": Code("failed", "The endpoint failed.", "Run again; see the server's log."),
    "broken": Code("failed", "The teacher's own code failed.", "See detail."),
    "stopped": Code("failed", "The teacher was stopped in the middle.", "Run again."),
    "batch_limit": Code("failed", "The batch endpoint accepts no further batch now.", "Run again later."),
    "batch_refused": Code("failed", "The endpoint refused the batch.", "See detail."),
    "not_recorded": Code(
        "failed", "The replayed ledger has no answer to this request.", "Record it first, or use another teacher."
    ),
    "no_rule": Code("failed", "No rule of the scripted teacher answers this request.", "Add a rule to its script."),
    "not_finite": Code("failed", "The reward model gave no finite number.", "See detail."),
    "truncated": Code(
        "dropped", "The answer reached max_tokens.", 'Raise max_tokens, or on_truncated = "retry" or "keep".'
    ),
    "repeated": Code("dropped", "The answer repeats itself at its end.", "Nothing, or a higher temperature."),
    "broken_off": Code("dropped", "The endpoint broke the answer off.", "Nothing."),
    "finish_reason": Code(
        "dropped", "Whether the answer is whole is not known.", 'finished = ["WORD"] in the teacher\'s table admits it.'
    ),
    "empty": Code("dropped", "There is no response.", "Raise max_tokens if the reasoning used all of them."),
    "refused": Code("dropped", "The model refuses to answer.", "Nothing."),
    "filtered": Code(
        "dropped", "The condition of a filter, which the reason quotes, is not true.", "detail has the values."
    ),
    "not_correct": Code("dropped", "A filter kept correct rows alone.", "See the column verdict_reason."),
    "unverifiable": Code("dropped", "The answer can be neither confirmed nor refuted.", "See verdict_reason."),
    "duplicate": Code(
        "dropped", "A row that was kept is the same or very similar.", "detail names it; see `threshold`."
    ),
    "not_selected": Code("dropped", "Other rows of the problem were better.", "Raise k."),
    "too_few": Code("dropped", "The problem has fewer rows than at_least.", "More samples, or a lower at_least."),
    "not_eligible": Code("dropped", "The row does not meet the selection's condition.", "See the step's parameters."),
    "not_sampled": Code("dropped", "The row was not drawn.", "Raise the number of rows."),
    "balance": Code("dropped", "The row's group has enough rows.", "See the step's parameters."),
    "no_class": Code("dropped", "The row has no value in the column to balance by.", "Annotate it before."),
    "no_share": Code("dropped", "The row's group has no share.", "Give the group a share."),
    "quota": Code("dropped", "The cell of the mixture is full.", "More rows, or another mixture."),
    "token_budget": Code("dropped", "The mixture's token budget is used up.", "Raise the budget."),
    "per_problem": Code("dropped", "The problem has enough rows.", "Raise per_problem."),
    "cd_limit": Code("dropped", "The trace is too difficult for the student.", "Raise cd_limit."),
    "no_bin": Code("dropped", "The row falls into no bin of the mixture.", "See the bins."),
    "no_domain": Code("dropped", "The row has no domain.", "Classify it before."),
    "no_difficulty": Code("dropped", "The row has no difficulty.", "Grade it before."),
    "no_length": Code("dropped", "The row has no length.", "Add the step length before."),
    "no_question": Code("dropped", "The question is null or empty.", "Correct the source."),
    "no_response": Code("dropped", "The response is null or empty.", "Nothing."),
    "no_reasoning": Code("dropped", "The reasoning is null or empty.", "Nothing."),
    "no_text": Code("dropped", "A text that the row needs is empty.", "Nothing."),
    "too_long": Code("dropped", "The text is longer than allowed.", "Raise the limit."),
    "not_graded": Code("dropped", "The row has no grade.", "Grade it before."),
    "no_match": Code("dropped", "The joined catalog has no such row.", 'Nothing, or how = "left".'),
    "matched": Code("dropped", "The joined catalog has such a row.", "Nothing."),
    "no_majority": Code("dropped", "No answer has the majority.", "More samples."),
    "no_logprobs": Code(
        "dropped", "The endpoint gave no log-probabilities.", "Ask another endpoint, or leave out top_logprobs."
    ),
    "no_trace": Code("failed", "There is no reasoning or response to judge.", "Drop such rows before."),
    "no_verdict": Code("failed", "The verifier gave no verdict.", "See detail."),
    "unparseable_judgement": Code(
        "failed", "The judge's answer holds no judgement.", "A stronger judge, or more max_tokens."
    ),
    "unchanged": Code("dropped", "The rewriter returned the same text.", "Nothing, or more attempts."),
    "leaked": Code("dropped", "The rewritten text speaks of its task.", "More attempts."),
    "language_changed": Code("dropped", "The new text is in another language.", "More attempts."),
    "format_lost": Code("dropped", "The new text lacks the requested form.", "More attempts, or a stronger rewriter."),
    "wrong_length": Code("dropped", "The new text is too long or too short.", "See the step's limits."),
    "answer_lost": Code("dropped", "The new text has no answer.", "More attempts."),
    "answer_changed": Code("dropped", "The new text has another answer.", "More attempts."),
    "unpaired": Code("dropped", "The problem has no row to pair this one with.", "More samples."),
    "contaminated": Code(
        "dropped",
        "The problem is one of a benchmark; the word behind the last _ is the kind of match.",
        "Nothing; detail names it.",
    ),
    "no_problem": Code("dropped", "The text is no problem.", "More samples."),
}

CODES: dict[str, Code] = {**_ERRORS, **_REASONS}
