;; testing:history/history
;;   run: func(n: u8, children: u32, milliseconds: u64) -> result<u64>
;; Submits children to one join set and awaits them, as fiboa-concurrent does, then sleeps: a history of a chosen length
;; whose workflow is still there.
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
    (type $function' (record (field "interface-name" string) (field "function-name" string)))
    (export "function" (type $function (eq $function')))
    (type $response-id' (variant (case "execution-id" $execution-id) (case "delay-id" $delay-id)))
    (export "response-id" (type $response-id (eq $response-id')))
    (type $function-mismatch' (record
      (field "specified-function" $function) (field "actual-function" (option $function))
      (field "actual-id" $response-id)))
    (export "function-mismatch" (type $function-mismatch (eq $function-mismatch')))
    (type $error' (variant (case "all-processed") (case "function-mismatch" $function-mismatch)))
    (export "await-next-extension-error" (type (eq $error')))))
  (alias export $execution "execution-id" (type $execution-id))
  (alias export $execution "await-next-extension-error" (type $await-next-extension-error))
  (import "obelisk:types/join-set@5.0.0" (instance $join-sets (export "join-set" (type (sub resource)))))
  (alias export $join-sets "join-set" (type $join-set))
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "join-set" (type $set (eq $join-set)))
    (export "datetime" (type $instant (eq $datetime)))
    (export "schedule-at" (type $due (eq $schedule-at)))
    (export "join-set-create" (func (result (own $set))))
    (export "sleep" (func (param "schedule-at" $due) (param "name" (option string)) (result (result $instant))))))
  (import "testing:fibo-obelisk-ext/fibo" (instance $fibo-ext
    (export "execution-id" (type $id (eq $execution-id)))
    (export "await-next-extension-error" (type $error (eq $await-next-extension-error)))
    (export "join-set" (type $set (eq $join-set)))
    (export "fibo-submit" (func (param "join-set" (borrow $set)) (param "n" u8) (result $id)))
    (export "fibo-await-next" (func (param "join-set" (borrow $set)) (result (result (result u64) (error $error)))))))

  (core module $libc
    (memory (export "mem") 1)
    ;; Nothing given to the guest outlives the call that gave it, so one place serves them all.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $c (instantiate $libc))
  (core func $submit (canon lower (func $fibo-ext "fibo-submit")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $await-next (canon lower (func $fibo-ext "fibo-await-next")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $sleep (canon lower (func $support "sleep") (memory (core memory $c "mem"))))
  (core func $create (canon lower (func $support "join-set-create")))
  (core func $drop (canon resource.drop $join-set))

  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "submit" (func $submit (param i32 i32 i32)))
    (import "host" "await-next" (func $await-next (param i32 i32)))
    ;; schedule-at (3 words), name (3 words), address of the answer
    (import "host" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
    (import "host" "create" (func $create (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    ;; result<u64> at 0: {tag u8 at 0, u64 at 8}
    ;; result<result<u64>, error> at 64: {tag u8 at 64, {tag u8 at 72, u64 at 80}}
    (func (export "run") (param $n i32) (param $children i32) (param $milliseconds i64) (result i32)
      (local $set i32) (local $left i32)
      (local.set $set (call $create))
      (local.set $left (local.get $children))
      (block $submitted (loop $next
        (br_if $submitted (i32.eqz (local.get $left)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (call $submit (local.get $set) (local.get $n) (i32.const 128))
        (br $next)))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $children)))
        (local.set $children (i32.sub (local.get $children) (i32.const 1)))
        (call $await-next (local.get $set) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then unreachable))
        (i64.store (i32.const 0) (i64.load (i32.const 72)))
        (i64.store (i32.const 8) (i64.load (i32.const 80)))
        (br_if $next (i32.eqz (i32.load8_u (i32.const 0))))))
      (call $sleep
        (i32.const 2 (; in ;)) (i64.const 0 (; milliseconds ;)) (local.get $milliseconds)
        (i32.const 0 (; no name ;)) (i32.const 0) (i32.const 0)
        (i32.const 192))
      (call $drop (local.get $set))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance
    (export "submit" (func $submit)) (export "await-next" (func $await-next)) (export "sleep" (func $sleep))
    (export "create" (func $create)) (export "drop" (func $drop))))))
  (func $run (param "n" u8) (param "children" u32) (param "milliseconds" u64) (result (result u64))
    (canon lift (core func $i "run") (memory (core memory $c "mem"))))
  (instance $history (export "run" (func $run)))
  (export "testing:history/history" (instance $history)))
