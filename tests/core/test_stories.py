"""Stories of whole runs: given these events, these commands."""

from __future__ import annotations

from tests.core.build import ask, conditional, git, human, parallel, repeat, workflow
from tests.core.story import Story


def test_steps_follow_their_dependencies_and_the_run_succeeds() -> None:
    story = Story(workflow(ask("plan"), ask("build", "plan"), ask("check", "build")))

    assert story.starts() == ["ask plan #1"]
    assert story.passes("plan") == ["ask build #1"]
    assert story.passes("build") == ["ask check #1"]
    assert story.passes("check") == ["end succeeded"]
    assert story.status == "succeeded"


def test_steps_without_dependencies_start_together_and_a_meeting_point_waits_for_all() -> None:
    story = Story(workflow(ask("a"), ask("b"), ask("c", "a", "b")))

    assert story.starts() == ["ask a #1", "ask b #1"]
    assert story.passes("b") == []
    assert story.passes("a") == ["ask c #1"]


def test_a_failed_attempt_waits_longer_each_time_and_then_fails_the_run() -> None:
    retry = {"max_attempts": 3, "delay_ms": 1_000}
    story = Story(workflow(ask("a", retry=retry)))
    story.starts()

    assert story.replies("a", error="persona_error") == ["retry a later"]
    first = story.timers["a", 1, "retry"] - story.at_ms
    assert story.fires("a", "retry", 1) == ["ask a #2"]
    assert story.replies("a", error="persona_error") == ["retry a later"]
    second = story.timers["a", 2, "retry"] - story.at_ms
    assert story.fires("a", "retry", 2) == ["ask a #3"]
    assert story.replies("a", error="persona_error") == ["end failed"]
    assert 1_000 <= first <= 1_250
    assert 2_000 <= second <= 2_500


def test_a_reply_that_says_it_is_not_retryable_is_not_retried() -> None:
    story = Story(workflow(ask("a", retry={"max_attempts": 3})))
    story.starts()

    assert story.replies("a", error="persona_error", retryable=False) == ["end failed"]


def test_a_time_limit_stops_the_worker_and_counts_as_a_failed_attempt() -> None:
    story = Story(workflow(ask("a", retry={"max_attempts": 2})))
    story.starts()

    assert story.fires("a", "timeout") == ["stop a #1", "retry a later"]
    assert story.fires("a", "retry") == ["ask a #2"]
    assert story.passes("a") == ["end succeeded"]


def test_a_second_answer_to_the_same_attempt_changes_nothing() -> None:
    story = Story(workflow(ask("a"), ask("b", "a")))
    story.starts()
    token = story.requests["a"].token
    story.passes("a")

    assert story.replies("a", attempt=1, token=token, verdict="fail") == ["ignored: late"]


def test_an_answer_with_a_wrong_token_is_not_applied() -> None:
    story = Story(workflow(ask("a")))
    story.starts()

    assert story.replies("a", attempt=1, token="guess") == ["ignored: token"]
    assert story.node("a") == "running"


def test_an_answer_to_an_earlier_attempt_is_late() -> None:
    story = Story(workflow(ask("a", retry={"max_attempts": 2})))
    story.starts()
    token = story.requests["a"].token
    story.fires("a", "timeout")
    story.fires("a", "retry")

    assert story.replies("a", attempt=1, token=token, verdict="pass") == ["ignored: late"]


def test_a_false_condition_skips_and_records_the_operands() -> None:
    story = Story(
        workflow(ask("qa"), ask("merge", "qa", condition="state.qa_status == 'pass'"), ask("x"))
    )
    story.starts()
    story.replies("qa", verdict="fail")

    assert story.node("merge") == "skipped"
    assert story.run.nodes["merge"].detail == {"state.qa_status": "fail"}


def test_what_depends_on_a_skipped_step_does_not_run_and_the_run_is_stopped() -> None:
    story = Story(
        workflow(
            ask("qa"),
            ask("gate", "qa", condition="state.qa_status == 'pass'"),
            ask("merge", "gate"),
        )
    )
    story.starts()

    assert story.replies("qa", verdict="fail") == ["end stopped"]
    assert story.nodes == {"qa": "succeeded", "gate": "skipped", "merge": "skipped"}


def test_a_required_step_that_is_skipped_stops_the_run() -> None:
    story = Story(
        workflow(ask("a"), ask("merge", "a", condition="false", required=True), ask("z", "a"))
    )
    story.starts()
    story.passes("a")

    assert story.passes("z") == ["end stopped"]


def test_a_gate_makes_any_other_verdict_a_failure_and_finally_still_runs() -> None:
    story = Story(
        workflow(
            ask("review", gate="pass"),
            ask("merge", "review"),
            finally_=[ask("report")],
            on_failure=[ask("alarm")],
        )
    )
    story.starts()

    assert story.replies("review", verdict="unknown") == ["ask on_failure/alarm #1"]
    assert story.passes("on_failure/alarm") == ["ask finally/report #1"]
    assert story.passes("finally/report") == ["end failed"]
    assert story.node("merge") == "cancelled"
    assert story.run.record.error is not None
    assert story.run.record.error["class"] == "gate"


def test_abort_cancels_what_is_in_flight() -> None:
    story = Story(workflow(ask("a"), ask("b"), ask("c", "b")))
    story.starts()

    assert story.replies("a", error="refused") == ["stop b #1", "end failed"]
    assert story.nodes == {"a": "failed", "b": "cancelled", "c": "cancelled"}


def test_after_an_abort_only_joins_that_want_failures_still_run() -> None:
    from coordinator.core.definition import Join

    story = Story(
        workflow(
            ask("a"),
            ask("b", "a", join=Join.ANY_FAILED),
            ask("c", "a", join=Join.ALL_SETTLED),
            ask("d", "a"),
        )
    )
    story.starts()

    assert story.replies("a", error="refused") == ["ask b #1", "ask c #1"]
    story.passes("b")
    assert story.passes("c") == ["end failed"]


def test_a_tolerated_failure_counts_as_success_for_those_who_follow() -> None:
    story = Story(workflow(ask("a", on_error="continue"), ask("b", "a")))
    story.starts()

    assert story.replies("a", error="refused") == ["ask b #1"]
    assert story.passes("b") == ["end succeeded"]


def test_another_persona_is_asked_when_the_first_gives_up() -> None:
    story = Story(workflow(ask("a", fallback="other")))
    story.starts()

    assert story.replies("a", error="persona_error") == ["ask a #2"]
    assert story.requests["a"].target == "other"
    assert story.passes("a") == ["end succeeded"]


def test_fallback_steps_run_when_the_step_gives_up_and_stand_for_its_result() -> None:
    story = Story(workflow(ask("a", fallback=[ask("x"), ask("y", "x")]), ask("b", "a")))
    story.starts()

    assert story.replies("a", error="persona_error") == ["ask a/fallback/x #1"]
    assert story.passes("a/fallback/x") == ["ask a/fallback/y #1"]
    assert story.passes("a/fallback/y") == ["ask b #1"]


def test_a_parallel_container_waits_for_all_and_carries_its_verdict() -> None:
    story = Story(
        workflow(
            parallel("reviews", steps=[ask("code"), ask("security")]),
            ask("merge", "reviews", condition="steps.reviews.verdict == 'pass'"),
        )
    )

    assert story.starts() == ["ask reviews/code #1", "ask reviews/security #1"]
    assert story.passes("reviews/code", result={"n": 1}) == []
    assert story.passes("reviews/security") == ["ask merge #1"]
    assert story.run.nodes["reviews"].verdict == "pass"


def test_a_failing_branch_cancels_its_siblings_and_fails_the_container() -> None:
    story = Story(workflow(parallel("p", steps=[ask("a"), ask("b"), ask("c", "b")])))
    story.starts()

    assert story.replies("p/a", error="refused") == ["stop p/b #1", "end failed"]
    assert story.nodes == {"p": "failed", "p/a": "failed", "p/b": "cancelled", "p/c": "cancelled"}
    assert story.run.record.error is not None
    assert story.run.record.error["node"] == "p/a"


def test_any_is_content_with_the_first_success_and_cancels_the_rest() -> None:
    story = Story(workflow(parallel("p", steps=[ask("a"), ask("b"), ask("c")], need=1)))
    story.starts()

    assert story.replies("p/a", error="refused") == []
    assert story.passes("p/b") == ["stop p/c #1", "end succeeded"]


def test_any_fails_when_no_branch_can_succeed_any_more() -> None:
    story = Story(workflow(parallel("p", steps=[ask("a"), ask("b")], need=1)))
    story.starts()
    story.replies("p/a", error="refused")

    assert story.replies("p/b", error="refused") == ["end failed"]


def test_a_loop_runs_until_its_condition_holds_and_tells_the_next_round_what_failed() -> None:
    steps = [ask("fix"), ask("qa", "fix")]
    story = Story(
        workflow(
            repeat("build", steps=steps, until="state.qa_status == 'pass'", most=3),
            ask("merge", "build", params={"qa": "{{ steps.qa.result.n }}"}),
        )
    )

    assert story.starts() == ["ask build#1/fix #1"]
    assert story.passes("build#1/fix") == ["ask build#1/qa #1"]
    assert story.replies("build#1/qa", verdict="fail", result={"n": 1}) == ["ask build#2/fix #1"]
    told = story.requests["build#2/fix"].payload["feedback"]
    assert isinstance(told, list)
    assert told[0]["node"] == "build#1/qa"
    story.passes("build#2/fix")
    assert story.passes("build#2/qa", result={"n": 2}) == ["ask merge #1"]
    assert story.requests["merge"].payload["params"] == {"qa": 2}


def test_a_loop_that_never_gets_there_fails_as_exhausted() -> None:
    loop = repeat("r", steps=[ask("a")], until="state.a_status == 'pass'", most=2)
    story = Story(workflow(loop))
    story.starts()
    story.replies("r#1/a", verdict="fail")

    assert story.replies("r#2/a", verdict="fail") == ["end failed"]
    assert story.run.record.error is not None
    assert story.run.record.error["class"] == "exhausted"


def test_an_escalation_asks_a_human_and_retry_gives_the_loop_another_round() -> None:
    loop = repeat(
        "r", steps=[ask("a")], until="state.a_status == 'pass'", most=1, on_error="escalate"
    )
    story = Story(workflow(loop))
    story.starts()

    assert story.replies("r#1/a", verdict="fail") == ["question r"]
    assert story.status == "waiting"
    assert story.answers("r", "approve")[0].startswith("refused: 'approve' is no answer here")
    assert story.answers("r", "retry", by="ann") == ["ask r#2/a #1"]
    assert story.passes("r#2/a") == ["end succeeded"]


def test_an_escalation_answered_with_abort_fails_the_run_and_says_who() -> None:
    story = Story(workflow(ask("a", on_error="escalate")))
    story.starts()
    story.replies("a", error="refused", message="no such branch")

    assert story.answers("a", "abort", by="ann", comment="not worth it") == ["end failed"]
    assert story.run.nodes["a"].reason == "abort by ann: not worth it"


def test_an_escalation_can_go_on_with_a_given_result() -> None:
    story = Story(
        workflow(ask("a", on_error="escalate"), ask("b", "a", params="{{ steps.a.result.n }}"))
    )
    story.starts()
    story.replies("a", error="refused")

    assert story.answers("a", "continue", values={"n": 7}) == ["ask b #1"]
    assert story.requests["b"].payload["params"] == 7


def test_the_first_branch_that_holds_runs_and_the_other_never_does() -> None:
    story = Story(
        workflow(
            conditional("c", when="task.type == 'hotfix'", then=[ask("a")], otherwise=[ask("b")]),
            ask("d", "c"),
        ),
        task={"type": "hotfix"},
    )

    assert story.starts() == ["ask c/a #1"]
    assert story.passes("c/a", result={"n": 1}) == ["ask d #1"]
    story.passes("d")
    assert "c/b" not in story.run.nodes


def test_a_choice_without_a_branch_succeeds_with_nothing_run() -> None:
    story = Story(workflow(conditional("c", when="false", then=[ask("a")]), ask("b", "c")))

    assert story.starts() == ["ask b #1"]


def test_a_human_approves_and_the_run_goes_on() -> None:
    story = Story(workflow(human("release", gate="pass"), ask("merge", "release")))

    assert story.starts() == ["question release"]
    assert story.status == "waiting"
    assert story.answers("release", "approve", by="ann") == ["ask merge #1"]
    assert story.answers("release", "reject") == ["ignored: late"]


def test_a_human_rejects_and_nothing_is_merged() -> None:
    story = Story(workflow(human("release", gate="pass"), ask("merge", "release")))
    story.starts()

    assert story.answers("release", "reject", by="ann", comment="too risky") == ["end failed"]
    assert "reject by ann: too risky" in str(story.run.record.error)


def test_a_human_who_does_not_answer_in_time_is_a_failure_of_its_own_class() -> None:
    story = Story(workflow(human("release", deadline=60_000)))
    story.starts()

    assert story.fires("release", "deadline") == ["end failed"]
    assert story.run.nodes["release"].error is not None
    assert story.run.nodes["release"].error["class"] == "human_timeout"


def test_a_form_with_missing_or_wrong_fields_is_refused_and_the_question_stays() -> None:
    form = {"version": {"type": "string", "required": True}, "count": {"type": "integer"}}
    story = Story(workflow(human("release", form=form)))
    story.starts()

    assert story.answers("release", "approve") == ["refused: version is required"]
    told = story.answers("release", "approve", values={"version": "1", "count": "x"})
    assert told == ["refused: count has to be of type integer"]
    assert story.answers("release", "approve", values={"version": "1"}) == ["end succeeded"]


def test_cancel_stops_what_is_in_flight_undoes_and_runs_finally() -> None:
    story = Story(
        workflow(
            ask("a", undo=[ask("ua")]),
            ask("b", "a", undo=[ask("ub")]),
            ask("c", "b"),
            finally_=[ask("report")],
        )
    )
    story.starts()
    story.passes("a")
    story.passes("b")

    assert story.cancels() == ["stop c #1", "ask b/undo/ub #1"]
    assert story.cancels() == ["ignored: late"]
    assert story.passes("b/undo/ub") == ["ask a/undo/ua #1"]
    assert story.replies("a/undo/ua", error="refused") == ["ask finally/report #1"]
    assert story.passes("finally/report") == ["end cancelled"]


def test_terminate_ends_at_once() -> None:
    story = Story(workflow(ask("a", undo=[ask("ua")]), ask("b"), finally_=[ask("report")]))
    story.starts()
    story.passes("a")

    assert story.terminates() == ["stop b #1", "end cancelled"]


def test_a_paused_run_applies_replies_and_starts_nothing_until_it_is_resumed() -> None:
    story = Story(workflow(ask("a"), ask("b", "a")))
    story.starts()
    story.pauses()

    assert story.passes("a") == []
    assert (story.status, story.node("b")) == ("paused", "ready")
    assert story.resumes() == ["ask b #1"]


def test_a_run_that_uses_files_prepares_its_ref_first_and_releases_it_at_the_end() -> None:
    definition = workflow(ask("edit", files="patch"), git("merge", "edit"), uses_files=True)
    story = Story(definition, task={"repo": "/srv/repo.git"})

    assert story.starts() == ["ask @prepare #1"]
    files = {"revision": "r0", "base_branch": "main"}
    assert story.replies("@prepare", files=files) == ["ask edit #1"]
    sent = story.requests["edit"].payload["files"]
    assert isinstance(sent, dict)
    assert (sent["base"], sent["mode"]) == ("r0", "patch")
    assert (sent["repo"], sent["ref"]) == ("/srv/repo.git", f"refs/coordinator/runs/{story.run.id}")
    patch = {"base": "r0", "diff": "diff"}
    assert story.passes("edit", patch=patch) == ["ask edit@land #1"]
    assert story.requests["edit@land"].payload["patch"] == patch
    assert story.replies("edit@land", files={"revision": "r1"}) == ["ask merge #1"]
    assert story.replies("merge", result={"commit": "c"}) == ["ask @release #1"]
    assert story.replies("@release") == ["end succeeded"]


def test_patches_of_a_parallel_block_land_in_step_order() -> None:
    steps = [ask("a", files="patch"), ask("b", files="patch")]
    story = Story(
        workflow(parallel("p", steps=steps), uses_files=True), task={"repo": "/srv/repo.git"}
    )
    story.starts()
    story.replies("@prepare", files={"revision": "r0"})

    assert story.passes("p/b", patch={"base": "r0", "diff": "2"}) == []
    assert story.passes("p/a", patch={"base": "r0", "diff": "1"}) == ["ask p/a@land #1"]
    assert story.replies("p/a@land", files={"revision": "r1"}) == ["ask p/b@land #1"]
    assert story.replies("p/b@land", files={"revision": "r2"}) == ["ask @release #1"]


def test_a_patch_that_conflicts_fails_its_step_with_the_files_named() -> None:
    story = Story(
        workflow(ask("a", files="patch"), uses_files=True), task={"repo": "/srv/repo.git"}
    )
    story.starts()
    story.replies("@prepare", files={"revision": "r0"})
    story.passes("a", patch={"base": "r0", "diff": "1"})

    told = story.replies("a@land", error="step_error", message="conflict in src/a.py")
    assert told == ["ask @release #1"]
    assert story.replies("@release") == ["end failed"]
    assert "src/a.py" in str(story.run.record.error)


def test_a_persona_that_may_not_change_files_and_does_is_refused() -> None:
    story = Story(workflow(ask("a", files="read"), uses_files=True), task={"repo": "/r.git"})
    story.starts()
    story.replies("@prepare", files={"revision": "r0"})

    story.passes("a", patch={"base": "r0", "diff": "1"})
    assert story.run.nodes["a"].error is not None
    assert story.run.nodes["a"].error["class"] == "refused"


def test_a_repository_that_is_not_there_fails_the_run_before_its_first_step() -> None:
    story = Story(workflow(ask("a", files="read"), uses_files=True), task={"repo": "/none"})
    story.starts()

    assert story.replies("@prepare", error="step_error", message="no repository") == ["end failed"]
    assert story.run.record.error is not None
    assert story.run.record.error["message"] == "no repository"


def test_outputs_are_rendered_at_the_end_and_missing_ones_are_null() -> None:
    outputs = {"n": "{{ steps.a.result.n }}", "m": "{{ steps.b.result.m }}"}
    story = Story(workflow(ask("a"), ask("b", "a", condition="false"), outputs=outputs))
    story.starts()
    story.passes("a", result={"n": 3})

    assert story.run.record.outputs == {"n": 3, "m": None}


def test_a_template_that_reads_what_is_missing_fails_its_step_with_the_name() -> None:
    story = Story(workflow(ask("a", params={"x": "{{ task.nothing }}"})))

    assert story.starts() == ["end failed"]
    assert "task.nothing" in str(story.run.record.error)


def test_a_thousand_branches_start_over_several_commits_and_none_is_asked_twice() -> None:
    steps = [ask(f"s{n}") for n in range(1_200)]
    story = Story(workflow(*steps))
    words = story.starts()
    asked = [word for word in words if word.startswith("ask")]
    while words[-1] == "continue later":
        words = story.continues()
        asked += [word for word in words if word.startswith("ask")]

    assert len(asked) == len(set(asked)) == 1_200
    assert len(story.requests) == 1_200


def test_max_steps_bounds_a_run() -> None:
    loop = repeat("r", steps=[ask("a")], until="false", most=100)
    story = Story(workflow(loop, max_steps=3))
    story.starts()
    story.passes("r#1/a")

    assert story.passes("r#2/a") == ["end failed"]
    assert "max_steps" in str(story.run.record.error)


def test_a_run_over_its_time_limit_fails_and_cleans_up() -> None:
    story = Story(workflow(ask("a"), timeout_ms=1_000, finally_=[ask("report")]))
    story.starts()

    assert story.fires("", "run_timeout", 0) == ["stop a #1", "ask finally/report #1"]
    assert story.passes("finally/report") == ["end failed"]


def test_a_late_answer_to_an_earlier_round_of_a_retried_block_does_not_count() -> None:
    steps = [ask("a"), ask("b")]
    story = Story(workflow(parallel("p", steps=steps, on_error="escalate")))
    story.starts()
    token = story.requests["p/b"].token
    story.replies("p/a", error="refused")

    assert story.answers("p", "retry") == ["ask p/a #2", "ask p/b #2"]
    assert story.replies("p/b", attempt=1, token=token) == ["ignored: late"]
    story.passes("p/a")
    assert story.passes("p/b") == ["end succeeded"]


def test_attempts_of_an_earlier_round_are_no_retries_of_the_later_one() -> None:
    retry = {"max_attempts": 2, "delay_ms": 10}
    story = Story(workflow(parallel("p", steps=[ask("a", retry=retry)], on_error="escalate")))
    story.starts()
    story.replies("p/a", error="transport")
    story.fires("p/a", "retry", 1)
    story.replies("p/a", error="transport")
    story.answers("p", "retry")

    assert story.replies("p/a", error="transport") == ["retry p/a later"]


def test_each_landing_has_a_token_of_its_own() -> None:
    definition = workflow(
        ask("a", files="patch", retry={"max_attempts": 1}, on_error="escalate"), uses_files=True
    )
    story = Story(definition, task={"repo": "/srv/repo.git"})
    story.starts()
    story.replies("@prepare", files={"revision": "r0"})
    story.passes("a", patch={"base": "r0", "diff": "1"})
    token = story.requests["a@land"].token
    story.replies("a@land", error="refused", message="not allowed there")
    story.answers("a", "retry")
    story.passes("a", patch={"base": "r0", "diff": "2"})

    assert story.replies("a@land", attempt=1, token=token) == ["ignored: late"]
    assert story.replies("a@land", files={"revision": "r1"}) == ["ask @release #1"]
