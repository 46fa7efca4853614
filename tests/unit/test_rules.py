"""Which tests hold which rule of execution: an index for people, kept true by the tests below it.

Tests are named by their function alone. A rule whose tests need a store has some on each of them.
"""

import ast
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
KIT = REPOSITORY / "runtime" / "obelisk_runtime" / "testing" / "conformance"
STORES = frozenset({"memory", "sqlite"})

NAMES = {
    "a function is named by interface and function, with a version or without": (
        "test_a_function_name_is_read_in_parts", "test_what_is_no_function_name_is_refused",
    ),
    "parent and join set are read from the id of a child or a delay": (
        "test_parent_and_join_set_are_read_from_the_id_of_a_child",
        "test_parent_and_join_set_are_read_from_the_id_of_a_delay",
    ),
    "a client may choose an id: the same content again is no second run, other content a conflict": (
        "test_the_same_id_and_content_again_is_no_second_run", "test_the_same_id_with_other_content_is_a_conflict",
        "test_the_same_content_again_exists_and_changes_nothing",
        "test_another_content_is_a_conflict_and_changes_nothing",
    ),
    "content is the function and the canonical parameters": (
        "test_content_is_the_function_and_the_canonical_parameters_and_neither_their_text_nor_the_digest",
        "test_equal_content_has_equal_text",
    ),
    "the seed is never shown, and copied by a fork": (
        "test_an_event_shows_its_fields_but_never_the_seed",
        "test_the_seed_is_copied_and_the_deadline_is_as_far_away_as_it_was",
    ),
}  # fmt: skip
VALUES = {
    "parameters are checked when an execution is created; nothing is created of wrong ones": (
        "test_wrong_params_are_named_and_nothing_is_created",
        "test_a_mismatch_names_function_parameter_path_expected_type_and_value",
    ),
    "there is one canonical form, and what is equal has one text": (
        "test_a_parameter_has_its_golden_form", "test_lenient_json_has_the_canonical_text_of_its_content",
        "test_equal_content_and_equal_text_are_the_same_thing",
    ),
    "payloads, nesting and lists are bounded, by name": (
        "test_payload_is_bounded_as_it_comes_and_as_it_is_stored",
        "test_deep_nesting_is_refused_by_name_at_any_depth", "test_lists_are_bounded",
    ),
    "it ends as ok, err, or a failure of a kind with a reason": (
        "test_every_failure_kind_has_a_golden_row", "test_an_outcome_has_one_form",
    ),
    "a failure is projected into the type that the parent awaits": (
        "test_a_failure_is_projected_into_the_declared_type",
        "test_a_trap_and_a_timeout_are_failures_of_their_kind_projected_into_the_parents_type",
    ),
    "the kind of a failure can be read by the parent": (
        "test_a_trap_and_a_timeout_are_failures_of_their_kind_projected_into_the_parents_type",
    ),
}  # fmt: skip
LOG = {
    "the log is appended to, versions counted from 0": (
        "test_every_event_moves_the_version_by_one", "test_logs_and_responses_are_read_from_a_place_on_and_in_pages",
        "test_every_form_has_a_golden_row",
    ),
    "an answer that replay cannot recompute is in its entry": (
        "test_it_answers_as_the_interface_says", "test_a_recorded_refusal_is_known_before_it_is_asked_for",
        "test_a_refusal_is_recorded_and_stays_though_the_function_is_deployed_later",
        "test_it_answers_the_same_though_the_process_dies_again_and_again",
        "test_a_workflow_is_replayed_though_a_function_it_called_is_deployed_otherwise",
        "test_a_submission_is_replayed_by_the_text_that_was_asked",
    ),
    "responses are gapless, and their order is that of the workflow for ever": (
        "test_positions_are_gapless_when_many_answer_at_once",
        "test_responses_keep_the_order_they_were_committed_in",
        "test_the_response_order_seen_before_a_crash_is_the_one_seen_after_it",
    ),
    "a response never changes the version of the parent": ("test_a_response_counts_and_leaves_the_version",),
    "where it stands is the fold of log and responses": (
        "test_the_stored_projection_is_the_fold_at_every_step_to_the_end",
        "test_any_sequence_of_moves_answers_and_holds_what_the_model_does",
    ),
    "a step of the fold is O(1)": ("test_a_long_history_folds_in_steps_that_grow_with_it",),
    "locked names executor and attempt; the heartbeat is the lease": (
        "test_locked_names_the_holder_and_counts_the_attempt", "test_what_a_beating_executor_holds_is_not_freed",
        "test_what_a_silent_executor_holds_is_freed",
    ),
    "residency is the lease of a workflow: waking it writes no lock": (
        "test_residency_of_a_workflow_is_its_lease_and_waking_it_writes_no_lock",
    ),
    "why: due later, paused by whom, running, finished": (
        "test_why_tells_what_is_due_later_paused_running_and_finished",
    ),
    "why: backing off until": ("test_why_tells_how_long_an_attempt_backs_off",),
    "why: no executor offers it": ("test_why_tells_that_nothing_deployed_exports_the_function",),
    "why: the limit of its function": (
        "test_why_tells_that_the_limit_of_the_function_or_of_the_process_is_reached",
    ),
    "why: no free slot; next in turn": (
        "test_why_tells_that_no_slot_is_free", "test_why_tells_that_it_is_next_in_turn",
    ),
    "why: blocked on so many of so many": ("test_why_tells_what_a_workflow_waits_for",),
    "why: cancelling": ("test_why_tells_that_a_workflow_is_cancelling_and_for_what_it_waits",),
    "why: executor lost, and when it is taken over": (
        "test_why_tells_that_the_executor_is_lost_and_when_it_is_taken_over",
    ),
    "a history has limits, with a warning well before": (
        "test_a_history_that_reaches_a_limit_ends_the_workflow_after_a_warning",
        "test_a_history_below_its_limits_is_not_warned_of",
    ),
}  # fmt: skip
WORKFLOWS = {
    "on replay each call must match the next entry: kind, function, parameters, join set": (
        "test_another_call_is_refused_with_both_sides", "test_another_join_set_is_refused",
        "test_a_draw_of_another_range_is_refused", "test_an_await_of_another_type_is_refused",
    ),
    "durations are compared, not the times they led to": (
        "test_another_duration_is_refused", "test_an_absolute_time_instead_of_a_duration_is_refused",
    ),
    "a history that is left over is nondeterminism": (
        "test_history_that_is_left_when_the_function_returns_is_refused",
    ),
    "nondeterminism pauses with the diff, and cancels nothing": (
        "test_nondeterminism_on_resume_pauses_with_the_diff_and_after_a_repaired_deployment_resume_goes_on",
        "test_nondeterminism_pauses_the_workflow_with_both_sides_and_cancels_nothing",
    ),
    "or fails, if it is to": ("test_a_workflow_that_is_to_fail_on_nondeterminism_fails_with_the_diff",),
    "replay takes time in proportion to the history": (
        "test_a_long_history_replays_in_steps_that_grow_with_it",
        "test_a_new_call_takes_as_many_steps_after_a_long_history_as_after_a_short_one",
    ),
    "join sets hold children of different functions, and delays": (
        "test_a_delay_and_children_of_different_functions_share_a_join_set",
    ),
    "join-next takes what is committed at once, its event buffered; else it blocks": (
        "test_a_response_that_is_there_answers_at_once_and_its_event_is_buffered",
        "test_a_call_waits_until_its_response_comes",
    ),
    "join-next-try does not wait; that nothing was there is committed": (
        "test_a_try_before_there_is_a_response_is_pending",
        "test_a_try_that_finds_nothing_is_committed_before_the_guest_goes_on",
    ),
    "an exhausted set says so": ("test_a_set_is_all_processed_after_its_last_response_on_replay_too",),
    "a mismatch of the function consumes the response": (
        "test_typed_waiting_tells_a_mismatch_from_an_exhausted_set_and_get_answers_what_was_taken",
    ),
    "what is open when a set closes, is dropped, or the workflow ends is cancelled last created first": (
        "test_what_is_open_is_cancelled_in_reverse_order_of_creation_and_other_workflows_are_awaited",
        "test_children_that_rest_in_the_store_are_cancelled_in_the_same_order",
    ),
    "a parent never finishes before its children": (
        "test_a_parent_finishes_after_the_child_workflow_it_did_not_await",
        "test_what_is_open_is_cancelled_in_reverse_order_of_creation_and_other_workflows_are_awaited",
    ),
    "an outcome that replay cannot reproduce is recorded first": (
        "test_an_outcome_that_replay_cannot_reproduce_is_recorded_before_closing_and_finished_after_it",
    ),
    "closing is driven from the log alone, also after a crash": (
        "test_closing_is_driven_from_the_log_alone_and_resumes_after_a_crash",
        "test_a_decided_outcome_is_known_from_the_log_alone",
    ),
    "calls that do not block are buffered, and written together": (
        "test_calls_that_do_not_block_are_written_in_one_transaction_with_the_next_that_does",
        "test_calls_that_do_not_block_are_written_after_so_many_events",
    ),
    "the workflow's now moves with its log only": (
        "test_it_moves_with_entries_and_taken_responses_only", "test_it_never_goes_back",
        "test_on_replay_it_is_what_it_was",
    ),
    "recorded randomness stays": (
        "test_a_recorded_random_stays_and_the_next_one_after_a_restart_is_another",
        "test_a_drawn_value_is_chosen_once_and_recorded",
    ),
    "randomness and clocks of WASI are those of the log, in whichever process": (
        "test_what_one_process_did_another_repeats_a_hundred_times_of_a_hundred",
        "test_killed_at_any_write_it_ends_alike_and_has_printed_once",
    ),
    "waiting on a clock is a durable delay": (
        "test_waiting_for_the_first_of_two_clocks_is_one_durable_delay",
        "test_a_guest_that_waits_on_a_clock_of_wasi_is_seen_there_with_its_frames",
    ),
    "timeouts are delays raced in a join set": (
        "test_closing_the_set_of_a_race_cancels_the_slow_activity_before_its_timeout",
        "test_killed_at_any_write_it_ends_once_and_as_if_nothing_had_happened",
    ),
    "a deadline is inherited by children": ("test_children_inherit_the_deadline",),
    "who computes without end starves nobody": (
        "test_two_computing_guests_take_turns_on_the_loop",
        "test_short_workflows_end_beside_a_busy_loop_and_a_poller_and_long_before_a_flood_that_was_there_first",
    ),
    "what ran during several deaths in a row is paused": (
        "test_a_workflow_that_ran_during_three_deaths_in_a_row_is_paused_with_that_reason",
        "test_an_activity_that_ran_during_three_deaths_in_a_row_is_paused_with_that_reason",
    ),
}  # fmt: skip
ACTIVITIES = {
    "attempts wait by backoff, factor and cap, with jitter": (
        "test_an_activity_that_errs_twice_waits_exactly_as_its_policy_says_and_then_succeeds",
        "test_with_no_retries_left_the_last_err_is_the_result_after_capped_backoffs",
        "test_jitter_spreads_the_wait_around_it",
    ),
    "budgets are per class; lost attempts have one of their own": (
        "test_each_class_of_failures_may_have_a_budget_of_its_own",
        "test_a_lost_attempt_is_due_at_once_and_counts_apart",
        "test_an_attempt_lost_too_often_ends_and_responds_to_its_parent",
    ),
    "a permanent err and a listed one are final": (
        "test_a_permanent_err_is_not_tried_again", "test_a_listed_err_is_final",
    ),
    "the last attempt decides": (
        "test_with_no_retries_left_the_last_err_is_the_result_after_capped_backoffs",
        "test_a_timeout_is_tried_again_and_the_last_one_is_a_failure",
    ),
    "every attempt is in the log with its reason and what it wrote": (
        "test_every_attempt_is_in_the_log_with_its_reason_and_what_it_wrote",
    ),
    "every attempt has the requests that it made": (
        "test_each_attempt_records_its_own", "test_requests_are_sent_and_recorded_by_attempt",
    ),
    "the attempt timeout has nothing to do with leases": (
        "test_an_attempt_that_outlasts_many_leases_is_not_lost_while_its_executor_beats",
    ),
    "the attempt timeout stops the guest": (
        "test_an_endless_loop_is_stopped_by_the_attempt_timeout_and_is_really_gone",
        "test_closing_the_set_of_a_race_cancels_the_slow_activity_before_its_timeout",
    ),
    "an activity may start before the commit of its creation, unless it could draw other parameters": (
        "test_an_activity_starts_before_its_creation_is_committed_unless_its_parameters_could_still_change",
    ),
    "its result is committed before the parent sees it": (
        "test_a_result_is_committed_before_the_parent_sees_it",
    ),
    "starting early can be turned off": (
        "test_an_activity_that_is_to_start_after_the_commit_does_not_start_before",
    ),
    "a stub is answered once: the same again is fine, another value a conflict, a wrong type named": (
        "test_a_stub_that_a_workflow_awaits_is_answered_from_outside_once",
        "test_a_stub_awaited_by_a_workflow_is_answered_over_the_api_once", "test_a_stub_is_answered_once",
        "test_it_answers_as_the_interface_says",
    ),
}  # fmt: skip
VERSIONS = {
    "a workflow stays on its digest, new ones take the new": (
        "test_after_a_reload_new_workflows_take_the_new_digest_and_old_ones_stay_on_theirs",
        "test_a_workflow_stays_on_the_digest_it_started_with",
    ),
    "its bytes are in the store": (
        "test_after_a_restart_with_a_changed_file_old_workflows_run_on_the_stored_bytes",
    ),
    "an attempt takes the digest deployed when it starts, and says so": (
        "test_an_attempt_takes_the_digest_deployed_when_it_starts_and_a_running_one_keeps_its_own",
    ),
    "a child whose signature changed is rejected, showing both types": (
        "test_a_child_whose_signature_changed_is_rejected_showing_both_types",
        "test_a_child_that_waited_while_its_signature_changed_is_rejected_when_it_would_start",
        "test_a_stub_that_waited_while_its_signature_changed_is_rejected_showing_both_types",
        "test_what_is_scheduled_with_parameters_of_a_former_type_is_rejected_naming_them",
    ),
}  # fmt: skip
CONTROL = {
    "cancel propagates, is idempotent, and says what it did": (
        "test_cancelling_a_tree_cancels_the_last_created_first_and_awaits_all",
        "test_a_cancelled_tree_ends_leaves_first_and_a_second_cancel_says_so",
        "test_a_cancelled_workflow_ends_with_what_it_has_open",
    ),
    "it is seen as cancelling until it has ended": (
        "test_a_workflow_that_is_being_cancelled_is_seen_as_cancelling_and_a_second_cancel_says_so",
        "test_a_workflow_is_seen_as_cancelling_while_it_awaits_a_child_that_cannot_be_cancelled",
    ),
    "a workflow that is not cancellable can be terminated": (
        "test_a_workflow_that_did_not_agree_to_it_is_not_cancelled",
        "test_a_workflow_that_is_not_cancellable_refuses_and_can_be_terminated",
    ),
    "pause and resume; a paused workflow remembers responses": (
        "test_pausing_and_resuming_are_idempotent_and_say_what_they_did",
        "test_a_response_that_arrives_while_a_workflow_is_paused_is_not_lost_and_does_not_wake_it",
    ),
    "submit paused, at a time, or after a while": (
        "test_a_workflow_submitted_paused_does_not_run_until_it_is_resumed",
        "test_an_execution_that_is_due_later_begins_then",
        "test_a_submit_begins_at_a_time_or_after_a_while_or_when_it_is_resumed",
        "test_a_scheduled_execution_is_top_level_due_at_its_time_and_created_once",
    ),
    "replay writes nothing": (
        "test_replay_against_its_own_component_matches_and_writes_nothing",
        "test_a_replay_on_a_file_prints_a_diff_and_writes_nothing",
    ),
    "fork": ("test_a_fork_reuses_what_is_recorded_before_the_version_and_runs_the_rest",),
    "lists have cursors that inserts do not move": (
        "test_pages_do_not_move_when_others_are_created_meanwhile",
        "test_every_condition_must_hold_and_pages_go_on_through_them",
    ),
    "control events on a resident workflow are taken over without replay, those of another holder drop the guest": (
        "test_control_events_of_others_make_the_runner_decide_the_same_again_without_a_replay",
        "test_an_upgrade_by_another_process_drops_the_guest_and_replays_it_on_the_new_component",
    ),
    "a full backlog refuses submits, over HTTP with the time to try again": (
        "test_submits_are_refused_while_too_many_wait_and_taken_again_when_they_do_not",
        "test_a_submit_beyond_the_backlog_is_turned_away_with_the_time_to_try_again",
    ),
}  # fmt: skip
CRASHES = {
    "1. killed at any instant, everything finishes once, with the result it would have had": (
        "test_killed_at_any_write_it_ends_once_and_as_if_nothing_had_happened",
        "test_killed_again_and_again_everything_ends_once_with_the_right_result",
    ),
    "2. a sleep wakes at its original time": (
        "test_a_sleep_keeps_its_wake_up_time_over_a_restart", "test_a_relative_sleep_keeps_its_original_wake_time",
    ),
    "3. the order of responses stays": ("test_the_response_order_seen_before_a_crash_is_the_one_seen_after_it",),
    "4. a committed result is not computed again; another one is, with the same parameters": (
        "test_an_activity_whose_result_was_committed_is_not_run_again_and_one_whose_result_was_not_is",
    ),
    "5. no two executors hold it; a zombie leaves nothing behind": (
        "test_one_execution_has_one_winner", "test_a_zombie_cannot_finish_or_respond",
        "test_a_stale_version_writes_nothing_at_all",
    ),
    "6. what was acknowledged is durable": (
        "test_the_settings_are_durable_ones", "test_every_execution_is_kept",
    ),
    "a death during control leaves nothing half-done": (
        "test_killed_during_a_cancel_it_is_cancelled_once_and_nothing_stays_open",
        "test_killed_during_a_pause_it_is_paused_or_not_and_finishes_either_way",
        "test_killed_during_an_upgrade_it_is_upgraded_or_not_and_finishes_either_way",
        "test_killed_during_a_reload_it_has_the_old_component_or_the_new_one_and_loses_nothing",
        "test_a_killed_process_forks_as_a_whole_or_not_at_all",
        "test_a_killed_process_imports_a_tree_as_a_whole_or_not_at_all",
        "test_a_killed_process_leaves_no_half_of_a_tree",
    ),
}  # fmt: skip
RULES = NAMES | VALUES | LOG | WORKFLOWS | ACTIVITIES | VERSIONS | CONTROL | CRASHES


def test_every_test_named_here_exists() -> None:
    missing = {rule: [name for name in names if name not in known()] for rule, names in RULES.items()}
    assert {rule: names for rule, names in missing.items() if names} == {}


def test_every_rule_is_tested_on_memory_and_on_sqlite() -> None:
    found = {rule: frozenset[str]().union(*(known().get(name, ()) for name in names)) for rule, names in RULES.items()}
    assert {rule: sorted(STORES - stores) for rule, stores in found.items() if stores != STORES} == {}


@cache
def known() -> dict[str, frozenset[str]]:
    """The stores of every test function, by its name; those without a store count as on every one."""
    found: dict[str, frozenset[str]] = {}
    for path in (*(REPOSITORY / "tests").rglob("*.py"), *KIT.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        of_module = stores_of_module(path, tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found[node.name] = found.get(node.name, frozenset()) | (stores_of_test(node) or of_module)
    return found


def stores_of_module(path: Path, tree: ast.Module) -> frozenset[str]:
    """A module runs on every store, or on that of its fixture `storage`; servers of their own run on SQLite."""
    folder = path.relative_to(REPOSITORY).parts[1]
    if folder == "e2e" or path.name.startswith("test_sqlite"):
        return frozenset({"sqlite"})
    if path.name == "test_api.py":
        return frozenset({"memory"})
    fixtures = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "storage"]
    return constants(fixtures[0]) if fixtures else STORES


def stores_of_test(test: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """Those it is parametrized with."""
    found = [node for node in test.decorator_list if '"storage"' in ast.unparse(node).replace("'", '"')]
    return constants(found[0]) if found else frozenset()


def constants(node: ast.AST) -> frozenset[str]:
    values = {item.value for item in ast.walk(node) if isinstance(item, ast.Constant) and isinstance(item.value, str)}
    return frozenset(values & STORES)
