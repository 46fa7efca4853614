;; testing:fibo/fibo
;;   fibo: func(n: u8) -> result<u64>
(component
  (core module $m
    (memory (export "mem") 1)
    (func $fibo (param $n i32) (result i64)
      (if (result i64) (i32.le_u (local.get $n) (i32.const 1))
        (then (i64.const 1))
        (else (i64.add
          (call $fibo (i32.sub (local.get $n) (i32.const 1)))
          (call $fibo (i32.sub (local.get $n) (i32.const 2)))))))
    ;; result<u64> is returned by address: {tag u8 at 0, u64 at 8}; memory starts zeroed, so the tag says ok
    (func (export "fibo") (param $n i32) (result i32)
      (i64.store (i32.const 8) (call $fibo (local.get $n)))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $fibo (param "n" u8) (result (result u64))
    (canon lift (core func $i "fibo") (memory (core memory $i "mem"))))
  (instance $fibo-interface (export "fibo" (func $fibo)))
  (export "testing:fibo/fibo" (instance $fibo-interface)))
