"""How often somebody may ask: a bucket of tokens for each asker, which fills with time."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MOST_ASKERS = 10_000


#: Whoever has an address of IPv6 mostly has all of its network.
_HOME_BITS = 64


def network_of(address: str) -> str:
    """Whose requests are counted together: an address of IPv4, a network of IPv6.

    >>> network_of("2001:db8:1:2:3::4")
    '2001:db8:1:2::/64'
    """
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is None:
        return str(ipaddress.ip_network((known, _HOME_BITS), strict=False))
    return str(getattr(known, "ipv4_mapped", None) or known)


@dataclass
class _Bucket:
    left: float
    at: float


class Limiter:
    """At most ``burst`` requests at once, and ``rate`` a second in the long run.

    Args:
        rate: Requests a second.
        burst: How many may come at once.
        clock: Seconds; tests give their own.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, asker: str) -> float:
        """Take one token: 0, or how many seconds until there is one.

        Args:
            asker: An address or a session. The askers not seen for longest are forgotten.
        """
        with self._lock:
            now = self._clock()
            bucket = self._buckets.pop(asker, _Bucket(self._burst, now))
            bucket.left = min(self._burst, bucket.left + (now - bucket.at) * self._rate)
            bucket.at = now
            self._buckets[asker] = bucket
            if len(self._buckets) > _MOST_ASKERS:
                self._buckets.popitem(last=False)
            if bucket.left >= 1:
                bucket.left -= 1
                return 0.0
            return (1 - bucket.left) / self._rate

    def give_back(self, asker: str) -> None:
        """What was asked was in order, and is not counted.

        Args:
            asker: Who took a token.
        """
        with self._lock:
            bucket = self._buckets.get(asker)
            if bucket is not None:
                bucket.left = min(self._burst, bucket.left + 1)
