"""Conditions that no event can make true, compared with an evaluation on many events."""

import itertools
import random

import pytest

from rules.doubts import find_doubts, find_parts_in_doubt, why_never_true
from rules.expression import All, Any, Not, parse
from rules.predicate import is_true
from rules.quantities import QUANTITIES, Value
from rules.rule_set import load_rules, parse_rules
from rules.truth import Possibilities

# Quantities of each kind: with and without a range, counted, of some texts, of any text, a flag.
EVENTS: dict[str, tuple[Value, ...]] = {
    "snr": (None, -2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0),
    "p_false": (None, 0.0, 0.25, 0.5, 0.75, 1.0),
    "n_bands": (0.0, 1.0, 2.0, 3.0, 4.0),
    "certainty": ("certain", "possible"),
    "telescope": (None, "a", "b", "c"),
    "is_edge": (True, False),
}
NUMBERS = ("snr", "p_false", "n_bands")


def random_condition(rng: random.Random, depth: int) -> str:
    if depth and rng.random() < 0.75:
        join = rng.choice((" and ", " or "))
        parts = [random_condition(rng, depth - 1) for _ in range(rng.randint(2, 3))]
        text = join.join(f"({part})" for part in parts)
        return f"not ({text})" if rng.random() < 0.3 else text
    return random_atom(rng)


def random_atom(rng: random.Random) -> str:
    name = rng.choice(tuple(EVENTS))
    if name == "is_edge":
        return rng.choice((name, f"not {name}"))
    if name in NUMBERS:
        value = rng.choice((-1, 0, 0.5, 1, 2, 3))
        operator = rng.choice(("<", "<=", ">", ">=", "==", "!="))
        return rng.choice(
            (f"{name} {operator} {value}", f"{value} {operator} {name}", f"{name} in [0, {value}]")
        )
    values = ("certain", "possible") if name == "certainty" else ("a", "b")
    chosen = rng.choice(values)
    return rng.choice((f"{name} == '{chosen}'", f"'{chosen}' != {name}", f"{name} in {values}"))


def is_true_of_some(text: str) -> bool:
    node, named = parse(text), {name: EVENTS[name] for name in EVENTS if name in text}
    return any(
        is_true(node, dict(zip(named, values, strict=True)))
        for values in itertools.product(*named.values())
    )


@pytest.mark.parametrize("seed", range(150))
def test_a_condition_can_be_true_if_and_only_if_some_event_makes_it_true(seed: int) -> None:
    text = random_condition(random.Random(seed), depth=2)
    node = parse(text)
    assert Possibilities(node).can_be_true(node) is is_true_of_some(text)


@pytest.mark.parametrize("seed", range(150))
def test_no_condition_is_refused_that_an_event_of_any_quantities_makes_true(seed: int) -> None:
    rng = random.Random(seed)
    names = rng.sample(sorted(QUANTITIES), 6)
    facts: dict[str, Value] = {name: random_value(rng, name) for name in QUANTITIES}
    facts |= {"matches c 5.0": rng.random() < 0.5}
    atoms = [atom_about(rng, name, facts[name]) for name in names]
    numbers = [name for name in QUANTITIES if QUANTITIES[name].kind == "number"]
    atoms += [f"{' < '.join(rng.sample(numbers, 2))}", "matches('c', 5)", "within(10, 20, 30)"]
    nodes = [parse(atom) for atom in atoms]
    held = All(tuple(node if is_true(node, facts) else Not(node) for node in nodes))
    assert is_true(held, facts)
    for node in (held, Any((Not(held), *held.parts)), Not(Any(tuple(Not(p) for p in held.parts)))):
        assert Possibilities(node).can_be_true(node)
        assert why_never_true(node) == ""


def random_value(rng: random.Random, name: str) -> Value:
    quantity = QUANTITIES[name]
    if quantity.kind == "flag":
        return rng.random() < 0.5
    if quantity.kind == "text":
        choices = [each.replace(":N", ":8") for each in quantity.choices]
        return rng.choice(choices or [None, "a", "b"])
    if quantity.is_whole:
        return float(rng.randint(0, 5))
    low, high = max(quantity.least, -1e3), min(quantity.most, 1e3)
    return rng.choice((None, low, high, rng.uniform(low, high)))


def atom_about(rng: random.Random, name: str, value: Value) -> str:
    if QUANTITIES[name].kind == "flag":
        return name
    if isinstance(value, str):
        return f"{name} == {value!r}"
    if value is None and QUANTITIES[name].kind == "text":
        return f"{name} != 'a'"
    near = (0.0 if value is None else float(value)) + rng.choice((-1, 0, 1))
    return f"{name} {rng.choice(('<', '<=', '>', '>=', '==', '!='))} {near}"


NEVER = {
    "p_false > 1": "p_false is 0 to 1",
    "dec < -90": "dec is -90 to 90",
    "ra > 360": "ra is 0 to 360",
    "n_bands < 0": "n_bands is at least 0",
    "n_bands > 2 and n_bands < 3": "n_bands > 2.0 and",
    "flux_int_jy > 5 and flux_int_jy < 3": "flux_int_jy > 5.0 and flux_int_jy < 3.0",
    "3 > flux_int_jy > 5": "is never true",
    "kind == trigger": "`kind == trigger` is never true",
    "stokes == change": "is never true",
    "snr > snr": "`snr > snr` is never true",
    "is_edge and (snr > 8 or eta > 3) and not is_edge": "is never true",
    "kind == 'variable' and kind in ['faded', 'vanished']": "is never true",
    "not (certainty == 'certain' or certainty == 'possible')": "is never true",
    "(snr > 9 or eta > 9) and snr < 8 and not eta > 8": "is never true",
    "stream == 'a' and stream == 'b'": "is never true",
    "matches('c', 5) and not matches('c', 5)": "is never true",
    "within(1, 2, 3) and snr > 8 and not within(1, 2, 3)": "is never true",
    "snr > 8 and not (snr > 7)": "is never true",
}


@pytest.mark.parametrize("text", NEVER)
def test_what_is_never_true_is_said_with_the_reason(text: str) -> None:
    assert NEVER[text] in why_never_true(parse(text))


POSSIBLE = (
    # The forced flux of a vanished source, and a negative peak in Stokes V.
    "snr < 0",
    "v < 0",
    "edge_distance_deg < 0",
    # Missing, and so neither above nor below.
    "not (eta > 1) and not (eta <= 1)",
    "not (telescope == 'a') and not (telescope != 'a')",
    "trigger == 'window:8' or trigger == 'window:16'",
    "trigger not in ['new', 'single', 'history', 'missed', 'track', 'window:8']",
    "excess > 1e100",
    "flux_int_jy > 5 and flux_peak_jy_beam < 3",
    "snr > flux_int_jy and flux_int_jy > snr",  # not decided
    "kind == change",
    "stream == telescope",
)


@pytest.mark.parametrize("text", POSSIBLE)
def test_what_may_be_true_or_is_not_decided_passes(text: str) -> None:
    assert why_never_true(parse(text)) == ""
    assert find_parts_in_doubt(parse(text)) == []


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("snr > 8 or p_false > 1", "`p_false > 1.0` is never true; p_false is 0 to 1"),
        ("snr > 8 and not p_false > 1", "`not p_false > 1.0` is always true"),
        ("snr > 8 and n_bands >= 0", "`n_bands >= 0.0` is always true; n_bands is at least 0"),
        ("snr > 8 and (is_edge or not is_edge)", "`is_edge or (not is_edge)` is always true"),
        ("snr > 8 and not (kind == trigger)", "`not kind == trigger` is always true"),
        ("change == 'faded' or change != 'faded'", "is always true"),
    ],
)
def test_parts_that_do_nothing_are_told(text: str, doubt: str) -> None:
    (found,) = find_parts_in_doubt(parse(text))
    assert doubt in found


def rule(name: str, when: str) -> str:
    return f'[[rule]]\nname = "{name}"\nwhen = """{when}"""\n'


def test_a_rule_is_told_of_which_the_rules_before_take_all_events() -> None:
    wide, other = rule("wide", "snr > 5 or eta > 3"), rule("other", "snr > 4 and eta > 2")
    narrow = rule("narrow", "snr > 8 and kind == 'new_source'")
    assert find_doubts(parse_rules(narrow + wide + other, "x")) == []
    (found,) = find_doubts(parse_rules(other + wide + narrow, "x"))
    assert found == "rule 'narrow': never applies: rules before it take all its events"


def test_the_default_rules_leave_no_doubt() -> None:
    assert find_doubts(load_rules(None)) == []
    assert not any(why_never_true(each.when) for each in load_rules(None).rules)


def test_a_rule_of_thousands_of_alternatives_is_left_undecided() -> None:
    numbers = [name for name in QUANTITIES if QUANTITIES[name].kind == "number"]
    pairs = [f"({one} > 1 or {other} > 1)" for one, other in itertools.pairwise(numbers[2:])]
    never = "(snr < 0 and snr > 1 or is_edge and not is_edge)"
    assert why_never_true(parse(never)) != ""
    assert why_never_true(parse(" and ".join([*pairs, never]))) == ""
