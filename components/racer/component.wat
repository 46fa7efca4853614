;; testing:racer/racer
;;   use testing:flaky/flaky.{mode}
;;   enum ending { close, drop, leave, trap }
;;   race: func(sleep-milliseconds: u64, mode: mode, n: u32, delay-milliseconds: u64, ending: ending) -> result<string>
;;
;; Sleeps, submits testing:flaky/flaky.run(mode, n) and a delay to one join set, waits for the first response, and says
;; whose it was: "activity" or "delay". The join set ends as asked: it is closed, its handle is dropped, it is left to
;; the return, or it is left to a trap.
(component
  (import "obelisk:types/time@5.0.0" (instance $time
    (type $duration' (variant
      (case "milliseconds" u64) (case "seconds" u64) (case "minutes" u32) (case "hours" u32) (case "days" u32)))
    (export "duration" (type $duration (eq $duration')))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $schedule-at' (variant (case "now") (case "at" $datetime) (case "in" $duration)))
    (export "schedule-at" (type (eq $schedule-at')))))
  (alias export $time "datetime" (type $datetime))
  (alias export $time "schedule-at" (type $schedule-at))
  (import "obelisk:types/execution@5.0.0" (instance $execution
    (type $execution-id' (record (field "id" string)))
    (export "execution-id" (type $execution-id (eq $execution-id')))
    (type $delay-id' (record (field "id" string)))
    (export "delay-id" (type $delay-id (eq $delay-id')))
    (type $response-id' (variant (case "execution-id" $execution-id) (case "delay-id" $delay-id)))
    (export "response-id" (type (eq $response-id')))))
  (alias export $execution "execution-id" (type $execution-id))
  (alias export $execution "delay-id" (type $delay-id))
  (alias export $execution "response-id" (type $response-id))
  (import "obelisk:types/join-set@5.0.0" (instance $join-sets
    (export "response-id" (type $response (eq $response-id)))
    (export "join-set" (type $set (sub resource)))
    (export "[method]join-set.last-id" (func (param "self" (borrow $set)) (result (option $response))))))
  (alias export $join-sets "join-set" (type $join-set))
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "datetime" (type $instant (eq $datetime)))
    (export "schedule-at" (type $due (eq $schedule-at)))
    (export "delay-id" (type $delay (eq $delay-id)))
    (export "join-set" (type $set (eq $join-set)))
    (type $error' (variant (case "all-processed")))
    (export "join-next-error" (type $error (eq $error')))
    (export "sleep" (func (param "schedule-at" $due) (param "name" (option string)) (result (result $instant))))
    (export "join-set-create" (func (result (own $set))))
    (export "join-set-close" (func (param "self" (own $set))))
    (export "submit-delay" (func (param "join-set" (borrow $set)) (param "timeout" $due) (result $delay)))
    (export "join-next" (func (param "join-set" (borrow $set))
      (result (result (result (option string) (error (option string))) (error $error)))))))
  (import "testing:flaky/flaky" (instance $flaky
    (type $mode' (enum "ok" "err" "permanent" "trap" "endless" "hog" "large" "spin"))
    (export "mode" (type (eq $mode')))))
  (alias export $flaky "mode" (type $mode))
  (import "testing:flaky-obelisk-ext/flaky" (instance $flaky-ext
    (export "execution-id" (type $id (eq $execution-id)))
    (export "mode" (type $how (eq $mode)))
    (export "join-set" (type $set (eq $join-set)))
    (export "run-submit" (func
      (param "join-set" (borrow $set)) (param "mode" $how) (param "n" u32) (result $id)))))
  (type $ending (enum "close" "drop" "leave" "trap"))

  (core module $libc
    (memory (export "mem") 1)
    ;; Nothing given to the guest outlives the call that gave it, so one place serves them all.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $c (instantiate $libc))
  (core func $sleep (canon lower (func $support "sleep") (memory (core memory $c "mem"))))
  (core func $create (canon lower (func $support "join-set-create")))
  (core func $close (canon lower (func $support "join-set-close")))
  (core func $drop (canon resource.drop $join-set))
  (core func $submit (canon lower (func $flaky-ext "run-submit")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $submit-delay (canon lower (func $support "submit-delay")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $join-next (canon lower (func $support "join-next")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $last-id (canon lower (func $join-sets "[method]join-set.last-id")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))

  (core module $m
    (import "c" "mem" (memory 1))
    ;; A schedule-at takes three words; the last word of each is the address of the answer.
    (import "host" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
    (import "host" "create" (func $create (result i32)))
    (import "host" "close" (func $close (param i32)))
    (import "host" "drop" (func $drop (param i32)))
    (import "host" "submit" (func $submit (param i32 i32 i32 i32)))
    (import "host" "submit-delay" (func $submit-delay (param i32 i32 i64 i64 i32)))
    (import "host" "join-next" (func $join-next (param i32 i32)))
    (import "host" "last-id" (func $last-id (param i32 i32)))
    (data (i32.const 256) "activity")
    (data (i32.const 272) "delay")
    (func (export "race")
      (param $sleep-milliseconds i64) (param $mode i32) (param $n i32) (param $delay-milliseconds i64)
      (param $ending i32) (result i32)
      (local $set i32)
      (call $sleep
        (i32.const 2 (; in ;)) (i64.const 0 (; milliseconds ;)) (local.get $sleep-milliseconds)
        (i32.const 0 (; no name ;)) (i32.const 0) (i32.const 0)
        (i32.const 128))
      (local.set $set (call $create))
      (call $submit (local.get $set) (local.get $mode) (local.get $n) (i32.const 128))
      (call $submit-delay (local.get $set)
        (i32.const 2 (; in ;)) (i64.const 0 (; milliseconds ;)) (local.get $delay-milliseconds)
        (i32.const 128))
      (call $join-next (local.get $set) (i32.const 128))
      ;; option<response-id> at 128: {tag u8 at 128, case u8 at 132}; the second case is a delay
      (call $last-id (local.get $set) (i32.const 128))
      (block $trap (block $leave (block $drop (block $close
        (br_table $close $drop $leave $trap (local.get $ending)))
        (call $close (local.get $set))
        (br $leave))
        (call $drop (local.get $set)))
        (return (call $winner (i32.load8_u (i32.const 132)))))
      unreachable)
    ;; result<string> at 0: {tag u8 at 0, string at 4}
    (func $winner (param $delay i32) (result i32)
      (i32.store (i32.const 4) (select (i32.const 272) (i32.const 256) (local.get $delay)))
      (i32.store (i32.const 8) (select (i32.const 5) (i32.const 8) (local.get $delay)))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance
    (export "sleep" (func $sleep)) (export "create" (func $create)) (export "close" (func $close))
    (export "drop" (func $drop)) (export "submit" (func $submit)) (export "submit-delay" (func $submit-delay))
    (export "join-next" (func $join-next)) (export "last-id" (func $last-id))))))
  (func $race
    (param "sleep-milliseconds" u64) (param "mode" $mode) (param "n" u32) (param "delay-milliseconds" u64)
    (param "ending" $ending) (result (result string))
    (canon lift (core func $i "race") (memory (core memory $c "mem"))))
  ;; An interface that uses a type of another one re-exports it, which takes a component of its own.
  (component $interface
    (import "import-mode" (type $mode' (eq $mode)))
    (import "import-ending" (type $ending' (eq $ending)))
    (import "import-race" (func $race
      (param "sleep-milliseconds" u64) (param "mode" $mode') (param "n" u32) (param "delay-milliseconds" u64)
      (param "ending" $ending') (result (result string))))
    (export $mode'' "mode" (type $mode'))
    (export $ending'' "ending" (type $ending'))
    (export "race" (func $race) (func
      (param "sleep-milliseconds" u64) (param "mode" $mode'') (param "n" u32) (param "delay-milliseconds" u64)
      (param "ending" $ending'') (result (result string)))))
  (instance $racer (instantiate $interface
    (with "import-mode" (type $mode)) (with "import-ending" (type $ending)) (with "import-race" (func $race))))
  (export "testing:racer/racer" (instance $racer)))
