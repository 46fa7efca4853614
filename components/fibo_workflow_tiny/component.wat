;; testing:fibo-workflow/workflow
;;   fiboa: func(n: u8, iterations: u32) -> result<u64>               one call after the other
;;   fiboa-concurrent: func(n: u8, iterations: u32) -> result<u64>    all submitted to one join set, then awaited
(component
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
    (export "join-set-create" (func (result (own $set))))))
  (import "testing:fibo/fibo" (instance $fibo
    (export "fibo" (func (param "n" u8) (result (result u64))))))
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
  (core func $fibo (canon lower (func $fibo "fibo") (memory (core memory $c "mem"))))
  (core func $submit (canon lower (func $fibo-ext "fibo-submit")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $await-next (canon lower (func $fibo-ext "fibo-await-next")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $create (canon lower (func $support "join-set-create")))
  (core func $drop (canon resource.drop $join-set))

  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "fibo" (func $fibo (param i32 i32)))
    (import "host" "submit" (func $submit (param i32 i32 i32)))
    (import "host" "await-next" (func $await-next (param i32 i32)))
    (import "host" "create" (func $create (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    ;; result<u64> at 0: {tag u8 at 0, u64 at 8}
    (func (export "fiboa") (param $n i32) (param $iterations i32) (result i32)
      (loop $next
        (if (i32.eqz (local.get $iterations)) (then (return (i32.const 0))))
        (local.set $iterations (i32.sub (local.get $iterations) (i32.const 1)))
        (call $fibo (local.get $n) (i32.const 0))
        (br_if $next (i32.eqz (i32.load8_u (i32.const 0)))))
      (i32.const 0))
    ;; result<result<u64>, error> at 64: {tag u8 at 64, {tag u8 at 72, u64 at 80}}
    (func (export "fiboa-concurrent") (param $n i32) (param $iterations i32) (result i32)
      (local $set i32) (local $left i32)
      (local.set $set (call $create))
      (local.set $left (local.get $iterations))
      (block $submitted (loop $next
        (br_if $submitted (i32.eqz (local.get $left)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (call $submit (local.get $set) (local.get $n) (i32.const 128))
        (br $next)))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $iterations)))
        (local.set $iterations (i32.sub (local.get $iterations) (i32.const 1)))
        (call $await-next (local.get $set) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then unreachable))
        (i64.store (i32.const 0) (i64.load (i32.const 72)))
        (i64.store (i32.const 8) (i64.load (i32.const 80)))
        (br_if $next (i32.eqz (i32.load8_u (i32.const 0))))))
      (call $drop (local.get $set))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance
    (export "fibo" (func $fibo)) (export "submit" (func $submit)) (export "await-next" (func $await-next))
    (export "create" (func $create)) (export "drop" (func $drop))))))
  (func $fiboa (param "n" u8) (param "iterations" u32) (result (result u64))
    (canon lift (core func $i "fiboa") (memory (core memory $c "mem"))))
  (func $fiboa-concurrent (param "n" u8) (param "iterations" u32) (result (result u64))
    (canon lift (core func $i "fiboa-concurrent") (memory (core memory $c "mem"))))
  (instance $workflow (export "fiboa" (func $fiboa)) (export "fiboa-concurrent" (func $fiboa-concurrent)))
  (export "testing:fibo-workflow/workflow" (instance $workflow)))
