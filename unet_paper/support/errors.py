"""The two ways in which a command ends badly."""


class BadInput(ValueError):
    """Bad input: one sentence that says what is wrong, where, and what would be right.

    The command line prints it and exits with code 2.
    """


class Diverged(RuntimeError):
    """Training ended because the loss or a weight is no longer a finite number, or the output says nothing any more.

    The command line prints it and exits with code 1. `what`: at which step, and why; `advice`: what to do.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"training stopped at {what}; {advice}")
        self.what = what
