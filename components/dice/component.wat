;; testing:dice/dice
;;   roll: func(key: string) -> result<u64>    draws a number and has testing:dice/recorder record it
(component
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "random-u64" (func (param "min" u64) (param "max-exclusive" u64) (result u64)))))
  (import "testing:dice/recorder" (instance $recorder
    (export "record" (func (param "value" u64) (param "key" string) (result (result u64))))))
  (core module $libc
    (memory (export "mem") 1)
    ;; The key is all that is ever given to this guest.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
  (core instance $c (instantiate $libc))
  (core func $random (canon lower (func $support "random-u64")))
  (core func $record (canon lower (func $recorder "record") (memory (core memory $c "mem"))))
  (core module $m
    (import "host" "random" (func $random (param i64 i64) (result i64)))
    (import "host" "record" (func $record (param i64 i32 i32 i32)))
    ;; result<u64> at 0
    (func (export "roll") (param $key i32) (param $length i32) (result i32)
      (call $record (call $random (i64.const 0) (i64.const -1)) (local.get $key) (local.get $length) (i32.const 0))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "host" (instance
    (export "random" (func $random)) (export "record" (func $record))))))
  (func $roll (param "key" string) (result (result u64))
    (canon lift (core func $i "roll") (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (instance $dice (export "roll" (func $roll)))
  (export "testing:dice/dice" (instance $dice)))
