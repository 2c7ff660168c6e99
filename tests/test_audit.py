"""The check for known vulnerabilities says what it could not check."""

from tools.audit import summary

SOUND = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}
BAD = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}


def test_all_checked_and_sound():
    assert summary([SOUND]) == (0, ["1 packages checked, 0 known vulnerabilities"])


def test_a_vulnerability_is_named_with_the_version_that_mends_it():
    status, lines = summary([SOUND, BAD, SKIPPED])
    assert status == 1
    assert lines[0] == "c 2: PYSEC-1, fixed in 2.1"
    assert lines[1] == "2 packages checked, 1 known vulnerabilities"


def test_what_could_not_be_checked_is_no_success():
    status, lines = summary([SOUND, SKIPPED])
    assert status == 2
    assert "1 packages could NOT be checked" in lines[-1]
    assert summary([])[0] == 2
