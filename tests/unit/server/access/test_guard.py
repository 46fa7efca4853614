"""Who is let in: tokens, scopes, names of the server, and addresses that guess."""

import hashlib
import hmac
from contextlib import suppress
from dataclasses import replace

import pytest

from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_server.access import (
    BeyondToken,
    Caller,
    ForeignRequest,
    Guard,
    ScopeNeeded,
    TokenRefused,
    TooManyFailures,
    new_token,
)
from obelisk_server.access.failures import ADDRESSES_MAX, FAILURES_MAX, WINDOW, Failures
from obelisk_server.config.access import AccessSettings, TokenSettings
from obelisk_server.endpoints import Scope

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Now:
    at = 1_000

    def __call__(self) -> int:
        return self.at


def settings(*scopes: Scope, name: str = "ci", shown: str = "secret", expires: int | None = None) -> AccessSettings:
    included = frozenset[Scope]().union(*(scope.included for scope in scopes))
    hash_ = hashlib.sha256(shown.encode()).digest()
    token = TokenSettings(name, hash_, included, None, None if expires is None else Instant(expires))
    return AccessSettings(tokens=(token,))


def bearer(shown: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown}"}


def test_a_token_and_its_hash_belong_together() -> None:
    token, hash_ = new_token(bytes(32))
    assert token.startswith("obelisk_")
    assert hash_ == "sha256:" + hashlib.sha256(token.encode()).hexdigest()


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.SUBMIT, {Scope.READ, Scope.SUBMIT}),
        (Scope.OPERATE, {Scope.READ, Scope.OPERATE}),
        (Scope.ADMIN, set(Scope)),
    ],
)
def test_a_scope_includes_reading_and_admin_includes_all(given: Scope, allowed: set[Scope]) -> None:
    guard = Guard(settings(given), Now())
    for scope in Scope:
        if scope in allowed:
            assert guard.admit(bearer("secret"), HERE).name == "ci"
            guard.admit(bearer("secret"), HERE).require(scope)
        else:
            with pytest.raises(ScopeNeeded, match=f"scope '{scope}'") as refused:
                guard.admit(bearer("secret"), HERE).require(scope)
            assert f'scope="{scope}"' in refused.value.headers["WWW-Authenticate"]


def test_without_tokens_anybody_is_let_in_and_named_for_where_they_are() -> None:
    assert Guard(AccessSettings(), Now()).admit({}, HERE) == Caller("local")
    assert Guard(AccessSettings(loopback=False), Now()).admit({}, HERE) == Caller("anonymous")


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer ", "Basic c2VjcmV0", "secret", "Bearer Secret", "Bearer \udcff"]
)
def test_what_is_not_the_token_is_refused(shown: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        Guard(settings(Scope.READ), Now()).admit({"Authorization": shown}, HERE)
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")
    assert "ecret" not in str(refused.value)


def test_the_scheme_is_read_in_any_case() -> None:
    assert Guard(settings(Scope.READ), Now()).admit({"Authorization": "bEARER secret"}, HERE)


def test_a_token_that_has_expired_is_refused() -> None:
    now = Now()
    guard = Guard(settings(Scope.READ, expires=1_001), now)
    caller = guard.admit(bearer("secret"), HERE)
    assert guard.holds(caller)
    now.at = 1_001
    assert not guard.holds(caller)
    with pytest.raises(TokenRefused):
        guard.admit(bearer("secret"), HERE)


def test_a_replaced_configuration_counts_at_once_also_for_what_is_open() -> None:
    guard = Guard(settings(Scope.READ), Now())
    caller = guard.admit(bearer("secret"), HERE)
    guard.replace(replace(settings(Scope.READ), hosts=frozenset({"new.example"})))
    assert guard.holds(caller)
    for other in (settings(Scope.READ, shown="new"), settings(Scope.READ, name="other"), settings(Scope.SUBMIT)):
        guard.replace(other)
        assert not guard.holds(caller)
    with pytest.raises(TokenRefused):
        Guard(settings(Scope.READ, shown="new"), Now()).admit(bearer("secret"), HERE)


def test_every_hash_is_compared_in_constant_time_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    genuine = hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return genuine(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    names = ("first", "second", "third")
    tokens = tuple(settings(Scope.READ, name=name, shown=name).tokens[0] for name in names)
    guard = Guard(AccessSettings(tokens=tokens), Now())
    for shown in (*names, "guess"):
        compared.clear()
        with suppress(TokenRefused):
            guard.admit(bearer(shown), HERE)
        assert [one for one, _ in compared] == [token.hash for token in tokens]


def fail(guard: Guard, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(TokenRefused):
            guard.admit(bearer("guess"), address)


def test_an_address_that_guesses_must_wait_and_others_need_not() -> None:
    now = Now()
    guard = Guard(settings(Scope.READ), now)
    fail(guard, HERE, FAILURES_MAX)
    now.at += WINDOW // 2
    for shown in ("guess", "secret"):  # a right guess is not told from a wrong one
        with pytest.raises(TooManyFailures) as refused:
            guard.admit(bearer(shown), HERE)
        assert refused.value.headers == {"Retry-After": "30"}
    assert guard.admit(bearer("secret"), THERE)
    now.at += WINDOW // 2
    assert guard.admit(bearer("secret"), HERE)


def test_who_was_let_in_before_is_not_shut_out_by_a_neighbour_who_guesses() -> None:
    guard = Guard(settings(Scope.READ), Now())
    guard.admit(bearer("secret"), HERE)
    fail(guard, HERE, FAILURES_MAX)
    assert guard.admit(bearer("secret"), HERE)


def test_requests_without_a_token_are_no_guesses() -> None:
    guard = Guard(settings(Scope.READ), Now())
    for _ in range(FAILURES_MAX + 1):
        with pytest.raises(TokenRefused):
            guard.admit({}, HERE)


def test_tables_of_addresses_are_bounded() -> None:
    failures = Failures()
    for number in range(ADDRESSES_MAX + 5):
        failures.failed(str(number), 0)
        failures.accepted(str(number), "ci")
    assert len(failures._windows) == len(failures._accepted) == ADDRESSES_MAX
    assert not failures.knows("0", "ci")


def test_a_clock_that_goes_back_shuts_nobody_out_for_long() -> None:
    failures = Failures()
    for _ in range(FAILURES_MAX):
        failures.failed(HERE, WINDOW * 10)
    assert failures.blocked_seconds(HERE, WINDOW * 10) == WINDOW // 1_000_000
    assert failures.blocked_seconds(HERE, 0) == 0


def test_functions_limit_by_name_or_beginning() -> None:
    caller = Caller("ci", functions=("shop:*", "mail:send/api.send"))
    for name, allowed in [
        ("shop:a/b.c", True),
        ("shopping:a/b.c", False),
        ("mail:send/api.send", True),
        ("mail:send/api.send-all", False),
    ]:
        assert caller.permits(Ffqn.parse(name)) is allowed
    with pytest.raises(BeyondToken, match=r"limited to shop:\*, mail:send/api.send, and not to other:a/b.c"):
        caller.require_function(Ffqn.parse("other:a/b.c"))


HOSTS = replace(AccessSettings(), hosts=frozenset({"obelisk.example.com"}), origins=frozenset({"https://ui.example"}))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost:1"},
        {"Host": "[::1]:1"},
        {"Host": "127.1.2.3"},
        {"Host": "Obelisk.example.com:8443"},
        {"Host": "obelisk.example.com", "Origin": "https://obelisk.example.com"},
        {"Host": "obelisk.example.com", "Origin": "https://ui.example"},
    ],
)
def test_own_names_and_given_origins_are_let_in(headers: dict[str, str]) -> None:
    Guard(HOSTS, Now()).refuse_foreign(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": ""},
        {"Host": "0.0.0.0:8080"},
        {"Host": "obelisk.example.com.evil.example"},
        {"Host": "localhost", "Origin": "https://obelisk.example.com"},
        {"Host": "localhost", "Origin": "null"},
        {"Host": "localhost", "Origin": "http://ui.example"},
    ],
)
def test_other_names_and_origins_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForeignRequest):
        Guard(HOSTS, Now()).refuse_foreign(headers)
