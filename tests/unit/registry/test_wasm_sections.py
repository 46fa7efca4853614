from obelisk_runtime.registry.wasm_sections import producers

COMPONENT, MODULE = b"\0asm\x0d\0\1\0", b"\0asm\1\0\0\0"


def text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def section(kind: int, body: bytes) -> bytes:
    return bytes([kind, len(body) & 0x7F | 0x80, len(body) >> 7]) + body


def made_by(field: str, name: str, version: str) -> bytes:
    body = b"\x01" + text(field) + b"\x01" + text(name) + text(version)
    return section(0, text("producers") + body)


def test_producers_are_found_in_the_component_and_in_what_is_nested() -> None:
    module = MODULE + section(0, text("name") + b"x") + made_by("language", "C", "17")
    inner = COMPONENT + section(1, module) + made_by("processed-by", "tool", "1.0")
    wasm = COMPONENT + section(4, inner) + made_by("processed-by", "linker", "2.0")
    assert producers(wasm) == {"language": {"C": "17"}, "processed-by": {"tool": "1.0", "linker": "2.0"}}


def test_what_is_broken_is_left_out() -> None:
    good = made_by("sdk", "x", "1")
    assert producers(COMPONENT + good + b"\x01\xff") == {"sdk": {"x": "1"}}
    assert producers(COMPONENT + section(0, text("producers") + b"\x05") + good) == {"sdk": {"x": "1"}}
    for broken in (b"", b"\0asm", COMPONENT + b"\0", COMPONENT + b"\0\xff\xff\xff\xff\xff\xff"):
        assert producers(broken) == {}


def test_what_could_steer_a_terminal_is_cut_off() -> None:
    assert producers(COMPONENT + made_by("sdk", "a\x1b[2J", "1\n2")) == {"sdk": {"a": "1"}}


def test_nesting_without_end_is_given_up() -> None:
    wasm = COMPONENT
    for _ in range(100):
        wasm = COMPONENT + section(4, wasm)
    assert producers(wasm) == {}
