"""`check_dataset` on a folder, and what it found in short."""

from windowshop.data.check import check_dataset
from windowshop.progress import SilentReporter


def check(folder):
    return check_dataset(folder, reporter=SilentReporter())


def codes(report):
    return {finding.code for finding in report.findings}


def summary(report):
    """One line a finding: severity, code, file, rows."""
    return [f"{f.severity} {f.code}: {f.where}" for f in report.findings]
