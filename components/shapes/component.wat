;; testing:shapes/shapes
;;   enum colour { red, green, deep-blue }
;;   flags permissions { read, write, run-as-root }
;;   record point { x: s32, y: s32 }
;;   variant shape { empty, circle(f64), polygon(list<point>), labelled(tuple<string, point>) }
;;   record everything {
;;     truth: bool, tiny-signed: s8, tiny: u8, short-signed: s16, short: u16, whole-signed: s32, whole: u32,
;;     long-signed: s64, long: u64, single: f32, double: f64, letter: char, text: string, bytes: list<u8>,
;;     maybe: option<option<u32>>, colour: colour, permissions: permissions, shape: shape,
;;     pair: tuple<u8, string>, outcome: result<u32, string>, rows: list<list<u16>>,
;;   }
;;   echo: func(value: everything) -> result<everything, string>    answers the value
(component
  (type $colour (enum "red" "green" "deep-blue"))
  (type $permissions (flags "read" "write" "run-as-root"))
  (type $point (record (field "x" s32) (field "y" s32)))
  (type $shape (variant
    (case "empty") (case "circle" f64) (case "polygon" (list $point)) (case "labelled" (tuple string $point))))
  (type $everything (record
    (field "truth" bool)
    (field "tiny-signed" s8) (field "tiny" u8) (field "short-signed" s16) (field "short" u16)
    (field "whole-signed" s32) (field "whole" u32) (field "long-signed" s64) (field "long" u64)
    (field "single" f32) (field "double" f64) (field "letter" char) (field "text" string) (field "bytes" (list u8))
    (field "maybe" (option (option u32))) (field "colour" $colour) (field "permissions" $permissions)
    (field "shape" $shape) (field "pair" (tuple u8 string)) (field "outcome" (result u32 (error string)))
    (field "rows" (list (list u16)))))
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
  (core module $m
    (import "c" "mem" (memory 1))
    ;; `everything` comes by address and takes 144 bytes; result<everything, string> at 0: {tag u8 at 0, ok at 8}
    (func (export "echo") (param $value i32) (result i32)
      (memory.copy (i32.const 8) (local.get $value) (i32.const 144))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "c" (instance $c))))
  (func $echo (param "value" $everything) (result (result $everything (error string)))
    (canon lift (core func $i "echo") (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (instance $shapes
    (export "colour" (type $colour))
    (export "permissions" (type $permissions))
    (export "point" (type $point))
    (export "shape" (type $shape))
    (export "everything" (type $everything))
    (export "echo" (func $echo)))
  (export "testing:shapes/shapes" (instance $shapes)))
