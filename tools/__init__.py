"""Tools that make a release: the lock, licences, known vulnerabilities, the packages themselves."""
