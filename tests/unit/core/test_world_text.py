from obelisk_runtime.core.types import (
    Borrow,
    EnumOf,
    FlagsOf,
    FunctionType,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
)
from obelisk_runtime.core.world_text import Interface, world_text

U32, STRING = Primitive.U32, Primitive.STRING
STREAM = "a:io/streams@1.0.0.stream"


def test_a_world_is_printed_with_its_packages() -> None:
    kind = EnumOf(("from", "b-c"))
    streams = Interface(
        "a:io/streams@1.0.0",
        {"stream": Own(STREAM)},
        {
            "[constructor]stream": FunctionType((("size", U32),), Own(STREAM)),
            "[method]stream.read": FunctionType((("self", Borrow(STREAM)), ("len", U32)), ListOf(Primitive.U8)),
            "[static]stream.merge": FunctionType((("all", ListOf(Own(STREAM))),), Own(STREAM)),
        },
    )
    other = Interface("a:io/other@1.0.0", {"stream": Own(STREAM)}, {"get": FunctionType((), Own(STREAM))})
    exported = Interface(
        "my:app/type",
        {"input": Own(STREAM), "kind": kind, "names": ListOf(STRING)},
        {
            "list": FunctionType((("in", Own(STREAM)), ("record", OptionOf(kind))), ResultOf(None, STRING)),
            "unnamed": FunctionType(
                (("x", RecordOf((("f", FlagsOf(("p", "q"))),))),), TupleOf((U32, VariantOf((("n", None), ("s", U32)))))
            ),
        },
    )
    assert (
        world_text([streams, other], [exported])
        == """\
package root:component;

world root {
  import a:io/streams@1.0.0;
  import a:io/other@1.0.0;
  export my:app/%type;
}

package a:io@1.0.0 {
  interface streams {
    resource %stream {
      constructor(size: u32);
      read: func(len: u32) -> list<u8>;
      merge: static func(all: list<%stream>) -> %stream;
    }
  }
  interface other {
    use streams.{%stream};
    get: func() -> %stream;
  }
}

package my:app {
  interface %type {
    use a:io/streams@1.0.0.{%stream as input};
    enum kind {
      %from,
      b-c,
    }
    type names = list<string>;
    %list: func(in: input, %record: option<kind>) -> result<_, string>;
    unnamed: func(x: type-1) -> tuple<u32, type-2>;
    record type-1 {
      f: type-3,
    }
    variant type-2 {
      n,
      s(u32),
    }
    flags type-3 {
      p,
      q,
    }
  }
}
"""
    )


def test_an_interface_that_is_imported_and_exported_is_printed_once() -> None:
    imported = Interface("a:b/c", {}, {"f": FunctionType((), None)})
    exported = Interface("a:b/c", {}, {"g": FunctionType((), ResultOf(U32, None))})
    assert world_text([imported], [exported]).endswith("""
package a:b {
  interface c {
    f: func();
    g: func() -> result<u32>;
  }
}
""")
