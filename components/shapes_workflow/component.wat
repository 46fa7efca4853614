;; testing:shapes-workflow/workflow
;;   use testing:shapes/shapes.{everything}
;;   echo: func(value: everything) -> result<everything, string>    hands the value to testing:shapes/shapes.echo
(component
  (import "testing:shapes/shapes" (instance $shapes
    (type $colour' (enum "red" "green" "deep-blue"))
    (export "colour" (type $colour (eq $colour')))
    (type $permissions' (flags "read" "write" "run-as-root"))
    (export "permissions" (type $permissions (eq $permissions')))
    (type $point' (record (field "x" s32) (field "y" s32)))
    (export "point" (type $point (eq $point')))
    (type $shape' (variant
      (case "empty") (case "circle" f64) (case "polygon" (list $point)) (case "labelled" (tuple string $point))))
    (export "shape" (type $shape (eq $shape')))
    (type $everything' (record
      (field "truth" bool)
      (field "tiny-signed" s8) (field "tiny" u8) (field "short-signed" s16) (field "short" u16)
      (field "whole-signed" s32) (field "whole" u32) (field "long-signed" s64) (field "long" u64)
      (field "single" f32) (field "double" f64) (field "letter" char) (field "text" string) (field "bytes" (list u8))
      (field "maybe" (option (option u32))) (field "colour" $colour) (field "permissions" $permissions)
      (field "shape" $shape) (field "pair" (tuple u8 string)) (field "outcome" (result u32 (error string)))
      (field "rows" (list (list u16)))))
    (export "everything" (type $everything (eq $everything')))
    (export "echo" (func (param "value" $everything) (result (result $everything (error string)))))))
  (alias export $shapes "everything" (type $everything))
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
      (block $enough
        (br_if $enough (i32.le_u (global.get $free) (i32.shl (memory.size) (i32.const 16))))
        (br_if $enough (i32.ne (i32.const -1)
          (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
        unreachable)
      (local.get $at)))
  (core instance $c (instantiate $libc))
  (core func $echo (canon lower (func $shapes "echo")
    (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core module $m
    (import "host" "echo" (func $echo (param i32 i32)))
    ;; `everything` comes by address, and so does the answer, at 0
    (func (export "echo") (param $value i32) (result i32)
      (call $echo (local.get $value) (i32.const 0))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "host" (instance (export "echo" (func $echo))))))
  (func $lifted (param "value" $everything) (result (result $everything (error string)))
    (canon lift (core func $i "echo") (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (instance $workflow (export "echo" (func $lifted)))
  (export "testing:shapes-workflow/workflow" (instance $workflow)))
