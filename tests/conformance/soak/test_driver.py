# SPDX-License-Identifier: Apache-2.0
"""Soak driver: options."""

import pytest

from conformance.soak import driver


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("1h30m", 5400), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    """Durations with one or more units are parsed."""
    assert driver.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "h", "8 h", "-1h", "8hours"])
def test_invalid_durations_are_rejected(text: str) -> None:
    """Other texts are an error that shows valid durations."""
    with pytest.raises(ValueError, match="90s"):
        driver.duration(text)


def test_arguments_of_rounds() -> None:
    """Options of the soak and their values, in both spellings, are not passed to rounds."""
    arguments = (
        "conformance/", "-n", "auto", "--soak", "8h", "--soak-rounds=3", "--report", "r.html",
        "--junitxml=x", "--soak-stop-on-regression", "--kubeconfig", "k", "--results", "f",
        "-m", "os",
    )  # fmt: skip
    passed = ["conformance/", "-n", "auto", "--kubeconfig", "k", "-m", "os"]
    assert driver.for_rounds(arguments) == passed
