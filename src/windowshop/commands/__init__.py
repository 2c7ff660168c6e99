"""The subcommands of `windowshop`: each parses, calls one function and prints."""
