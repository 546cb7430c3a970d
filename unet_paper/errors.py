"""The two ways in which a command ends badly."""


class BadInput(ValueError):
    """Bad input: one sentence that says what is wrong, where, and what would be right.

    The command line prints it and exits with code 2.
    """


class Diverged(RuntimeError):
    """Training ended because the loss or a weight is no longer a finite number, or the output says nothing any more.

    The command line prints it and exits with code 1.
    """
