import pytest

from segbench.errors import ConfigError
from segbench.sweep.searched import read_searched


def test_ranges_and_lists_are_open_and_the_rest_is_fixed():
    found = read_searched(
        [
            "model=unet,attunet",
            "optimizer.lr=interval(1e-4,1e-1)",
            "model.width=choice(4)",
            "data.batch_size=int(interval(2,16))",
            "~callbacks.panels",
            "+model.depth=choice(3,4)",
            "seed=0,1",
            "loss=ce",
            "loss=dice",
        ]
    )
    assert found.space == {
        "model": ["unet", "attunet"],
        "optimizer.lr": [1e-4, 1e-1, "log"],
        "data.batch_size": [2, 16, "int"],
        "model.depth": ["3", "4"],
    }
    assert found.typed["model.depth"] == "+model.depth"
    assert found.fixed == ["model.width=4", "~callbacks.panels", "loss=dice"]
    assert found.seeds == ["seed=0", "seed=1"]
    assert found.first == ["model=unet"]


@pytest.mark.parametrize(
    ("typed", "limits"),
    [
        ("interval(1e-3,9e-2)", [1e-3, 9e-2]),
        ("tag(log,interval(1e-3,9e-2))", [1e-3, 9e-2, "log"]),
        ("tag(linear,interval(1e-4,1e-1))", [1e-4, 1e-1]),
        ("interval(0,1e-1)", [0, 1e-1]),
        ("int(tag(log,interval(1,64)))", [1, 64, "log", "int"]),
    ],
)
def test_a_range_of_two_powers_of_ten_is_searched_by_log_unless_something_else_is_said(typed, limits):
    assert read_searched([f"optimizer.lr={typed}"]).space == {"optimizer.lr": limits}


def test_a_key_of_whole_numbers_is_searched_in_whole_numbers():
    found = read_searched(["data.batch_size=interval(2,16)", "optimizer.lr=interval(0,1)", "optimizer=adam,sgd"])
    assert found.fitted({"data.batch_size": 8, "optimizer.lr": 1e-3}).space == {
        "data.batch_size": [2, 16, "int"],
        "optimizer.lr": [0, 1],
        "optimizer": ["adam", "sgd"],
    }


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("model=unet", "hydra/sweeper=optuna: nothing is open; give a key a range or choices"),
        ("seed=interval(0,9)", "seeds are not searched"),
        ("optimizer.lr=interval(1e-2,1e-4)", "the first number should be less than the second"),
        ("optimizer.lr=tag(log,interval(0,1e-4))", "a range by log should begin above 0"),
        ("optimizer.lr=tag(lgo,interval(1,2))", "no such tag lgo; there are log and linear"),
    ],
)
def test_what_is_no_search_is_refused(typed, said):
    with pytest.raises(ConfigError) as refused:
        read_searched([typed])
    assert said in str(refused.value)
