;; testing:recovering/recovering
;;   run: func(failures: u32) -> result<u32, string>
;;
;; Reads the number of the attempt, counted from 1, from the environment variable OBELISK_ATTEMPT. Returns it if it is
;; greater than `failures`, else the error "not yet"; the error "no attempt" if the host does not say.
(component
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (core module $libc
    (memory (export "mem") 1)
    (global $free (mut i32) (i32.const 1024))
    ;; Nothing is ever freed: an instance serves one call.
    (func (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.sub (i32.add (global.get $free) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  (core instance $c (instantiate $libc))
  (core func $get-environment (canon lower (func $environment "get-environment")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "get-environment" (func $get-environment (param i32)))
    (data (i32.const 64) "OBELISK_ATTEMPT")
    (data (i32.const 80) "not yet")
    (data (i32.const 96) "no attempt")

    ;; Whether the text at $key is the 15 bytes at 64.
    (func $is-attempt (param $key i32) (param $length i32) (result i32) (local $i i32)
      (if (i32.ne (local.get $length) (i32.const 15)) (then (return (i32.const 0))))
      (loop $next
        (if (i32.ne
            (i32.load8_u (i32.add (local.get $key) (local.get $i)))
            (i32.load8_u (i32.add (i32.const 64) (local.get $i))))
          (then (return (i32.const 0))))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 15))))
      (i32.const 1))

    (func $number (param $digits i32) (param $length i32) (result i32) (local $value i32)
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $value (i32.add
          (i32.mul (local.get $value) (i32.const 10))
          (i32.sub (i32.load8_u (local.get $digits)) (i32.const 48))))
        (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
      (local.get $value))

    ;; The number of the attempt, 0 if it is not in the environment: a list of {key string at 0, value string at 8}.
    (func $attempt (result i32) (local $pair i32) (local $left i32)
      (call $get-environment (i32.const 0))
      (local.set $pair (i32.load (i32.const 0)))
      (local.set $left (i32.load (i32.const 4)))
      (block $absent (loop $next
        (br_if $absent (i32.eqz (local.get $left)))
        (if (call $is-attempt (i32.load (local.get $pair)) (i32.load offset=4 (local.get $pair)))
          (then (return (call $number (i32.load offset=8 (local.get $pair)) (i32.load offset=12 (local.get $pair))))))
        (local.set $pair (i32.add (local.get $pair) (i32.const 16)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
      (i32.const 0))

    ;; result<u32, string> at 16: {tag u8 at 16, ok: u32 at 20, err: string at 20}
    (func $err (param $text i32) (param $length i32) (result i32)
      (i32.store (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (local.get $text))
      (i32.store (i32.const 24) (local.get $length))
      (i32.const 16))
    (func (export "run") (param $failures i32) (result i32) (local $attempt i32)
      (local.set $attempt (call $attempt))
      (if (i32.eqz (local.get $attempt)) (then (return (call $err (i32.const 96) (i32.const 10)))))
      (if (i32.le_u (local.get $attempt) (local.get $failures))
        (then (return (call $err (i32.const 80) (i32.const 7)))))
      (i32.store (i32.const 20) (local.get $attempt))
      (i32.const 16)))
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance
    (export "get-environment" (func $get-environment))))))
  (func $run (param "failures" u32) (result (result u32 (error string)))
    (canon lift (core func $i "run") (memory (core memory $c "mem"))))
  (instance $recovering (export "run" (func $run)))
  (export "testing:recovering/recovering" (instance $recovering)))
