"""CI tries a part of the slow tests, and over some commits all of them."""

from types import SimpleNamespace

from tests.conftest import LONG, OneIn


class Item:
    def __init__(self, name, slow=True):
        self.nodeid, self.slow = name, slow

    def get_closest_marker(self, name):
        return self.slow and name == "slow"


def kept(number, commit):
    items = [Item(f"a.py::long[{case}]") for case in range(LONG + 1)]
    items += [Item(f"a.py::short[{case}]") for case in range(LONG - 1)]
    items += [Item(f"a.py::quick[{case}]", slow=False) for case in range(LONG + 1)]
    left = []
    config = SimpleNamespace(hook=SimpleNamespace(pytest_deselected=lambda items: left.extend(items)))
    everything = list(items)
    OneIn(number, commit).pytest_collection_modifyitems(config, items)
    assert set(items) | set(left) == set(everything)
    assert not set(items) & set(left)
    return {item.nodeid for item in items}


def test_every_case_of_a_long_slow_test_comes_within_as_many_turns():
    turns = [kept(3, f"0000000{turn}ff") for turn in range(3)]
    assert [sum("long" in name for name in found) for found in turns] == [(LONG + 1) // 3] * 3
    assert len(set.union(*turns)) == 3 * LONG + 1
    assert all(sum("long" not in name for name in found) == 2 * LONG for found in turns)


def test_every_other_slow_test_comes_within_half_as_many_turns():
    others = [{name for name in kept(4, f"0000000{turn}ff") if "short" in name} for turn in range(2)]
    assert [len(found) for found in others] == [(LONG - 1) // 2] * 2
    assert len(set.union(*others)) == LONG - 1
    assert all(sum("quick" in name for name in kept(4, f"0000000{turn}ff")) == LONG + 1 for turn in range(2))


def test_the_same_commit_has_the_same_cases():
    assert kept(3, "abcdef0123") == kept(3, "abcdef01ff")
