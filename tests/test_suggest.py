from segbench.suggest import nearest


def test_a_near_miss_is_answered_with_the_nearest_choice():
    assert nearest("attnet", ["unet", "attunet"]) == "; did you mean attunet?"


def test_anything_else_with_the_choices():
    assert nearest("segformer", ["unet", "attunet"]) == "; choose from attunet, unet"
    assert nearest("x", []) == ""
