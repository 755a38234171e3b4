"""Waiting times in queues: how they grow with the utilisation, for one server and for several.

The formulas are in L. Kleinrock, Queueing Systems, Volume 1: Theory (Wiley, 1975): M/M/c in section 3.5 (Erlang C, by
A. K. Erlang, 1917), and M/G/1 in section 5.6 (Pollaczek and Khinchine). Requests come as a Poisson process, at random
and independent of each other, and wait in one queue without a limit, first come, first served. Times are multiples of
the mean time of a service; the utilisation is the share of their time for which the servers are busy, below 1.
"""

import math

EXPONENTIAL = 1.0  # squared coefficient of variation of service times: their variance by the square of their mean
CONSTANT = 0.0


def erlang_c(servers: int, utilisation: float) -> float:
    """Return the probability that a request has to wait, by Erlang's second formula, for M/M/c.

    The recursion on the number of servers, by Erlang's first formula, has no factorials that overflow.
    """
    _check(utilisation)
    load = servers * utilisation
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - utilisation * (1 - blocked))


def mean_wait(servers: int, utilisation: float, variation: float = EXPONENTIAL) -> float:
    """Return the mean time from the arrival to the begin of the service.

    It is exact for exponential services, and for one server. Otherwise it is the approximation of A. O. Allen
    (Probability, Statistics, and Queueing Theory, 1978) and J. Cunneen: the wait of M/M/c times (1 + variation) / 2.
    """
    exponential = erlang_c(servers, utilisation) / (servers * (1 - utilisation))
    return exponential * (1 + variation) / 2


def wait_quantile(servers: int, utilisation: float, share: float) -> float:
    """Return the wait that a share of the requests does not exceed, for M/M/c.

    A request waits longer than t with the probability `erlang_c` · exp(-servers · (1 - utilisation) · t).
    """
    waiting = erlang_c(servers, utilisation)
    return max(0.0, math.log(waiting / (1 - share)) / (servers * (1 - utilisation)))


def _check(utilisation: float) -> None:
    if not 0 < utilisation < 1:
        raise ValueError(f"the utilisation is above 0 and below 1, not {utilisation:g}")
