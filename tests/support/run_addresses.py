"""Variables of the environment: where the processes of a parallel run ask for what they share."""

__all__ = ["SERVERS", "SERVICES"]

SERVERS = "TESTS_ASK_FOR_SERVERS_AT"
SERVICES = "TESTS_FORK_SERVICES_AT"
