"""`python -m windowshop`."""

from windowshop.cli import main

main()
