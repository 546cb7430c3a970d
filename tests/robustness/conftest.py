"""What every refusal has in common."""

import pytest


@pytest.fixture(scope="session")
def ends_well():
    """Checks that a call ended as bad input should: with exit code 2 and one sentence that names what is wrong."""

    def check(code, error, named):
        assert code == 2 and named in error, error
        assert error.count("\n") == 1 and "Traceback" not in error, error
        assert error.startswith("python -m unet_paper"), error
        # What would be right: after a semicolon, or as what must be.
        assert any(word in error for word in ("; ", "must", "choose from", "not allowed", "needs")), error

    return check
