"""Stand-ins of the outside services that speak their wire, for development and tests. Never part of the wheel."""
