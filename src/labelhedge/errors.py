"""The base of the errors that tell a user what to mend."""


class LabelhedgeError(ValueError):
    """Something that the user can mend: its message says what was found, where, and what to do."""
