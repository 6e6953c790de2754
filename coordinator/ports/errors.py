"""What a store raises that cannot be used, by who must act."""


class StoreUnavailableError(Exception):
    """The store cannot be reached, is loading, or refuses writes; time may heal it. Try again."""


class StoreUnsuitableError(Exception):
    """The server answers but must not be used (too old, wrong settings); a person has to act."""
