;; testing:clock/clock
;;   read: func(times: u32) -> result<u64>
;; Reads the clock that never goes back so many times, and returns the last answer.
(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
  (core func $now' (canon lower (func $clock "now")))
  (core module $m
    (import "clock" "now" (func $now (result i64)))
    (memory (export "mem") 1)
    (func (export "read") (param $times i32) (result i32)
      (block $done
        (loop $again
          (br_if $done (i32.eqz (local.get $times)))
          (i64.store (i32.const 8) (call $now))
          (local.set $times (i32.sub (local.get $times) (i32.const 1)))
          (br $again)))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "clock" (instance (export "now" (func $now'))))))
  (alias core export $i "mem" (core memory $mem))
  (func $read (param "times" u32) (result (result u64))
    (canon lift (core func $i "read") (memory $mem)))
  (instance (export "testing:clock/clock") (export "read" (func $read))))
