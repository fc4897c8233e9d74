"""An error keeps its class and its data when it is told whose it is."""

import pytest

from bench.errors import ControlPlaneLostError, DefectError, InputError, OutOfMemoryError, StackError


@pytest.mark.parametrize(
    "error",
    [
        InputError("it is wrong.", where="a.yaml:3", remedy="Correct it."),
        StackError("it died."),
        OutOfMemoryError("egress", "it died."),
        ControlPlaneLostError("it died.", how="was ended by SIGKILL"),
        DefectError(KeyError("a")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_about_something_is_the_same_error(error):
    named = error.about("stack eds")

    assert type(named) is type(error)
    assert vars(named) == vars(error) | {"what": f"stack eds: {error.what}"}
    assert str(named) == str(error).replace(error.what, f"stack eds: {error.what}")
