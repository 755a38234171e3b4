"""Measures one core of the service against its targets and beside other servers: `make bench`."""
