;; testing:dice/recorder
;;   record: func(value: u64, key: string) -> result<u64>    logs "KEY=VALUE" and answers the value
(component
  (import "obelisk:log/log@1.0.0" (instance $log (export "info" (func (param "message" string)))))
  (core module $libc
    (memory (export "mem") 1)
    ;; The key is all that is ever given to this guest.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
  (core instance $c (instantiate $libc))
  (core func $info (canon lower (func $log "info") (memory (core memory $c "mem"))))
  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "info" (func $info (param i32 i32)))
    ;; Digits are written backwards into the 20 bytes that end at 64.
    (func (export "record") (param $value i64) (param $key i32) (param $length i32) (result i32)
      (local $left i64) (local $digit i32) (local $end i32)
      (local.set $left (local.get $value))
      (local.set $digit (i32.const 64))
      (loop $next
        (local.set $digit (i32.sub (local.get $digit) (i32.const 1)))
        (i32.store8 (local.get $digit)
          (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $left) (i64.const 10)))))
        (local.set $left (i64.div_u (local.get $left) (i64.const 10)))
        (br_if $next (i64.ne (local.get $left) (i64.const 0))))
      ;; KEY is in memory already: put = and the digits behind it
      (local.set $end (i32.add (local.get $key) (local.get $length)))
      (i32.store8 (local.get $end) (i32.const 61))
      (memory.copy
        (i32.add (local.get $end) (i32.const 1)) (local.get $digit) (i32.sub (i32.const 64) (local.get $digit)))
      (call $info (local.get $key)
        (i32.add (local.get $length) (i32.sub (i32.const 65) (local.get $digit))))
      ;; result<u64> at 0: {tag u8 at 0, u64 at 8}
      (i64.store (i32.const 8) (local.get $value))
      (i32.const 0)))
  (core instance $i
    (instantiate $m (with "c" (instance $c)) (with "host" (instance (export "info" (func $info))))))
  (func $record (param "value" u64) (param "key" string) (result (result u64))
    (canon lift (core func $i "record") (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (instance $recorder (export "record" (func $record)))
  (export "testing:dice/recorder" (instance $recorder)))
