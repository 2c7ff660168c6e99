"""What makes a release: the lock, licences, known vulnerabilities, the packages themselves."""
