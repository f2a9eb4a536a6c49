"""Settings in turns."""

from __future__ import annotations

from offpath.proof.turns import draw_orders, in_turns, rounds


def test_every_round_has_every_setting_once_and_orders_vary() -> None:
    orders = list(draw_orders(["x", "y", "z"], 30))
    assert all(sorted(order) == ["x", "y", "z"] for order in orders)
    assert len({tuple(order) for order in orders}) == 6
    assert orders == list(draw_orders(["x", "y", "z"], 30))
    assert orders != list(draw_orders(["x", "y", "z"], 30, seed=2))


def test_both_arms_of_a_pair_know_its_number() -> None:
    called: list[tuple[str, int]] = []
    pairs = in_turns(20, lambda arm, number: (called.append((arm, number)), f"{arm}{number}")[1])
    assert pairs == [(f"a{number}", f"b{number}") for number in range(20)]
    assert [number for _, number in called] == [number for number in range(20) for _ in "ab"]
    assert {arm for arm, _ in called[::2]} == {"a", "b"}


def test_rounds_measure_every_arm() -> None:
    called: list[str] = []
    found = rounds(12, {name: lambda name=name: called.append(name) or len(called) for name in "xyz"})  # type: ignore[misc]
    assert all(len(each) == 12 for each in found.values())
    assert all(sorted(called[start : start + 3]) == ["x", "y", "z"] for start in range(0, 36, 3))
