"""What can go wrong with the embedded stack, each with a code and a sentence for the operator."""


class StackError(Exception):
    """The stack cannot start or cannot do what was asked.

    Attributes:
        code: Stable name of the failure, for scripts and tests.
        message: A sentence that says what to do about it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
