;; testing:flaky/flaky
;;   enum mode { ok, err, permanent, trap, endless, hog, large, spin }
;;   variant failure { execution-failed, transient(string), permanent(string) }
;;   run: func(mode: mode, n: u32) -> result<string, failure>
;;
;; Every run first logs "MODE N" at info. Then, by mode:
;;   ok         returns "ok"
;;   err        returns the error transient("err")
;;   permanent  returns the error permanent("permanent"), which is not worth another attempt
;;   trap       traps
;;   endless    computes for ever
;;   hog        takes memory until there is no more, then traps
;;   large      returns a text of n bytes
;;   spin       goes n times round a loop, then returns "spin"
(component
  (type $mode (enum "ok" "err" "permanent" "trap" "endless" "hog" "large" "spin"))
  (type $failure (variant (case "execution-failed") (case "transient" string) (case "permanent" string)))
  (import "obelisk:log/log@1.0.0" (instance $log (export "info" (func (param "message" string)))))
  (core module $libc (memory (export "mem") 1))
  (core instance $c (instantiate $libc))
  (core func $info (canon lower (func $log "info") (memory (core memory $c "mem"))))
  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "info" (func $info (param i32 i32)))
    ;; 16 bytes for each name of a mode, padded with zeros
    (data (i32.const 1024)
      "ok\00\00\00\00\00\00\00\00\00\00\00\00\00\00" "err\00\00\00\00\00\00\00\00\00\00\00\00\00"
      "permanent\00\00\00\00\00\00\00" "trap\00\00\00\00\00\00\00\00\00\00\00\00"
      "endless\00\00\00\00\00\00\00\00\00" "hog\00\00\00\00\00\00\00\00\00\00\00\00\00"
      "large\00\00\00\00\00\00\00\00\00\00\00" "spin\00\00\00\00\00\00\00\00\00\00\00\00")
    (func $name (param $mode i32) (result i32)
      (i32.add (i32.const 1024) (i32.mul (local.get $mode) (i32.const 16))))
    (func $name-length (param $mode i32) (result i32) (local $length i32)
      (loop $next
        (local.set $length (i32.add (local.get $length) (i32.const 1)))
        (br_if $next (i32.load8_u (i32.add (call $name (local.get $mode)) (local.get $length)))))
      (local.get $length))

    ;; Log "MODE N": digits are written backwards into the bytes that end at 128, the name goes before them.
    (func $log (param $mode i32) (param $n i32) (local $at i32)
      (local.set $at (i32.const 128))
      (loop $next
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
        (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
        (br_if $next (local.get $n)))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.const 32))
      (local.set $at (i32.sub (local.get $at) (call $name-length (local.get $mode))))
      (memory.copy (local.get $at) (call $name (local.get $mode)) (call $name-length (local.get $mode)))
      (call $info (local.get $at) (i32.sub (i32.const 128) (local.get $at))))

    ;; result<string, failure> at 0: {tag u8 at 0, ok: string at 4, err: {case u8 at 4, string at 8}}
    (func $ok (param $text i32) (param $length i32) (result i32)
      (i32.store (i32.const 4) (local.get $text))
      (i32.store (i32.const 8) (local.get $length))
      (i32.const 0))
    (func $err (param $case i32) (param $text i32) (param $length i32) (result i32)
      (i32.store (i32.const 0) (i32.const 1))
      (i32.store (i32.const 4) (local.get $case))
      (i32.store (i32.const 8) (local.get $text))
      (i32.store (i32.const 12) (local.get $length))
      (i32.const 0))

    (func $endless (loop $next (br $next)))
    (func $hog (loop $next (br_if $next (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable)
    (func $spin (param $n i32)
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next))))
    (func $large (param $n i32) (result i32)
      (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $n) (i32.const 16)))))
      (memory.fill (i32.const 65536) (i32.const 120) (local.get $n))
      (call $ok (i32.const 65536) (local.get $n)))

    (func (export "run") (param $mode i32) (param $n i32) (result i32)
      (call $log (local.get $mode) (local.get $n))
      (block $spin (block $large (block $hog (block $endless (block $trap (block $permanent (block $err (block $ok
        (br_table $ok $err $permanent $trap $endless $hog $large $spin (local.get $mode)))
        (return (call $ok (call $name (local.get $mode)) (call $name-length (local.get $mode)))))
        (return (call $err (i32.const 1) (call $name (local.get $mode)) (call $name-length (local.get $mode)))))
        (return (call $err (i32.const 2) (call $name (local.get $mode)) (call $name-length (local.get $mode)))))
        unreachable)
        (call $endless))
        (call $hog))
        (return (call $large (local.get $n))))
      (call $spin (local.get $n))
      (call $ok (call $name (local.get $mode)) (call $name-length (local.get $mode)))))
  (core instance $i
    (instantiate $m (with "c" (instance $c)) (with "host" (instance (export "info" (func $info))))))
  (func $run (param "mode" $mode) (param "n" u32) (result (result string (error $failure)))
    (canon lift (core func $i "run") (memory (core memory $c "mem"))))
  (instance $flaky (export "mode" (type $mode)) (export "failure" (type $failure)) (export "run" (func $run)))
  (export "testing:flaky/flaky" (instance $flaky)))
