"""How wrong the figures can be: fleets of gateways with a known truth, replayed through promtool. `python -m bench`."""
