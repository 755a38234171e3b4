from softmaxd.client.steps import Send, Wait


def test_steps_are_values() -> None:
    assert Send("GET", "/models") == Send("GET", "/models", b"", {})
    assert Wait(1.0) != Wait(2.0)
