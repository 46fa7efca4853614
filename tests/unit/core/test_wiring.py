from obelisk_runtime.core.deployment import ComponentKind
from obelisk_runtime.core.host_types import HOST_FUNCTIONS, LOG, WEBHOOK_SUPPORT, WORKFLOW_SUPPORT
from obelisk_runtime.core.interfaces import derive
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import Borrow, FunctionType, ResultOf
from obelisk_runtime.core.wiring import (
    ComponentSurface,
    ExportedFunction,
    ExportedTwice,
    ExportNotAllowed,
    ExportsNothing,
    ImportNotAllowed,
    NoHandler,
    NotExported,
    Problem,
    ReservedExport,
    SignatureDiffers,
    wire,
)
from obelisk_runtime.core.wit_text import parse_function

FIBO = Ffqn.parse("testing:fibo/fibo.fibo")
FIBOA = Ffqn.parse("testing:fibo-workflow/workflow.fiboa")
FIBO_TYPE = parse_function("func(n: u8) -> result<u64>")
FIBOA_TYPE = parse_function("func(n: u8, iterations: u32) -> result<u64>")

Imports = list[tuple[str, str, FunctionType]]


def activity(name: str = "fibo", *, exports: dict[Ffqn, FunctionType] | None = None, imports: Imports | None = None):
    exports = {FIBO: FIBO_TYPE} if exports is None else exports
    return ComponentSurface(name, ComponentKind.ACTIVITY, exports, imports or [])


def workflow(*imports: tuple[str, str, FunctionType], exports: dict[Ffqn, FunctionType] | None = None):
    exports = {FIBOA: FIBOA_TYPE} if exports is None else exports
    return ComponentSurface("flow", ComponentKind.WORKFLOW, exports, imports)


def the_problem(*components: ComponentSurface) -> Problem:
    (problem,) = wire(components).problems
    return problem


def test_components_that_fit_are_wired():
    derived = [(*key, item) for key, item in derive(FIBO, FIBO_TYPE).items()]
    support = [(*key, item) for key, item in HOST_FUNCTIONS.items() if key[0] != WEBHOOK_SUPPORT]
    direct = ("testing:fibo/fibo", "fibo", FIBO_TYPE)
    itself = ("testing:fibo-workflow/workflow", "fiboa", FIBOA_TYPE)
    wiring = wire([workflow(direct, itself, *derived, *support), activity()])
    assert wiring.problems == ()
    assert wiring.functions == {
        FIBO: ExportedFunction(FIBO_TYPE, "fibo", ComponentKind.ACTIVITY),
        FIBOA: ExportedFunction(FIBOA_TYPE, "flow", ComponentKind.WORKFLOW),
    }


def test_an_import_that_nobody_exports_names_the_closest_functions():
    problem = the_problem(activity(), workflow(("testing:fibo/fibo", "fibbo", FIBO_TYPE)))
    assert isinstance(problem, NotExported)
    assert problem.closest[0] == "testing:fibo/fibo.fibo"
    assert str(problem).startswith(
        "flow imports testing:fibo/fibo.fibbo, which no component and no host interface exports; did you mean "
    )


def test_a_host_interface_of_another_version_is_not_exported():
    problem = the_problem(workflow(("obelisk:workflow/workflow-support@5.0.0", "sleep", FIBO_TYPE)))
    assert isinstance(problem, NotExported)
    assert problem.closest[0] == f"{WORKFLOW_SUPPORT}.sleep"


def test_a_resource_method_of_a_component_is_not_exported():
    assert isinstance(the_problem(workflow(("a:b/c", "[method]d.e", FIBO_TYPE))), NotExported)


def test_another_signature_shows_both_types_and_their_components():
    other = parse_function("func(n: u32) -> result<u64>")
    problem = the_problem(activity(), workflow(("testing:fibo/fibo", "fibo", other)))
    assert problem == SignatureDiffers("flow", FIBO.text, other, "fibo", FIBO_TYPE)
    assert str(problem) == (
        "flow imports testing:fibo/fibo.fibo with another type than fibo exports it:\n"
        "  flow: func(n: u32) -> result<u64>\n"
        "  fibo: func(n: u8) -> result<u64>"
    )


def test_another_signature_of_a_derived_or_host_function_is_found_too():
    plain = parse_function("func() -> result")
    derived = the_problem(activity(), workflow(("testing:fibo-obelisk-ext/fibo", "fibo-submit", plain)))
    host = the_problem(workflow((LOG, "info", plain)))
    assert isinstance(derived, SignatureDiffers)
    assert derived.exporter == "fibo"
    assert isinstance(host, SignatureDiffers)
    assert host.exporter == "the host"


def test_a_function_is_exported_once():
    problem = the_problem(activity("one"), activity("two"))
    assert problem == ExportedTwice(FIBO, ("one", "two"))
    assert str(problem) == "testing:fibo/fibo.fibo is exported by one and two; deploy one of them"


def test_reserved_names_are_not_exported():
    for name in ("wasi:cli/run.run", "obelisk:log/log.info", "a:b-obelisk-ext/c.d", "a:b-obelisk-stub/c.d"):
        function = Ffqn.parse(name)
        wiring = wire([activity(exports={function: FIBO_TYPE})])
        assert wiring.problems == (ReservedExport("fibo", function),)
        assert wiring.functions == {}


def test_an_export_has_a_result_in_which_a_failure_has_a_place():
    problem = the_problem(activity(exports={FIBO: parse_function("func() -> u64")}))
    assert isinstance(problem, ExportNotAllowed)
    assert str(problem).startswith("fibo exports testing:fibo/fibo.fibo: func() -> u64, but it returns u64; a failed")


def test_an_export_takes_no_handles():
    problem = the_problem(activity(exports={FIBO: FunctionType((("s", Borrow("s")),), ResultOf(None, None))}))
    assert "borrow<s> is a resource handle" in str(problem)


def test_a_workflow_may_import_http_since_the_library_of_its_language_may():
    imported = ("wasi:http/outgoing-handler@0.2.3", "handle", FIBO_TYPE)
    assert wire([workflow(imported), activity()]).problems == ()


def test_an_activity_imports_only_log_and_wasi():
    sleep = (WORKFLOW_SUPPORT, "sleep", HOST_FUNCTIONS[WORKFLOW_SUPPORT, "sleep"])
    log = (LOG, "info", HOST_FUNCTIONS[LOG, "info"])
    wasi = ("wasi:cli/stdout@0.2.3", "get-stdout", FIBO_TYPE)
    call = ("testing:fibo-workflow/workflow", "fiboa", FIBOA_TYPE)
    problems = wire([workflow(), activity(imports=[sleep, log, wasi, call])]).problems
    assert [type(problem) for problem in problems] == [ImportNotAllowed, ImportNotAllowed]
    assert str(problems[0]) == (
        "the activity fibo imports obelisk:workflow/workflow-support@6.0.0.sleep; "
        "it may import only obelisk:log/log, wasi:*"
    )


def test_a_workflow_does_not_import_what_is_for_webhooks():
    get = (WEBHOOK_SUPPORT, "get", HOST_FUNCTIONS[WEBHOOK_SUPPORT, "get"])
    assert isinstance(the_problem(workflow(get)), ImportNotAllowed)


def test_a_component_exports_something():
    assert the_problem(activity(exports={})) == ExportsNothing("fibo")


def test_all_problems_are_found_at_once():
    broken = workflow(("a:b/c", "d", FIBO_TYPE), ("testing:fibo/fibo", "fibo", FIBOA_TYPE), exports={FIBO: FIBO_TYPE})
    problems = wire([activity(), broken, activity("empty", exports={})]).problems
    assert {type(problem) for problem in problems} == {NotExported, SignatureDiffers, ExportedTwice, ExportsNothing}
    assert all(str(problem) for problem in problems)


HANDLE = Ffqn.parse("wasi:http/incoming-handler@0.2.3.handle")
HANDLE_TYPE = FunctionType((), None)


def webhook(
    *imports: tuple[str, str, FunctionType], name: str = "hook", exports: dict[Ffqn, FunctionType] | None = None
):
    exports = {HANDLE: HANDLE_TYPE} if exports is None else exports
    return ComponentSurface(name, ComponentKind.WEBHOOK, exports, imports)


def test_a_webhook_may_call_and_schedule_what_is_deployed_and_look_at_executions():
    derived = derive(FIBO, FIBO_TYPE).items()
    schedule = [(*key, item) for key, item in derived if key[0].endswith("-obelisk-schedule/fibo")]
    support = [(*key, item) for key, item in HOST_FUNCTIONS.items() if key[0] in (LOG, WEBHOOK_SUPPORT)]
    wiring = wire([activity(), webhook(("testing:fibo/fibo", "fibo", FIBO_TYPE), *schedule, *support)])
    assert wiring.problems == ()
    assert set(wiring.functions) == {FIBO}


def test_a_webhook_may_not_submit_await_or_stub():
    for (interface, name), item in derive(FIBO, FIBO_TYPE).items():
        if not interface.endswith("-obelisk-schedule/fibo"):
            problem = the_problem(activity(), webhook((interface, name, item)))
            assert isinstance(problem, ImportNotAllowed)


def test_a_webhook_exports_the_handler_and_nothing_else():
    assert the_problem(webhook(exports={})) == NoHandler("hook")
    later = Ffqn.parse("wasi:http/incoming-handler@0.3.0.handle")
    assert the_problem(webhook(exports={later: HANDLE_TYPE})) == NoHandler("hook")
    problem = the_problem(webhook(exports={HANDLE: HANDLE_TYPE, FIBO: FIBO_TYPE}))
    assert isinstance(problem, ExportNotAllowed)


def test_any_number_of_webhooks_export_the_same_handler():
    assert wire([webhook(), webhook(name="other")]).problems == ()
