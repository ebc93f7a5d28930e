"""The serving path on a real Valkey and real model servers: what happens when things break."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelyard.core.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    PredictionFailed,
    QuotaExceeded,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from tests.serving_shard import Load, Shard, Valkey, model_folder, wait_for
from training.serving import door, records
from training.serving.runtime import names
from training.serving.runtime.cache import LoadRefusedError


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def shard(valkey: Valkey, tmp_path: Path, settings: Any) -> Iterator[Shard]:
    settings.SERVING_URL = valkey.url
    door._after_fork()
    made = Shard(valkey.url, tmp_path / "models")
    made.client.flushall()
    yield made
    made.stop()
    if door._Process.mux is not None:
        door._Process.mux.close()
    door._after_fork()


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def ask_many(shard: Shard, texts: list[str]) -> list[door.Answer | DomainError]:
    def one(text: str) -> door.Answer | DomainError:
        try:
            return shard.ask(text)
        except DomainError as error:
            return error

    with ThreadPoolExecutor(len(texts)) as pool:
        return list(pool.map(one, texts))


# --- The path ------------------------------------------------------------------------------


def test_an_answer_names_the_model_and_is_metered_once(shard: Shard) -> None:
    shard.server()
    answer = shard.ask("a fine film", "a dull one and long")
    assert answer.version_id == "m1"
    assert answer.deployment_id == "dep-acme"
    assert [set(one["scores"]) for one in answer.predictions] == [{"bad", "fine", "good"}] * 2
    assert sum(answer.predictions[0]["scores"].values()) == pytest.approx(1)
    (entry,) = shard.usage()
    assert entry["rid"] == answer.request_id
    assert (entry["tenant"], entry["deployment"], entry["version"]) == ("acme", "dep-acme", "m1")
    assert (entry["units"], entry["tokens"]) == ("2", str(answer.tokens))
    assert abs(int(entry["at"]) - time.time() * 1000) < 5000
    assert shard.client.get(names.used_predictions("acme", "2026-11")) == "2"
    shard.settled()


def test_a_request_of_many_long_texts_is_answered_in_order(shard: Shard) -> None:
    shard.server()
    texts = [f"word {n} " * 30 for n in range(40)]
    alone = [shard.ask(text).predictions[0]["label"] for text in texts[:5]]
    together = shard.ask(*texts)
    assert [one["label"] for one in together.predictions[:5]] == alone
    assert len(together.predictions) == 40


def test_the_hop_adds_about_a_millisecond(shard: Shard) -> None:
    shard.model = model_folder(shard.folder / "quick", milliseconds=0.0)
    shard.server()
    shard.ask("warm up")
    took = []
    for number in range(300):
        started = time.perf_counter()
        shard.ask(f"text {number}")
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    print(f"hop: p50 {took[150]:.2f} ms, p99 {took[297]:.2f} ms")
    assert took[150] < 10  # about 1 ms on a quiet machine; the bound only catches a timer


def test_one_deployment_of_another_tenant_is_unknown(shard: Shard) -> None:
    shard.server()
    shard.add_tenant("beta")
    del shard.truth.deployments["beta", "reviews"]
    assert shard.ask("mine").predictions
    with pytest.raises(NotFound):
        shard.ask("theirs", tenant="beta")


# --- Refusals at the door --------------------------------------------------------------------


def test_without_a_server_the_door_refuses_at_once(shard: Shard) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable) as refusal:
        shard.ask("anybody there")
    assert refusal.value.code == "no_server"
    assert refusal.value.data["retry_after"] == 1
    assert time.monotonic() - started < 5  # a millisecond on a quiet machine


def test_a_revoked_key_is_refused_on_the_next_request(shard: Shard) -> None:
    shard.server()
    shard.ask("still mine")
    assert shard.truth.asked == 2
    shard.ask("from the record")
    assert shard.truth.asked == 2
    del shard.truth.keys["key-acme"]
    records.key_drop(shard.client, "key-acme")
    with pytest.raises(Unauthenticated):
        shard.ask("not any more")


def test_a_slow_rebuild_cannot_bring_a_revoked_key_back(shard: Shard) -> None:
    shard.server()
    truth = shard.truth

    class RevokedWhileRead:
        def key(self, digest: str) -> records.KeyRecord:
            record = truth.key(digest)
            truth.keys.clear()
            records.key_drop(shard.client, digest)
            return record

        def deployment(self, tenant_id: str, name: str) -> records.DeploymentEntry:
            return truth.deployment(tenant_id, name)

    with pytest.raises(Unauthenticated):
        door.predict(digest="key-acme", name="reviews", texts=["late"], rebuild=RevokedWhileRead())
    assert not shard.client.exists(names.key_record("key-acme"))


def test_an_expired_key_and_a_missing_scope_are_refused(shard: Shard) -> None:
    shard.server()
    record = shard.truth.keys["key-acme"]
    shard.truth.keys["key-acme"] = replace(record, expires_ms=1)
    with pytest.raises(Unauthenticated) as expired:
        shard.ask("too late")
    assert expired.value.code == "key_expired"
    shard.truth.keys["key-acme"] = replace(record, scopes=("datasets", "predict_not"))
    records.key_drop(shard.client, "key-acme")
    with pytest.raises(Forbidden) as scope:
        shard.ask("not for predictions")
    assert scope.value.code == "scope_missing"


@pytest.mark.parametrize(
    ("status", "code"), [("loading", "deployment_starting"), ("stopped", "deployment_not_live")]
)
def test_a_deployment_that_is_not_live_says_so(shard: Shard, status: str, code: str) -> None:
    entry = shard.truth.deployments["acme", "reviews"]
    shard.truth.deployments["acme", "reviews"] = replace(entry, status=status)
    with pytest.raises(DomainError) as refusal:
        shard.ask("anything")
    assert refusal.value.code == code


def test_the_plan_limit_refuses_and_is_never_overshot(shard: Shard) -> None:
    shard.add_tenant("small", quota=10, used=3)
    shard.server()

    def one(number: int) -> int:
        try:
            return len(shard.ask(f"text {number}", "and another", tenant="small").predictions)
        except QuotaExceeded:
            return 0

    with ThreadPoolExecutor(12) as pool:
        answered = sum(pool.map(one, range(12)))
    assert answered == 6  # 3 used before, texts come in pairs
    assert shard.units() == 6
    with pytest.raises(QuotaExceeded) as refusal:
        shard.ask("one", "two", tenant="small")
    assert (refusal.value.status, refusal.value.data["limit"]) == (402, 10)
    assert refusal.value.data["used"] == 9
    assert "1 is left" in refusal.value.message


def test_the_rate_and_the_tenants_cap_refuse_with_a_time_to_wait(shard: Shard) -> None:
    shard.add_tenant("fast", rate=0.5, burst=3)
    shard.add_tenant("wide", cap=2)
    shard.server()
    for number in range(3):
        shard.ask(f"burst {number}", tenant="fast")
    with pytest.raises(TooMany) as rate:
        shard.ask("one too many", tenant="fast")
    assert rate.value.code == "rate_limited"
    assert 1 <= int(str(rate.value.data["retry_after"])) <= 2
    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(shard.ask, "nap", tenant="wide") for _ in range(2)]
        wait_for(lambda: shard.client.hget(names.inflight("0"), "wide") == "2")
        with pytest.raises(TooMany) as busy:
            shard.ask("third", tenant="wide")
        assert busy.value.code == "busy"
        assert all(one.result().predictions for one in work)


def test_bad_input_is_a_sentence(shard: Shard) -> None:
    for texts, code in (
        ([], "texts_count"),
        (["a"] * 129, "texts_count"),
        (["a", " "], "text_empty"),
    ):
        with pytest.raises(Invalid) as refusal:
            shard.ask(*texts)
        assert refusal.value.code == code


# --- The same request again -------------------------------------------------------------------


def test_a_replay_is_the_same_answer_and_counts_once(shard: Shard) -> None:
    shard.server()
    first = shard.ask("once only", key="order-1")
    again = shard.ask("once only", key="order-1")
    assert again.replayed
    assert not first.replayed
    assert (again.request_id, again.predictions) == (first.request_id, first.predictions)
    assert shard.units() == 1
    with pytest.raises(Invalid) as refusal:
        shard.ask("another text", key="order-1")
    assert (refusal.value.status, refusal.value.code) == (422, "idempotency_mismatch")


def test_the_same_key_of_two_tenants_are_two_requests(shard: Shard) -> None:
    shard.add_tenant("beta")
    shard.server()
    mine = shard.ask("text", key="k")
    theirs = shard.ask("text", key="k", tenant="beta")
    assert mine.request_id != theirs.request_id
    assert not theirs.replayed


def test_a_key_that_is_still_running_is_a_conflict(shard: Shard) -> None:
    shard.server()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shard.ask, "nap", key="slow")
        wait_for(lambda: bool(shard.client.hgetall(names.inflight("0"))))
        with pytest.raises(Conflict) as refusal:
            shard.ask("nap", key="slow")
        assert refusal.value.code == "idempotency_running"
        assert first.result().predictions
    assert shard.units() == 1


def test_the_door_called_twice_with_one_nonce_enters_once(shard: Shard) -> None:
    """What a broken connection does: the script ran, its answer was lost, it is called again."""
    shard.server()
    shard.ask("records are there")
    mux = door.current_mux()
    until = time.monotonic() + 5
    for answered_between in (False, True):
        call = door._call("key-acme", "reviews", "predict", ["some text"], None, 5000)
        ticket = mux.open()
        args = call.args(ticket.nonce, mux.reply)
        first = mux.enter("key-acme", args, until=until)
        if answered_between:
            assert mux.wait(ticket, until) is not None
        assert mux.enter("key-acme", args, until=until) == first
        if not answered_between:
            assert mux.wait(ticket, until) is not None
    shard.settled()
    assert shard.units() == 3


def test_a_call_cancelled_without_knowing_its_fate_cannot_enter_late(shard: Shard) -> None:
    shard.server()
    shard.ask("records are there")
    mux = door.current_mux()
    call = door._call("key-acme", "reviews", "predict", ["some text"], None, 5000)
    ticket = mux.open()
    args = call.args(ticket.nonce, mux.reply)
    assert mux.cancel(ticket, names.key_record("key-acme"), str(args[2])) == "cancelled"
    assert mux.enter("key-acme", args, until=time.monotonic()) == ["cancelled"]
    assert shard.units() == 1


def test_a_forked_web_process_makes_its_own_reader(shard: Shard) -> None:
    shard.server()
    shard.ask("in the parent")
    process = multiprocessing.get_context("fork").Process(target=shard.ask, args=("forked",))
    process.start()
    process.join(5)
    assert process.exitcode == 0
    assert shard.units() == 2


# --- When things break ------------------------------------------------------------------------


def test_a_deadline_is_a_503_and_is_not_metered(shard: Shard) -> None:
    shard.server()
    with ThreadPoolExecutor(1) as pool:
        nap = pool.submit(shard.ask, "nap")
        wait_for(lambda: bool(shard.client.hgetall(names.inflight("0"))))
        with pytest.raises(Unavailable) as refusal:
            shard.ask("in a hurry", ttl_ms=300)
        assert refusal.value.code == "deadline"
        nap.result()
    shard.settled()
    assert shard.units() == 1


def test_a_frozen_servers_late_answer_is_refused(shard: Shard) -> None:
    frozen = shard.server("a")
    assert frozen.pid is not None
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(shard.ask, "nap")
        wait_for(lambda: shard.client.xpending(names.queues("0")[0], names.GROUP)["pending"] == 1)
        os.kill(frozen.pid, signal.SIGSTOP)
        shard.server("b")
        with Load(shard, clients=4) as load:
            assert held.result().total_ms < 4500
            os.kill(frozen.pid, signal.SIGCONT)
            wait_for(lambda: frozen.stats()["counts"].get("late") == 1)
    assert load.failures == []
    assert len(load.answers) + 1 == shard.units() == len({e["rid"] for e in shard.usage()})
    shard.settled()


def test_sigterm_under_load_fails_nobody(shard: Shard) -> None:
    leaving = shard.server("a")
    shard.server("b")
    with Load(shard) as load:
        time.sleep(0.3)
        assert leaving.pid is not None
        os.kill(leaving.pid, signal.SIGTERM)
        time.sleep(0.6)
    assert load.failures == []
    assert len(load.answers) == shard.units()
    shard.settled()


def test_the_last_server_answers_what_was_accepted_and_then_there_is_none(shard: Shard) -> None:
    last = shard.server()
    with Load(shard) as load:
        time.sleep(0.3)
        last.drain(5)
        time.sleep(0.1)
    assert {error.code for error in load.failures} == {"no_server"}
    assert len(load.answers) == shard.units()
    shard.settled()


def test_kill_9_of_the_only_child_fails_nobody(shard: Shard) -> None:
    child = shard.server()
    with Load(shard) as load:
        time.sleep(0.3)
        kill(child.pid)
        time.sleep(1.0)
    assert load.failures == []
    assert max(load.seconds) < 4
    assert len(load.answers) == shard.units() == len({e["rid"] for e in shard.usage()})
    shard.settled()


def test_the_server_finishes_and_leaves_when_its_worker_is_gone(shard: Shard) -> None:
    child = shard.server()
    with Load(shard, clients=4) as load:
        time.sleep(0.2)
        child._stopping.set()
        assert child._process is not None
        assert child._process.stdin is not None
        child._process.stdin.close()
        assert child._process.wait(5) == 0
    assert {error.code for error in load.failures} == {"no_server"}
    assert len(load.answers) == shard.units()


def test_a_poisoned_text_is_a_500_and_its_neighbours_are_fine(shard: Shard) -> None:
    shard.server()
    shard.ask("warm")
    results = ask_many(shard, ["fine one", "poison", "fine two", "fine three"])
    assert isinstance(results[1], PredictionFailed)
    assert all(isinstance(result, door.Answer) for result in results[:1] + results[2:])
    shard.settled()
    assert shard.units() == 4


def test_a_text_the_model_raises_on_does_not_fail_its_batch(shard: Shard) -> None:
    shard.server()
    texts = ["nap", *[f"fine {n}" for n in range(5)], "faulty"]
    results = ask_many(shard, texts)
    assert isinstance(results[-1], PredictionFailed)
    assert all(isinstance(result, door.Answer) for result in results[:-1])
    assert shard.units() == 6


def test_a_restart_of_valkey_is_a_slow_answer(shard: Shard, valkey: Valkey) -> None:
    shard.server()
    with Load(shard, clients=4, keyed=True) as load:
        time.sleep(0.3)
        valkey.kill()
        time.sleep(0.3)
        valkey.start()
        time.sleep(1.0)
    assert len(load.answers) == len({answer.request_id for answer in load.answers})
    assert {entry["rid"] for entry in shard.usage()} == {a.request_id for a in load.answers}
    assert shard.units() == len(load.answers)


def test_cut_connections_fail_nobody(shard: Shard) -> None:
    shard.server("a")
    shard.server("b")
    with Load(shard, clients=6) as load:
        for _ in range(6):
            time.sleep(0.15)
            shard.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert load.failures == []
    shard.settled()
    assert shard.units() == len(load.answers) == len({e["rid"] for e in shard.usage()})


def test_units_equal_answers_after_random_kills(shard: Shard) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    servers = [shard.server("a"), shard.server("b")]
    with Load(shard, clients=8, keyed=True) as load:
        for _ in range(6):
            time.sleep(chance.uniform(0.1, 0.5))
            pid = chance.choice(servers).pid
            if pid is not None:
                os.kill(pid, chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
    shard.settled()
    answered = {answer.request_id for answer in load.answers}
    assert len(answered) == len(load.answers)
    assert {entry["rid"] for entry in shard.usage()} == answered
    assert shard.units() == len(answered)


def test_a_flood_of_one_tenant_leaves_room_for_the_others(shard: Shard) -> None:
    shard.model = model_folder(shard.folder / "slow", milliseconds=4.0)
    shard.add_tenant("flood", cap=1000)
    shard.add_tenant("quiet")
    shard.server()
    with Load(shard, clients=100, tenant="flood") as flood:
        time.sleep(0.5)
        with Load(shard, clients=2, tenant="quiet", pause=0.05) as quiet:
            time.sleep(2.0)
    assert quiet.failures == []
    p50 = sorted(quiet.seconds)[len(quiet.seconds) // 2]
    flood_p50 = sorted(flood.seconds)[len(flood.seconds) // 2]
    print(f"quiet p50 {p50 * 1000:.0f} ms, flooder {flood_p50 * 1000:.0f} ms")
    assert p50 < flood_p50 / 2


# --- Models -----------------------------------------------------------------------------------


def test_a_model_that_is_not_loaded_is_said_and_not_metered(shard: Shard) -> None:
    child = shard.server(load=False)
    with pytest.raises(Unavailable) as refusal:
        shard.ask("too early")
    assert (refusal.value.code, refusal.value.data["version_id"]) == ("not_loaded", "m1")
    child.load("m1", shard.model, timeout=5)
    assert shard.ask("now").predictions
    child.drop("m1")
    wait_for(lambda: child.stats()["versions"] == [])
    with pytest.raises(Unavailable):
        shard.ask("gone")
    assert shard.units() == 1


def test_a_tampered_artifact_is_refused(shard: Shard) -> None:
    child = shard.server()
    broken = model_folder(shard.folder / "broken")
    (broken / "model.safetensors").write_text("[]", "utf-8")
    with pytest.raises(LoadRefusedError) as refusal:
        child.load("broken", broken, timeout=5)
    assert refusal.value.code == "file_changed"
    assert child.versions == ["m1"]
    assert shard.ask("the others go on").predictions


def test_a_model_with_a_wrong_canary_is_refused(shard: Shard) -> None:
    child = shard.server()
    with pytest.raises(LoadRefusedError) as refusal:
        child.load("wrong", model_folder(shard.folder / "wrong", shift=0.5), timeout=5)
    assert refusal.value.code == "canary_mismatch"


def test_a_folder_outside_the_cache_is_refused(shard: Shard, tmp_path: Path) -> None:
    child = shard.server()
    with pytest.raises(LoadRefusedError) as refusal:
        child.load("outside", model_folder(tmp_path / "elsewhere"), timeout=5)
    assert refusal.value.code == "outside_cache"


def test_the_least_recently_used_model_makes_room_and_a_pinned_one_stays(shard: Shard) -> None:
    size = sum(path.stat().st_size for path in shard.model.iterdir())
    child = shard.server(cache_bytes=int(size * 2.5))
    child.pin("m1", pinned=True)
    child.load("m2", model_folder(shard.folder / "m2"), timeout=5)
    child.load("m3", model_folder(shard.folder / "m3"), timeout=5)
    wait_for(lambda: child.versions == ["m1", "m3"])
    assert sorted(child.stats()["versions"]) == ["m1", "m3"]
    child.pin("m3", pinned=True)
    with pytest.raises(LoadRefusedError) as refusal:
        child.load("m2", shard.folder / "m2", timeout=5)
    assert refusal.value.code == "cache_full"


def test_loads_at_the_same_time_are_one_load(shard: Shard) -> None:
    child = shard.server()
    folder = model_folder(shard.folder / "m2")
    threads = [threading.Thread(target=child.load, args=("m2", folder)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert child.stats()["versions"].count("m2") == 1
