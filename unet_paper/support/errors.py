"""The two ways in which a command ends badly, and what others' errors say."""


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


def first_line(error: BaseException) -> str:
    """The first line of what an error says that is not blank, or the name of its type where it says nothing."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)
