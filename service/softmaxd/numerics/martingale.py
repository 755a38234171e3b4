"""Evidence that rows become less typical: the money of a gambler who bets on it, and cannot win in the long run if not.

This is a conformal test martingale (V. Vovk, "Testing randomness online", Statistical Science 36, 2021). Row k is
compared with the n calibration rows and with the rows before it:

    p = (1 + how many of those are at least as atypical) / (n + k)

If the calibration rows and all rows come from one source, in no particular order (they are exchangeable), such p-values
are independent of each other, and uniform if ties are broken at random. The gambler has 1 at first and bets on small p
only. So by Ville's inequality the money ever reaches c with a probability of at most 1/c, however long it goes on.

- Rows between the same two kept calibration values are told apart by nothing, and count as ties; ties count as at least
  as atypical. So p is never smaller than with random ties, and the gambler never richer. Therefore the promise holds
  for rows of any distribution, for thinned calibration values, and for values with a margin.
- Comparing with the calibration rows alone would break it: such p-values depend on each other through the calibration
  rows, and over many rows a bet on the error of a finite calibration wins for sure.
- Leaving rows out is no harm if the choice does not depend on them.
"""

from collections.abc import Iterable

import numpy as np

from softmaxd.numerics.softmax import Floats

# Each bet: the share of rows, among those up to this p. It pays share / p up to it, and (1 - share) / (1 - p) above.
BETS = ((0.01, 0.05), (0.01, 0.3), (0.05, 0.12), (0.05, 0.5), (0.3, 0.5), (0.3, 0.95))
FACTORS = tuple((most, share / most, (1 - share) / (1 - most)) for most, share in BETS)

# Before row k, 0.1 / (k + 0.1) of the money that was kept goes to the bets. So bets begin at every time, and those that
# began too early do not lose it all: drift after k good rows must earn about k more, which takes ln k more rows.
RATE = 0.1
MOST = 1e6  # the bets give more away: enough for every alarm, and soon lost when the rows are good again


class Martingale:
    """The money, and the rows by their rank among the kept calibration values, in one array `state` of float64.

    `rows` calibration rows are represented by `kept` of their sorted values, as `trust.quantiles` keeps them.
    """

    def __init__(self, *, kept: int, rows: int) -> None:
        self._rows = rows
        ranks = np.append(-(-np.arange(kept + 1) * rows // kept), rows)
        money = [1.0, *(0.0 for _ in BETS)]  # kept, and in each bet
        self.state: Floats = np.concatenate([money, np.diff(ranks)])

    @property
    def value(self) -> float:
        """The money: 1 at first."""
        return float(self.state[: len(BETS) + 1].sum())

    def add(self, ranks: Iterable[int]) -> float:
        """Bet on rows, one after the other, and return the most money at any time meanwhile.

        A rank is the number of kept calibration values that a row exceeds.
        """
        money, seen = self.state[: len(BETS) + 1], self.state[len(BETS) + 1 :]
        in_hand, *bets = money.tolist()
        before, highest = int(seen.sum()), self.value
        for rank in ranks:
            p = (1 + seen[rank:].sum()) / (1 + before)
            moved = in_hand * RATE / (before - self._rows + 1 + RATE)
            in_hand -= moved
            stake = moved / len(BETS)
            bets = [
                (bet + stake) * (low if p <= most else high)
                for bet, (most, low, high) in zip(bets, FACTORS, strict=True)
            ]
            if in_hand + sum(bets) > MOST:  # the money in hand stays, for the next drift
                factor = (MOST - in_hand) / sum(bets)
                bets = [bet * factor for bet in bets]
            highest = max(highest, in_hand + sum(bets))
            seen[rank] += 1
            before += 1
        money[:] = [in_hand, *bets]
        return highest
