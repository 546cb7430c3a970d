"""The one error that users cause."""


class BadInput(ValueError):
    """Bad input: one sentence that says what is wrong, where, and what would be right.

    The command line prints it and exits with code 2.
    """
