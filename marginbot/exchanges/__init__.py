"""The ccxt edge: clients, faults, candles, and one adapter module per venue."""
