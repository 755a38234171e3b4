"""Measures what the service reaches on one core, against its targets and beside other servers: `make bench`."""
