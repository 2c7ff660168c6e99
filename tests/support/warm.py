"""Loads what each forked process would load again; imported by the server they fork from."""

from windowshop.data.language import detect_language

detect_language(["ein roter Schuh aus Leder"])
