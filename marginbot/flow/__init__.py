"""Use-cases: small, async, over the ports. No vendor."""
