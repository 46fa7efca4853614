;; testing:sleeper/sleeper
;;   sleep: func(milliseconds: u64) -> result
;;   sleep-cancellable: func(milliseconds: u64) -> result
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
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "datetime" (type $instant (eq $datetime)))
    (export "schedule-at" (type $due (eq $schedule-at)))
    (export "sleep" (func (param "schedule-at" $due) (param "name" (option string)) (result (result $instant))))))

  (core module $libc (memory (export "mem") 1))
  (core instance $c (instantiate $libc))
  (core func $sleep (canon lower (func $support "sleep") (memory (core memory $c "mem"))))
  (core module $m
    (import "c" "mem" (memory 1))
    ;; schedule-at (3 words), name (3 words), address of the answer
    (import "host" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
    (func (export "sleep") (param $milliseconds i64) (result i32)
      (call $sleep
        (i32.const 2 (; in ;)) (i64.const 0 (; milliseconds ;)) (local.get $milliseconds)
        (i32.const 0 (; no name ;)) (i32.const 0) (i32.const 0)
        (i32.const 0))
      (i32.load8_u (i32.const 0))))
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance (export "sleep" (func $sleep))))))
  (func $sleep-lifted (param "milliseconds" u64) (result (result)) (canon lift (core func $i "sleep")))
  (instance $sleeper (export "sleep" (func $sleep-lifted)) (export "sleep-cancellable" (func $sleep-lifted)))
  (export "testing:sleeper/sleeper" (instance $sleeper)))
