"""Two models of somebody else, written to the protocol of ``twomind.models.base`` alone."""
